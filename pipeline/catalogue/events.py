"""PREMIS events: what happened to records and files, and who did it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import event
from pipeline.model import Event, EventType


def of_records(tx: Transaction, *record_ids: int) -> list[Event]:
    """The PREMIS events of records in the order of their time."""
    rows = tx.execute(
        sa.select(event).where(event.c.record_id.in_(record_ids)).order_by(event.c.at, event.c.id)
    )
    return [_event(row) for row in rows]


def of_accession(tx: Transaction, accession_id: str, *, limit: int) -> list[Event]:
    """PREMIS events of an accession that are not the making of a record, in the order of their time: what was put into
    quarantine, and what became of it."""
    makings = (EventType.INGESTION, EventType.METADATA)
    rows = tx.execute(
        sa.select(event)
        .where(event.c.accession_id == accession_id, event.c.type.not_in(makings))
        .order_by(event.c.at, event.c.id)
        .limit(limit)
    )
    return [_event(row) for row in rows]


def add(tx: Transaction, new: Sequence[Event], *, accession_id: str | None = None) -> None:
    if new:
        rows = [{**codec.event_to_json(one), "at": one.at, "accession_id": accession_id} for one in new]
        tx.execute(_ADD, rows)


_ADD = sa.insert(event)


def _event(row: sa.Row[Any]) -> Event:
    return Event(
        id=row.id,
        type=EventType(row.type),
        at=row.at,
        agent=row.agent,
        outcome=row.outcome,
        record_id=row.record_id,
        objects=tuple(row.objects),
        detail=row.detail,
    )
