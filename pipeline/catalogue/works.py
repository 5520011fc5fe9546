"""Works as storage objects: how much is to be written to them, and who may write."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import concept, record


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is of a record."""

    record_id: int
    concept_id: int
    file_count: int


def lock(tx: Transaction, concept_ids: Collection[int]) -> None:
    """Keep others from adding versions to works, and from withdrawing them, until the transaction ends: which is the
    next, and which stands for the work, is told by the last."""
    # In the order of their ids, or two who lock some of the same would wait for each other.
    if not concept_ids:
        return
    chosen = sa.select(concept.c.id).where(concept.c.id.in_(concept_ids)).order_by(concept.c.id)
    tx.execute(chosen.with_for_update(key_share=True)).all()


def due(tx: Transaction, record_ids: Sequence[int]) -> list[Size]:
    """What is to be written, by id: the records, and earlier versions of their works that are not preserved yet. Ids
    that are no records are left out."""
    rows = tx.execute(_DUE, {"wanted": list(record_ids)})
    return sorted((Size(*row) for row in rows), key=lambda one: one.record_id)


_ASKED = record.alias("asked")
_SIZE = sa.select(record.c.id, record.c.concept_id, record.c.file_count)
_IS_WANTED: sa.BindParameter[Any] = sa.bindparam("wanted", expanding=True)
# Not with OR, for which all records there are would be looked at.
_DUE = sa.union(
    _SIZE.where(record.c.id.in_(_IS_WANTED)),
    _SIZE.join(_ASKED, _ASKED.c.concept_id == record.c.concept_id).where(
        _ASKED.c.id.in_(_IS_WANTED), record.c.staged.is_not(None), record.c.version < _ASKED.c.version
    ),
)


def lease(
    tx: Transaction, record_ids: Sequence[int], *, owner: str, now: datetime, length: timedelta
) -> set[int]:
    """Take the right to write to the storage objects of records; the records for which it was free."""
    mine = sa.select(record.c.concept_id).where(record.c.id.in_(record_ids))
    free = sa.or_(concept.c.lease_owner.is_(None), concept.c.lease_until < now)
    tx.execute(
        sa.update(concept)
        .where(concept.c.id.in_(mine), free)
        .values(lease_owner=owner, lease_until=now + length)
    )
    held = (
        sa.select(record.c.id)
        .join(concept, concept.c.id == record.c.concept_id)
        .where(record.c.id.in_(record_ids), concept.c.lease_owner == owner)
    )
    return set(tx.execute(held).scalars())


def renew(tx: Transaction, *, owner: str, until: datetime) -> int:
    """Prolong the leases of storage objects that are still the owner's; how many those are."""
    held = tx.execute(sa.update(concept).where(concept.c.lease_owner == owner).values(lease_until=until))
    return held.rowcount


def unlease(tx: Transaction, *, owner: str) -> None:
    tx.execute(
        sa.update(concept).where(concept.c.lease_owner == owner).values(lease_owner=None, lease_until=None)
    )
