"""Files in custody whose records wait for a virus verdict."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Transaction, accessions, deposit_files, deposits, scans
from pipeline.catalogue.scans import KnownInfected
from pipeline.catalogue.tables import accession, deposit, deposit_file
from pipeline.lifecycle import DepositEvent
from pipeline.model import AccessionState, DepositState, Digests, FileState, JsonObject, ScanVerdict

_WAIT = "records wait for a virus verdict"
"""What an accession was stopped for ends so, for people and for a rescan."""


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file in custody that keeps its sealed record waiting, since no scanner went through all of it, or found
    something in it. `place` is its key in the store, `record` its record's key in the collection, `verdict` the one
    that is noted, None where there is none."""

    id: int
    deposit_id: int
    record: str
    path: str
    size: int
    digests: Digests
    place: str
    verdict: ScanVerdict | None


def keep_waiting(tx: Transaction, accession_id: str, number: int) -> None:
    """The accession is stopped, for so many of its records wait for a verdict, and for nothing else."""
    accessions.change(tx, accession_id, state=AccessionState.STOPPED, reason=f"{number} {_WAIT}")


def waiting_accessions(tx: Transaction) -> list[str]:
    """Ids of accessions that are kept waiting; not of those that were stopped, or killed, before they came to that:
    their sealed deposits are for the next run."""
    found = sa.select(accession.c.id).where(
        accession.c.state == AccessionState.STOPPED, accession.c.reason.endswith(_WAIT)
    )
    return list(tx.execute(found.order_by(accession.c.id)).scalars())


def waiting_files(tx: Transaction, accession_id: str, *, after: int, limit: int) -> list[WaitingFile]:
    """Files of the accession's sealed deposits without a whole verdict, which no published record holds, by id from
    behind `after` on."""
    rows = tx.execute(
        sa.select(deposit_file, deposit.c.key.label("record"), deposit.c.home)
        .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
        .where(
            deposit.c.accession_id == accession_id,
            deposit.c.state == DepositState.SEALED,
            deposit_file.c.holder_id.is_(None),
            deposit_file.c.id > after,
            deposit_files.is_unclean(),
        )
        .order_by(deposit_file.c.id)
        .limit(limit)
    )
    return [
        WaitingFile(
            id=row.id,
            deposit_id=row.deposit_id,
            record=row.record,
            path=os.fsdecode(row.path),
            size=row.size,
            digests=row.digests,
            place=deposit_files.place_of(row),
            verdict=codec.verdict_from_json(row.scan) if row.scan else None,
        )
        for row in rows
    ]


def take_over_verdicts(tx: Transaction, accession_id: str) -> None:
    """Files of sealed deposits whose bytes a published record holds have the verdict that it has by now."""
    sealed_ids = sa.select(deposit.c.id).where(
        deposit.c.accession_id == accession_id, deposit.c.state == DepositState.SEALED
    )
    tx.execute(
        sa.update(deposit_file)
        .where(
            deposit_file.c.deposit_id.in_(sealed_ids),
            deposit_file.c.holder_id.is_not(None),
            deposit_files.is_unclean(),
        )
        .values(scan=scans.of_held_bytes())
    )


def note_verdict(tx: Transaction, file_id: int, scan: JsonObject) -> None:
    tx.execute(sa.update(deposit_file).where(deposit_file.c.id == file_id).values(scan=scan))


def put_apart(tx: Transaction, one: WaitingFile, scan: JsonObject, event: DepositEvent) -> bool:
    """The file is in custody no more, and its deposit takes the step `event`. Whether it was in custody until now: done
    again, this changes nothing."""
    moved = tx.execute(
        sa.update(deposit_file)
        .where(deposit_file.c.id == one.id, deposit_file.c.state == FileState.IN_CUSTODY)
        .values(state=FileState.QUARANTINED, content="", scan=scan)
    )
    if moved.rowcount == 0:
        return False
    tx.execute(
        sa.update(deposit).where(deposit.c.id == one.deposit_id).values(files_bad=deposit.c.files_bad + 1)
    )
    deposits.move(tx, deposits.by_id(tx, one.deposit_id), event)
    return True


def reject(tx: Transaction, files: Sequence[KnownInfected]) -> None:
    """The files are in custody no more, so that the next run reads and judges them anew."""
    if not files:
        return
    tx.execute(
        sa.update(deposit_file)
        .where(deposit_file.c.id.in_([one.id for one in files]))
        .values(state=FileState.REJECTED, content="", holder_id=None)
    )
    for deposit_id, number in Counter(one.deposit_id for one in files).items():
        [found] = deposits.by_id(tx, deposit_id)
        deposits.change(tx, deposit_id, files_bad=found.files_bad + number)
