"""DOIs: what each stands for, the state that it shall be in, and the state that the registry said it is in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert_into
from pipeline.catalogue.records import NEWEST_FIRST
from pipeline.catalogue.tables import doi, outbox, record
from pipeline.model import EffectKind
from pipeline.pid.putting import UNTOUCHED, Putting


@dataclass(frozen=True, slots=True)
class WantedDoi:
    """A DOI, in lower case, and the state it shall be in; `record_id` None for a concept's."""

    name: str
    concept_id: int
    record_id: int | None
    wanted: str
    external: bool = False
    seen: str | None = None
    seen_digest: str | None = None
    putting: Putting = UNTOUCHED


def want(tx: Transaction, dois: Sequence[WantedDoi]) -> None:
    """Note wanted states; a DOI known already keeps what it stands for."""
    if dois:
        tx.execute(
            _wanting(tx.dialect.name),
            [
                {
                    "name": one.name,
                    "concept_id": one.concept_id,
                    "record_id": one.record_id,
                    "wanted": one.wanted,
                    "external": one.external,
                }
                # In the order in which they are held: nobody waits in a circle.
                for one in sorted(dois, key=lambda one: one.name)
            ],
        )


@cache
def _wanting(dialect: str) -> sa.Insert:
    statement = insert_into(dialect, doi)
    return statement.on_conflict_do_update(
        index_elements=[doi.c.name], set_={"wanted": statement.excluded.wanted}
    )


def taken(tx: Transaction, names: Sequence[str]) -> dict[str, int]:
    """DOIs that are known already → the concept they belong to."""
    if not names:
        return {}
    rows = tx.execute(sa.select(doi.c.name, doi.c.concept_id).where(doi.c.name.in_(names)))
    return {row.name: row.concept_id for row in rows}


def of_concepts(tx: Transaction, concept_ids: Sequence[int]) -> list[WantedDoi]:
    rows = tx.execute(sa.select(doi).where(doi.c.concept_id.in_(concept_ids)).order_by(doi.c.name))
    return [_wanted(row) for row in rows]


def hold(tx: Transaction, names: Collection[str]) -> dict[str, WantedDoi]:
    """DOIs by name; nobody else changes them before the transaction ends. After `doi_rate.hold`."""
    rows = tx.execute(sa.select(doi).where(doi.c.name.in_(names)).order_by(doi.c.name).with_for_update())
    return {row.name: _wanted(row) for row in rows}


def _wanted(row: sa.Row[Any]) -> WantedDoi:
    putting = Putting(row.putter, row.put_digest, row.late_until, row.late_digest)
    return WantedDoi(
        row.name,
        row.concept_id,
        row.record_id,
        row.wanted,
        row.external,
        row.seen,
        row.seen_digest,
        putting,
    )


def note_putting(tx: Transaction, puttings: Mapping[str, Putting]) -> None:
    """Who puts DOIs, or did, by name; to what they are put is not known then. After `hold`."""
    if puttings:
        tx.execute(
            sa.update(doi).where(doi.c.name == sa.bindparam("b_name")),
            [
                {
                    "b_name": name,
                    "seen_digest": None,
                    "putter": one.putter,
                    "put_digest": one.digest,
                    "late_until": one.late_until,
                    "late_digest": one.late_digest,
                }
                for name, one in puttings.items()
            ],
        )


def note_seen(tx: Transaction, seen: Mapping[str, tuple[str, str | None]], *, now: datetime) -> None:
    """What the registry said: the state of each DOI, with the digest of what it was put to, where it is sure to
    stay so."""
    if seen:
        tx.execute(
            sa.update(doi).where(doi.c.name == sa.bindparam("b_name")),
            [
                {"b_name": name, "seen": state, "seen_digest": digest, "seen_at": now}
                for name, (state, digest) in seen.items()
            ],
        )


def confirm(tx: Transaction, name: str, *, now: datetime) -> None:
    """The registry still has it as it said last. Somebody may put it to something else just now: that is theirs to
    note."""
    tx.execute(sa.update(doi).where(doi.c.name == name).values(seen_at=now))


