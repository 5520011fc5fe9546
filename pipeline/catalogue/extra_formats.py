"""Other serialisations of records, one of a media type, attached by their depositors (Zenodo's REST API, extra
formats)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.tables import extra_format


@dataclass(frozen=True, slots=True)
class ExtraFormat:
    media_type: str
    content: bytes
    created: datetime
    updated: datetime


def put(tx: Transaction, record_id: int, media_type: str, content: bytes, *, now: datetime) -> None:
    """Attach one, or replace the one of that type."""
    added = insert(tx, extra_format).values(
        record_id=record_id, media_type=media_type, content=content, created=now, updated=now
    )
    tx.execute(
        added.on_conflict_do_update(
            index_elements=["record_id", "media_type"],
            set_={"content": added.excluded.content, "updated": added.excluded.updated},
        )
    )


def find(tx: Transaction, record_id: int, media_type: str) -> ExtraFormat | None:
    row = tx.execute(_ALL.where(_of(record_id), extra_format.c.media_type == media_type)).one_or_none()
    return None if row is None else ExtraFormat(row.media_type, row.content, row.created, row.updated)


def of_record(tx: Transaction, record_id: int) -> list[ExtraFormat]:
    """All of a record, by media type."""
    rows = tx.execute(_ALL.where(_of(record_id)).order_by(extra_format.c.media_type))
    return [ExtraFormat(row.media_type, row.content, row.created, row.updated) for row in rows]


def delete(tx: Transaction, record_id: int, media_type: str) -> bool:
    """Whether there was one."""
    gone = tx.execute(sa.delete(extra_format).where(_of(record_id), extra_format.c.media_type == media_type))
    return gone.rowcount > 0


_ALL = sa.select(extra_format)


def _of(record_id: int) -> sa.ColumnElement[bool]:
    return extra_format.c.record_id == record_id
