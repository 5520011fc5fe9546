"""Files of published records, and where their bytes are."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import earlier_content, purge, record, record_file
from pipeline.display import without_secrets
from pipeline.errors import Missing
from pipeline.model import Decision, FileEntry, Record


def is_earlier() -> sa.ColumnElement[bool]:
    """Joins to a file, from outside, what is known of its bytes if their holder brought others since."""
    return sa.and_(
        earlier_content.c.holder_id == record_file.c.holder_id,
        earlier_content.c.content == record_file.c.content,
    )


def place_in(holder: sa.FromClause) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
    """`ocfl_version` and `staged` of a file, with what `is_earlier`."""
    number = sa.func.coalesce(earlier_content.c.ocfl_version, holder.c.ocfl_version)
    staged = sa.case((earlier_content.c.ocfl_version.is_(None), holder.c.staged))
    return number.label("ocfl_version"), staged.label("staged")


_FILES = sa.select(record_file, purge.c.decided_by, purge.c.reason, purge.c.decided_at).outerjoin(
    purge, purge.c.id == record_file.c.purge_id
)
_HOLDER = record.alias("holder")
_HELD = (
    _FILES.add_columns(_HOLDER.c.concept_id, *place_in(_HOLDER))
    .join(_HOLDER, _HOLDER.c.id == record_file.c.holder_id)
    .outerjoin(earlier_content, is_earlier())
)
_WANTED: sa.BindParameter[Any] = sa.bindparam("wanted", expanding=True)
# Said once: to put a statement together takes longer than to carry it out.
_HOLDING = _HELD.where(
    record_file.c.record_id == sa.bindparam("wanted"), record_file.c.key == sa.bindparam("wanted_key")
)
_HOLDINGS = _HELD.where(record_file.c.record_id.in_(_WANTED)).order_by(
    record_file.c.record_id, record_file.c.key
)
_FILES_OF = _FILES.where(record_file.c.record_id.in_(_WANTED)).order_by(
    record_file.c.record_id, record_file.c.key
)


@dataclass(frozen=True, slots=True)
class Holding:
    """Where a file's bytes are: in the OCFL version `ocfl_version` of the concept's object, or, while the
    record version that brought them waits to be preserved, below the key `staged`."""

    concept_id: int
    ocfl_version: int | None
    staged: str | None
    entry: FileEntry


def files(tx: Transaction, record_id: int, *, after: str = "", limit: int | None = None) -> list[FileEntry]:
    """Files of a record by key, from behind `after` on."""
    statement = _FILES.where(record_file.c.record_id == record_id, record_file.c.key > after).order_by(
        record_file.c.key
    )
    return [_file(row) for row in tx.execute(statement if limit is None else statement.limit(limit))]


def keys(tx: Transaction, record_id: int) -> Iterator[str]:
    """Of all files of a record, in order."""
    statement = sa.select(record_file.c.key).where(record_file.c.record_id == record_id)
    yield from tx.execute(statement.order_by(record_file.c.key)).scalars()


def holding(tx: Transaction, record_id: int, key: str) -> Holding:
    """A file of a record and where its bytes are. Raises `Missing`."""
    row = tx.execute(_HOLDING, {"wanted": record_id, "wanted_key": key}).one_or_none()
    if row is None:
        raise Missing(f"record {record_id} has no file {key}")
    return _held(row)


def holdings(tx: Transaction, record_ids: Collection[int]) -> dict[int, list[Holding]]:
    """Every file of each record with where its bytes are, by key."""
    found: dict[int, list[Holding]] = {id_: [] for id_ in record_ids}
    for row in tx.execute(_HOLDINGS, {"wanted": list(record_ids)}):
        found[row.record_id].append(_held(row))
    return found


def first_files(tx: Transaction, rows: Sequence[Record], limit: int) -> dict[int, tuple[FileEntry, ...]]:
    """The first files of each record, by key; records without any are left out."""
    # One query for all that are listed whole; of the few with more files, only the first are read.
    whole = [one.id for one in rows if one.file_count <= limit]
    found: dict[int, list[FileEntry]] = {}
    for row in tx.execute(_FILES_OF, {"wanted": whole}):
        found.setdefault(row.record_id, []).append(_file(row))
    for one in rows:
        if one.file_count > limit > 0:
            found[one.id] = files(tx, one.id, limit=limit)
    return {record_id: tuple(entries) for record_id, entries in found.items()}


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A file of a record with the same bytes as another that comes before it by key (`first`)."""

    record_id: int
    key: str
    path: str
    first: str


def duplicates(tx: Transaction, record_ids: Sequence[int]) -> list[Duplicate]:
    """Files of records, empty ones left out, whose bytes another file of the same record has."""
    numbered = (
        sa.select(
            record_file.c.record_id,
            record_file.c.key,
            record_file.c.original_path,
            sa.func.first_value(record_file.c.key)
            .over(
                partition_by=(record_file.c.record_id, record_file.c.root_digest), order_by=record_file.c.key
            )
            .label("first"),
        )
        .where(record_file.c.record_id.in_(record_ids), record_file.c.size > 0)
        .subquery()
    )
    rows = tx.execute(
        sa.select(numbered)
        .where(numbered.c.key != numbered.c.first)
        .order_by(numbered.c.record_id, numbered.c.key)
    )
    return [Duplicate(row.record_id, row.key, os.fsdecode(row.original_path), row.first) for row in rows]


def remember_places(tx: Transaction, record_id: int) -> None:
    """Of all that a record, which is preserved, has brought so far, note where in the object that lies: it may bring
    more, and others may have of it what it has no more itself."""
    known = sa.select(earlier_content.c.content).where(earlier_content.c.holder_id == record_id)
    held = (
        sa.select(record_file.c.holder_id, record_file.c.content, record.c.ocfl_version)
        .distinct()
        .join(record, record.c.id == record_file.c.holder_id)
        .where(record_file.c.holder_id == record_id, record_file.c.content.not_in(known))
    )
    tx.execute(sa.insert(earlier_content).from_select(["holder_id", "content", "ocfl_version"], held))


def _held(row: sa.Row[Any]) -> Holding:
    return Holding(row.concept_id, row.ocfl_version, row.staged, _file(row))


def _file(row: sa.Row[Any]) -> FileEntry:
    return FileEntry(
        key=row.key,
        size=row.size,
        digests=row.digests,
        content=row.content,
        holder=row.holder_id,
        declared=row.declared,
        identification=codec.identification_from_json(row.identification),
        scan=codec.verdict_from_json(row.scan),
        mtime_ns=row.mtime_ns,
        # The whole URL is in its row, as it was read; nobody else needs what may sign it.
        original_path=without_secrets(os.fsdecode(row.original_path)),
        taken_at=row.taken_at,
        purged=None if row.purge_id is None else Decision(row.decided_by, row.reason, row.decided_at),
    )
