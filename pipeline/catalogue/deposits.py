"""Deposits: the plan of an accession, line by line, and what may be sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipeline import lifecycle
from pipeline.catalogue import Transaction, deposit_files
from pipeline.catalogue.tables import accession, concept, deposit, deposit_file, record, record_file
from pipeline.errors import Conflict
from pipeline.lifecycle import DepositEvent
from pipeline.model import (
    DepositAction,
    DepositState,
    FileState,
    JsonObject,
    RecordState,
    ScanStatus,
)
from pipeline.store import layout


@dataclass(frozen=True, slots=True)
class Deposit:
    """A line of the plan of an accession, or, where `accession_id` is None, a draft (`drafts`). `base_record_id` is the
    published version that it changes, if there is one; `home` the key below which its bytes wait in the store, `""` for
    a revision."""

    id: int
    accession_id: str | None
    position: int
    key: str
    concept_id: int
    record_id: int
    base_record_id: int | None
    home: str
    action: DepositAction
    state: DepositState
    description: JsonObject | None
    fingerprint: str
    files_total: int
    bytes_total: int
    files_open: int
    files_bad: int
    faults: int


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """The newest published version of a work, as far as a plan must know it."""

    record_id: int
    fingerprint: str
    description: JsonObject


@dataclass(frozen=True, slots=True)
class PublishedWork:
    """A work whose newest version is in service."""

    concept_id: int
    key: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalogue knows of a record key: the work, its newest version, and the newest deposit of it that
    has not come to an end."""

    concept_id: int
    latest: PublishedVersion | None
    pending: Deposit | None


PENDING = (DepositState.PLANNED, DepositState.SEALED, DepositState.HELD)
"""Of a deposit that has not come to an end."""


def known(tx: Transaction, collection: str, keys: Sequence[str]) -> dict[str, Known]:
    """What is known of record keys in a collection; those never seen are left out. What people draft is theirs, and
    nothing that an accession takes over."""
    concepts = {
        row.key: row.id
        for row in tx.execute(
            sa.select(concept.c.key, concept.c.id).where(
                concept.c.collection == collection, concept.c.key.in_(keys)
            )
        )
    }
    ids = list(concepts.values())
    latest = {
        row.concept_id: PublishedVersion(row.id, row.fingerprint, row.description)
        for row in tx.execute(
            sa.select(record.c.id, record.c.concept_id, record.c.fingerprint, record.c.description).where(
                record.c.concept_id.in_(ids), record.c.is_latest
            )
        )
    }
    pending = {
        row.concept_id: from_row(row)
        for row in tx.execute(
            sa.select(deposit)
            .where(
                deposit.c.concept_id.in_(ids),
                deposit.c.state.in_(PENDING),
                deposit.c.accession_id.is_not(None),
            )
            .order_by(deposit.c.id)
        )
    }
    return {key: Known(id_, latest.get(id_), pending.get(id_)) for key, id_ in concepts.items()}


def published_works(tx: Transaction, collection: str, *, after: int, limit: int) -> list[PublishedWork]:
    """Works of a collection in service, by id from behind `after` on."""
    rows = tx.execute(
        sa.select(concept.c.id, concept.c.key)
        .join(record, sa.and_(record.c.concept_id == concept.c.id, record.c.is_latest))
        .where(
            concept.c.collection == collection,
            concept.c.id > after,
            record.c.state == RecordState.PUBLISHED,
        )
        .order_by(concept.c.id)
        .limit(limit)
    )
    return [PublishedWork(row.id, row.key) for row in rows]


def add(tx: Transaction, new: Sequence[JsonObject]) -> list[int]:
    """Add plan lines (columns of `deposit`); their ids, in order."""
    if not new:
        return []
    return list(tx.execute(_ADD, list(new)).scalars())


_ADD = sa.insert(deposit).returning(deposit.c.id, sort_by_parameter_order=True)


def renew(tx: Transaction, deposit_id: int, values: Mapping[str, Any]) -> None:
    """Begin a plan line anew (columns of `deposit`); its files are looked at again as they are found."""
    tx.execute(
        sa.update(deposit).where(deposit.c.id == deposit_id).values(files_open=0, files_bad=0, **values)
    )


