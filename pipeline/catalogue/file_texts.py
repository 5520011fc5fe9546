"""Texts of files, for search: one of the same bytes, whichever records have them. A file without text has an empty one,
so that it is not read again."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, takewhile
from typing import Any, Final

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.tables import file_text, record, record_file
from pipeline.model import Identification, RecordState, ScanVerdict

MEDIA_TYPES: Final = ("application/pdf", "text/html", "text/markdown", "text/plain")
"""Of formats that are prose for the most part, as PRONOM has them. Tables and programs are left out: their numbers and
names would be most of what an index holds."""
PUIDS: Final = ("fmt/280", "fmt/281")
"""Of such formats for which PRONOM has no media type: LaTeX."""
MOST_FILES: Final = 50
"""Files of a record that are read, the first by key."""
MOST_CHARACTERS: Final = 200_000
"""Of all texts of a record together."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A file whose text nobody has read yet; `digest` is by the root's algorithm."""

    record_id: int
    key: str
    size: int
    digest: str
    identification: Identification
    scan: ScanVerdict


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file of a record, as far as it is held."""

    key: str
    text: str


def left(tx: Transaction, record_ids: Collection[int], *, largest: int) -> list[Unread]:
    """Files of published records, of `largest` bytes at most, that may have text and that nobody has read it of."""
    rows = tx.execute(_LEFT, {"wanted": list(record_ids), "largest": largest})
    return [
        Unread(
            row.record_id,
            row.key,
            row.size,
            row.root_digest,
            codec.identification_from_json(row.identification),
            codec.verdict_from_json(row.scan),
        )
        for row in rows
    ]


def characters(tx: Transaction, record_ids: Collection[int], *, largest: int) -> dict[int, int]:
    """How long the texts of records are together at most; records without any are left out."""
    rows = tx.execute(_LENGTHS, {"wanted": list(record_ids), "largest": largest})
    return {row.record_id: min(int(row.total), MOST_CHARACTERS) for row in rows}


def of_records(
    tx: Transaction, record_ids: Collection[int], *, largest: int
) -> dict[int, tuple[FileText, ...]]:
    """The texts of published records, by key, `MOST_CHARACTERS` of each record; records without any are left out."""
    found: dict[int, list[tuple[str, bytes, int]]] = {}
    for row in tx.execute(_TEXTS, {"wanted": list(record_ids), "largest": largest}):
        found.setdefault(row.record_id, []).append((row.key, row.content, row.characters))
    return {record_id: tuple(_unpacked(rows)) for record_id, rows in found.items()}


def _unpacked(rows: Sequence[tuple[str, bytes, int]]) -> list[FileText]:
    before = [0, *accumulate(length for _, _, length in rows)]
    wanted = takewhile(lambda pair: pair[1] < MOST_CHARACTERS, zip(rows, before, strict=False))
    return [
        FileText(key, zlib.decompress(content).decode()[: MOST_CHARACTERS - at])
        for (key, content, _), at in wanted
    ]


def add(tx: Transaction, texts: Mapping[str, str], *, now: datetime) -> None:
    """Keep the texts of bytes with these digests."""
    if texts:
        rows = [
            {
                "root_digest": digest,
                "content": zlib.compress(text.encode()),
                "characters": len(text),
                "read_at": now,
            }
            for digest, text in texts.items()
        ]
        tx.execute(insert(tx, file_text).on_conflict_do_nothing(), rows)


def forget_unserved(tx: Transaction, *, digests: Collection[str] | None = None) -> None:
    """Let go of texts whose bytes no published record has any more, of these digests only."""
    served = (
        sa.exists()
        .where(
            record_file.c.root_digest == file_text.c.root_digest,
            record_file.c.purge_id.is_(None),
            record.c.id == record_file.c.record_id,
            record.c.state == RecordState.PUBLISHED,
        )
        .correlate(file_text)
    )
    gone = sa.delete(file_text).where(~served)
    tx.execute(gone if digests is None else gone.where(file_text.c.root_digest.in_(digests)))


def _eligible() -> sa.Subquery:
    """Files that may have text, of records that are wanted."""
    mime: sa.ColumnElement[Any] = record_file.c.identification["mime"].as_string()
    puid: sa.ColumnElement[Any] = record_file.c.identification["puid"].as_string()
    place = sa.func.row_number().over(partition_by=record_file.c.record_id, order_by=record_file.c.key)
    return (
        sa.select(record_file, place.label("place"))
        .join(record, record.c.id == record_file.c.record_id)
        .where(
            record_file.c.record_id.in_(sa.bindparam("wanted", expanding=True)),
            record.c.state == RecordState.PUBLISHED,
            record_file.c.purge_id.is_(None),
            record_file.c.size.between(1, sa.bindparam("largest", type_=sa.BigInteger)),
            sa.or_(mime.in_(MEDIA_TYPES), puid.in_(PUIDS)),
        )
        .subquery("eligible")
    )


_ELIGIBLE = _eligible()
_IS_TEXT_OF = file_text.c.root_digest == _ELIGIBLE.c.root_digest
_FIRST = _ELIGIBLE.c.place <= MOST_FILES
_LEFT = (
    sa.select(_ELIGIBLE)
    .outerjoin(file_text, _IS_TEXT_OF)
    .where(_FIRST, file_text.c.root_digest.is_(None))
    .order_by(_ELIGIBLE.c.record_id, _ELIGIBLE.c.key)
)
_HELD = (
    sa.select(_ELIGIBLE.c.record_id).join(file_text, _IS_TEXT_OF).where(_FIRST, file_text.c.characters > 0)
)
_LENGTHS = _HELD.add_columns(sa.func.sum(file_text.c.characters).label("total")).group_by(
    _ELIGIBLE.c.record_id
)
_TEXTS = _HELD.add_columns(_ELIGIBLE.c.key, file_text.c.content, file_text.c.characters).order_by(
    _ELIGIBLE.c.record_id, _ELIGIBLE.c.key
)
