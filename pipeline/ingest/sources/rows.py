"""The rows of a manifest: JSON Lines, CSV or Parquet, line by line, and what one row says.

Columns: `path` (relative to the manifest, or an http(s) URL), `record`, `md5`, `sha1`, `sha256`, `sha512`, `metadata`
(an object, or its JSON text), and for URLs `key` (the file's name in its record; without it, the last segment of the
URL's path); others are ignored. An absent, null or empty cell says nothing. Without `record`, a row is a record of its
own with the row's path as key, or its URL without query: rows whose URLs differ in nothing else are of one record. A
plain list has one URL a line; blank lines and those with `#` say nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from pipeline.codec import to_text
from pipeline.display import shown, without_secrets
from pipeline.errors import Rejected, UnusableSource
from pipeline.ingest.sources.declared import digest_fault
from pipeline.ingest.sources.documents import LIMIT, parsed
from pipeline.ingest.sources.names import (
    KEY_LIMIT,
    escaped,
    is_web,
    key_fault,
    name_in,
    normal,
    path_fault,
    url_fault,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ingest.sources.protocol import Tree
    from pipeline.model import Digests

DIGESTS = ("md5", "sha1", "sha256", "sha512")
COLUMNS = ("path", "record", "key", *DIGESTS, "metadata")
MANIFEST_LIMIT = 4 << 30
"""Bytes of a manifest: rows for ten million files and more."""
_BUFFER = 1 << 20

Cells = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a row is not taken: `column` is `""` for the row as a whole, `record` where it is known."""

    code: str
    reason: str
    column: str = ""
    record: str = ""
    path: str = ""


Rows: TypeAlias = "Iterator[tuple[str, Cells | RowFault]]"


@dataclass(frozen=True, slots=True)
class Row:
    """One file of a manifest. `metadata` is canonical JSON text, or `""`."""

    record: str
    path: str
    key: str
    declared: Digests
    metadata: str = ""


def require_rows(tree: Tree, name: str) -> None:
    """Raises `UnusableSource` when the manifest cannot be read, has no `path` column or no row with a path, and
    `Unavailable` as trees do."""
    if not any(isinstance(cells, dict) and cells.get("path") for _, cells in read_rows(tree, name)):
        raise UnusableSource(f"{shown(name)} holds no row with a `path`", remedy=_REMEDY)


def read_rows(tree: Tree, name: str) -> Rows:
    """The rows of the manifest `name` that are not blank, each with where it stands (`line 7`), as cells or as why it
    is none.

    Raises `UnusableSource` for a file that cannot be read at all or has no `path` column, `Unavailable` as trees do.
    """
    try:
        with tree.open_now(name) as opened, io.BufferedReader(opened, _BUFFER) as file:
            if opened.size > MANIFEST_LIMIT:
                raise UnusableSource(
                    f"{shown(name)} has {opened.size:,} bytes; a manifest has {MANIFEST_LIMIT:,} at the most",
                    remedy="Split it: each part is a source, all of them may name the same `--collection`.",
                )
            yield from _READERS[manifest_form(name)](file, name)
    except Rejected as error:
        raise UnusableSource(error.message, remedy=error.remedy or _REMEDY) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableSource(
            f"{shown(name)} cannot be read as a manifest: {error}", remedy=_REMEDY
        ) from error


def manifest_form(name: str) -> str:
    """What the name says of the manifest's form: its suffix, or `""` where it is that of none."""
    suffix = PurePosixPath(name_in(name) if is_web(name) else name).suffix.lower()
    return suffix if suffix in SUFFIXES else ""


_REMEDY = (
    "A manifest is JSON Lines, CSV (with commas and a header) or Parquet, with a column `path`,"
    " or a list of URLs (.txt)."
)


def _require_path_column(name: str, columns: list[str]) -> None:
    twice = [column for column in COLUMNS if columns.count(column) > 1]
    if "path" not in columns or twice:
        found = f"the column `{twice[0]}` twice" if twice else "no column `path`"
        raise UnusableSource(f"{shown(name)} has {found}", remedy=_REMEDY)


def _json_lines(file: BinaryIO, _: str) -> Rows:
    number = 0
    while line := file.readline(LIMIT + 1):
        number += 1
        if len(line) > LIMIT:
            while line and not line.endswith(b"\n"):
                line = file.readline(LIMIT)
            yield f"line {number}", RowFault("bad-row", f"longer than {LIMIT} bytes")
        elif line.strip():
            yield f"line {number}", _json_cells(line)


def _urls(file: BinaryIO, _: str) -> Rows:
    for number, line in enumerate(iter(lambda: file.readline(KEY_LIMIT + 2), b""), start=1):
        url = line.decode("utf-8-sig", "surrogateescape").strip()
        if is_web(url):
            yield f"line {number}", {"path": url}
        elif url and not url.startswith("#"):
            yield f"line {number}", RowFault("bad-row", "it is no http:// or https:// URL", path=shown(url))