def supersede(tx: Transaction, old: Deposit, new_id: int) -> None:
    """A new deposit takes the place of one that was not published, with the files that it holds."""
    move(tx, [old], DepositEvent.SUPERSEDE)
    tx.execute(sa.update(deposit_file).where(deposit_file.c.deposit_id == old.id).values(deposit_id=new_id))


def give_up(tx: Transaction, chosen: Sequence[Deposit]) -> None:
    """What deposits were to change is not to be changed any more: nothing takes their place."""
    move(tx, chosen, DepositEvent.SUPERSEDE)
    deposit_files.forget(tx, [one.id for one in chosen])


def complete(tx: Transaction, accession_id: str, limit: int) -> list[Deposit]:
    """Planned deposits of which no file is to be read any more, in the plan's order."""
    return _select(
        tx,
        sa.select(deposit)
        .where(
            deposit.c.accession_id == accession_id,
            deposit.c.state == DepositState.PLANNED,
            deposit.c.files_open == 0,
        )
        .order_by(deposit.c.position)
        .limit(limit),
    )


def by_key(tx: Transaction, accession_id: str, keys: Sequence[str]) -> dict[str, int]:
    """Ids of the accession's newest deposits by record key, without those that were superseded."""
    rows = tx.execute(
        sa.select(deposit.c.key, deposit.c.id)
        .where(
            deposit.c.accession_id == accession_id,
            deposit.c.key.in_(keys),
            deposit.c.state != DepositState.SUPERSEDED,
        )
        .order_by(deposit.c.id)
    )
    return {row.key: row.id for row in rows}


def done_by(tx: Transaction, plan: str, keys: Sequence[str]) -> set[str]:
    """Those of the record keys that an application of the plan has dealt with: published, found unchanged, held."""
    done = (DepositState.PUBLISHED, DepositState.UNCHANGED, DepositState.HELD)
    rows = tx.execute(
        sa.select(deposit.c.key)
        .join(accession, accession.c.id == deposit.c.accession_id)
        .where(accession.c.plan == plan, deposit.c.key.in_(keys), deposit.c.state.in_(done))
    )
    return set(rows.scalars())


def in_state(
    tx: Transaction, accession_id: str, state: DepositState, limit: int, after: int = 0
) -> list[Deposit]:
    """Deposits in a state with ids above `after`, by id."""
    return _select(
        tx,
        sa.select(deposit)
        .where(deposit.c.accession_id == accession_id, deposit.c.state == state, deposit.c.id > after)
        .order_by(deposit.c.id)
        .limit(limit),
    )


def by_id(tx: Transaction, deposit_id: int) -> list[Deposit]:
    """The deposit, where there is one."""
    return [from_row(row) for row in tx.execute(_BY_ID, {"wanted": deposit_id})]


_BY_ID = sa.select(deposit).where(deposit.c.id == sa.bindparam("wanted"))


def pending(tx: Transaction, accession_id: str, limit: int) -> list[Deposit]:
    """Deposits of the accession that have not come to an end, by id."""
    return _select(
        tx,
        sa.select(deposit)
        .where(deposit.c.accession_id == accession_id, deposit.c.state.in_(PENDING))
        .order_by(deposit.c.id)
        .limit(limit),
    )


def held_in_root(tx: Transaction, accession_id: str, limit: int) -> list[Deposit]:
    """Held deposits whose bytes are at home in the storage root, where nothing of them may stay."""
    return _select(
        tx,
        sa.select(deposit)
        .where(
            deposit.c.accession_id == accession_id,
            deposit.c.state == DepositState.HELD,
            deposit.c.home.startswith(f"{layout.ROOT}/", autoescape=True),
        )
        .order_by(deposit.c.id)
        .limit(limit),
    )


def rehome(tx: Transaction, homes: Mapping[int, str]) -> None:
    """Say where the bytes of deposits are now."""
    for id_, home in homes.items():
        change(tx, id_, home=home)


