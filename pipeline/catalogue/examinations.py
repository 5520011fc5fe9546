"""Files that came over HTTP and were not looked into yet: what format they have, and whether a virus is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Transaction, deposit_files, draft_files, drafts
from pipeline.catalogue.tables import deposit, deposit_file, record_file
from pipeline.model import UNIDENTIFIED, Digests, FileState, Identification, JsonObject, ScanVerdict


@dataclass(frozen=True, slots=True)
class Unexamined:
    """A file of a draft (`file_id`, its bytes under the key `place` in the store, at `content` in its home), or of the
    published version `record_id` where these are None. `digest` is by the root's algorithm, `""` where nobody has read
    the file at all: then `declared` is what its bytes shall be, `sent` what is known of how it came (`MULTIPART`)."""

    record_id: int
    key: str
    size: int
    digest: str
    file_id: int | None = None
    place: str | None = None
    content: str = ""
    declared: Digests = field(default_factory=dict)
    sent: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a file; `digests` where it was read for the first time."""

    file: Unexamined
    identification: Identification
    verdict: ScanVerdict
    digests: Digests = field(default_factory=dict)


def left(
    tx: Transaction, record_ids: Sequence[int], *, after: Unexamined | None, limit: int
) -> list[Unexamined]:
    """Files of records that nobody has looked into, from behind `after` on: those of their drafts by id, then those of
    the published versions, by record and key. Who goes through all of them misses none that is published meanwhile."""
    wanted = {"wanted": list(record_ids), "most": limit}
    if after is not None and after.file_id is None:
        return _published(tx, wanted, after.record_id, after.key)
    drafted = _drafted(tx, wanted, after=(after.file_id or 0) if after else 0)
    return drafted + _published(tx, wanted | {"most": limit - len(drafted)}, 0, "")


def _drafted(tx: Transaction, wanted: JsonObject, *, after: int) -> list[Unexamined]:
    return [
        Unexamined(
            row.record_id,
            row.key,
            row.size,
            row.root_digest or "",
            row.id,
            deposit_files.place_of(row),
            row.content,
            row.declared,
            row.digests.get(draft_files.MULTIPART, ""),
        )
        for row in tx.execute(_DRAFTED, wanted | {"after": after})
    ]


def _published(tx: Transaction, wanted: JsonObject, record_id: int, key: str) -> list[Unexamined]:
    rows = tx.execute(_PUBLISHED, wanted | {"after_record": record_id, "after_key": key})
    return [Unexamined(row.record_id, row.key, row.size, row.root_digest) for row in rows]


def _is_unexamined(identification: sa.Column[Any]) -> sa.ColumnElement[bool]:
    # Whoever looks says with what.
    tool: sa.ColumnElement[str] = identification["tool"].as_string()
    return tool == UNIDENTIFIED.tool


_WANTED: sa.BindParameter[Any] = sa.bindparam("wanted", expanding=True)
_MOST = sa.bindparam("most", type_=sa.Integer)
_DRAFTED = (
    sa.select(deposit_file, deposit.c.home, deposit.c.record_id)
    .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
    .where(
        deposit.c.record_id.in_(_WANTED),
        drafts.is_open(),
        deposit_file.c.state.in_([FileState.IN_CUSTODY, FileState.UNREAD]),
        deposit_file.c.holder_id.is_(None),
        deposit_file.c.id > sa.bindparam("after"),
        _is_unexamined(deposit_file.c.identification),
    )
    .order_by(deposit_file.c.id)
    .limit(_MOST)
)
_PUBLISHED = (
    sa.select(record_file)
    .where(
        record_file.c.record_id.in_(_WANTED),
        sa.tuple_(record_file.c.record_id, record_file.c.key)
        > sa.tuple_(
            sa.bindparam("after_record", type_=record_file.c.record_id.type),
            sa.bindparam("after_key", type_=sa.Text),
        ),
        record_file.c.purge_id.is_(None),
        _is_unexamined(record_file.c.identification),
    )
    .order_by(record_file.c.record_id, record_file.c.key)
    .limit(_MOST)
)


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


def note_drafted(tx: Transaction, examined: Sequence[Examined]) -> None:
    """Of files that are still in their draft as they were; of others nothing is noted."""
    if examined:
        tx.execute(
            sa.update(deposit_file).where(
                deposit_file.c.id == sa.bindparam("b_id"),
                deposit_file.c.root_digest == sa.bindparam("b_digest"),
                deposit_file.c.state == FileState.IN_CUSTODY,
            ),
            [
                {
                    "b_id": one.file.file_id,
                    "b_digest": one.file.digest,
                    "identification": codec.identification_to_json(one.identification),
                    "scan": codec.verdict_to_json(one.verdict),
                }
                for one in examined
            ],
        )


def note_read(tx: Transaction, one: Examined, root_digest: str, *, now: datetime) -> None:
    """Of a file that is still in its draft as it came, and unread: what was found, and its digests."""
    tx.execute(
        sa.update(deposit_file)
        .where(_is_as_it_came(one.file))
        .values(
            state=FileState.IN_CUSTODY,
            root_digest=root_digest,
            digests=dict(one.digests),
            identification=codec.identification_to_json(one.identification),
            scan=codec.verdict_to_json(one.verdict),
            taken_at=now,
        )
    )


def is_unread(tx: Transaction, one: Unexamined) -> bool:
    """Whether it is still in its draft as it came, and nobody has read it."""
    return tx.execute(sa.select(sa.exists().where(_is_as_it_came(one)))).scalar_one()


def _is_as_it_came(one: Unexamined) -> sa.ColumnElement[bool]:
    return sa.and_(
        deposit_file.c.id == one.file_id,
        deposit_file.c.content == one.content,
        deposit_file.c.state == FileState.UNREAD,
    )


def note_published(tx: Transaction, examined: Sequence[Examined]) -> None:
    """What formats files have; verdicts are on their bytes (`scans.give`)."""
    if examined:
        tx.execute(
            sa.update(record_file).where(
                record_file.c.record_id == sa.bindparam("b_record_id"),
                record_file.c.key == sa.bindparam("b_key"),
            ),
            [
                {
                    "b_record_id": one.file.record_id,
                    "b_key": one.file.key,
                    "identification": codec.identification_to_json(one.identification),
                }
                for one in examined
            ],
        )
