"""Accessions: which are under way, who works on them, and what they reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.deposits import PENDING
from pipeline.catalogue.tables import accession, deposit, problem
from pipeline.errors import Conflict, Interrupted, Missing
from pipeline.model import Accession, AccessionState, DepositState, JsonObject, Outcome, Problem

LEASE = timedelta(seconds=30)
RENEWAL = LEASE / 3
"""Of the lease, by who holds it and works for longer."""
_BATCH = 500
UNFINISHED = (AccessionState.SURVEYING, AccessionState.INGESTING, AccessionState.STOPPED)
"""Of an accession that was begun and has not ended."""


def create(tx: Transaction, new: Accession) -> None:
    """Raises `Conflict` where the collection has an accession that has not ended."""
    try:
        tx.execute(
            sa.insert(accession).values(
                id=new.id,
                collection=new.collection,
                source=new.source,
                state=new.state,
                started=new.started,
                options=new.options,
                flow_run=new.flow_run,
                reason=new.reason,
                plan=new.plan,
            )
        )
    except sa.exc.IntegrityError:
        raise Conflict(
            f"another run has begun to ingest the collection {new.collection}",
            remedy="wait for it to end, then run the same command again",
        ) from None


def get(tx: Transaction, accession_id: str) -> Accession:
    """Raises `Missing`."""
    row = tx.execute(sa.select(accession).where(accession.c.id == accession_id)).one_or_none()
    if row is None:
        raise Missing(f"there is no accession {accession_id}", remedy="`headrace status` lists all of them")
    return _accession(row)


def unfinished(tx: Transaction, collection: str) -> Accession | None:
    """The accession of the collection that was begun and has not ended, if there is one."""
    row = tx.execute(
        sa.select(accession)
        .where(accession.c.collection == collection, accession.c.state.in_(UNFINISHED))
        .order_by(accession.c.started.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _accession(row)


def half_cancelled(tx: Transaction, collection: str) -> str | None:
    """The accession of the collection that was cancelled and has records left to be given up, if there is one."""
    left = sa.exists().where(deposit.c.accession_id == accession.c.id, deposit.c.state.in_(PENDING))
    return tx.execute(
        sa.select(accession.c.id)
        .where(accession.c.collection == collection, accession.c.state == AccessionState.CANCELLED, left)
        .order_by(accession.c.id)
        .limit(1)
    ).scalar_one_or_none()


def latest(tx: Transaction, collection: str) -> Accession | None:
    """The newest accession of the collection, whatever its state."""
    row = tx.execute(
        sa.select(accession)
        .where(accession.c.collection == collection)
        .order_by(accession.c.started.desc(), accession.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _accession(row)


def everything(tx: Transaction, limit: int = 1000) -> list[tuple[Accession, datetime | None, dict[str, int]]]:
    """(accession, end of the lease on it, deposits by state), the newest first."""
    counts: dict[str, dict[str, int]] = {}
    grouped = sa.select(deposit.c.accession_id, deposit.c.state, sa.func.count()).group_by(
        deposit.c.accession_id, deposit.c.state
    )
    for accession_id, state, number in tx.execute(grouped):
        counts.setdefault(accession_id, {})[state] = number
    rows = tx.execute(sa.select(accession).order_by(accession.c.started.desc()).limit(limit))
    return [(_accession(row), row.lease_until, counts.get(row.id, {})) for row in rows]


def change(tx: Transaction, accession_id: str, **values: Any) -> None:
    """Set columns of an accession: `state`, `reason`, `flow_run`, `finished`, `unchanged`, `options`, `plan`."""
    tx.execute(sa.update(accession).where(accession.c.id == accession_id).values(**values))


def add_bytes_read(tx: Transaction, accession_id: str, number: int) -> None:
    tx.execute(
        sa.update(accession)
        .where(accession.c.id == accession_id)
        .values(bytes_read=accession.c.bytes_read + number)
    )


def counters(tx: Transaction, accession_id: str) -> tuple[int, int]:
    """(records found unchanged, bytes read from the source), over all runs of the accession."""
    row = tx.execute(
        sa.select(accession.c.unchanged, accession.c.bytes_read).where(accession.c.id == accession_id)
    ).one()
    return row.unchanged, row.bytes_read


def lease(tx: Transaction, accession_id: str, *, owner: str, now: datetime, length: timedelta) -> None:
    """Take or prolong the right to work on the accession. Raises `Conflict` while another has it."""
    free = sa.or_(
        accession.c.lease_owner.is_(None), accession.c.lease_owner == owner, accession.c.lease_until < now
    )
    taken = tx.execute(
        sa.update(accession)
        .where(accession.c.id == accession_id, free)
        .values(lease_owner=owner, lease_until=now + length)
    )
    if taken.rowcount == 0:
        raise Conflict(
            f"accession {accession_id} is being worked on by another process",
            remedy="wait for it to end, or for half a minute if its machine was lost, then run the same command again",
        )


def leased_until(tx: Transaction, accession_id: str) -> datetime | None:
    """When the lease on the accession ends, None where nobody has one."""
    return tx.execute(
        sa.select(accession.c.lease_until).where(accession.c.id == accession_id)
    ).scalar_one_or_none()


def hold_on(tx: Transaction, accession_id: str, *, owner: str, now: datetime) -> None:
    """Prolong the lease of a run at work. Raises `Interrupted` where the accession was cancelled or another run has
    it."""
    try:
        # First, for it locks the row: a cancellation is either seen below or waits for this transaction's end.
        lease(tx, accession_id, owner=owner, now=now, length=LEASE)
    except Conflict as lost:
        raise Interrupted(f"another run took over accession {accession_id}") from lost
    if is_cancelled(tx, accession_id):
        raise Interrupted(f"accession {accession_id} was cancelled")


def unlease(tx: Transaction, accession_id: str, *, owner: str) -> bool:
    """Give the lease up; whether the owner still had it."""
    given_up = tx.execute(
        sa.update(accession)
        .where(accession.c.id == accession_id, accession.c.lease_owner == owner)
        .values(lease_owner=None, lease_until=None)
    )
    return given_up.rowcount > 0


def is_cancelled(tx: Transaction, accession_id: str) -> bool:
    state = tx.execute(sa.select(accession.c.state).where(accession.c.id == accession_id)).scalar_one()
    return bool(state == AccessionState.CANCELLED)


class Pace(NamedTuple):
    """What an accession took: files and bytes that it read, and seconds from its beginning to its end."""

    files: int
    bytes: int
    seconds: float


def paces(tx: Transaction, limit: int) -> list[Pace]:
    """Those of the newest completed accessions that read every file of their plans, at most `limit`."""
    files = sa.func.coalesce(sa.func.sum(deposit.c.files_total), 0)
    size = sa.func.coalesce(sa.func.sum(deposit.c.bytes_total), 0)
    rows = tx.execute(
        sa.select(accession.c.started, accession.c.finished, files, size)
        .join(deposit, deposit.c.accession_id == accession.c.id)
        .where(accession.c.state == AccessionState.COMPLETED, deposit.c.state != DepositState.SUPERSEDED)
        .group_by(accession.c.id)
        .having(sa.and_(files > 0, size <= accession.c.bytes_read))
        .order_by(accession.c.started.desc())
        .limit(limit)
    )
    return [
        Pace(int(files), int(size), (finished - started).total_seconds())
        for started, finished, files, size in rows
    ]


# ---------------------------------------------------------------- problems


class Stage(StrEnum):
    """Where a problem was found: every survey finds its own anew."""

    SURVEY = "survey"
    INTAKE = "intake"


def report(
    tx: Transaction, accession_id: str, stage: Stage, problems: Sequence[tuple[int | None, Problem]]
) -> None:
    """Add lines (with the deposit they belong to) to the accession's report."""
    rows: list[JsonObject] = [
        {
            "accession_id": accession_id,
            "deposit_id": deposit_id,
            "stage": stage,
            "path": one.path,
            "record": one.record,
            "outcome": one.outcome,
            "code": one.code,
            "field": one.field,
            "reason": one.reason,
            "remedy": one.remedy,
        }
        for deposit_id, one in problems
    ]
    if rows:
        tx.execute(sa.insert(problem), rows)


