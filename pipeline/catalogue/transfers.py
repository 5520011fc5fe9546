"""Files that are being sent into drafts. A transfer is of the process that receives it, for as long as its lease lasts:
until then its draft is not published, and once it is over nothing of it may come into the draft any more."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import transfer
from pipeline.errors import Conflict


def begin(tx: Transaction, deposit_id: int, key: str, *, owner: str, now: datetime, until: datetime) -> int:
    """The number of a new transfer, which is never given again."""
    values = {"deposit_id": deposit_id, "key": key, "begun": now, "lease_owner": owner, "lease_until": until}
    number: int = tx.execute(sa.insert(transfer).values(**values).returning(transfer.c.id)).scalar_one()
    return number


def renew(tx: Transaction, number: int, *, now: datetime, until: datetime) -> None:
    """Raises `Conflict` where the transfer is over."""
    _require(tx.execute(sa.update(transfer).where(_is_alive(number, now)).values(lease_until=until)).rowcount)


def end(tx: Transaction, number: int, *, now: datetime) -> None:
    """Raises `Conflict` where the transfer is over already."""
    _require(tx.execute(sa.delete(transfer).where(_is_alive(number, now))).rowcount)


def _is_alive(number: int, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(transfer.c.id == number, transfer.c.lease_until > now)


def are_under_way(tx: Transaction, deposit_id: int, *, now: datetime) -> bool:
    """Whether anything is being sent into a draft. Transfers whose lease has run out are over."""
    mine = transfer.c.deposit_id == deposit_id
    tx.execute(sa.delete(transfer).where(mine, transfer.c.lease_until <= now))
    return tx.execute(sa.select(sa.exists().where(mine))).scalar_one()


def end_all(tx: Transaction, deposit_id: int) -> None:
    tx.execute(sa.delete(transfer).where(transfer.c.deposit_id == deposit_id))


def _require(changed: int) -> None:
    if not changed:
        raise Conflict(
            "the transfer is over: it stood still too long, was overtaken, or its draft was published or discarded"
        )