def note_turn(tx: Transaction, record_id: int, *, now: datetime) -> None:
    """It was the turn of a record's own DOI to be compared; of what the registry said last nothing changes."""
    tx.execute(sa.update(doi).where(doi.c.record_id == record_id, ~doi.c.external).values(seen_at=now))


def doubt(tx: Transaction, name: str, *, now: datetime) -> None:
    """The registry has it otherwise than it said once."""
    tx.execute(sa.update(doi).where(doi.c.name == name).values(seen=None, seen_digest=None, seen_at=now))


def longest_unseen(tx: Transaction, *, before: datetime, limit: int) -> list[int]:
    """Records whose own DOIs the registry spoke of before then, the longest ago first."""
    chosen = sa.select(doi.c.record_id).where(
        ~doi.c.external, doi.c.record_id.is_not(None), doi.c.seen_at < before
    )
    return list(tx.execute(chosen.order_by(doi.c.seen_at, doi.c.name).limit(limit)).scalars())


@dataclass(frozen=True, slots=True)
class DoiStatus:
    """How a DOI stands: what it shall be, what the registry said last and when. Where it is still to be put, since
    when, how often that was tried, what was wrong the last time, and whether somebody has to release it."""

    name: str
    record_id: int
    wanted: str
    seen: str | None
    seen_at: datetime | None
    since: datetime | None
    attempts: int
    error: str
    remedy: str
    is_parked: bool


_DESCRIBES = (
    sa.select(record.c.id)
    .where(record.c.concept_id == doi.c.concept_id)
    .order_by(*NEWEST_FIRST)
    .limit(1)
    .scalar_subquery()
)
_RECORD = sa.func.coalesce(doi.c.record_id, _DESCRIBES)
_STATUSES = (
    sa.select(
        doi.c.name,
        _RECORD.label("of_record"),
        doi.c.wanted,
        doi.c.seen,
        doi.c.seen_at,
        outbox.c.created,
        outbox.c.attempts,
        outbox.c.error,
        outbox.c.remedy,
        outbox.c.parked,
    )
    .select_from(doi)
    .outerjoin(outbox, sa.and_(outbox.c.kind == EffectKind.REGISTER, outbox.c.record_id == _RECORD))
    .where(~doi.c.external)
    .order_by(doi.c.name)
)


class Shown(Enum):
    """Which DOIs are told of."""

    ALL = "all"
    LEFT = "left"
    """Those that are not as they shall be yet."""
    PARKED = "parked"


_CHOSEN: Mapping[Shown, sa.ColumnElement[bool]] = {
    Shown.ALL: sa.true(),
    Shown.LEFT: sa.or_(outbox.c.id.is_not(None), doi.c.seen.is_(None), doi.c.seen != doi.c.wanted),
    Shown.PARKED: outbox.c.parked,
}


def statuses(tx: Transaction, shown: Shown, *, limit: int) -> list[DoiStatus]:
    """How they stand, in the order of their names."""
    return [_status(row) for row in tx.execute(_STATUSES.where(_CHOSEN[shown]).limit(limit))]


def count(tx: Transaction, shown: Shown) -> int:
    """How many there are of these."""
    chosen = _STATUSES.where(_CHOSEN[shown]).order_by(None).subquery()
    return tx.execute(sa.select(sa.func.count()).select_from(chosen)).scalar_one()


def named(tx: Transaction, names: Sequence[str]) -> list[DoiStatus]:
    """How those of these names stand, in lower case."""
    return [_status(row) for row in tx.execute(_STATUSES.where(doi.c.name.in_(names)))]


def _status(row: Any) -> DoiStatus:
    return DoiStatus(
        row.name,
        row.of_record,
        row.wanted,
        row.seen,
        row.seen_at,
        row.created,
        row.attempts or 0,
        row.error or "",
        row.remedy or "",
        bool(row.parked),
    )