def retract(
    tx: Transaction, accession_id: str, stage: Stage, deposit_ids: Sequence[int] | None = None
) -> None:
    """Take back what was reported at a stage (of deposits), before it is found anew."""
    statement = sa.delete(problem).where(problem.c.accession_id == accession_id, problem.c.stage == stage)
    if deposit_ids is not None:
        statement = statement.where(problem.c.deposit_id.in_(deposit_ids))
    tx.execute(statement)


def soften(tx: Transaction, deposit_id: int, path: str, *, code: str, reason: str, remedy: str) -> None:
    """What quarantined a deposit's file is a warning by now."""
    tx.execute(
        sa.update(problem)
        .where(
            problem.c.deposit_id == deposit_id,
            problem.c.path == path,
            problem.c.outcome == Outcome.QUARANTINED,
        )
        .values(outcome=Outcome.WARNED, code=code, reason=reason, remedy=remedy)
    )


def problems(tx: Transaction, accession_id: str) -> Iterator[Problem]:
    """The accession's report, in the order of the plan; of superseded deposits no more."""
    rows = tx.execute(
        _told(sa.select(problem), accession_id).order_by(
            sa.func.coalesce(deposit.c.position, -1), problem.c.path, problem.c.id
        )
    )
    yield from map(_problem, rows)


