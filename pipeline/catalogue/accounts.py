"""People and their tokens. A token is shown once; the catalogue keeps a hash of its secret half.

The secret half is random, but for tokens that may sign others (decision 0013): theirs is derived from a secret of the
instance, since whoever checks a signature needs the key that made it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.access import TokenScope
from pipeline.catalogue import Catalogue, Transaction, records
from pipeline.catalogue import secrets as instance_secrets
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.sqlite import Glance
from pipeline.catalogue.tables import token, user
from pipeline.errors import Conflict, Missing
from pipeline.mail.message import address
from pipeline.people.resource_tokens import Signer

_SIGNERS = "tokens that sign"
_FORM = re.compile("hr_([0-9a-f]{12})_([A-Za-z0-9_-]+)")
_USE_NOTED_EVERY = timedelta(minutes=1)
_ENABLED = user.c.disabled.is_(None)


@dataclass(frozen=True, slots=True)
class Account:
    """`id` is what the deposit API calls `owner`."""

    id: int
    email: str
    admin: bool
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token besides its text. `last_used` lags behind by a minute at most."""

    id: int
    account: Account
    scopes: tuple[str, ...]
    created: datetime
    last_used: datetime | None = None
    revoked: datetime | None = None
    name: str = ""


# ---------------------------------------------------------------- accounts


def find_account(tx: Transaction, email: str) -> Account | None:
    row = tx.execute(sa.select(user).where(user.c.email == email.strip().lower())).one_or_none()
    return None if row is None else _account(row)


def by_ids(tx: Transaction, ids: Collection[int]) -> dict[int, Account]:
    """Those of the ids that there are."""
    return {row.id: _account(row) for row in tx.execute(_BY_IDS, {"wanted": list(ids)})}


_BY_IDS = sa.select(user.c.id, user.c.email, user.c.admin, user.c.disabled).where(
    user.c.id.in_(sa.bindparam("wanted", expanding=True))
)


def create_account(tx: Transaction, email: str, *, admin: bool, now: datetime) -> Account:
    """Raises `Conflict` where the address has an account, `Rejected` where it is none."""
    normal = address(email)
    added = insert(tx, user).values(email=normal, admin=admin, created=now).on_conflict_do_nothing()
    account_id = tx.execute(added.returning(user.c.id)).scalar_one_or_none()
    if account_id is None:
        raise Conflict(f"{email} has an account already")
    records.tell_owned(tx, normal, now=now)
    return Account(account_id, normal, admin)


def find_password(tx: Transaction, account: Account) -> str | None:
    """The hash of the account's password; None where it has none, or is disabled."""
    found = sa.select(user.c.password).where(user.c.id == account.id, _ENABLED)
    kept: str | None = tx.execute(found).scalar_one_or_none()
    return kept


def hold_password(tx: Transaction, account: Account, kept: str) -> bool:
    """Whether that still is the hash of the account's password, and the account enabled. If so, nobody else changes
    either before this transaction ends."""
    held = sa.select(user.c.id).where(user.c.id == account.id, user.c.password == kept, _ENABLED)
    return tx.execute(held.with_for_update(key_share=True)).first() is not None


def set_password(tx: Transaction, account: Account, password_hash: str) -> None:
    tx.execute(sa.update(user).where(user.c.id == account.id).values(password=password_hash))


def list_accounts(tx: Transaction) -> list[tuple[Account, datetime]]:
    """All of them, in the order in which they were made, with the time of that."""
    rows = tx.execute(sa.select(user).order_by(user.c.id))
    return [(_account(row), row.created) for row in rows]


def disable(tx: Transaction, account: Account, *, now: datetime) -> None:
    """From now on nobody is let in for the account: no password, session, token or identity of it counts. Idempotent,
    as `enable`."""
    tx.execute(sa.update(user).where(user.c.id == account.id, _ENABLED).values(disabled=now))


def enable(tx: Transaction, account: Account) -> None:
    tx.execute(sa.update(user).where(user.c.id == account.id).values(disabled=None))


def _account(row: Any) -> Account:
    return Account(row.id, row.email, row.admin, row.disabled is not None)


# ---------------------------------------------------------------- tokens

_TOKENS = sa.select(token, user.c.email, user.c.admin).join(user, user.c.id == token.c.account_id)
_SPEAKS = sa.and_(token.c.revoked.is_(None), _ENABLED)
_VALID = _TOKENS.where(token.c.lookup == sa.bindparam("wanted"), _SPEAKS)
_VALID_AT_A_GLANCE = Glance(_VALID)


