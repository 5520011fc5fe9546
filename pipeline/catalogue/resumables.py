"""Uploads that are sent in several requests, each going on where the one before ended (tus 1.0)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import resumable, transfer
from pipeline.errors import Conflict, Missing
from pipeline.model import JsonObject, Part, PartLedger


@dataclass(frozen=True, slots=True)
class Resumable:
    """A file of `size` bytes on its way into a draft. Of what is durable of it, the store has parts up to the ledger's
    checkpoint in the upload under way, and `tail_size` bytes behind that in an object of their own; `ledger.checkpoint`
    has the states of the digests at the end of both (`ingest.digests.saved`)."""

    id: int
    deposit_id: int
    key: str
    size: int
    expires: datetime
    ledger: PartLedger
    tail_size: int

    @property
    def offset(self) -> int:
        """Bytes that are durable."""
        return self.ledger.offset + self.tail_size


def begin(
    tx: Transaction,
    number: int,
    deposit_id: int,
    key: str,
    size: int,
    *,
    states: JsonObject,
    expires: datetime,
) -> None:
    """Note an upload of which nothing has come, under the number of a transfer that is not used otherwise."""
    values = {
        "id": number,
        "deposit_id": deposit_id,
        "key": key,
        "size": size,
        "expires": expires,
        "upload_id": "",
        "part_size": 0,
        "offset": 0,
        "parts": [],
        "states": states,
        "tail_size": 0,
    }
    tx.execute(sa.insert(resumable).values(**values))


def get(tx: Transaction, number: int) -> Resumable:
    """Raises `Missing`."""
    row = tx.execute(sa.select(resumable).where(resumable.c.id == number)).one_or_none()
    if row is None:
        raise Missing("There is no such upload, or it is over.")
    return _from_row(row)


def claim(tx: Transaction, number: int, transfer_id: int, *, now: datetime) -> Resumable:
    """As it is, for a transfer to go on with. Raises `Missing`, and `Conflict` where another transfer is at it."""
    alive = sa.select(transfer.c.id).where(transfer.c.lease_until > now)
    free = sa.or_(resumable.c.transfer_id.is_(None), resumable.c.transfer_id.not_in(alive))
    claimed = tx.execute(
        sa.update(resumable).where(resumable.c.id == number, free).values(transfer_id=transfer_id)
    )
    found = get(tx, number)
    if not claimed.rowcount:
        raise Conflict("another request is sending to this upload")
    return found


def keep(tx: Transaction, one: Resumable, transfer_id: int) -> None:
    """Note how far it has come. Raises `Conflict` where the transfer is not at it any more."""
    values = {
        "expires": one.expires,
        "upload_id": one.ledger.upload_id,
        "part_size": one.ledger.part_size,
        "offset": one.ledger.offset,
        "parts": [asdict(part) for part in one.ledger.parts],
        "states": one.ledger.checkpoint,
        "tail_size": one.tail_size,
    }
    mine = sa.and_(resumable.c.id == one.id, resumable.c.transfer_id == transfer_id)
    if not tx.execute(sa.update(resumable).where(mine).values(**values)).rowcount:
        raise Conflict("the upload is over, or gone on with by another request")


def complete(tx: Transaction, transfer_id: int) -> None:
    """Forget the upload that a transfer is at, if it is at one."""
    tx.execute(sa.delete(resumable).where(resumable.c.transfer_id == transfer_id))


def forget(tx: Transaction, number: int) -> bool:
    """End it, and the transfer that is at it, which so cannot complete it any more; whether it was not over already."""
    at_it = sa.select(resumable.c.transfer_id).where(resumable.c.id == number)
    tx.execute(sa.delete(transfer).where(transfer.c.id.in_(at_it)))
    return tx.execute(sa.delete(resumable).where(resumable.c.id == number)).rowcount > 0


def expired(tx: Transaction, *, now: datetime, limit: int) -> list[Resumable]:
    """The first of those that nobody has gone on with in time."""
    rows = tx.execute(
        sa.select(resumable).where(resumable.c.expires <= now).order_by(resumable.c.expires).limit(limit)
    )
    return [_from_row(row) for row in rows]


def _from_row(row: sa.Row[tuple[object, ...]]) -> Resumable:
    parts = tuple(Part(**part) for part in row.parts)
    return Resumable(
        id=row.id,
        deposit_id=row.deposit_id,
        key=row.key,
        size=row.size,
        expires=row.expires,
        ledger=PartLedger(row.upload_id, row.part_size, row.offset, row.states, parts),
        tail_size=row.tail_size,
    )
