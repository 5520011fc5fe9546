"""Files of deposits: what a survey found, what is still to be read of it, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction, holdings
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.tables import deposit, deposit_file, record_file
from pipeline.model import LET_THROUGH, DepositState, Digests, FileOutcome, FileState, PlannedFile
from pipeline.store import layout


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that a survey found for a deposit."""

    deposit_id: int
    key: str
    path: str
    size: int
    mtime_ns: int | None
    stamp: str
    declared: Digests


def note_found(tx: Transaction, files: Sequence[FoundFile], *, run: str) -> None:
    """Note the files that a run's survey found. One that is in custody already and is the same (`holdings`) stays
    there; every other is to be read."""
    if not files:
        return
    statement = insert(tx, deposit_file)
    found = statement.excluded
    stays = sa.and_(
        deposit_file.c.state == FileState.IN_CUSTODY, holdings.is_same(held=deposit_file.c, found=found)
    )
    columns = ("path", "size", "mtime_ns", "stamp", "declared", "run")
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["deposit_id", "key"],
            set_={
                **{name: found[name] for name in columns},
                "state": sa.case((stays, FileState.IN_CUSTODY.value), else_=FileState.PLANNED.value),
            },
        ),
        [
            {
                "deposit_id": one.deposit_id,
                "run": run,
                "key": one.key,
                "path": os.fsencode(one.path),
                "size": one.size,
                "mtime_ns": one.mtime_ns,
                "stamp": one.stamp,
                "declared": dict(sorted(one.declared.items())),
                "state": FileState.PLANNED,
                "content": "",
            }
            for one in files
        ],
    )


def prune(tx: Transaction, deposit_ids: Sequence[int], *, run: str) -> None:
    """Forget files of deposits that the run's survey did not find any more."""
    tx.execute(
        sa.delete(deposit_file).where(deposit_file.c.deposit_id.in_(deposit_ids), deposit_file.c.run != run)
    )


def carry_over(tx: Transaction, deposit_ids: Sequence[int]) -> None:
    """Planned files of planned deposits that are the same as the base version's (`holdings`) need no reading: they are
    taken over with what is known of them."""
    same = (
        sa.select(
            deposit_file.c.id,
            record_file.c.content,
            record_file.c.holder_id,
            record_file.c.root_digest,
            record_file.c.digests,
            record_file.c.identification,
            record_file.c.scan,
            record_file.c.taken_at,
        )
        .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
        .join(
            record_file,
            sa.and_(
                record_file.c.record_id == deposit.c.base_record_id, record_file.c.key == deposit_file.c.key
            ),
        )
        .where(
            deposit.c.id.in_(deposit_ids),
            deposit.c.state == DepositState.PLANNED,
            deposit_file.c.state == FileState.PLANNED,
            holdings.may_be_taken_over(),
            holdings.is_same(held=record_file.c, found=deposit_file.c),
        )
        .cte("same")
    )
    tx.execute(
        sa.update(deposit_file)
        .where(deposit_file.c.id == same.c.id)
        .values(
            state=FileState.IN_CUSTODY,
            content=same.c.content,
            holder_id=same.c.holder_id,
            root_digest=same.c.root_digest,
            digests=same.c.digests,
            identification=same.c.identification,
            scan=same.c.scan,
            taken_at=same.c.taken_at,
        )
    )


def count(tx: Transaction, deposit_ids: Sequence[int]) -> None:
    """Set the counters of those deposits that are planned from their files."""

    def of(state: FileState | None) -> sa.ScalarSelect[Any]:
        files = sa.select(sa.func.count()).where(deposit_file.c.deposit_id == deposit.c.id)
        return (files if state is None else files.where(deposit_file.c.state == state)).scalar_subquery()

    size = sa.select(sa.func.coalesce(sa.func.sum(deposit_file.c.size), 0)).where(
        deposit_file.c.deposit_id == deposit.c.id
    )
    tx.execute(
        sa.update(deposit)
        .where(deposit.c.id.in_(deposit_ids), deposit.c.state == DepositState.PLANNED)
        .values(
            files_total=of(None),
            bytes_total=size.scalar_subquery(),
            files_open=of(FileState.PLANNED),
            files_bad=of(FileState.REJECTED) + of(FileState.QUARANTINED),
        )
    )


def planned(tx: Transaction, accession_id: str, *, below: int, after: int, limit: int) -> list[PlannedFile]:
    """Files still to be read that are smaller than `below`, in the plan's order from behind file id `after` on."""
    statement = _planned(accession_id).where(deposit_file.c.size < below, deposit_file.c.id > after)
    return _files(tx, statement.order_by(deposit_file.c.id).limit(limit))


def planned_large(
    tx: Transaction, accession_id: str, *, at_least: int, after: tuple[int, int] | None, limit: int
) -> list[PlannedFile]:
    """Files still to be read of `at_least` that size, the largest first, from behind `after` (size, id) on."""
    statement = _planned(accession_id).where(deposit_file.c.size >= at_least)
    if after is not None:
        size, id_ = after
        behind = sa.and_(deposit_file.c.size == size, deposit_file.c.id > id_)
        statement = statement.where(sa.or_(deposit_file.c.size < size, behind))
    return _files(tx, statement.order_by(deposit_file.c.size.desc(), deposit_file.c.id).limit(limit))