def move(tx: Transaction, chosen: Iterable[Deposit], event: DepositEvent) -> None:
    """Step deposits. Raises `Conflict` where one cannot take the step, and for a draft that is to be held: who made it
    is told what is wrong."""
    targets: dict[DepositState, list[int]] = {}
    for one in chosen:
        if event is DepositEvent.HOLD and one.accession_id is None:
            raise Conflict("a draft is not held")
        targets.setdefault(lifecycle.step_deposit(one.state, event), []).append(one.id)
    for state, ids in targets.items():
        tx.execute(_MOVE, {"wanted": ids, "target": state})


_MOVE = (
    sa.update(deposit)
    .where(deposit.c.id.in_(sa.bindparam("wanted", expanding=True)))
    .values(state=sa.bindparam("target"))
)


def change(tx: Transaction, deposit_id: int, **values: Any) -> None:
    tx.execute(_CHANGE, {"wanted": deposit_id, **values})


_CHANGE = sa.update(deposit).where(deposit.c.id == sa.bindparam("wanted"))


def differs_from_base(tx: Transaction, one: Deposit) -> bool:
    """Whether the deposit's files, by key and digest, are others than those of the version it began from."""
    unmatched = (
        sa.select(sa.func.count())
        .select_from(deposit_file)
        .outerjoin(
            record_file,
            sa.and_(
                record_file.c.record_id == one.base_record_id,
                record_file.c.key == deposit_file.c.key,
                record_file.c.root_digest == deposit_file.c.root_digest,
            ),
        )
        .where(
            deposit_file.c.deposit_id == one.id,
            deposit_file.c.state == FileState.IN_CUSTODY,
            record_file.c.key.is_(None),
        )
    )
    before = sa.select(record.c.file_count).where(record.c.id == one.base_record_id)
    kept = one.files_total - one.files_bad
    return bool(tx.execute(unmatched).scalar_one() or tx.execute(before).scalar_one() != kept)


def sealed(tx: Transaction, accession_id: str, limit: int, *, must_be_clean: bool) -> list[Deposit]:
    """Sealed deposits by id; with `must_be_clean` without those that wait for a verdict on a file: all of the others'
    were scanned wholly or released by a person, or one is infected."""
    statement = sa.select(deposit).where(
        deposit.c.accession_id == accession_id, deposit.c.state == DepositState.SEALED
    )
    if must_be_clean:
        mine, status = deposit_file.c.deposit_id == deposit.c.id, deposit_file.c.scan["status"].as_string()
        infected = sa.exists().where(mine, deposit_files.is_unclean(), status == ScanStatus.INFECTED)
        statement = statement.where(sa.or_(~sa.exists().where(mine, deposit_files.is_unclean()), infected))
    return _select(tx, statement.order_by(deposit.c.id).limit(limit))


def tally(tx: Transaction, accession_id: str) -> dict[DepositState, int]:
    """Deposits of the accession by state."""
    rows = tx.execute(
        sa.select(deposit.c.state, sa.func.count())
        .where(deposit.c.accession_id == accession_id)
        .group_by(deposit.c.state)
    )
    return {DepositState(state): number for state, number in rows}


def extent(tx: Transaction, accession_id: str) -> tuple[int, int]:
    """(files, bytes) of the accession's plan, superseded deposits left out."""
    row = tx.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(deposit.c.files_total), 0),
            sa.func.coalesce(sa.func.sum(deposit.c.bytes_total), 0),
        ).where(deposit.c.accession_id == accession_id, deposit.c.state != DepositState.SUPERSEDED)
    ).one()
    return int(row[0]), int(row[1])


def _select(tx: Transaction, statement: sa.Select[Any]) -> list[Deposit]:
    return [from_row(row) for row in tx.execute(statement)]


def from_row(row: sa.Row[Any]) -> Deposit:
    """From a row of all columns of `deposit`."""
    return Deposit(
        id=row.id,
        accession_id=row.accession_id,
        position=row.position,
        key=row.key,
        concept_id=row.concept_id,
        record_id=row.record_id,
        base_record_id=row.base_record_id,
        home=row.home,
        action=DepositAction(row.action),
        state=DepositState(row.state),
        description=row.description,
        fingerprint=row.fingerprint,
        files_total=row.files_total,
        bytes_total=row.bytes_total,
        files_open=row.files_open,
        files_bad=row.files_bad,
        faults=row.faults,
    )
