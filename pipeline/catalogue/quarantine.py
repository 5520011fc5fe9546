"""Infected files that were put apart, where nothing serves them, and what people decide of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.deposits import PENDING
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.tables import deposit, deposit_file, quarantine
from pipeline.errors import Missing
from pipeline.lifecycle import QuarantineEvent, step_quarantine
from pipeline.model import Decision, Digests, FalseAlarms, FileState, JsonObject, QuarantineState, ScanStatus
from pipeline.store import layout

_WITHOUT_BYTES = (QuarantineState.RELEASED, QuarantineState.DESTROYED)
# As the index has it.
_HAS_BYTES = sa.text("state NOT IN ('released', 'destroyed')")


@dataclass(frozen=True, slots=True)
class QuarantinedFile:
    """`path` is how the source named the file, `key` where its bytes lie in the store, `file_id` the planned file.
    `decision` is None until there is one; `id` is the catalogue's to give."""

    accession_id: str
    deposit_id: int
    file_id: int
    record: str
    path: str
    key: str
    signature: str
    digests: Digests
    size: int
    at: datetime
    id: int = 0
    state: QuarantineState = QuarantineState.QUARANTINED
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The record-to-be that lacks a file in quarantine, and the key `place` of the file's bytes in it."""

    deposit_id: int
    accession_id: str
    record_id: int
    key: str
    place: str
    scan: JsonObject


def add(tx: Transaction, files: Sequence[QuarantinedFile]) -> None:
    """Note files that were put apart just now. Where one lay in the same place before, it is there no more, and what
    was begun with it is void."""
    if not files:
        return
    statement = insert(tx, quarantine)
    rows = [
        {
            "accession_id": one.accession_id,
            "deposit_id": one.deposit_id,
            "file_id": one.file_id,
            "record": one.record,
            "path": os.fsencode(one.path),
            "key": one.key,
            "signature": one.signature,
            "digests": dict(one.digests),
            "size": one.size,
            "at": one.at,
            "state": QuarantineState.QUARANTINED,
            "decided_by": "",
            "reason": "",
            "decided_at": None,
        }
        for one in files
    ]
    new = {name: statement.excluded[name] for name in rows[0] if name != "key"}
    tx.execute(
        statement.on_conflict_do_update(index_elements=["key"], index_where=_HAS_BYTES, set_=new), rows
    )


def get(tx: Transaction, id_: int) -> QuarantinedFile:
    """Raises `Missing`."""
    row = tx.execute(sa.select(quarantine).where(quarantine.c.id == id_)).one_or_none()
    if row is None:
        raise Missing(
            f"there was never a file {id_} in quarantine",
            remedy="`headrace quarantine list --all` lists all of them",
        )
    return _quarantined(row)


def listed(tx: Transaction, *, everything: bool) -> Iterator[QuarantinedFile]:
    """What lies in quarantine, the oldest first; or `everything` that ever did."""
    statement = sa.select(quarantine).order_by(quarantine.c.id)
    if not everything:
        statement = statement.where(quarantine.c.state.not_in(_WITHOUT_BYTES))
    return map(_quarantined, tx.execute(statement))


def released(tx: Transaction, algorithm: str) -> FalseAlarms:
    """All that was released, by digests of this algorithm."""
    rows = tx.execute(
        sa.select(quarantine.c.digests, quarantine.c.signature).where(
            quarantine.c.state == QuarantineState.RELEASED
        )
    )
    return frozenset((row.digests[algorithm], row.signature) for row in rows if algorithm in row.digests)


def waiting(tx: Transaction, file_id: int) -> Waiting | None:
    """The record-to-be that lacks the file for being in quarantine, if there is one."""
    row = tx.execute(
        sa.select(
            deposit_file.c.key,
            deposit_file.c.scan,
            deposit.c.id.label("deposit_id"),
            deposit.c.accession_id,
            deposit.c.record_id,
            deposit.c.home,
        )
        .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
        .where(
            deposit_file.c.id == file_id,
            deposit_file.c.state == FileState.QUARANTINED,
            deposit.c.state.in_(PENDING),
        )
    ).one_or_none()
    if row is None:
        return None
    place = layout.place(row.home, row.key)
    return Waiting(row.deposit_id, row.accession_id, row.record_id, row.key, place, row.scan)


def decide(tx: Transaction, one: QuarantinedFile, event: QuarantineEvent, decision: Decision) -> None:
    """Step a file with what a person decided; a decision that is being carried out stays whose it was. Raises
    `Conflict`."""
    state = step_quarantine(one.state, event)
    if state is not one.state:
        values = {"decided_by": decision.by, "reason": decision.reason, "decided_at": decision.at}
        tx.execute(sa.update(quarantine).where(quarantine.c.id == one.id).values(state=state, **values))


def complete(tx: Transaction, id_: int, event: QuarantineEvent) -> QuarantinedFile:
    """Step a file whose decision was carried out; the file. Raises `Conflict`."""
    state = step_quarantine(get(tx, id_).state, event)
    tx.execute(sa.update(quarantine).where(quarantine.c.id == id_).values(state=state))
    return get(tx, id_)


def give_back(tx: Transaction, file_id: int, to: Waiting) -> None:
    """The file is in custody of its record-to-be, which the next run looks at again though nothing of it changed at the
    source."""
    tx.execute(
        sa.update(deposit_file)
        .where(deposit_file.c.id == file_id)
        .values(
            state=FileState.IN_CUSTODY,
            content=layout.content_path(to.key),
            scan={**to.scan, "status": ScanStatus.RELEASED},
        )
    )
    tx.execute(
        sa.update(deposit)
        .where(deposit.c.id == to.deposit_id)
        .values(files_bad=deposit.c.files_bad - 1, fingerprint="")
    )


def _quarantined(row: sa.Row[Any]) -> QuarantinedFile:
    decision = None if row.decided_at is None else Decision(row.decided_by, row.reason, row.decided_at)
    return QuarantinedFile(
        accession_id=row.accession_id,
        deposit_id=row.deposit_id,
        file_id=row.file_id,
        record=row.record,
        path=os.fsdecode(row.path),
        key=row.key,
        signature=row.signature,
        digests=row.digests,
        size=row.size,
        at=row.at,
        id=row.id,
        state=QuarantineState(row.state),
        decision=decision,
    )
