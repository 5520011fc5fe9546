"""A plan on disk: one Parquet file, a table of what will be done with every record and every file of a source.

Its rows are of three kinds, one after the other: `record`, `file` and `problem`; other columns are null where they are
not of a row's kind. A record's `decision` is `new`, `version`, `revision`, `unchanged` or `held`; a file's is `read`,
`kept` (in custody already, with the same size, stamp and declared digests), `not-needed` or `rejected`. So
`SELECT decision, count(*), sum(bytes) FROM 'plan.parquet' WHERE kind = 'file' GROUP BY decision` tells what an
application of it will read. In the file's metadata stand what the plan is of (`PlanHeader`) and a checksum of the
whole file. Memory does not grow with a plan: rows are written and read in groups.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from pipeline.codec import problem_from_json, to_text
from pipeline.display import shown, without_secrets
from pipeline.errors import Misconfigured
from pipeline.ingest.manifest import (
    FILES,
    GROUP,
    PROBLEMS,
    RECORD_GROUP,
    RECORDS,
    Rows,
    SurveyedFile,
    SurveyedRecord,
    SurveySummary,
    file_row,
    problem_row,
    record_row,
)
from pipeline.metadata.problems import EMBARGO_OVER
from pipeline.model import JsonObject, Outcome, Problem

FORMAT = 1
"""Of plans that this version writes, and the only one that it reads."""

_HEADER, _CHECKSUM = b"headrace.plan", b"headrace.checksum"
_BLANK = b"0" * 32
_BLOCK = 1 << 20
_AGAIN = "plan the source again"


class FileFate(StrEnum):
    """What a plan says of a file."""

    READ = "read"
    KEPT = "kept"
    NOT_NEEDED = "not-needed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """What a plan is of: the instance whose catalogue it was made against, the collection, the source and the options
    of the command, what the survey found, and when (RFC 3339)."""

    repository: str
    collection: str
    source: str
    options: JsonObject
    survey: SurveySummary
    made: str


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan that was found whole. `id` is its checksum, which no other plan has."""

    path: Path
    id: str
    header: PlanHeader
    groups: Mapping[str, range]
    """Its row groups of each kind."""


_RECORD, _FILE, _PROBLEM = "record", "file", "problem"
_DECISION, _BASIS = pa.field("decision", pa.string()), pa.field("basis", pa.string())
# The whole URL of a file of the web. `source_path` has it without its query: a plan is looked at, and handed on.
_SIGNED = pa.field("signed_url", pa.binary())


def _renamed(schema: pa.Schema, **names: str) -> pa.Schema:
    return pa.schema([field.with_name(names.get(field.name, field.name)) for field in schema])


# The tables of a survey, whose columns bear other names where one table is to hold them all.
_COLUMNS: Mapping[str, pa.Schema] = {
    _RECORD: _renamed(RECORDS, key="record").append(_DECISION).append(_BASIS),
    _FILE: _renamed(FILES, key="file", path="source_path", size="bytes").append(_DECISION).append(_SIGNED),
    _PROBLEM: PROBLEMS,
}
_SURVEY: Mapping[str, pa.Schema] = {
    _RECORD: RECORDS.append(_DECISION).append(_BASIS),
    _FILE: FILES,
    _PROBLEM: PROBLEMS,
}
_ALL = {field.name: field for schema in _COLUMNS.values() for field in schema}
# What people look for stands first.
_FIRST = ("decision", "record", "file", "bytes", "files")
_SCHEMA = pa.schema(
    [pa.field("kind", pa.string()), *(_ALL[name] for name in dict.fromkeys([*_FIRST, *_ALL]))]
)

# ---------------------------------------------------------------- writing


class PlanWriter:
    """Rows on their way into a plan: all records, then all files, then all problems."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._groups = dict.fromkeys(_COLUMNS, 0)
        groups = {_RECORD: RECORD_GROUP, _FILE: GROUP, _PROBLEM: GROUP}
        self._rows = {
            kind: Rows(schema, groups[kind], partial(self._write, kind)) for kind, schema in _COLUMNS.items()
        }

    def add_record(self, record: SurveyedRecord) -> None:
        """One with its decision, and what that rests on."""
        self._rows[_RECORD].append(*record_row(record), record.decision, record.basis)

    def add_file(self, one: SurveyedFile, fate: FileFate) -> None:
        file, signed = one.file, None
        if (bare := without_secrets(file.path)) != file.path:
            file, signed = replace(file, path=bare), os.fsencode(file.path)
        self._rows[_FILE].append(*file_row(one.ordinal, file), fate.value, signed)

    def add_problem(self, problem: Problem) -> None:
        self._rows[_PROBLEM].append(*problem_row(problem))

    def end(self, header: PlanHeader) -> None:
        """Nothing comes after this."""
        for rows in self._rows.values():
            rows.flush()
        text = to_text({"format": FORMAT, "groups": self._groups, **asdict(header)})
        self._writer.add_key_value_metadata({_HEADER: text.encode(), _CHECKSUM: _BLANK})

    def _write(self, kind: str, table: pa.Table) -> None:
        # A kind begins where all rows of the kinds before it are written.
        for before, rows in self._rows.items():
            if before == kind:
                break
            rows.flush()
        number = table.num_rows
        columns = [
            table[field.name] if field.name in table.column_names else pa.nulls(number, field.type)
            for field in list(_SCHEMA)[1:]
        ]
        kinds = pa.array([kind] * number, pa.string())
        self._writer.write_table(pa.Table.from_arrays([kinds, *columns], schema=_SCHEMA))
        self._groups[kind] += 1


@contextmanager
def write_plan(path: Path) -> Iterator[PlanWriter]:
    """A plan to be written at `path`, where it appears whole at the end of the block. Raises `Misconfigured` where
    nothing can be written there."""
    part = path.with_name(path.name + ".part")
    try:
        part.touch()
    except OSError as error:
        raise Misconfigured(
            f"{shown(str(path))} cannot be written: {error.strerror}",
            field="--output",
            remedy="name a file in a folder that is there and that this user may write to",
        ) from error
    try:
        with pq.ParquetWriter(part, _SCHEMA, compression="zstd") as writer:
            yield PlanWriter(writer)
        _seal(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


# ---------------------------------------------------------------- the checksum


def _seal(path: Path) -> None:
    """Put the file's checksum where it has left room for one."""
    checksum = _checksum(path, _BLANK)
    with path.open("r+b") as file:
        file.seek(_place(path, _BLANK))
        file.write(checksum)