def _planned(accession_id: str) -> sa.Select[Any]:
    return (
        sa.select(deposit_file, deposit.c.record_id, deposit.c.home, deposit.c.key.label("record"))
        .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
        .where(
            deposit.c.accession_id == accession_id,
            deposit.c.state == DepositState.PLANNED,
            deposit_file.c.state == FileState.PLANNED,
        )
    )


def _files(tx: Transaction, statement: sa.Select[Any]) -> list[PlannedFile]:
    return [
        PlannedFile(
            id=row.id,
            deposit_id=row.deposit_id,
            record_id=row.record_id,
            record=row.record,
            key=row.key,
            path=os.fsdecode(row.path),
            size=row.size,
            stamp=row.stamp,
            declared=row.declared,
            place=layout.place(row.home, row.key),
        )
        for row in tx.execute(statement)
    ]


def place_of(row: Any) -> str:
    """Where a file's own bytes lie in the store, or would. The row has its `key`, `content`, `holder_id` and `home`."""
    if row.content and row.holder_id is None:
        return layout.content(row.home, row.content)
    return layout.place(row.home, row.key)


def left_to_read(tx: Transaction, accession_id: str) -> tuple[int, int]:
    """(files, bytes) that are still to be read."""
    left = _planned(accession_id).subquery()
    total = sa.func.coalesce(sa.func.sum(left.c.size), 0)
    files, size = tx.execute(sa.select(sa.func.count(), total).select_from(left)).one()
    return int(files), int(size)


def settle(tx: Transaction, outcomes: Sequence[FileOutcome], *, taken_at: datetime | None = None) -> set[int]:
    """Write what became of planned files; one that is settled already stays as it is, so that a unit may report
    twice. Answers the ids of the files that this call settled."""
    unsettled = (
        sa.select(deposit_file.c.id, deposit_file.c.deposit_id)
        .where(deposit_file.c.id.in_([one.id for one in outcomes]), deposit_file.c.state == FileState.PLANNED)
        .with_for_update()
    )
    deposit_of = {row.id: row.deposit_id for row in tx.execute(unsettled)}
    due = [one for one in outcomes if one.id in deposit_of]
    if not due:
        return set()
    tx.execute(
        sa.update(deposit_file).where(deposit_file.c.id == sa.bindparam("b_id")),
        [
            {
                "b_id": one.id,
                "state": one.state,
                "content": one.content,
                "holder_id": None,
                "root_digest": one.root_digest,
                "digests": None if one.digests is None else dict(one.digests),
                "identification": one.identification,
                "scan": one.scan,
                "taken_at": taken_at,
                "resumed": one.resumed,
            }
            for one in due
        ],
    )
    _count_down(tx, [(deposit_of[one.id], one.state != FileState.IN_CUSTODY) for one in due])
    return {one.id for one in due}


def _count_down(tx: Transaction, done: Sequence[tuple[int, bool]]) -> None:
    counts: dict[int, list[int]] = {}
    for deposit_id, is_bad in done:
        count = counts.setdefault(deposit_id, [0, 0])
        count[0] += 1
        count[1] += is_bad
    tx.execute(
        sa.update(deposit)
        .where(deposit.c.id == sa.bindparam("b_id"))
        .values(
            files_open=deposit.c.files_open - sa.bindparam("b_done"),
            files_bad=deposit.c.files_bad + sa.bindparam("b_bad"),
        ),
        [{"b_id": id_, "b_done": number, "b_bad": bad} for id_, (number, bad) in counts.items()],
    )


def is_unclean() -> sa.ColumnElement[bool]:
    """Of a file in custody that a scan gate lets nobody have yet."""
    return sa.and_(
        deposit_file.c.state == FileState.IN_CUSTODY,
        sa.func.coalesce(deposit_file.c.scan["status"].as_string(), "").not_in(LET_THROUGH),
    )


def are_unclean(tx: Transaction, deposit_id: int) -> bool:
    """Whether a scan gate keeps any file of a deposit back yet."""
    return tx.execute(
        sa.select(sa.exists().where(deposit_file.c.deposit_id == deposit_id, is_unclean()))
    ).scalar_one()


def are_unread(tx: Transaction, deposit_id: int) -> bool:
    """Whether the digests of any file of a deposit are not known yet."""
    return tx.execute(_ARE_UNREAD, {"wanted": deposit_id}).scalar_one()


_ARE_UNREAD = sa.select(
    sa.exists().where(
        deposit_file.c.deposit_id == sa.bindparam("wanted"), deposit_file.c.state == FileState.UNREAD
    )
)


def forget(tx: Transaction, deposit_ids: Sequence[int]) -> None:
    """The plan's copy of files is not needed once they are a record's."""
    tx.execute(_FORGET, {"wanted": list(deposit_ids)})


_FORGET = sa.delete(deposit_file).where(deposit_file.c.deposit_id.in_(sa.bindparam("wanted", expanding=True)))
