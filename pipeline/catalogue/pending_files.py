"""Files of drafts that were announced and are not committed yet. Their deposit counts them as open: while there are
any, it cannot be sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.drafts import NewFile
from pipeline.catalogue.tables import deposit, deposit_file, pending_file
from pipeline.model import Digests
from pipeline.store import layout

_BATCH = 500


@dataclass(frozen=True, slots=True)
class AnnouncedFile:
    """What somebody says of a file that they are going to send: its size, None where they do not, and digests."""

    key: str
    size: int | None
    declared: Digests


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file that was announced for a draft; `came` is what was sent of it last, durable, if anything was."""

    id: int
    deposit_id: int
    announced: AnnouncedFile
    created: datetime
    updated: datetime
    came: NewFile | None

    @property
    def key(self) -> str:
        return self.announced.key


def taken(tx: Transaction, deposit_id: int, keys: Sequence[str]) -> set[str]:
    """Of these keys, those that a draft has a file of, pending or not."""
    found: set[str] = set()
    for start in range(0, len(keys), _BATCH):
        for table in (deposit_file, pending_file):
            chosen = table.c.key.in_(keys[start : start + _BATCH])
            found.update(
                tx.execute(sa.select(table.c.key).where(table.c.deposit_id == deposit_id, chosen)).scalars()
            )
    return found


def add(
    tx: Transaction, one: Deposit, announced: Sequence[AnnouncedFile], *, now: datetime
) -> list[PendingFile]:
    """Of a draft that is `locked`, which has no files of these keys; in the same order."""
    added = sa.insert(pending_file).returning(pending_file, sort_by_parameter_order=True)
    rows = tx.execute(
        added,
        [
            {
                "deposit_id": one.id,
                "key": each.key,
                "size": each.size,
                "declared": dict(each.declared),
                "created": now,
                "updated": now,
                "content": "",
            }
            for each in announced
        ],
    )
    _count(tx, one.id, len(announced))
    return [_from_row(row) for row in rows]


def find(tx: Transaction, deposit_id: int, key: str) -> PendingFile | None:
    row = tx.execute(
        sa.select(pending_file).where(pending_file.c.deposit_id == deposit_id, pending_file.c.key == key)
    ).one_or_none()
    return None if row is None else _from_row(row)


def page(tx: Transaction, deposit_id: int, *, after: str = "", limit: int) -> list[PendingFile]:
    """By key, from behind `after` on."""
    rows = tx.execute(
        sa.select(pending_file)
        .where(pending_file.c.deposit_id == deposit_id, pending_file.c.key > after)
        .order_by(pending_file.c.key)
        .limit(limit)
    )
    return [_from_row(row) for row in rows]


def note_content(tx: Transaction, one: PendingFile, came: NewFile, *, now: datetime) -> PendingFile:
    """What has come of it is this now."""
    row = tx.execute(
        sa.update(pending_file)
        .where(pending_file.c.id == one.id)
        .values(
            updated=now,
            content=came.content,
            received=came.size,
            root_digest=came.root_digest,
            digests=dict(came.digests),
        )
        .returning(pending_file)
    ).one()
    return _from_row(row)


def remove(tx: Transaction, one: Deposit, key: str) -> PendingFile | None:
    """Forget a file of a draft that is `locked`; None where there is none of this key."""
    found = find(tx, one.id, key)
    if found is not None:
        tx.execute(sa.delete(pending_file).where(pending_file.c.id == found.id))
        _count(tx, one.id, -1)
    return found


def remove_all(tx: Transaction, one: Deposit) -> list[str]:
    """Forget all of a draft that is `locked`; where in the store lies what has come of them."""
    mine = pending_file.c.deposit_id == one.id
    came = sa.select(pending_file.c.content).where(mine, pending_file.c.content != "")
    places = [layout.content(one.home, content) for content in tx.execute(came).scalars()]
    forgotten = tx.execute(sa.delete(pending_file).where(mine)).rowcount
    _count(tx, one.id, -forgotten)
    return places


def _count(tx: Transaction, deposit_id: int, number: int) -> None:
    tx.execute(
        sa.update(deposit).where(deposit.c.id == deposit_id).values(files_open=deposit.c.files_open + number)
    )


def _from_row(row: sa.Row[Any]) -> PendingFile:
    announced = AnnouncedFile(row.key, row.size, row.declared)
    came = (
        NewFile(row.key, row.received, row.content, row.root_digest, row.digests, row.declared)
        if row.content
        else None
    )
    return PendingFile(row.id, row.deposit_id, announced, row.created, row.updated, came)