def _checksum(path: Path, written: bytes) -> bytes:
    """That of the whole file as it is with room for a checksum, where `written` stands now."""
    place, summed = _place(path, written), xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(min(_BLOCK, place - file.tell())):
            summed.update(block)
        file.seek(len(written), os.SEEK_CUR)
        summed.update(_BLANK)
        while block := file.read(_BLOCK):
            summed.update(block)
    return summed.hexdigest().encode()


def _place(path: Path, written: bytes) -> int:
    """Where in the file its checksum stands: in the footer, whose length in bytes stands before the last four. Raises
    `ValueError` where it does not."""
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        first = file.seek(-8 - length, os.SEEK_END)
        footer = file.read(length)
    return first + footer.index(written, footer.rindex(_CHECKSUM))


# ---------------------------------------------------------------- reading


def open_plan(path: Path) -> PlanFile:
    """The plan at `path`, every byte of it compared with its checksum. Raises `Misconfigured` for what is no plan, is
    damaged, or of another format."""
    try:
        with pq.ParquetFile(path) as table:
            known = table.metadata.metadata or {}
        is_plan = _HEADER in known and _CHECKSUM in known
        is_whole = is_plan and _checksum(path, known[_CHECKSUM]) == known[_CHECKSUM]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise Misconfigured(
            f"{shown(str(path))} cannot be read as a plan: {error}",
            remedy="name a file that `headrace plan` has written, or plan the source again",
        ) from error
    if not is_plan:
        raise Misconfigured(
            f"{shown(str(path))} is a Parquet file, but no plan of Headrace",
            remedy="name a file that `headrace plan` has written",
        )
    if not is_whole:
        raise Misconfigured(
            f"{shown(str(path))} is damaged: its bytes are not those that its checksum is of", remedy=_AGAIN
        )
    document = json.loads(known[_HEADER])
    if document["format"] != FORMAT:
        raise Misconfigured(
            f"{shown(str(path))} is a plan of format {document['format']}, this version reads {FORMAT}",
            remedy=_AGAIN,
        )
    return _plan(path, known[_CHECKSUM].decode(), document)


def _plan(path: Path, checksum: str, document: JsonObject) -> PlanFile:
    del document["format"]
    groups, first = {}, 0
    numbers = document.pop("groups")
    for kind in _COLUMNS:
        groups[kind] = range(first, first + numbers[kind])
        first += numbers[kind]
    survey = document.pop("survey")
    problems = {Outcome(outcome): number for outcome, number in survey.pop("problems").items()}
    return PlanFile(
        path, checksum, PlanHeader(survey=SurveySummary(**survey, problems=problems), **document), groups
    )


def read_problems(plan: PlanFile) -> Iterator[Problem]:
    """Everything that was found wrong."""
    with pq.ParquetFile(plan.path) as table:
        for group in plan.groups[_PROBLEM]:
            for row in table.read_row_group(group, columns=PROBLEMS.names).to_pylist():
                yield problem_from_json(row)


def unpack(plan: PlanFile, folder: Path) -> None:
    """Write the survey that the plan was made of into an empty folder, each record with what was decided of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with pq.ParquetFile(plan.path) as table:
        for kind, schema in _SURVEY.items():
            names = [field.name for field in _COLUMNS[kind]][: len(schema)]
            with pq.ParquetWriter(folder / f"{kind}s.parquet", schema, compression="zstd") as writer:
                for group in plan.groups[kind]:
                    found = table.read_row_group(group, columns=[*names, _SIGNED.name])
                    found = (_with_whole_urls(found) if kind == _FILE else found).select(names)
                    if kind == _PROBLEM:
                        # Said again by whoever decides on the record, from the record itself.
                        found = found.filter(pc.not_equal(found["code"], EMBARGO_OVER))
                    writer.write_table(found.rename_columns(schema.names).cast(schema))


def _with_whole_urls(table: pa.Table) -> pa.Table:
    """Rows of files with their whole URLs for `source_path`."""
    at = table.column_names.index("source_path")
    return table.set_column(at, "source_path", pc.coalesce(table[_SIGNED.name], table["source_path"]))
