"""The survey on disk: three Parquet files in one folder, written once, read in streams.

`records.parquet` has one row a record, its ordinal counting from 0 in order of appearance;
`files.parquet` one row a file, those of a record together and in order; `problems.parquet` every problem.
Memory does not grow with the survey: rows are written in groups.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipeline.codec import (
    description_from_json,
    description_to_json,
    problem_from_json,
    problem_to_json,
    to_text,
)
from pipeline.model import Description, Outcome, Problem, SourceFile, SourceRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.ingest.sources import Found

GROUP = 50_000
"""Rows of a row group."""
RECORD_GROUP = 5_000
"""The same for records, whose descriptions may be long."""

RECORDS = pa.schema(
    [
        ("ordinal", pa.int64()),
        ("key", pa.string()),
        ("description", pa.string()),
        ("problems", pa.string()),
        ("rejected", pa.int64()),
        ("files", pa.int64()),
        ("bytes", pa.int64()),
        ("fingerprint", pa.string()),
    ]
)
FILES = pa.schema(
    [
        ("ordinal", pa.int64()),
        ("record", pa.string()),
        # Bytes, for a path may be no text.
        ("path", pa.binary()),
        ("key", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("stamp", pa.string()),
        ("declared", pa.string()),
        ("problem", pa.string()),
    ]
)
PROBLEMS = pa.schema(
    [(name, pa.string()) for name in ("path", "record", "outcome", "code", "field", "reason", "remedy")]
)


@dataclass(frozen=True, slots=True)
class SurveySummary:
    """What a survey found. `bytes` is the sum of the sizes of files that can be read."""

    records: int
    files: int
    bytes: int
    problems: Mapping[Outcome, int]


@dataclass(frozen=True, slots=True)
class SurveyedRecord:
    """A record of the survey.

    `problems` are those of the record as a whole; `rejected` counts every problem that holds it, those of
    its files included. `files` counts those that can be read and `bytes` their sizes. `fingerprint` is 32
    hex digits that change when any file's key, size, stamp or declared digest does. In a plan that is applied,
    `decision` is what it says will become of the record, given the `basis` (`planning.abide`).
    """

    ordinal: int
    key: str
    description: Description | None
    problems: tuple[Problem, ...]
    rejected: int
    files: int
    bytes: int
    fingerprint: str
    decision: str = ""
    basis: str = ""


@dataclass(frozen=True, slots=True)
class SurveyedFile:
    """A file of the record with this ordinal."""

    ordinal: int
    file: SourceFile


# ---------------------------------------------------------------- writing


def write_survey(found: Iterable[Found], folder: Path) -> SurveySummary:
    """Write what a source's `survey` yields. The files get their names when all of it is written; until
    then, and after an exception, the folder holds no readable survey.

    Raises `ValueError` when a file does not follow its own record: a source broke its promise.
    """
    with ExitStack() as stack:
        writer = _SurveyWriter(
            stack.enter_context(open_rows(folder / _PARTS[0], RECORDS, RECORD_GROUP)),
            stack.enter_context(open_rows(folder / _PARTS[1], FILES, GROUP)),
            stack.enter_context(open_rows(folder / _PARTS[2], PROBLEMS, GROUP)),
        )
        for item in found:
            writer.add(item)
        summary = writer.close()
    for part in _PARTS:
        (folder / part).replace(folder / part.removesuffix(".part"))
    return summary


_PARTS = ("records.parquet.part", "files.parquet.part", "problems.parquet.part")


class Rows:
    """Rows on their way to `write`, as tables of `group` rows."""

    def __init__(self, schema: pa.Schema, group: int, write: Callable[[pa.Table], None]) -> None:
        self._schema, self._group, self._write = schema, group, write
        self._rows: list[tuple[object, ...]] = []

    def append(self, *row: object) -> None:
        self._rows.append(row)
        if len(self._rows) >= self._group:
            self.flush()

    def flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(column, kind.type) for column, kind in zip(columns, self._schema, strict=True)]
        self._write(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()


@contextmanager
def open_rows(path: Path, schema: pa.Schema, group: int) -> Iterator[Rows]:
    """Rows into a Parquet file of its own."""
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows = Rows(schema, group, writer.write_table)
        yield rows
        rows.flush()


def record_row(record: SurveyedRecord) -> tuple[object, ...]:
    """The row of `RECORDS`."""
    return (
        record.ordinal,
        record.key,
        to_text(description_to_json(record.description)) if record.description else None,
        to_text([problem_to_json(problem) for problem in record.problems]),
        record.rejected,
        record.files,
        record.bytes,
        record.fingerprint,
    )


def file_row(ordinal: int, file: SourceFile) -> tuple[object, ...]:
    """The row of `FILES`."""
    return (
        ordinal,
        file.record,
        os.fsencode(file.path),
        file.key,
        file.size,
        file.mtime_ns,
        file.stamp,
        to_text(dict(file.declared)) if file.declared else None,
        to_text(problem_to_json(file.problem)) if file.problem else None,
    )


def problem_row(problem: Problem) -> tuple[object, ...]:
    """The row of `PROBLEMS`."""
    # What a user wrote may be quoted in a reason, and need not be encodable.
    texts = problem_to_json(problem)
    return tuple(texts[name].encode(errors="backslashreplace").decode() for name in PROBLEMS.names)


@dataclass(slots=True)
class _OpenRecord:
    """The record that files are being added to."""

    ordinal: int
    record: SourceRecord
    problems: list[Problem] = field(default_factory=list)
    rejected: int = 0
    files: int = 0
    bytes: int = 0
    fingerprint: int = 0


class _SurveyWriter:
    def __init__(self, records: Rows, files: Rows, problems: Rows) -> None:
        self._records, self._files, self._problems = records, files, problems
        self._open: _OpenRecord | None = None
        self._outcomes: Counter[Outcome] = Counter()
        self._counts = [0, 0, 0]

    def add(self, item: Found) -> None:
        match item:
            case SourceRecord():
                self._close_record()
                self._open = _OpenRecord(self._counts[0], item)
                for problem in item.problems:
                    self._add_problem(problem)
            case SourceFile():
                self._add_file(item)
            case Problem():
                self._add_problem(item)

    def close(self) -> SurveySummary:
        self._close_record()
        records, files, size = self._counts
        return SurveySummary(records, files, size, dict(self._outcomes))

    def _add_file(self, file: SourceFile) -> None:
        record = self._open
        if record is None or record.record.key != file.record:
            raise ValueError(f"a file of {file.record!r} does not follow its record")
        if file.problem is None:
            record.files += 1
            record.bytes += file.size
        else:
            self._add_problem(file.problem)
        record.fingerprint += _fingerprint(file)
        self._files.append(*file_row(record.ordinal, file))

    def _add_problem(self, problem: Problem) -> None:
        self._outcomes[problem.outcome] += 1
        self._problems.append(*problem_row(problem))
        if self._open is None or problem.record != self._open.record.key:
            return
        self._open.rejected += problem.outcome is not Outcome.WARNED
        if not problem.path:
            self._open.problems.append(problem)

    def _close_record(self) -> None:
        record = self._open
        if record is None:
            return
        surveyed = SurveyedRecord(
            record.ordinal,
            record.record.key,
            record.record.description,
            tuple(record.problems),
            record.rejected,
            record.files,
            record.bytes,
            f"{record.fingerprint % (1 << 128):032x}",
        )
        self._records.append(*record_row(surveyed))
        self._counts[0] += 1
        self._counts[1] += record.files
        self._counts[2] += record.bytes
        self._open = None


def _fingerprint(file: SourceFile) -> int:
    """A 128-bit number of what the survey knows of one file. Their sum over a record does not depend on
    order, so files can be added to it as they come."""
    declared = " ".join(f"{name}:{digest}" for name, digest in sorted(file.declared.items()))
    # No key holds a NUL, so no two files give the same text.
    seen = f"{file.key}\0{file.size}\0{file.stamp}\0{declared}"
    return xxhash.xxh3_128_intdigest(seen.encode())


# ---------------------------------------------------------------- reading


def read_records(folder: Path) -> Iterator[SurveyedRecord]:
    """The records by ordinal."""
    for row in _rows(folder / "records.parquet", RECORD_GROUP):
        problems = tuple(problem_from_json(problem) for problem in json.loads(row.pop("problems")))
        text = row.pop("description")
        description = description_from_json(json.loads(text)) if text else None
        yield SurveyedRecord(**row, description=description, problems=problems)


def read_files(folder: Path, batch: int = 5000) -> Iterator[list[SurveyedFile]]:
    """The files of all records, by the records' ordinals, in lists of `batch` at most."""
    with pq.ParquetFile(folder / "files.parquet") as table:
        for rows in table.iter_batches(batch):
            yield [_file(row) for row in rows.to_pylist()]


def read_problems(folder: Path) -> Iterator[Problem]:
    """Every problem of the survey, those of records and files included, as they were met."""
    for row in _rows(folder / "problems.parquet", GROUP):
        yield problem_from_json(row)


def _rows(path: Path, batch: int) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as table:
        for rows in table.iter_batches(batch):
            yield from rows.to_pylist()


def _file(row: dict[str, Any]) -> SurveyedFile:
    declared, problem = row["declared"], row["problem"]
    return SurveyedFile(
        row["ordinal"],
        SourceFile(
            record=row["record"],
            path=os.fsdecode(row["path"]),
            key=row["key"],
            size=row["size"],
            mtime_ns=row["mtime_ns"],
            stamp=row["stamp"],
            declared=json.loads(declared) if declared else {},
            problem=problem_from_json(json.loads(problem)) if problem else None,
        ),
    )
