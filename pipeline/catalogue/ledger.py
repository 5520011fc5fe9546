"""The part ledger: what is durable of large files under way, so that whoever goes on reads only what is missing.

A file has one upload at a time. What the plan says of the file by now decides whether that may be gone on with: one
whose file is planned with another place, path, size or stamp, or is not to be read any more, is a leftover, which the
store is told to end before it is forgotten here.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.tables import deposit, deposit_file, upload, upload_part
from pipeline.model import DepositState, FileState, Part, PartLedger, PlannedFile
from pipeline.ports import OpenUpload
from pipeline.store import layout


@dataclass(frozen=True, slots=True)
class Noted:
    """What an attempt at a file told: `ledger` has the parts that are new, and the checkpoint as it is now."""

    file: PlannedFile
    attempt: str
    ledger: PartLedger


def note(tx: Transaction, noted: Sequence[Noted], *, now: datetime) -> None:
    """Write down what attempts told, in the order in which they did. An upload takes the place of the one that the
    file had before, and of its parts. A file without a stamp is left out: nobody could tell whether it is the same."""
    news = _merged(one for one in noted if one.file.stamp)
    if not news:
        return
    before = {one.file_id: one.upload_id for one in _uploads(tx, list(news))}
    replaced = [
        id_ for id_, one in news.items() if before.get(id_, one.ledger.upload_id) != one.ledger.upload_id
    ]
    forget(tx, replaced)
    _upsert(tx, upload, ["file_id"], [_upload_row(one, now) for one in news.values()], kept=("begun",))
    parts = [_part_row(id_, part) for id_, one in news.items() for part in one.ledger.parts]
    _upsert(tx, upload_part, ["file_id", "number"], parts)


def _merged(noted: Iterable[Noted]) -> dict[int, Noted]:
    """File id → all that was told of its newest upload."""
    merged: dict[int, Noted] = {}
    for one in noted:
        before = merged.get(one.file.id)
        if before is not None and before.ledger.upload_id == one.ledger.upload_id:
            parts = {part.number: part for part in (*before.ledger.parts, *one.ledger.parts)}
            one = replace(one, ledger=replace(one.ledger, parts=tuple(parts.values())))
        merged[one.file.id] = one
    return merged


def _upload_row(one: Noted, now: datetime) -> dict[str, Any]:
    return {
        "file_id": one.file.id,
        "attempt": one.attempt,
        "upload_id": one.ledger.upload_id,
        "place": one.file.place,
        "path": os.fsencode(one.file.path),
        "size": one.file.size,
        "stamp": one.file.stamp,
        "part_size": one.ledger.part_size,
        "offset": one.ledger.offset,
        "checkpoint": one.ledger.checkpoint,
        "begun": now,
        "changed": now,
    }


def _part_row(file_id: int, part: Part) -> dict[str, Any]:
    return {
        "file_id": file_id,
        "number": part.number,
        "size": part.size,
        "etag": part.etag,
        "xxh3": part.xxh3,
        "checksum": part.checksum,
    }


def _upsert(
    tx: Transaction,
    table: sa.Table,
    key: list[str],
    rows: list[dict[str, Any]],
    *,
    kept: Collection[str] = (),
) -> None:
    if not rows:
        return
    statement = insert(tx, table)
    new = {name: statement.excluded[name] for name in rows[0] if name not in key and name not in kept}
    tx.execute(statement.on_conflict_do_update(index_elements=key, set_=new), rows)


def ledgers(tx: Transaction, files: Sequence[PlannedFile]) -> dict[int, PartLedger]:
    """File id → what is durable of it, of those whose upload can be gone on with."""
    planned = {file.id: file for file in files}
    found = [row for row in _uploads(tx, list(planned)) if _is_of(row, planned[row.file_id])]
    parts: dict[int, list[Part]] = {row.file_id: [] for row in found}
    of_files = sa.select(upload_part).where(upload_part.c.file_id.in_(list(parts)))
    for row in tx.execute(of_files.order_by(upload_part.c.file_id, upload_part.c.number)):
        parts[row.file_id].append(Part(row.number, row.size, row.etag, row.xxh3, row.checksum))
    return {
        row.file_id: PartLedger(
            row.upload_id, row.part_size, row.offset, row.checkpoint, tuple(parts[row.file_id])
        )
        for row in found
    }


def _is_of(row: sa.Row[Any], file: PlannedFile) -> bool:
    return (row.place, row.path, row.size, row.stamp) == (
        file.place,
        os.fsencode(file.path),
        file.size,
        file.stamp,
    )


def leftovers(tx: Transaction, file_ids: Collection[int] | None = None) -> dict[int, OpenUpload]:
    """File id → upload, of all that nobody will go on with, or of those of these files."""
    rows = tx.execute(
        sa.select(
            upload,
            deposit.c.home,
            deposit_file.c.key,
            deposit_file.c.path.label("planned_path"),
            deposit_file.c.size.label("planned_size"),
            deposit_file.c.stamp.label("planned_stamp"),
        )
        .outerjoin(
            deposit_file,
            sa.and_(deposit_file.c.id == upload.c.file_id, deposit_file.c.state == FileState.PLANNED),
        )
        .outerjoin(
            deposit,
            sa.and_(deposit.c.id == deposit_file.c.deposit_id, deposit.c.state == DepositState.PLANNED),
        )
        .where(sa.true() if file_ids is None else upload.c.file_id.in_(file_ids))
    )
    return {row.file_id: _open(row) for row in rows if not _is_planned(row)}


def _is_planned(row: sa.Row[Any]) -> bool:
    return row.home is not None and (row.place, row.path, row.size, row.stamp) == (
        layout.place(row.home, row.key),
        row.planned_path,
        row.planned_size,
        row.planned_stamp,
    )


def forget(tx: Transaction, file_ids: Collection[int]) -> None:
    """Forget files' uploads with their parts."""
    tx.execute(sa.delete(upload).where(upload.c.file_id.in_(file_ids)))


def forget_uploads(tx: Transaction, ended: Mapping[int, OpenUpload]) -> None:
    """Forget uploads that the store has ended, by file id; one that took the place of such meanwhile stays."""
    for id_, one in ended.items():
        tx.execute(sa.delete(upload).where(upload.c.file_id == id_, upload.c.upload_id == one.upload_id))


def _uploads(tx: Transaction, file_ids: Sequence[int]) -> Sequence[sa.Row[Any]]:
    return tx.execute(sa.select(upload).where(upload.c.file_id.in_(file_ids))).all()


def _open(row: sa.Row[Any]) -> OpenUpload:
    return OpenUpload(row.place, row.upload_id, row.begun)
