"""Files that came over HTTP and were not looked into yet: what format they have, and whether a virus is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Transaction, deposit_files
from pipeline.catalogue.deposits import PENDING
from pipeline.catalogue.tables import deposit, deposit_file, record_file
from pipeline.model import UNIDENTIFIED, FileState, Identification, ScanVerdict


@dataclass(frozen=True, slots=True)
class Unexamined:
    """A file of a draft (`file_id`, its bytes under the key `place` in the store), or of the published version
    `record_id` where these are None. `digest` is by the root's algorithm."""

    record_id: int
    key: str
    size: int
    digest: str
    file_id: int | None = None
    place: str | None = None


def left(tx: Transaction, record_id: int, *, limit: int) -> list[Unexamined]:
    """Files of a record, drafted or published, that nobody has looked into."""
    drafted = tx.execute(
        sa.select(deposit_file, deposit.c.home)
        .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
        .where(
            deposit.c.record_id == record_id,
            deposit.c.accession_id.is_(None),
            deposit.c.state.in_(PENDING),
            deposit_file.c.state == FileState.IN_CUSTODY,
            deposit_file.c.holder_id.is_(None),
            _is_unexamined(deposit_file.c.identification),
        )
        .order_by(deposit_file.c.id)
        .limit(limit)
    )
    found = [
        Unexamined(record_id, row.key, row.size, row.root_digest, row.id, deposit_files.place_of(row))
        for row in drafted
    ]
    published = tx.execute(
        sa.select(record_file)
        .where(
            record_file.c.record_id == record_id,
            record_file.c.purge_id.is_(None),
            _is_unexamined(record_file.c.identification),
        )
        .order_by(record_file.c.key)
        .limit(limit - len(found))
    )
    return found + [Unexamined(record_id, row.key, row.size, row.root_digest) for row in published]


def _is_unexamined(identification: sa.Column[Any]) -> sa.ColumnElement[bool]:
    # Whoever looks says with what.
    tool: sa.ColumnElement[str] = identification["tool"].as_string()
    return tool == UNIDENTIFIED.tool


def ask_again(tx: Transaction, deposit_id: int) -> None:
    """Files of a draft that no scanner went through wholly are to be looked into once more: its limits may be others by
    now."""
    tx.execute(
        sa.update(deposit_file)
        .where(
            deposit_file.c.deposit_id == deposit_id,
            deposit_file.c.holder_id.is_(None),
            deposit_files.is_unclean(),
        )
        .values(identification=codec.identification_to_json(UNIDENTIFIED))
    )


def note_drafted(tx: Transaction, one: Unexamined, found: Identification, verdict: ScanVerdict) -> None:
    """Of a file that is still in its draft as it was; of another nothing is noted."""
    tx.execute(
        sa.update(deposit_file)
        .where(
            deposit_file.c.id == one.file_id,
            deposit_file.c.root_digest == one.digest,
            deposit_file.c.state == FileState.IN_CUSTODY,
        )
        .values(identification=codec.identification_to_json(found), scan=codec.verdict_to_json(verdict))
    )


def note_published(tx: Transaction, one: Unexamined, found: Identification) -> None:
    tx.execute(
        sa.update(record_file)
        .where(record_file.c.record_id == one.record_id, record_file.c.key == one.key)
        .values(identification=codec.identification_to_json(found))
    )
