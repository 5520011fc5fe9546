"""Sessions of people who signed in, and the links by which they were mailed leave to choose a password. Of both only a
hash of the secret is kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.secrets import hash_of
from pipeline.catalogue.tables import mailed_link, session, user

_BYTES = 32
_HANDLE = 16  # characters of a hash, by which an account tells its sessions apart


@dataclass(frozen=True, slots=True)
class Session:
    """`proved` is when somebody showed who they are, None where nobody knows. `last_used` lags behind by a minute at
    most. `handle` names it among those of its account, and lets nobody in."""

    account: Account
    created: datetime
    proved: datetime | None
    last_used: datetime
    expires: datetime
    handle: str


# ---------------------------------------------------------------- sessions


def begin(
    tx: Transaction, account: Account, *, proved: datetime | None, now: datetime, lifetime: timedelta
) -> str:
    """A session of its own; answers its secret."""
    secret = secrets.token_urlsafe(_BYTES)
    tx.execute(
        sa.insert(session).values(
            secret_hash=hash_of(secret),
            account_id=account.id,
            created=now,
            proved=proved,
            last_used=now,
            expires=now + lifetime,
        )
    )
    return secret


def find(tx: Transaction, secret: str, *, now: datetime, idle: timedelta) -> Session | None:
    """The session of that secret; None for one that is unknown, over, was not used for as long as `idle`, or whose
    account is disabled."""
    found = _live(now, idle).where(session.c.secret_hash == hash_of(secret))
    row = tx.execute(found).one_or_none()
    return None if row is None else _session(row)


def of_account(tx: Transaction, account: Account, *, now: datetime, idle: timedelta) -> list[Session]:
    """Those that are not over, the newest first."""
    found = _live(now, idle).where(session.c.account_id == account.id)
    return [
        _session(row) for row in tx.execute(found.order_by(session.c.created.desc(), session.c.secret_hash))
    ]


def _live(now: datetime, idle: timedelta) -> sa.Select[Any]:
    found = sa.select(session, user.c.email, user.c.admin).join(user, user.c.id == session.c.account_id)
    return found.where(session.c.expires > now, session.c.last_used > now - idle, user.c.disabled.is_(None))


def _session(row: sa.Row[Any]) -> Session:
    account = Account(row.account_id, row.email, row.admin)
    handle = row.secret_hash[:_HANDLE]
    return Session(account, row.created, row.proved, row.last_used, row.expires, handle)


def note_use(tx: Transaction, secret: str, *, now: datetime) -> None:
    tx.execute(sa.update(session).where(session.c.secret_hash == hash_of(secret)).values(last_used=now))


def end(tx: Transaction, secret: str) -> None:
    """From now on it is nobody's; idempotent."""
    tx.execute(sa.delete(session).where(session.c.secret_hash == hash_of(secret)))


def end_named(tx: Transaction, account: Account, handle: str) -> None:
    """End the session of an account that is called so; idempotent."""
    named = sa.func.substr(session.c.secret_hash, 1, _HANDLE) == handle
    tx.execute(sa.delete(session).where(session.c.account_id == account.id, named))


def end_all(tx: Transaction, account: Account, *, but: str = "") -> None:
    """End the sessions of an account, but for the one with that secret."""
    tx.execute(
        sa.delete(session).where(session.c.account_id == account.id, session.c.secret_hash != hash_of(but))
    )


def forget_ended(tx: Transaction, *, now: datetime, idle: timedelta) -> None:
    """Sessions and mailed links that are over."""
    over = sa.or_(session.c.expires <= now, session.c.last_used <= now - idle)
    tx.execute(sa.delete(session).where(over))
    tx.execute(sa.delete(mailed_link).where(mailed_link.c.expires <= now))


# ---------------------------------------------------------------- mailed links


def make_link(tx: Transaction, email: str, *, now: datetime, lifetime: timedelta) -> str:
    """Leave for whoever reads the mail of an address; answers its secret."""
    secret = secrets.token_urlsafe(_BYTES)
    tx.execute(
        sa.insert(mailed_link).values(
            secret_hash=hash_of(secret), email=email, created=now, expires=now + lifetime
        )
    )
    return secret


def links_since(tx: Transaction, email: str, since: datetime) -> int:
    """How many were made for an address since then."""
    made = sa.select(sa.func.count()).where(mailed_link.c.email == email, mailed_link.c.created > since)
    return tx.execute(made).scalar_one()


def find_link(tx: Transaction, secret: str, *, now: datetime) -> str | None:
    """The address that it was mailed to; None where it is unknown, over, or was used."""
    found = sa.select(mailed_link.c.email).where(
        mailed_link.c.secret_hash == hash_of(secret), mailed_link.c.expires > now
    )
    return tx.execute(found).scalar_one_or_none()


def use_links(tx: Transaction, secret: str, *, now: datetime) -> str | None:
    """As `find_link`, once: it ends with all others of the same address."""
    used = sa.delete(mailed_link).where(
        mailed_link.c.secret_hash == hash_of(secret), mailed_link.c.expires > now
    )
    email = tx.execute(used.returning(mailed_link.c.email)).scalar_one_or_none()
    if email is not None:
        end_links(tx, email)
    return email


def end_links(tx: Transaction, email: str) -> None:
    """Links that were mailed to an address let nobody in any more."""
    tx.execute(sa.delete(mailed_link).where(mailed_link.c.email == email))
