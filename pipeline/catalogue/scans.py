"""Verdicts of virus scanners on stored bytes: which are due for another look, and new ones in the place of old.

A verdict is on bytes, wherever in the archive they stand: it goes to every file that has them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Transaction, deposit_files
from pipeline.catalogue.fixity import FIRST, Position, is_of_file
from pipeline.catalogue.tables import deposit, deposit_file, fixity, record, record_file
from pipeline.model import FileState, RecordState, ScanStatus, ScanVerdict


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A file whose bytes are kept, as a record brought them; `digest` is by the root's algorithm."""

    record_id: int
    key: str
    size: int
    digest: str
    verdict: ScanVerdict
    scanned_at: datetime

    @property
    def position(self) -> Position:
        return Position(self.scanned_at, self.record_id, self.key)


def due(
    tx: Transaction,
    statuses: Collection[ScanStatus],
    *,
    before: datetime,
    after: Position = FIRST,
    limit: int,
) -> list[ScannedFile]:
    """Files with a verdict of one of these kinds that was given before a time, the oldest first, from behind `after`
    on."""
    columns = (fixity.c.scanned_at, fixity.c.record_id, fixity.c.key)
    bounds = (sa.literal(value, column.type) for value, column in zip(after, columns, strict=True))
    rows = tx.execute(
        sa.select(fixity, record_file.c.root_digest, record_file.c.scan)
        .join(record_file, is_of_file())
        .where(_is_due(statuses, before), sa.tuple_(*columns) > sa.tuple_(*bounds))
        .order_by(*columns)
        .limit(limit)
    )
    return [
        ScannedFile(
            row.record_id,
            row.key,
            row.size,
            row.root_digest,
            codec.verdict_from_json(row.scan),
            row.scanned_at,
        )
        for row in rows
    ]


def extent(tx: Transaction, statuses: Collection[ScanStatus], *, before: datetime) -> tuple[int, int]:
    """(files, bytes) that are due."""
    size = sa.func.coalesce(sa.func.sum(fixity.c.size), 0)
    files, total = tx.execute(sa.select(sa.func.count(), size).where(_is_due(statuses, before))).one()
    return files, int(total)


