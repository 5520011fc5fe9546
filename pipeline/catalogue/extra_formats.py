"""Other serialisations of records, one of a media type, attached by their depositors (Zenodo's REST API, extra
formats)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.tables import extra_format
from pipeline.errors import Rejected


@dataclass(frozen=True, slots=True)
class ExtraFormat:
    """What is attached; its bytes apart (`content`)."""

    media_type: str
    size: int
    md5: str
    created: datetime
    updated: datetime


def put(
    tx: Transaction, record_id: int, media_type: str, content: bytes, *, md5: str, most: int, now: datetime
) -> None:
    """Attach one, or replace the one of that type. Raises `Rejected` where a record would have more than `most`."""
    others = sa.select(sa.func.count()).where(_of(record_id), extra_format.c.media_type != media_type)
    if tx.execute(others).scalar_one() >= most:
        raise Rejected(f"A record has {most} extra formats at most.")
    added = insert(tx, extra_format).values(
        record_id=record_id,
        media_type=media_type,
        content=content,
        size=len(content),
        md5=md5,
        created=now,
        updated=now,
    )
    tx.execute(
        added.on_conflict_do_update(
            index_elements=["record_id", "media_type"],
            set_={name: added.excluded[name] for name in ("content", "size", "md5", "updated")},
        )
    )


def content(tx: Transaction, record_id: int, media_type: str) -> bytes | None:
    """None where there is none of that type."""
    chosen = sa.select(extra_format.c.content).where(_of(record_id), extra_format.c.media_type == media_type)
    found: bytes | None = tx.execute(chosen).scalar_one_or_none()
    return found


def of_record(tx: Transaction, record_id: int) -> list[ExtraFormat]:
    """All of a record, by media type."""
    columns = [extra_format.c[name] for name in ("media_type", "size", "md5", "created", "updated")]
    rows = tx.execute(sa.select(*columns).where(_of(record_id)).order_by(extra_format.c.media_type))
    return [ExtraFormat(*row) for row in rows]


def delete(tx: Transaction, record_id: int, media_type: str) -> bool:
    """Whether there was one."""
    gone = tx.execute(sa.delete(extra_format).where(_of(record_id), extra_format.c.media_type == media_type))
    return gone.rowcount > 0


def forget(tx: Transaction, record_id: int) -> None:
    """All of a record that will not be, or is purged."""
    tx.execute(sa.delete(extra_format).where(_of(record_id)))


def _of(record_id: int) -> sa.ColumnElement[bool]:
    return extra_format.c.record_id == record_id
