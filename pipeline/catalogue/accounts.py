"""People and their tokens. A token is shown once; the catalogue keeps a hash of its secret half."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import token, user
from pipeline.errors import Conflict


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    email: str
    admin: bool


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who a valid token speaks for, and what it may do."""

    account: Account
    scopes: tuple[str, ...]


def find_account(tx: Transaction, email: str) -> Account | None:
    row = tx.execute(sa.select(user).where(user.c.email == email.strip().lower())).one_or_none()
    return None if row is None else Account(row.id, row.email, row.admin)


def create_account(tx: Transaction, email: str, *, admin: bool, now: datetime) -> Account:
    """Raises `Conflict` where the address has an account."""
    if find_account(tx, email) is not None:
        raise Conflict(f"{email} has an account already")
    added = sa.insert(user).values(email=email.strip().lower(), admin=admin, created=now).returning(user.c.id)
    return Account(tx.execute(added).scalar_one(), email.strip().lower(), admin)


def create_token(tx: Transaction, account: Account, scopes: Sequence[str], *, now: datetime) -> str:
    """A new token, in clear for the only time."""
    lookup, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    tx.execute(
        sa.insert(token).values(
            account_id=account.id, lookup=lookup, secret_hash=_hash(secret), scopes=list(scopes), created=now
        )
    )
    return f"hr_{lookup}_{secret}"


def verify_token(tx: Transaction, text: str) -> Bearer | None:
    """Whom the token speaks for; None for one that is unknown, revoked or malformed."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != "hr":
        return None
    row = tx.execute(
        sa.select(token, user.c.email, user.c.admin)
        .join(user, user.c.id == token.c.account_id)
        .where(token.c.lookup == parts[1], token.c.revoked.is_(None))
    ).one_or_none()
    if row is None or not hmac.compare_digest(row.secret_hash, _hash(parts[2])):
        return None
    return Bearer(Account(row.account_id, row.email, row.admin), tuple(row.scopes))


def _hash(secret: str) -> str:
    # The secret has 256 random bits: a slow hash would add nothing.
    return hashlib.sha256(secret.encode()).hexdigest()