def _is_due(statuses: Collection[ScanStatus], before: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(fixity.c.scan_status.in_(statuses), fixity.c.scanned_at < before)


def give(tx: Transaction, verdicts: Sequence[tuple[str, ScanVerdict]], *, now: datetime) -> None:
    """Bytes, by their digest, have these verdicts now; where a person answers for them that stays."""
    if not verdicts:
        return
    # Once for all files that have the same bytes: each time would go to every one of them.
    given = dict(sorted(verdicts, key=lambda one: one[1].status is ScanStatus.RELEASED)).items()
    is_ours = sa.and_(
        record_file.c.root_digest == sa.bindparam("b_digest"),
        record_file.c.scan["status"].as_string() != ScanStatus.RELEASED,
    )
    # Joined, for SQLite would look for each subquery's answer through the whole table.
    tx.execute(
        sa.update(fixity).where(is_of_file(), is_ours),
        [{"b_digest": digest, "scan_status": verdict.status, "scanned_at": now} for digest, verdict in given],
    )
    tx.execute(
        sa.update(record_file).where(is_ours),
        [{"b_digest": digest, "scan": codec.verdict_to_json(verdict)} for digest, verdict in given],
    )


def note_looked(tx: Transaction, files: Sequence[ScannedFile], *, now: datetime) -> None:
    """They were looked at, and their verdicts stay as they are."""
    if files:
        tx.execute(
            sa.update(fixity)
            .where(fixity.c.record_id == sa.bindparam("b_record_id"), fixity.c.key == sa.bindparam("b_key"))
            .values(scanned_at=now),
            [{"b_record_id": one.record_id, "b_key": one.key} for one in files],
        )


def of_held_bytes() -> sa.ColumnElement[Any]:
    """Of a file of a deposit whose bytes a published record holds: the verdict that it has there by now."""
    there = (
        sa.select(record_file.c.scan)
        .where(
            record_file.c.record_id == deposit_file.c.holder_id,
            record_file.c.root_digest == deposit_file.c.root_digest,
        )
        .limit(1)
        .scalar_subquery()
    )
    return sa.func.coalesce(there, deposit_file.c.scan)


@dataclass(frozen=True, slots=True)
class InfectedFile:
    """A file of a record that is still in service, and what was found in it."""

    record_id: int
    key: str
    signature: str


def infected_in_service(
    tx: Transaction, *, limit: int, record_ids: Collection[int] | None = None
) -> list[InfectedFile]:
    """Files, by record, that are called infected though their records are published; of some records, where so
    asked."""
    digests = _infected(record_file.c.root_digest)
    statement = (
        sa.select(record_file.c.record_id, record_file.c.key, record_file.c.scan)
        .join(record, record.c.id == record_file.c.record_id)
        .where(
            record_file.c.root_digest.in_(digests),
            record_file.c.purge_id.is_(None),
            record_file.c.scan["status"].as_string() == ScanStatus.INFECTED,
            record.c.state == RecordState.PUBLISHED,
        )
        .order_by(record_file.c.record_id, record_file.c.key)
        .limit(limit)
    )
    rows = tx.execute(statement if record_ids is None else statement.where(record.c.id.in_(record_ids)))
    return [InfectedFile(row.record_id, row.key, codec.verdict_from_json(row.scan).signature) for row in rows]


@dataclass(frozen=True, slots=True)
class KnownInfected:
    """A file in custody of a record-to-be that was found infected: by now in the record `held_by`, which has the same
    bytes, or, where that is None, in its own bytes, by a rescan that was cut off before they were put apart. `record`
    is the key of its own record in the collection, `place` the key in the store of what its own record has of it."""

    id: int
    deposit_id: int
    record: str
    path: str
    signature: str
    held_by: int | None
    place: str


def known_infected(tx: Transaction, deposit_ids: Collection[int]) -> list[KnownInfected]:
    """Files of deposits that are in custody and infected, as is known from records that have the same bytes or from
    their own verdict, by id; without those that a person answers for."""
    rows = tx.execute(_known_infected(), {"deposit_ids": list(deposit_ids)})
    return [
        KnownInfected(
            row.id,
            row.deposit_id,
            row.record,
            os.fsdecode(row.path),
            row.signature,
            row.held_by,
            deposit_files.place_of(row),
        )
        for row in rows
    ]


@cache
def _known_infected() -> sa.Select[Any]:
    signature = record_file.c.scan["signature"].as_string()
    known = (
        _infected(
            record_file.c.root_digest,
            sa.func.max(signature).label("signature"),
            sa.func.min(record_file.c.record_id).label("held_by"),
        )
        .group_by(record_file.c.root_digest)
        .subquery()
    )
    own, status = deposit_file.c.scan, deposit_file.c.scan["status"].as_string()
    return (
        sa.select(
            deposit_file.c.id,
            deposit_file.c.deposit_id,
            deposit.c.key.label("record"),
            deposit_file.c.path,
            deposit_file.c.key,
            deposit_file.c.content,
            deposit_file.c.holder_id,
            deposit.c.home,
            sa.func.coalesce(known.c.signature, own["signature"].as_string()).label("signature"),
            sa.func.coalesce(known.c.held_by, deposit_file.c.holder_id).label("held_by"),
        )
        .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
        .outerjoin(known, known.c.root_digest == deposit_file.c.root_digest)
        .where(
            deposit_file.c.deposit_id.in_(sa.bindparam("deposit_ids", expanding=True)),
            deposit_file.c.state == FileState.IN_CUSTODY,
            sa.or_(known.c.root_digest.is_not(None), status == ScanStatus.INFECTED),
            sa.func.coalesce(status, "") != ScanStatus.RELEASED,
        )
        .order_by(deposit_file.c.id)
    )


def _infected(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Columns of published files whose bytes are kept and infected."""
    return (
        sa.select(*columns)
        .select_from(record_file)
        .join(fixity, is_of_file())
        .where(fixity.c.scan_status == ScanStatus.INFECTED)
    )
