"""Datestamps for harvesters, given in order by one stamper at a time, and the pages that OAI-PMH reads.

A stamper first commits that it is about to stamp, and with which time (`opened`); then it stamps, and closes
in the same transaction. A reader shows nothing later than just before an open stamper's time (`horizon`), so
that however slowly a stamping commits, no harvester that asked meanwhile has gone past it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import community as communities
from pipeline.catalogue.tables import concept_community, record, stamper
from pipeline.errors import Conflict
from pipeline.model import FilesAccess, RecordState

_SECOND = timedelta(seconds=1)
_SKEW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Stamped:
    record_id: int
    datestamp: datetime


def open_stamper(tx: Transaction, *, owner: str, now: datetime, lease: timedelta) -> datetime:
    """Become the stamper and announce the datestamp to be given. Raises `Conflict` while another is."""
    row = tx.execute(sa.select(stamper).with_for_update()).one()
    if row.lease_owner not in (None, owner) and row.lease_until > now:
        raise Conflict("another process is giving datestamps")
    stamp: datetime = max(now.replace(microsecond=0), row.last)
    tx.execute(
        sa.update(stamper).values(opened=stamp, last=stamp, lease_owner=owner, lease_until=now + lease)
    )
    return stamp


def stamp(tx: Transaction, record_ids: Sequence[int], *, owner: str, datestamp: datetime) -> None:
    """Give the datestamp to records and stop being the stamper. Raises `Conflict` where the lease was lost."""
    closed = tx.execute(
        sa.update(stamper)
        .where(stamper.c.lease_owner == owner, stamper.c.opened == datestamp)
        .values(opened=None, lease_owner=None, lease_until=None)
    )
    if closed.rowcount == 0:
        raise Conflict("the right to give datestamps went to another process")
    tx.execute(sa.update(record).where(record.c.id.in_(record_ids)).values(datestamp=datestamp))


def with_ended_embargo(tx: Transaction, *, today: date) -> list[int]:
    """Published records whose embargo has ended since they were announced last: harvesters and the DOI registry do
    not know it yet."""
    until = record.c.description["access"]["embargo_until"].as_string()
    restricted = record.c.description["access"]["files"].as_string() == FilesAccess.RESTRICTED
    embargoed = sa.and_(record.c.state == RecordState.PUBLISHED, restricted, until <= today.isoformat())
    found: list[int] = []
    for ended in tx.execute(sa.select(until).where(embargoed).distinct()).scalars().all():
        midnight = datetime.combine(date.fromisoformat(ended), time.min, UTC)
        found += tx.execute(
            sa.select(record.c.id).where(embargoed, until == ended, record.c.datestamp < midnight)
        ).scalars()
    return found


def horizon(tx: Transaction, *, now: datetime) -> datetime:
    """No record with a later datestamp may be shown yet, and none will be given an earlier one: stamps never go
    back behind `last`, nor behind the clock of any machine that is less than `_SKEW` off ours."""
    row = tx.execute(sa.select(stamper)).one()
    reached: datetime = max(row.last, now.replace(microsecond=0) - _SKEW)
    opened: datetime | None = row.opened
    return reached if opened is None else min(reached, opened - _SECOND)


def page(
    tx: Transaction,
    *,
    start: datetime | None,
    until: datetime,
    community: str | None,
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[Stamped]:
    """Announced records in keyset order (datestamp, id), `start` and `until` inclusive."""
    statement = sa.select(record.c.id, record.c.datestamp).where(*_selected(start, until, community))
    if after is not None:
        statement = statement.where(sa.tuple_(record.c.datestamp, record.c.id) > sa.tuple_(*_bound(after)))
    rows = tx.execute(statement.order_by(record.c.datestamp, record.c.id).limit(limit))
    return [Stamped(row.id, row.datestamp) for row in rows]


def count(tx: Transaction, *, start: datetime | None, until: datetime, community: str | None) -> int:
    counted = sa.select(sa.func.count()).select_from(record).where(*_selected(start, until, community))
    return tx.execute(counted).scalar_one()


def earliest(tx: Transaction) -> datetime | None:
    """The lowest datestamp, deleted records included."""
    lowest: datetime | None = tx.execute(sa.select(sa.func.min(record.c.datestamp))).scalar_one()
    return lowest


def _bound(after: tuple[datetime, int]) -> tuple[sa.BindParameter[datetime], sa.BindParameter[int]]:
    return sa.literal(after[0], record.c.datestamp.type), sa.literal(after[1], record.c.id.type)


def _selected(start: datetime | None, until: datetime, community: str | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [record.c.datestamp.is_not(None), record.c.datestamp <= until]
    if start is not None:
        conditions.append(record.c.datestamp >= start)
    if community is not None:
        members = (
            sa.select(concept_community.c.concept_id)
            .join(communities, communities.c.id == concept_community.c.community_id)
            .where(communities.c.slug == community)
        )
        conditions.append(record.c.concept_id.in_(members))
    return conditions
