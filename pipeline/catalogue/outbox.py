"""Effects that are due: written in the transaction that makes them necessary, claimed in batches under a
lease, settled or put off. One row per (kind, record): an effect brings the outside to the *wanted* state, so
wanting it twice is wanting it once, and `generation` tells whether it was wanted anew meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert_into
from pipeline.catalogue.tables import TO_BE_HIDDEN, accession, doi, outbox, record
from pipeline.display import told
from pipeline.model import EffectKind, RecordState

_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Claim:
    """An effect that its claimer alone may bring about until the lease ends."""

    id: int
    kind: EffectKind
    record_id: int
    generation: int
    attempts: int
    accession_id: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many effects of a kind wait or are parked."""

    kind: EffectKind
    due: int
    parked: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How the effects of a kind stand: each is one of `waiting`, `under_way` (claimed), `put_off` (it failed, and is
    tried again, the first of them at `next_due`) and `parked`. The `oldest` of those that are not parked is wanted
    since then."""

    kind: EffectKind
    waiting: int = 0
    under_way: int = 0
    put_off: int = 0
    parked: int = 0
    oldest: datetime | None = None
    next_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """An effect that waits until somebody releases it, and why; `since` it was first wanted."""

    id: int
    kind: EffectKind
    record_id: int
    accession_id: str | None
    attempts: int
    error: str
    remedy: str
    since: datetime


def want(
    tx: Transaction,
    effects: Iterable[tuple[EffectKind, int]],
    *,
    now: datetime,
    accession_id: str | None = None,
) -> None:
    """Ask for effects on records. One that already waits is asked for anew, unparked."""
    rows = [
        {"kind": kind, "record_id": record_id, "accession_id": accession_id, "created": now, "due": now}
        for kind, record_id in effects
    ]
    if rows:
        tx.execute(_wanting(tx.dialect.name), rows)


def want_chosen(
    tx: Transaction,
    effects: Mapping[RecordState, Sequence[EffectKind]],
    chosen: sa.ColumnElement[bool],
    *,
    now: datetime,
    accession_id: str | None = None,
) -> None:
    """The same, for all records that are chosen: of each what those in its state want."""
    pairs = [
        sa.select(sa.literal(state.value).label("state"), sa.literal(kind.value).label("kind"))
        for state, kinds in effects.items()
        for kind in kinds
    ]
    if not pairs:
        return
    each = sa.union_all(*pairs).subquery()
    found = sa.select(
        each.c.kind,
        record.c.id,
        sa.literal(accession_id, outbox.c.accession_id.type),
        sa.literal(now, outbox.c.created.type),
        sa.literal(now, outbox.c.due.type),
    )
    found = found.join_from(record, each, record.c.state == each.c.state).where(chosen)
    names = ["kind", "record_id", "accession_id", "created", "due"]
    tx.execute(_or_anew(insert_into(tx.dialect.name, outbox).from_select(names, found)))


@cache
def _wanting(dialect: str) -> sa.Insert:
    return _or_anew(insert_into(dialect, outbox))


def _or_anew(statement: postgresql.Insert | sqlite.Insert) -> sa.Insert:
    return statement.on_conflict_do_update(
        index_elements=[outbox.c.kind, outbox.c.record_id],
        set_={
            "generation": outbox.c.generation + 1,
            "due": statement.excluded.due,
            "parked": False,
            "attempts": 0,
            "accession_id": sa.func.coalesce(statement.excluded.accession_id, outbox.c.accession_id),
        },
    )


def claim(
    tx: Transaction,
    kind: EffectKind,
    *,
    now: datetime,
    owner: str,
    lease: timedelta,
    limit: int,
    accession_id: str | None = None,
) -> list[Claim]:
    """Lease up to `limit` due effects of a kind, the longest waiting first: of one accession, or all but those of
    accessions that a run works on and will bring about itself. Before any other those that register what was
    withdrawn: it can be found until then."""
    due = _due(now, accession_id)
    claims: list[Claim] = []
    if kind is EffectKind.REGISTER and (withdrawn := tx.execute(_TO_BE_HIDDEN).scalars().all()):
        # By their ids and in no order: else all that waits would be looked at, one after the other.
        claims = _lease(tx, due.where(outbox.c.id.in_(withdrawn)), owner, now + lease, limit)
    if left := limit - len(claims):
        in_turn = due.where(outbox.c.kind == kind).order_by(outbox.c.due, outbox.c.id)
        claims += _lease(tx, in_turn, owner, now + lease, left)
    return sorted(claims, key=lambda one: one.id)


_TO_BE_HIDDEN = (
    sa.select(outbox.c.id)
    .where(
        outbox.c.kind == EffectKind.REGISTER,
        outbox.c.record_id.in_(
            sa.select(record.c.id).where(
                record.c.concept_id.in_(sa.select(doi.c.concept_id).where(sa.text(TO_BE_HIDDEN)))
            )
        ),
    )
    .limit(1000)
)


def _lease(
    tx: Transaction, due: sa.Select[tuple[int]], owner: str, until: datetime, limit: int
) -> list[Claim]:
    due = due.limit(limit).with_for_update(skip_locked=True)
    leased = (
        sa.update(outbox)
        .where(outbox.c.id.in_(due.scalar_subquery() if tx.dialect.name == "sqlite" else due))
        .values(lease_owner=owner, lease_until=until)
        .returning(
            outbox.c.id,
            outbox.c.kind,
            outbox.c.record_id,
            outbox.c.generation,
            outbox.c.attempts,
            outbox.c.accession_id,
        )
    )
    return [
        Claim(row.id, EffectKind(row.kind), row.record_id, row.generation, row.attempts, row.accession_id)
        for row in tx.execute(leased)
    ]


def renew(tx: Transaction, claims: Collection[Claim], *, owner: str, until: datetime) -> None:
    """Prolong leases still held."""
    tx.execute(_held(claims, owner).values(lease_until=until))


def settle(tx: Transaction, claims: Sequence[Claim], *, owner: str) -> None:
    """The effects were brought about. One that was wanted anew meanwhile stays, free to be claimed again; one whose
    lease went to another is that one's to settle."""
    if not claims:
        return
    tx.execute(
        sa.delete(outbox).where(
            outbox.c.id == sa.bindparam("b_id"),
            outbox.c.generation == sa.bindparam("b_generation"),
            outbox.c.lease_owner == owner,
        ),
        [{"b_id": one.id, "b_generation": one.generation} for one in claims],
    )
    give_back(tx, claims, owner=owner)


