"""When stored bytes were last found right: what a fixity audit goes by. (When they were last scanned: `scans`.)

There is a row for all bytes that are kept, of the file that brought them: other files of the work may lean on the same.
Who was never found right by one unbroken reading, or was found wrong the last time, has `sound_at` = `NEVER`, and so
comes first. What could not be read the last time stands in a line of its own, so that it keeps nothing else from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import deposit, deposit_file, fixity, record_file
from pipeline.model import Digests

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
UNREADABLE = 3
"""In so many audits in a row others could be read, and the file could not: it is not where it should be."""

_NEVER = sa.literal(NEVER, fixity.c.sound_at.type)


class Position(NamedTuple):
    """Where one stands in the order in which files are due."""

    sound_at: datetime
    record_id: int
    key: str


FIRST = Position(NEVER, 0, "")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose bytes are kept, as a record brought them. `sound_at` is when they were last found right by one
    reading of all of them, None where they never were or are not; `failed_at` since when they are not; `put_offs` in
    how many audits in a row they could not be read."""

    record_id: int
    key: str
    size: int
    digests: Digests
    sound_at: datetime | None
    failed_at: datetime | None
    put_offs: int = 0

    @property
    def position(self) -> Position:
        return Position(self.sound_at or NEVER, self.record_id, self.key)


@dataclass(frozen=True, slots=True)
class Holdings:
    """All files that are kept: their number and bytes; when the one that was checked longest ago was last found right
    (None: one never was, or none is kept), and how many are wrong or cannot be read any more."""

    files: int
    size: int
    oldest: datetime | None
    failed: int


def is_of_file() -> sa.ColumnElement[bool]:
    """Joins what is known of stored bytes to the file that brought them."""
    return sa.and_(record_file.c.record_id == fixity.c.record_id, record_file.c.key == fixity.c.key)


def begin(tx: Transaction, deposit_ids: Sequence[int]) -> None:
    """Take note of the bytes that records just published brought, while the files of their deposits are still there."""
    tx.execute(_beginning(), {"deposit_ids": list(deposit_ids)})


@cache
def _beginning() -> sa.Insert:
    sound_at = sa.case(
        (deposit_file.c.resumed, _NEVER), else_=sa.func.coalesce(deposit_file.c.taken_at, _NEVER)
    )
    scan_status = record_file.c.scan["status"].as_string()
    scanned_at = sa.func.coalesce(deposit_file.c.taken_at, _NEVER)
    brought = (
        sa.select(
            record_file.c.record_id,
            record_file.c.key,
            record_file.c.size,
            sound_at,
            scan_status,
            scanned_at,
        )
        .join(deposit, deposit.c.record_id == record_file.c.record_id)
        .join(
            deposit_file,
            sa.and_(
                deposit_file.c.deposit_id == deposit.c.id,
                deposit_file.c.key == record_file.c.key,
                # Of several files with the same bytes, the one whose copy is kept.
                deposit_file.c.content == record_file.c.content,
            ),
        )
        .where(
            deposit.c.id.in_(sa.bindparam("deposit_ids", expanding=True)),
            record_file.c.holder_id == record_file.c.record_id,
        )
    )
    columns = ["record_id", "key", "size", "sound_at", "scan_status", "scanned_at"]
    return sa.insert(fixity).from_select(columns, brought)


def due(tx: Transaction, *, before: datetime, after: Position = FIRST, limit: int) -> list[StoredFile]:
    """Files that were last found right before a time, the longest ago first, from behind `after` on; without those that
    were put off."""
    columns = (fixity.c.sound_at, fixity.c.record_id, fixity.c.key)
    behind = sa.tuple_(*columns) > sa.tuple_(*map(_bound, after, columns))
    is_due = sa.and_(fixity.c.sound_at < before, fixity.c.put_off_at.is_(None), behind)
    return _files(tx, is_due, columns, limit)


def put_off(tx: Transaction, *, limit: int) -> list[StoredFile]:
    """Files that could not be read the last time, the one that was tried the longest ago first."""
    columns = (fixity.c.put_off_at, fixity.c.record_id, fixity.c.key)
    return _files(tx, fixity.c.put_off_at.is_not(None), columns, limit)


