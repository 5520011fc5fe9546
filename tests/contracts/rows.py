"""Rows that tests of the catalogue need, made with as little as they must have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import (
    Transaction,
    accessions,
    adoption,
    deposit_files,
    deposits,
    fixity,
    outbox,
    records,
    tables,
)
from pipeline.catalogue.deposit_files import FoundFile
from pipeline.catalogue.deposits import Deposit
from pipeline.lifecycle import DepositEvent
from pipeline.model import (
    UNIDENTIFIED,
    Accession,
    AccessionState,
    Concept,
    DepositAction,
    DepositState,
    Description,
    EffectKind,
    FileOutcome,
    FileState,
    JsonObject,
    RecordState,
    ScanStatus,
    ScanVerdict,
)
from pipeline.ports import OpenUpload
from pipeline.store import layout

NOW = datetime(2026, 3, 9, 14, 10, tzinfo=UTC)
DESCRIPTION = codec.description_to_json(Description({"title": "Tides"}))


def add_accession(
    tx: Transaction,
    id_: str = "a1",
    collection: str = "tides",
    state: AccessionState = AccessionState.INGESTING,
) -> str:
    accessions.create(tx, Accession(id_, collection, "/source", state, NOW))
    return id_


def add_record(tx: Transaction, id_: int, *, concept_id: int | None = None, version: int = 1) -> int:
    """A published record of a work of its own, or as a further version of one that is there."""
    if concept_id is None:
        concept_id = 1_000_000 + id_
        records.add_concepts(tx, [Concept(concept_id)], now=NOW)
    row: JsonObject = {
        "id": id_,
        "concept_id": concept_id,
        "version": version,
        "revision": 1,
        "is_latest": True,
        "state": RecordState.PUBLISHED,
        "description": DESCRIPTION,
        "created": NOW,
        "modified": NOW,
        "file_count": 0,
        "total_bytes": 0,
    }
    records.add_records(tx, [row])
    return id_


def give(tx: Transaction, record_id: int, owner: str) -> None:
    """Have a record be of that address."""
    tx.execute(sa.update(tables.record).where(tables.record.c.id == record_id).values(owner=owner))


def bring_about_all(tx: Transaction) -> None:
    """Have no effect wait."""
    for kind in EffectKind:
        claims = outbox.claim(tx, kind, now=NOW, owner="one", lease=timedelta(minutes=5), limit=100)
        outbox.settle(tx, claims, owner="one")


def add_deposit(tx: Transaction, record_id: int = 2, **values: object) -> int:
    """A planned deposit of the accession `a1`; its id."""
    [id_] = deposits.add(
        tx,
        [
            {
                "accession_id": "a1",
                "position": 0,
                "key": f"record {record_id}",
                "concept_id": 1,
                "record_id": record_id,
                "home": layout.staged(record_id),
                "action": DepositAction.NEW,
                "state": DepositState.PLANNED,
                "description": DESCRIPTION,
                **values,
            }
        ],
    )
    return id_


def found(
    deposit_id: int, key: str, *, size: int = 1, mtime_ns: int | None = 5, **declared: str
) -> FoundFile:
    return FoundFile(deposit_id, key, f"source/{key}", size, mtime_ns, str(mtime_ns or ""), declared)


def outcome(id_: int, digest: str = "d1", *, state: FileState = FileState.IN_CUSTODY) -> FileOutcome:
    if state is not FileState.IN_CUSTODY:
        return FileOutcome(id_, state)
    return FileOutcome(
        id_,
        state,
        content=f"data/{id_}",
        root_digest=digest,
        digests={"sha512": digest},
        identification=codec.identification_to_json(UNIDENTIFIED),
        scan=codec.verdict_to_json(ScanVerdict(ScanStatus.UNSCANNED, "none")),
    )


def take_in(tx: Transaction, deposit_id: int, files: dict[str, str], **file: int) -> None:
    """Find files (key → digest) for a deposit and settle them as in custody."""
    deposit_files.note_found(tx, [found(deposit_id, key, **file) for key in files], run="run")  # type: ignore[arg-type]
    deposit_files.count(tx, [deposit_id])
    planned = deposit_files.planned(tx, "a1", below=1 << 40, after=0, limit=100)
    deposit_files.settle(
        tx, [outcome(one.id, files[one.key]) for one in planned if one.deposit_id == deposit_id]
    )


def deposit_of(tx: Transaction, deposit_id: int) -> Deposit:
    for state in DepositState:
        for one in deposits.in_state(tx, "a1", state, limit=100):
            if one.id == deposit_id:
                return one
    raise LookupError(deposit_id)


def publish(tx: Transaction, deposit_ids: Sequence[int], *, version: int = 1) -> None:
    """Make deposits records, with their files, as publishing does."""
    for id_ in deposit_ids:
        one = deposit_of(tx, id_)
        if version == 1:
            records.add_concepts(tx, [Concept(one.concept_id, "tides", one.key)], now=NOW)
        add_record(tx, one.record_id, concept_id=one.concept_id, version=version)
        adoption.adopt_files(tx, [id_])
        fixity.begin(tx, [id_])
        records.measure(tx, [one.record_id])
        deposits.move(tx, [one], DepositEvent.SEAL)
        deposits.move(tx, [deposit_of(tx, id_)], DepositEvent.PUBLISH)
        deposit_files.forget(tx, [id_])


def upload_of(tx: Transaction, file_id: int) -> OpenUpload:
    """What the part ledger has of a file."""
    row = tx.execute(sa.select(tables.upload).where(tables.upload.c.file_id == file_id)).one()
    return OpenUpload(row.place, row.upload_id, row.begun)


def add_two_records(tx: Transaction) -> None:
    """Records 2, of files a and b, and 3, of c; a and c are of the same bytes."""
    add_accession(tx)
    for record_id, files in ((2, {"a": "d1", "b": "d2"}), (3, {"c": "d1"})):
        deposit_id = add_deposit(tx, record_id, concept_id=record_id + 1000)
        take_in(tx, deposit_id, files)
        publish(tx, [deposit_id])