def problems_of(tx: Transaction, deposit_ids: Sequence[int]) -> list[Problem]:
    """What intake reported of deposits, whichever accession they are of."""
    found: list[Problem] = []
    for start in range(0, len(deposit_ids), _BATCH):
        some = deposit_ids[start : start + _BATCH]
        rows = tx.execute(
            sa.select(problem)
            .where(problem.c.deposit_id.in_(some), problem.c.stage == Stage.INTAKE)
            .order_by(problem.c.id)
        )
        found += [_problem(row) for row in rows]
    return found


def problem_paths(tx: Transaction, deposit_id: int) -> list[tuple[str, Outcome]]:
    """(path, outcome) of each line about a deposit."""
    rows = tx.execute(sa.select(problem.c.path, problem.c.outcome).where(problem.c.deposit_id == deposit_id))
    return [(row.path, Outcome(row.outcome)) for row in rows]


def problem_counts(tx: Transaction, accession_id: str) -> dict[str, int]:
    """How many lines of each outcome the accession's report has."""
    counted = sa.select(problem.c.outcome, sa.func.count().label("number"))
    rows = tx.execute(_told(counted, accession_id).group_by(problem.c.outcome))
    return {row.outcome: row.number for row in rows}


def _told(statement: sa.Select[Any], accession_id: str) -> sa.Select[Any]:
    return (
        statement.select_from(problem)
        .outerjoin(deposit, deposit.c.id == problem.c.deposit_id)
        .where(
            problem.c.accession_id == accession_id,
            sa.func.coalesce(deposit.c.state, "") != DepositState.SUPERSEDED,
        )
    )


def _accession(row: sa.Row[Any]) -> Accession:
    return Accession(
        id=row.id,
        collection=row.collection,
        source=row.source,
        state=AccessionState(row.state),
        started=row.started,
        options=row.options,
        flow_run=row.flow_run,
        reason=row.reason,
        plan=row.plan,
    )


def _problem(row: sa.Row[Any]) -> Problem:
    return Problem(
        path=row.path,
        record=row.record,
        outcome=Outcome(row.outcome),
        code=row.code,
        reason=row.reason,
        field=row.field,
        remedy=row.remedy,
    )