def create_token(
    tx: Transaction, account: Account, scopes: Collection[str], *, now: datetime, name: str = ""
) -> str:
    """A new token, in clear for the only time; its owner tells it from others by its `name`. Raises `ValueError` for a
    scope that is none."""
    kept = sorted(TokenScope(one) for one in scopes)
    lookup = secrets.token_hex(6)
    if TokenScope.TOKENS_GENERATE in kept:
        half = _derived(instance_secrets.obtain(tx, _SIGNERS), lookup)
    else:
        half = secrets.token_urlsafe(32)
    tx.execute(
        sa.insert(token).values(
            account_id=account.id,
            lookup=lookup,
            secret_hash=instance_secrets.hash_of(half),
            scopes=kept,
            created=now,
            name=name,
        )
    )
    return _text(lookup, half)


def verify_token(tx: Transaction, text: str) -> Token | None:
    """The token of that text; None for one that is unknown, revoked, malformed or of a disabled account."""
    # What has another form never gets to the database: PostgreSQL takes no NUL.
    parts = _FORM.fullmatch(text)
    if parts is None:
        return None
    return _proved(tx.execute(_VALID, {"wanted": parts[1]}).one_or_none(), parts[2])


def verify_at_a_glance(catalogue: Catalogue, text: str) -> Token | None:
    """As `verify_token`, as of now, in microseconds, for the thread that asks for the catalogue's state. None also
    where the database cannot tell like that."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        return None
    return _proved(catalogue.glance(_VALID_AT_A_GLANCE, wanted=parts[1]), parts[2])


def _proved(row: Any, half: str) -> Token | None:
    """The token of a row, if there is one, to who knows its secret half."""
    if row is None or not hmac.compare_digest(row.secret_hash, instance_secrets.hash_of(half)):
        return None
    return _token(row)


def use_is_due(last_used: datetime | None, *, now: datetime) -> bool:
    """Whether a use of a token or a session is to be noted: reading with it is not to write each time."""
    return last_used is None or now - last_used >= _USE_NOTED_EVERY


def note_use(tx: Transaction, token_id: int, *, now: datetime) -> None:
    tx.execute(sa.update(token).where(token.c.id == token_id).values(last_used=now))


def find_signer(tx: Transaction, token_id: int) -> Signer | None:
    """The token of that id, if there is one that is not revoked and may sign others."""
    row = tx.execute(_TOKENS.where(token.c.id == token_id, _SPEAKS)).one_or_none()
    if row is None or TokenScope.TOKENS_GENERATE not in row.scopes:
        return None
    half = _derived(instance_secrets.get(tx, _SIGNERS), row.lookup)
    return Signer(row.account_id, row.email, _text(row.lookup, half))


def list_tokens(tx: Transaction, account: Account | None = None) -> list[Token]:
    """Those of an account, or of all, revoked ones as well, in the order in which they were made."""
    wanted = _TOKENS if account is None else _TOKENS.where(token.c.account_id == account.id)
    return [_token(row) for row in tx.execute(wanted.order_by(token.c.id))]


def revoke_token(tx: Transaction, token_id: int, *, now: datetime, of: Account | None = None) -> Token:
    """From now on the token speaks for nobody; one that was revoked keeps its time. Raises `Missing`, also where it is
    not `of` that account."""
    row = tx.execute(_TOKENS.where(token.c.id == token_id)).one_or_none()
    if row is None or (of is not None and row.account_id != of.id):
        raise Missing(f"there is no token {token_id}", remedy="`headrace token list` shows all")
    revoked = row.revoked or now
    tx.execute(sa.update(token).where(token.c.id == token_id).values(revoked=revoked))
    return replace(_token(row), revoked=revoked)


def _token(row: Any) -> Token:
    account = Account(row.account_id, row.email, row.admin)
    return Token(row.id, account, tuple(row.scopes), row.created, row.last_used, row.revoked, row.name)


def _text(lookup: str, half: str) -> str:
    return f"hr_{lookup}_{half}"


def _derived(secret: bytes, lookup: str) -> str:
    # As long as the longest digest that it keys, HS512's (RFC 7518, section 3.2).
    digest = hmac.digest(secret, lookup.encode(), hashlib.sha512)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
