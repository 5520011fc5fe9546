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
    number: int = tx.execute(_BEGIN, values).scalar_one()
    return number


def renew(tx: Transaction, number: int, *, now: datetime, until: datetime) -> None:
    """Raises `Conflict` where the transfer is over."""
    _require(tx.execute(_RENEW, {"wanted": number, "now": now, "until": until}).rowcount)


def end(tx: Transaction, number: int, *, now: datetime) -> None:
    """Raises `Conflict` where the transfer is over already."""
    _require(tx.execute(_END, {"wanted": number, "now": now}).rowcount)


_BEGIN = sa.insert(transfer).returning(transfer.c.id)
_IS_ALIVE = sa.and_(transfer.c.id == sa.bindparam("wanted"), transfer.c.lease_until > sa.bindparam("now"))
_RENEW = sa.update(transfer).where(_IS_ALIVE).values(lease_until=sa.bindparam("until"))
_END = sa.delete(transfer).where(_IS_ALIVE)
_OF_DRAFT = transfer.c.deposit_id == sa.bindparam("wanted")
_FORGET_DEAD = sa.delete(transfer).where(_OF_DRAFT, transfer.c.lease_until <= sa.bindparam("now"))
_LEASES = sa.select(transfer.c.lease_until).where(_OF_DRAFT)


def are_under_way(tx: Transaction, deposit_id: int, *, now: datetime) -> bool:
    """Whether anything is being sent into a draft. Transfers whose lease has run out are over."""
    leases = tx.execute(_LEASES, {"wanted": deposit_id}).scalars().all()
    if any(until <= now for until in leases):
        tx.execute(_FORGET_DEAD, {"wanted": deposit_id, "now": now})
    return any(until > now for until in leases)


def end_all(tx: Transaction, deposit_id: int) -> None:
    tx.execute(sa.delete(transfer).where(transfer.c.deposit_id == deposit_id))


def _require(changed: int) -> None:
    if not changed:
        raise Conflict(
            "the transfer is over: it stood still too long, was overtaken, or its draft was published or discarded"
        )