def _json_cells(line: bytes) -> Cells | RowFault:
    try:
        # A path may hold bytes that are not UTF-8, here as in the other formats.
        cells = parsed(line.decode("utf-8-sig", "surrogateescape"))
    except json.JSONDecodeError as error:
        return RowFault("bad-row", f"not JSON: {error.msg} at character {error.colno}")
    except ValueError as error:
        return RowFault("bad-row", f"not JSON: {error}")
    return cells if isinstance(cells, dict) else RowFault("bad-row", "not a JSON object")


def _csv(file: BinaryIO, name: str) -> Rows:
    # The module knows one limit for the whole process; its default refuses longer metadata.
    csv.field_size_limit(LIMIT)
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text)
        header = [column.strip() for column in next(reader, [])]
        _require_path_column(name, header)
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield f"line {reader.line_num}", RowFault("bad-row", f"not CSV: {error}")
                continue
            if cells is None:
                return
            if len(cells) == len(header):
                yield f"line {reader.line_num}", dict(zip(header, cells, strict=True))
            elif cells:
                reason = f"the row has {len(cells)} cells, the header {len(header)}"
                yield f"line {reader.line_num}", RowFault("bad-row", reason)


def _parquet(file: BinaryIO, name: str) -> Rows:
    # 25 MB of every process that imports it, and a gateway reads no manifests.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            columns = table.schema_arrow.names
            _require_path_column(name, columns)
            number = 0
            for batch in table.iter_batches(
                5000, columns=[column for column in COLUMNS if column in columns]
            ):
                for cells in batch.to_pylist():
                    number += 1
                    # Every row of a Parquet struct has all of its fields.
                    yield f"row {number}", cells | {"metadata": _without_nulls(cells.get("metadata"))}
    except pa.ArrowException as error:
        raise Rejected(f"{shown(name)} cannot be read as a manifest: {error}") from error


_READERS: Mapping[str, Callable[[BinaryIO, str], Rows]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
    ".txt": _urls,
}
SUFFIXES = frozenset(_READERS)


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


# ---------------------------------------------------------------- one row


def row_from(cells: Cells) -> Row | RowFault:
    """What the cells say, or the first thing that is wrong with them."""
    record = _record(cells.get("record"))
    if isinstance(record, RowFault):
        return record
    path = cells.get("path")
    if isinstance(path, bytes):
        path = path.decode(errors="surrogateescape")
    if not path or not isinstance(path, str):
        return RowFault("bad-row", "there is no path", "path", record)
    if is_web(path):
        return _web_row(cells, record, path)
    if fault := _path_fault(path):
        return RowFault("unsafe-path", fault, "path", record, shown(path))
    path = normal(path)
    key = escaped(path)
    if not key or (fault := key_fault(key)):
        return RowFault("bad-name", fault or "the path names no file", "path", record, shown(path))
    return _with_contents(cells, Row(record or key, path, key, {}))


def _web_row(cells: Cells, record: str, url: str) -> Row | RowFault:
    """A file of the web. Alone, its URL is its record's key: without the query, which may be a signature and another
    one tomorrow."""
    if fault := url_fault(url) or key_fault(url):
        return RowFault("unsafe-path", fault, "path", record, shown(url))
    given = cells.get("key")
    name = given if isinstance(given, str) and given else name_in(url)
    if fault := _path_fault(name):
        return RowFault("unsafe-path", fault, "key" if given else "path", record, shown(url))
    key = escaped(normal(name))
    if not key or (fault := key_fault(key)):
        reason = fault or "the URL's path does not end with a name: give the file one in the column `key`"
        return RowFault("bad-name", reason, "key" if given else "path", record, shown(url))
    return _with_contents(cells, Row(record or without_secrets(url), url, key, {}))


def _record(cell: object) -> str | RowFault:
    """The record's key, `""` where the row does not say."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        cell = str(cell)
    if cell is None:
        return ""
    if not isinstance(cell, str) or not _is_text(cell):
        return RowFault("bad-row", "the record is no text", "record")
    fault = key_fault(escaped(cell))
    return RowFault("bad-row", fault, "record") if fault else escaped(cell)


def _is_text(text: str) -> bool:
    """Whether every lone surrogate of the text stands for a byte, as in Python's file names."""
    return text.isascii() or all(
        "\udc80" <= char <= "\udcff" for char in text if "\ud800" <= char <= "\udfff"
    )


def _path_fault(path: str) -> str:
    return path_fault(path) if _is_text(path) else "the path is no text"


def _with_contents(cells: Cells, row: Row) -> Row | RowFault:
    """The row with its digests and metadata."""
    declared = {}
    for algorithm in DIGESTS:
        text = cells.get(algorithm)
        if text is None or text == "":
            continue
        fault = digest_fault(algorithm, text.strip()) if isinstance(text, str) else "the digest is no text"
        if fault:
            return RowFault("bad-digest", fault, algorithm, row.record, shown(row.path))
        declared[algorithm] = text.strip().lower()
    try:
        metadata = _metadata(cells.get("metadata"))
    except (ValueError, TypeError, RecursionError) as error:
        return RowFault("metadata-not-json", str(error), "metadata", row.record, shown(row.path))
    return Row(row.record, row.path, row.key, declared, metadata)


def _metadata(cell: object) -> str:
    if isinstance(cell, str):
        cell = parsed(cell) if cell.strip() else None
    return to_text(cell) if cell not in (None, "", {}) else ""
