"""A manifest as a source: a table that names files and says which record each belongs to.

Rows of one record may stand anywhere, and its metadata on any of them, so all rows go into a temporary
database first and come out record by record.
"""

from __future__ import annotations

import json
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from heapq import merge
from typing import TYPE_CHECKING, Any

from pipeline.codec import to_text
from pipeline.display import shown
from pipeline.errors import Rejected
from pipeline.ingest.sources.documents import default_record, record_from, record_without
from pipeline.ingest.sources.fates import refused, rejected, renamed
from pipeline.ingest.sources.names import is_utf8, is_web
from pipeline.ingest.sources.rows import Row, RowFault, read_rows, row_from
from pipeline.model import JsonObject, Outcome, Problem, SourceFile, SourceRecord
from pipeline.running.scratch import scratch_database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.ingest.sources.protocol import Describe, Found, Tree
    from pipeline.ingest.sources.rows import Rows

_SCHEMA = """
    CREATE TABLE record (
        ordinal INTEGER PRIMARY KEY, key TEXT UNIQUE, metadata TEXT, place TEXT, conflict TEXT
    );
    CREATE TABLE file (
        ordinal INTEGER, sort BLOB, number INTEGER, place TEXT, path BLOB, key TEXT, declared TEXT,
        PRIMARY KEY (ordinal, sort, number)
    ) WITHOUT ROWID;
    CREATE TABLE fault (
        ordinal INTEGER, number INTEGER, place TEXT, path TEXT, col TEXT, code TEXT, reason TEXT,
        PRIMARY KEY (ordinal, number)
    ) WITHOUT ROWID;
"""


_LOOKS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class TableSource:
    """`manifest`, a file of the tree, lists others; `default` describes the records that have no metadata of their
    own."""

    manifest: str
    tree: Tree
    collection: str
    default: JsonObject | None

    def survey(self, describe: Describe, scratch: Path) -> Iterator[Found]:
        with scratch_database(scratch, _SCHEMA) as database:
            _load(database, read_rows(self.tree, self.manifest))
            yield from self._looked_at(self._found(database, describe))

    def _found(self, database: sqlite3.Connection, describe: Describe) -> Iterator[Found]:
        undescribed = default_record(self.default, describe)
        record, last = "", ""
        for ordinal, kind, *row in _by_record(database):
            if kind == _RECORD:
                record, metadata, conflict = row
                last = ""
                yield _record(record, metadata, conflict, describe) or undescribed(record)
            elif kind == _FAULT:
                yield _fault(record if ordinal else "", *row)
            else:
                place, path, key, declared = row
                if last and (key == last or key.startswith(f"{last}/")):
                    yield _collision(record, place, key, last, is_of_web=is_web(os.fsdecode(path)))
                    continue
                last = key
                yield SourceFile(record, os.fsdecode(path), key, 0, None, json.loads(declared))

    def _looked_at(self, listed: Iterator[Found]) -> Iterator[Found]:
        """What was found, in its order, with each file as it lies there. Those that are far are looked at together."""
        ahead: deque[Iterable[Found] | Future[Sequence[Found]]] = deque()
        pool = ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="look")
        try:
            for found in listed:
                if not isinstance(found, SourceFile):
                    ahead.append((found,))
                elif self.tree.is_far(found.path):
                    ahead.append(pool.submit(_file, self.tree, found))
                else:
                    ahead.append(_file(self.tree, found))
                if len(ahead) > 2 * _LOOKS_AT_ONCE or not isinstance(ahead[0], Future):
                    yield from _result(ahead.popleft())
            for last in ahead:
                yield from _result(last)
        finally:
            pool.shutdown(cancel_futures=True)


_RECORD, _FAULT, _FILE = range(3)