def _files(
    tx: Transaction, which: sa.ColumnElement[bool], order: Sequence[sa.Column[Any]], limit: int
) -> list[StoredFile]:
    rows = tx.execute(
        sa.select(fixity, record_file.c.digests)
        .join(record_file, is_of_file())
        .where(which)
        .order_by(*order)
        .limit(limit)
    )
    return [
        StoredFile(
            record_id=row.record_id,
            key=row.key,
            size=row.size,
            digests=row.digests,
            sound_at=None if row.sound_at == NEVER else row.sound_at,
            failed_at=row.failed_at,
            put_offs=row.put_offs,
        )
        for row in rows
    ]


def _bound(value: object, column: sa.Column[Any]) -> sa.BindParameter[Any]:
    return sa.literal(value, column.type)


def note_sound(tx: Transaction, files: Sequence[StoredFile], *, now: datetime) -> None:
    """Their bytes were just read, and are right."""
    if files:
        tx.execute(
            sa.update(fixity)
            .where(fixity.c.record_id == sa.bindparam("b_record_id"), fixity.c.key == sa.bindparam("b_key"))
            .values(sound_at=now, failed_at=None, put_off_at=None, put_offs=0),
            [{"b_record_id": one.record_id, "b_key": one.key} for one in files],
        )


def note_failed(tx: Transaction, one: StoredFile, *, now: datetime) -> bool:
    """Its bytes are wrong, or not there. Whether they should be: they may have been given up meanwhile."""
    noted = tx.execute(
        sa.update(fixity)
        .where(fixity.c.record_id == one.record_id, fixity.c.key == one.key)
        .values(
            sound_at=NEVER,
            put_off_at=None,
            put_offs=0,
            failed_at=sa.func.coalesce(fixity.c.failed_at, sa.literal(now, fixity.c.failed_at.type)),
        )
    )
    return noted.rowcount > 0


def note_put_off(tx: Transaction, files: Sequence[StoredFile], *, now: datetime) -> None:
    """They could not be read, though others could."""
    if files:
        tx.execute(
            sa.update(fixity)
            .where(fixity.c.record_id == sa.bindparam("b_record_id"), fixity.c.key == sa.bindparam("b_key"))
            .values(put_off_at=now, put_offs=fixity.c.put_offs + 1),
            [{"b_record_id": one.record_id, "b_key": one.key} for one in files],
        )


def holdings(tx: Transaction) -> Holdings:
    files, size, oldest, failed = tx.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(fixity.c.size), 0),
            sa.func.min(fixity.c.sound_at),
            sa.func.count(sa.case((_is_failing(), 1))),
        )
    ).one()
    return Holdings(files, int(size), None if oldest == NEVER else oldest, failed)


def _is_failing() -> sa.ColumnElement[bool]:
    return sa.or_(fixity.c.failed_at.is_not(None), fixity.c.put_offs >= UNREADABLE)


def alarm(tx: Transaction) -> tuple[int, datetime | None]:
    """How many files are wrong or cannot be read any more, and when the one that was checked longest ago was last found
    right: what can be told without looking at every row."""
    is_doubtful = sa.or_(fixity.c.sound_at == _NEVER, fixity.c.put_off_at.is_not(None))
    failed = sa.select(sa.func.count()).where(is_doubtful, _is_failing())
    oldest = sa.select(sa.func.min(fixity.c.sound_at)).where(fixity.c.sound_at > _NEVER)
    return tx.execute(failed).scalar_one(), tx.execute(oldest).scalar_one()


def extent(tx: Transaction, *, before: datetime) -> tuple[int, int]:
    """(files, bytes) that were last found right before a time."""
    size = sa.func.coalesce(sa.func.sum(fixity.c.size), 0)
    files, total = tx.execute(sa.select(sa.func.count(), size).where(fixity.c.sound_at < before)).one()
    return files, int(total)


def audited_since(tx: Transaction, since: datetime) -> int:
    """Bytes that audits found right since a time: what was taken into custody since then is not among them."""
    taken_at = sa.func.coalesce(record_file.c.taken_at, _NEVER)
    found = tx.execute(
        sa.select(sa.func.coalesce(sa.func.sum(fixity.c.size), 0))
        .join(record_file, is_of_file())
        .where(fixity.c.sound_at >= since, taken_at < sa.literal(since, fixity.c.sound_at.type))
    )
    return int(found.scalar_one())