def give_back(tx: Transaction, claims: Collection[Claim], *, owner: str) -> None:
    """The effects are free to be claimed again, at once, as if they had not been."""
    tx.execute(_held(claims, owner).values(lease_owner=None, lease_until=None))


def wanted(
    tx: Transaction, kind: EffectKind, record_ids: Collection[int], *, parked: bool | None = None
) -> set[int]:
    """Those of the records that an effect of the kind is wanted for: one that is `parked`, one that is not (it waits,
    or is being brought about), or either."""
    found = sa.select(outbox.c.record_id).where(outbox.c.kind == kind, outbox.c.record_id.in_(record_ids))
    if parked is not None:
        found = found.where(outbox.c.parked if parked else ~outbox.c.parked)
    return set(tx.execute(found).scalars())


def put_off(
    tx: Transaction, claim_: Claim, *, owner: str, due: datetime, error: str, remedy: str = "", parked: bool
) -> None:
    """The effect failed: due again later, or parked until somebody releases it. One that was wanted anew meanwhile
    is only freed: what failed is not what is wanted now. What was wrong is maybe in the words of a server, which may
    hold and be as long as anything."""
    held = _held([claim_], owner)
    tx.execute(
        held.where(outbox.c.generation == claim_.generation).values(
            due=due, attempts=outbox.c.attempts + 1, error=told(error), remedy=told(remedy), parked=parked
        )
    )
    give_back(tx, [claim_], owner=owner)


def _held(claims: Collection[Claim], owner: str) -> sa.Update:
    """An update of those claims whose lease is still the owner's."""
    return sa.update(outbox).where(outbox.c.id.in_([one.id for one in claims]), outbox.c.lease_owner == owner)


def release(
    tx: Transaction,
    *,
    now: datetime,
    accession_id: str | None = None,
    kind: EffectKind | None = None,
    record_ids: Collection[int] | None = None,
    ids: Collection[int] | None = None,
) -> int:
    """Have effects tried again now, as if for the first time, that failed and are parked or put off (of an accession,
    of a kind, of records, only these); how many."""
    statement = sa.update(outbox).values(parked=False, due=now, attempts=0)
    statement = statement.where(sa.or_(outbox.c.parked, outbox.c.attempts > 0))
    if accession_id is not None:
        statement = statement.where(outbox.c.accession_id == accession_id)
    if kind is not None:
        statement = statement.where(outbox.c.kind == kind)
    if record_ids is not None:
        statement = statement.where(outbox.c.record_id.in_(record_ids))
    if ids is not None:
        statement = statement.where(outbox.c.id.in_(ids))
    return tx.execute(statement).rowcount


