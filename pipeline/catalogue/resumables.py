"""Uploads that are sent in several requests, each going on where the one before ended (tus 1.0.0).

The request that goes on with an upload is a transfer; the newest has it, and those before are over. An upload that is
given up expires at once: it is forgotten when the store has been told, so that a crash in between leaves a row that
says what to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import resumable, resumable_part, transfer
from pipeline.errors import Conflict, Gone, Missing
from pipeline.model import JsonObject, Part, PartLedger


@dataclass(frozen=True, slots=True)
class Resumable:
    """A file of `size` bytes on its way into a draft. Of what is durable of it, the store has parts up to the ledger's
    checkpoint in the upload that the transfer `begun_by` began, and `tail_size` bytes behind that, which the transfer
    `tail_of` left; `ledger.checkpoint` has the states of the digests at the end of both (`ingest.digests.saved`).
    Either transfer is None where there are no such bytes."""

    id: int
    deposit_id: int
    key: str
    size: int
    expires: datetime
    ledger: PartLedger
    begun_by: int | None
    tail_size: int
    tail_of: int | None

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
        "states": states,
        "tail_size": 0,
    }
    tx.execute(sa.insert(resumable).values(**values))


def get(tx: Transaction, number: int) -> Resumable:
    """Without the ledger's parts. Raises `Missing`."""
    row = tx.execute(sa.select(resumable).where(resumable.c.id == number)).one_or_none()
    if row is None:
        raise Missing("There is no such upload, or it is over.")
    return _from_row(row)


def count_open(tx: Transaction, deposit_id: int, *, now: datetime) -> int:
    """How many of a draft's uploads may be gone on with."""
    mine = sa.select(sa.func.count()).where(resumable.c.deposit_id == deposit_id, resumable.c.expires > now)
    return tx.execute(mine).scalar_one()


def half_sent(tx: Transaction, deposit_id: int, *, now: datetime) -> str | None:
    """The key of a file of the draft whose upload may be gone on with; None where there is none."""
    return tx.execute(_HALF_SENT, {"wanted": deposit_id, "now": now}).scalar_one_or_none()


_HALF_SENT = (
    sa.select(resumable.c.key)
    .where(resumable.c.deposit_id == sa.bindparam("wanted"), resumable.c.expires > sa.bindparam("now"))
    .order_by(resumable.c.id)
    .limit(1)
)


def claim(tx: Transaction, number: int, transfer_id: int, *, now: datetime, expires: datetime) -> Resumable:
    """As it is, with the ledger's parts, for a transfer to go on with until it `expires`; the one that was at it is
    over. Raises `Missing`, and `Gone` where it has expired."""
    _end_transfer(tx, number)
    mine = sa.and_(resumable.c.id == number, resumable.c.expires > now)
    values = {"transfer_id": transfer_id, "expires": expires}
    if not tx.execute(sa.update(resumable).where(mine).values(**values)).rowcount:
        get(tx, number)
        raise Gone("The upload has expired.")
    row = tx.execute(sa.select(resumable).where(resumable.c.id == number)).one()
    parts = tx.execute(
        sa.select(resumable_part)
        .where(resumable_part.c.resumable_id == number)
        .order_by(resumable_part.c.number)
    )
    return _from_row(row, [Part(one.number, one.size, one.etag, one.xxh3, one.checksum) for one in parts])


def keep(tx: Transaction, one: Resumable, transfer_id: int, new: Sequence[Part]) -> None:
    """Note how far it has come, of the ledger's parts those that are new. Raises `Conflict` where the transfer is not
    at it any more."""
    values = {
        "expires": one.expires,
        "upload_id": one.ledger.upload_id,
        "part_size": one.ledger.part_size,
        "offset": one.ledger.offset,
        "states": one.ledger.checkpoint,
        "begun_by": one.begun_by,
        "tail_size": one.tail_size,
        "tail_of": one.tail_of,
    }
    mine = sa.and_(resumable.c.id == one.id, resumable.c.transfer_id == transfer_id)
    if not tx.execute(sa.update(resumable).where(mine).values(**values)).rowcount:
        raise _taken_away()
    if new:
        tx.execute(sa.insert(resumable_part), [{"resumable_id": one.id, **asdict(part)} for part in new])


def places(tx: Transaction, number: int) -> tuple[int | None, int | None]:
    """`begun_by` and `tail_of` of one that a transfer has, however late it is; of one that is over, None."""
    chosen = sa.select(resumable.c.begun_by, resumable.c.tail_of)
    mine = sa.and_(resumable.c.id == number, resumable.c.transfer_id.is_not(None))
    row = tx.execute(chosen.where(mine)).one_or_none()
    return (None, None) if row is None else (row.begun_by, row.tail_of)


def complete(tx: Transaction, number: int, transfer_id: int) -> None:
    """Forget an upload that a transfer brought to its end. Raises `Conflict` where the transfer is not at it any more:
    its bytes may be gone by now."""
    mine = sa.and_(resumable.c.id == number, resumable.c.transfer_id == transfer_id)
    if not tx.execute(sa.delete(resumable).where(mine)).rowcount:
        raise _taken_away()


def expire(tx: Transaction, number: int, *, now: datetime) -> bool:
    """Nobody goes on with it from now on, nor completes it; whether it was not over already."""
    _end_transfer(tx, number)
    values = {"expires": now, "transfer_id": None}
    return tx.execute(sa.update(resumable).where(resumable.c.id == number).values(**values)).rowcount > 0


def is_expired(tx: Transaction, number: int, *, now: datetime) -> bool:
    """Whether it is there and nobody goes on with it any more; nobody changes that until the transaction ends."""
    due = sa.select(resumable.c.id).where(resumable.c.id == number, resumable.c.expires <= now)
    return tx.execute(due.with_for_update()).one_or_none() is not None


def expire_all(tx: Transaction, deposit_id: int, *, now: datetime) -> list[Resumable]:
    """All of a draft, as `expire`; those that there were."""
    numbers = tx.execute(sa.select(resumable.c.id).where(resumable.c.deposit_id == deposit_id)).scalars()
    return [get(tx, number) for number in numbers.all() if expire(tx, number, now=now)]


def expired(tx: Transaction, *, now: datetime, after: int, limit: int) -> list[Resumable]:
    """Those that nobody goes on with any more, by number from behind `after` on, without their ledgers' parts."""
    due = sa.select(resumable).where(resumable.c.expires <= now, resumable.c.id > after)
    return [_from_row(row) for row in tx.execute(due.order_by(resumable.c.id).limit(limit))]


def forget(tx: Transaction, number: int) -> None:
    tx.execute(sa.delete(resumable).where(resumable.c.id == number))


def _taken_away() -> Conflict:
    return Conflict("the upload is over, or gone on with by another request")


def _end_transfer(tx: Transaction, number: int) -> None:
    """End the transfer that is at an upload, which so cannot complete it any more."""
    at_it = sa.select(resumable.c.transfer_id).where(resumable.c.id == number)
    tx.execute(sa.delete(transfer).where(transfer.c.id.in_(at_it)))


def _from_row(row: sa.Row[tuple[object, ...]], parts: Sequence[Part] = ()) -> Resumable:
    return Resumable(
        id=row.id,
        deposit_id=row.deposit_id,
        key=row.key,
        size=row.size,
        expires=row.expires,
        ledger=PartLedger(row.upload_id, row.part_size, row.offset, row.states, tuple(parts)),
        begun_by=row.begun_by,
        tail_size=row.tail_size,
        tail_of=row.tail_of,
    )