def _by_record(database: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """(ordinal, kind, …): each record, then its faults, then its files with every file directly before
    what has its key for a folder. Faults of no known record come first, with ordinal 0."""
    return merge(
        database.execute("SELECT ordinal, 0, key, metadata, conflict FROM record ORDER BY ordinal"),
        database.execute(
            "SELECT ordinal, 1, place, path, col, code, reason FROM fault ORDER BY ordinal, number"
        ),
        database.execute(
            "SELECT ordinal, 2, place, path, key, declared FROM file ORDER BY ordinal, sort, number"
        ),
        key=lambda row: row[:2],
    )


# ---------------------------------------------------------------- loading


def _load(database: sqlite3.Connection, rows: Rows) -> None:
    for number, (place, cells) in enumerate(rows):
        row = cells if isinstance(cells, RowFault) else row_from(cells)
        if isinstance(row, Row):
            _load_file(database, number, place, row)
        else:
            _load_fault(database, number, place, row)


def _load_file(database: sqlite3.Connection, number: int, place: str, row: Row) -> None:
    ordinal = _ordinal(database, row.record, row.metadata, place)
    # With NUL for `/`, nothing sorts between a file and what lies below a folder of its name.
    sort = row.key.replace("/", "\0").encode()
    declared = to_text(dict(row.declared))
    database.execute(
        "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?)",
        (ordinal, sort, number, place, os.fsencode(row.path), row.key, declared),
    )


def _load_fault(database: sqlite3.Connection, number: int, place: str, fault: RowFault) -> None:
    ordinal = _ordinal(database, fault.record, "", place) if fault.record else 0
    database.execute(
        "INSERT INTO fault VALUES (?, ?, ?, ?, ?, ?, ?)",
        (ordinal, number, place, fault.path, fault.column, fault.code, shown(fault.reason)),
    )


def _ordinal(database: sqlite3.Connection, key: str, metadata: str, place: str) -> int:
    """The record's ordinal from 1, in order of first appearance; its metadata is noted, or in conflict."""
    found = database.execute(
        """
        INSERT INTO record (key, metadata, place) VALUES (?, nullif(?, ''), ?)
        ON CONFLICT (key) DO UPDATE SET
            conflict = coalesce(conflict, CASE WHEN excluded.metadata <> metadata
                                          THEN place || ' and ' || excluded.place END),
            place = CASE WHEN metadata IS NULL THEN excluded.place ELSE place END,
            metadata = coalesce(metadata, excluded.metadata)
        RETURNING ordinal
        """,
        (key, metadata, place),
    ).fetchone()
    return int(found[0])


# ---------------------------------------------------------------- telling


def _record(key: str, metadata: str | None, conflict: str | None, describe: Describe) -> SourceRecord | None:
    """None where the rows bring no metadata."""
    if conflict:
        reason = f"{conflict} give different metadata for it"
        return record_without(key, "metadata-conflict", reason, "Leave one of them.")
    return record_from(key, json.loads(metadata), describe) if metadata else None


def _fault(record: str, place: str, path: str, column: str, code: str, reason: str) -> Problem:
    where = f"{place}, column {column}" if column else place
    return Problem(
        path, record, Outcome.REJECTED, code, f"{where}: {reason}", column, "Mend this row of the manifest."
    )


def _collision(record: str, place: str, key: str, other: str, *, is_of_web: bool) -> Problem:
    reason = "is listed twice" if key == other else f"cannot lie below {other}, which is a file"
    remedy = "Leave one of the two rows."
    if is_of_web:
        remedy += " Files whose URLs differ in the query only need a `record` or a `key` each."
    return rejected(record, key, "key-collision", f"{place}: {key} {reason}", remedy)


def _result(one: Iterable[Found] | Future[Sequence[Found]]) -> Iterable[Found]:
    return one.result() if isinstance(one, Future) else one


def _file(tree: Tree, file: SourceFile) -> Sequence[Found]:
    """The listed file as it lies there."""
    try:
        found = tree.look(file.path)
    except Rejected as error:
        return (replace(file, problem=refused(file.record, file.path, error)),)
    looked = replace(file, size=found.size, mtime_ns=found.mtime_ns, stamp=found.stamp)
    return (looked,) if is_utf8(file.path) else (renamed(file.record, file.path, file.key), looked)
