"""Guests who ask for the closed files of a record and have not shown yet that the address which they told is theirs.
The token that is mailed to it is worked out from the inquiry's id (decision 0014)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from pipeline.catalogue import Transaction, secrets
from pipeline.catalogue.tables import inquiry

_SECRET = "inquiries of guests"  # noqa: S105 - the name of a secret


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a guest said of themselves, and why they ask."""

    record_id: int
    email: str
    full_name: str
    message: str


def add(tx: Transaction, given: Inquiry, *, expires: datetime) -> str:
    """Keep it until then; its token."""
    id_ = str(uuid4())
    tx.execute(
        sa.insert(inquiry).values(
            id=id_,
            record_id=given.record_id,
            email=given.email,
            full_name=given.full_name,
            message=given.message,
            expires=expires,
        )
    )
    return secrets.signed(secrets.obtain(tx, _SECRET), id_)


def count(tx: Transaction, email: str, *, now: datetime) -> int:
    """How many of an address wait to be confirmed; those that waited too long are forgotten."""
    tx.execute(sa.delete(inquiry).where(inquiry.c.expires <= now))
    waiting = sa.select(sa.func.count()).select_from(inquiry).where(inquiry.c.email == email)
    return tx.execute(waiting).scalar_one()


def find(tx: Transaction, token: str, *, now: datetime) -> Inquiry | None:
    """The inquiry of that token; None for one that is no token, was confirmed already, or waited too long."""
    id_ = secrets.id_in(secrets.find(tx, _SECRET), token)
    row = tx.execute(sa.select(inquiry).where(inquiry.c.id == id_, inquiry.c.expires > now)).one_or_none()
    return None if row is None else Inquiry(row.record_id, row.email, row.full_name, row.message)


def forget(tx: Transaction, token: str) -> None:
    """It was confirmed."""
    tx.execute(sa.delete(inquiry).where(inquiry.c.id == secrets.id_in(secrets.find(tx, _SECRET), token)))