def known(tx: Transaction, ids: Collection[int]) -> set[int]:
    """Those of the effects that are still to be brought about, parked or not."""
    return set(tx.execute(sa.select(outbox.c.id).where(outbox.c.id.in_(ids))).scalars())


def waiting(tx: Transaction, accession_id: str | None = None) -> list[Waiting]:
    """What waits, by kind."""
    parked = sa.func.sum(sa.case((outbox.c.parked, 1), else_=0))
    statement = sa.select(outbox.c.kind, sa.func.count(), parked).group_by(outbox.c.kind)
    if accession_id is not None:
        statement = statement.where(outbox.c.accession_id == accession_id)
    return [
        Waiting(EffectKind(kind), total - int(held), int(held)) for kind, total, held in tx.execute(statement)
    ]


def standing(tx: Transaction, *, now: datetime) -> list[Standing]:
    """How the effects of each kind stand of which there are any, in the order of the kinds. Reads one index and no row:
    a third of a second where a million waits."""
    is_leased = outbox.c.lease_until >= now
    is_put_off = sa.and_(~outbox.c.parked, outbox.c.due > now, _is_free(now))
    statement = sa.select(
        outbox.c.kind,
        sa.func.count(),
        _number(sa.and_(~outbox.c.parked, is_leased)),
        _number(is_put_off),
        _number(outbox.c.parked),
        sa.func.min(sa.case((~outbox.c.parked, outbox.c.created))),
        sa.func.min(sa.case((is_put_off, outbox.c.due))),
    ).group_by(outbox.c.kind)
    found = {
        EffectKind(kind): Standing(
            EffectKind(kind), total - under_way - put_off - held, under_way, put_off, held, oldest, next_due
        )
        for kind, total, under_way, put_off, held, oldest, next_due in tx.execute(statement)
    }
    return [found[kind] for kind in EffectKind if kind in found]


def _number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((condition, 1)))


def parked(tx: Transaction, limit: int = 100) -> list[Parked]:
    """What is parked, the first `limit` of them."""
    # The index begins with the kind.
    found = sa.select(outbox).where(outbox.c.kind.in_(tuple(EffectKind)), outbox.c.parked)
    return [
        Parked(
            row.id,
            EffectKind(row.kind),
            row.record_id,
            row.accession_id,
            row.attempts,
            row.error,
            row.remedy,
            row.created,
        )
        for row in tx.execute(found.order_by(outbox.c.id).limit(limit))
    ]


def is_due(
    tx: Transaction, kinds: Collection[EffectKind], *, now: datetime, accession_id: str | None = None
) -> bool:
    """Whether there is anything of these kinds that `claim` would hand out."""
    due = _due(now, accession_id).where(outbox.c.kind.in_(kinds))
    return tx.execute(due.limit(1)).first() is not None


def _due(now: datetime, accession_id: str | None) -> sa.Select[tuple[int]]:
    due = sa.select(outbox.c.id).where(
        ~outbox.c.parked, outbox.c.due <= now, _is_free(now), _is_next_of_its_record(now)
    )
    if accession_id is not None:
        return due.where(outbox.c.accession_id == accession_id)
    worked_on = sa.select(accession.c.id).where(accession.c.lease_until > now)
    return due.where(sa.or_(outbox.c.accession_id.is_(None), outbox.c.accession_id.not_in(worked_on)))


def _is_next_of_its_record(now: datetime) -> sa.ColumnElement[bool]:
    """What is preserved of a record tells what was found in its files, too: where that comes later, it is preserved
    once more. So it waits for the first attempt to look into them, though not for long."""
    other = outbox.alias("other")
    looks = sa.exists().where(
        other.c.kind == EffectKind.EXAMINE,
        other.c.record_id == outbox.c.record_id,
        other.c.attempts == 0,
        ~other.c.parked,
    )
    return sa.or_(outbox.c.kind != EffectKind.PRESERVE, outbox.c.created < now - _PATIENCE, ~looks)


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < now)
