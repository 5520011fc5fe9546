"""Who people are for identity providers, and what they were asked meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.secrets import hash_of
from pipeline.catalogue.tables import identity, oidc_request, user
from pipeline.errors import Conflict
from pipeline.ports import Identity, IdentityRequest


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a provider, by whom (`account_id` is None for strangers), and the page that they go on to. They
    are to show the provider who they are after `since`; None where it may know them from before."""

    nonce: str
    verifier: str
    path: str
    account_id: int | None
    since: datetime | None


def find_account(tx: Transaction, who: Identity) -> Account | None:
    found = sa.select(user).join(identity, identity.c.account_id == user.c.id)
    row = tx.execute(
        found.where(identity.c.issuer == who.issuer, identity.c.subject == who.subject)
    ).one_or_none()
    return None if row is None else Account(row.id, row.email, row.admin, row.disabled is not None)


def is_connected(tx: Transaction, account: Account, issuer: str) -> bool:
    """Whether the account is somebody's of that provider."""
    found = sa.select(identity.c.subject).where(
        identity.c.account_id == account.id, identity.c.issuer == issuer
    )
    return tx.execute(found).first() is not None


def connect(tx: Transaction, account: Account, who: Identity, *, now: datetime) -> None:
    """From now on the account is theirs as well. Raises `Conflict` where they are connected with one, or the account
    with another identity of the same provider."""
    added = (
        insert(tx, identity)
        .values(issuer=who.issuer, subject=who.subject, account_id=account.id, created=now)
        .on_conflict_do_nothing()
        .returning(identity.c.account_id)
    )
    if tx.execute(added).first() is None:
        raise Conflict("This identity is another account's, or this account has another identity.")


def disconnect(tx: Transaction, account: Account, issuer: str) -> None:
    """The account is nobody's of that provider any more; idempotent."""
    tx.execute(sa.delete(identity).where(identity.c.account_id == account.id, identity.c.issuer == issuer))


def note_request(
    tx: Transaction,
    asked: IdentityRequest,
    *,
    path: str,
    account: Account | None,
    again: bool,
    now: datetime,
    lifetime: timedelta,
) -> None:
    """Keep what an answer is to be compared with, until it comes; others that are over are forgotten."""
    tx.execute(sa.delete(oidc_request).where(oidc_request.c.expires <= now))
    tx.execute(
        sa.insert(oidc_request).values(
            state_hash=hash_of(asked.state),
            nonce=asked.nonce,
            verifier=asked.verifier,
            path=path,
            account_id=account.id if account else None,
            since=now if again else None,
            expires=now + lifetime,
        )
    )


def take_request(tx: Transaction, state: str, *, now: datetime) -> Asked | None:
    """What was asked under that state, once; None where nothing was, or it is over."""
    taken = sa.delete(oidc_request).where(
        oidc_request.c.state_hash == hash_of(state), oidc_request.c.expires > now
    )
    row = tx.execute(
        taken.returning(
            oidc_request.c.nonce,
            oidc_request.c.verifier,
            oidc_request.c.path,
            oidc_request.c.account_id,
            oidc_request.c.since,
        )
    ).one_or_none()
    return None if row is None else Asked(row.nonce, row.verifier, row.path, row.account_id, row.since)
