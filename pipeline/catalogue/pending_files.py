"""Files of drafts that were announced and are not committed yet. Their deposit counts them as open: while there are
any, it cannot be sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.draft_files import NewFile
from pipeline.catalogue.tables import deposit, deposit_file, multipart, pending_file
from pipeline.model import Digests
from pipeline.store.transfer import PartPlan

_BATCH = 500


@dataclass(frozen=True, slots=True)
class AnnouncedFile:
    """What somebody says of a file that they are going to send: its size, None where they do not, and digests. One that
    comes in parts has a size; `part_size` are the bytes of each part but the last, 0 where it comes in one piece."""

    key: str
    size: int | None
    declared: Digests
    part_size: int = 0

    @property
    def plan(self) -> PartPlan:
        """Of one that comes in parts."""
        return PartPlan(self.size or 0, self.part_size)


@dataclass(frozen=True, slots=True)
class Multipart:
    """Where the parts of a file come together: the upload of an object at `content`, a path of the draft's content
    folder. Nobody waits for them longer than until `expires`."""

    content: str
    upload_id: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file that was announced for a draft: it comes in parts, or `came` is what was sent of it last, durable, if
    anything was."""

    id: int
    deposit_id: int
    announced: AnnouncedFile
    created: datetime
    updated: datetime
    came: NewFile | None
    multipart: Multipart | None

    @property
    def key(self) -> str:
        return self.announced.key

    @property
    def content(self) -> str:
        """The path of what the store has of it, `""` where it has nothing."""
        return self.multipart.content if self.multipart else self.came.content if self.came else ""


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
    tx: Transaction,
    one: Deposit,
    announced: Sequence[AnnouncedFile],
    begun: Mapping[str, Multipart],
    *,
    now: datetime,
) -> list[PendingFile]:
    """Of a draft that is `locked`, which has no files of these keys; in the same order. `begun` are the uploads, by
    key, of those that come in parts."""
    added = sa.insert(pending_file).returning(pending_file.c.id, sort_by_parameter_order=True)
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
    ids = list(rows.scalars())
    _count(tx, one.id, len(announced))
    _add_uploads(tx, zip(ids, announced, strict=True), begun)
    return [
        PendingFile(id_, one.id, each, now, now, None, begun.get(each.key))
        for id_, each in zip(ids, announced, strict=True)
    ]


def _add_uploads(
    tx: Transaction, files: Iterable[tuple[int, AnnouncedFile]], begun: Mapping[str, Multipart]
) -> None:
    rows = [
        {"file_id": id_, "part_size": each.part_size, **asdict(begun[each.key])}
        for id_, each in files
        if each.part_size
    ]
    if rows:
        tx.execute(sa.insert(multipart), rows)


def find(tx: Transaction, deposit_id: int, key: str) -> PendingFile | None:
    row = tx.execute(
        _FILES.where(pending_file.c.deposit_id == deposit_id, pending_file.c.key == key)
    ).one_or_none()
    return None if row is None else _from_row(row)


def page(tx: Transaction, deposit_id: int, *, after: str = "", limit: int) -> list[PendingFile]:
    """By key, from behind `after` on."""
    rows = tx.execute(
        _FILES.where(pending_file.c.deposit_id == deposit_id, pending_file.c.key > after)
        .order_by(pending_file.c.key)
        .limit(limit)
    )
    return [_from_row(row) for row in rows]


def note_content(tx: Transaction, one: PendingFile, came: NewFile, *, now: datetime) -> PendingFile:
    """What has come of it is this now."""
    tx.execute(
        sa.update(pending_file)
        .where(pending_file.c.id == one.id)
        .values(
            updated=now,
            content=came.content,
            received=came.size,
            root_digest=came.root_digest,
            digests=dict(came.digests),
        )
    )
    return replace(one, updated=now, came=came)


def remove(tx: Transaction, one: Deposit, key: str) -> PendingFile | None:
    """Forget a file of a draft that is `locked`; None where there is none of this key."""
    found = find(tx, one.id, key) if one.files_open else None
    if found is not None:
        tx.execute(sa.delete(pending_file).where(pending_file.c.id == found.id))
        _count(tx, one.id, -1)
    return found


def remove_all(tx: Transaction, one: Deposit) -> list[PendingFile]:
    """Forget all of a draft that is `locked`; those that the store has anything of."""
    mine = pending_file.c.deposit_id == one.id
    stored = sa.or_(pending_file.c.content != "", multipart.c.file_id.is_not(None))
    begun = [_from_row(row) for row in tx.execute(_FILES.where(mine, stored))]
    forgotten = tx.execute(sa.delete(pending_file).where(mine)).rowcount
    _count(tx, one.id, -forgotten)
    return begun


def expired(tx: Transaction, *, now: datetime, after: int, limit: int) -> list[PendingFile]:
    """Those whose parts nobody waits for any more, by id from behind `after` on."""
    due = _FILES.where(multipart.c.expires <= now, pending_file.c.id > after)
    return [_from_row(row) for row in tx.execute(due.order_by(pending_file.c.id).limit(limit))]


def count_in_parts(tx: Transaction, deposit_id: int) -> int:
    """How many of a draft's files come in parts, those that expired included: the store has theirs until they are
    ended."""
    mine = sa.select(sa.func.count()).where(
        pending_file.c.deposit_id == deposit_id, multipart.c.file_id == pending_file.c.id
    )
    return tx.execute(mine).scalar_one()


def _count(tx: Transaction, deposit_id: int, number: int) -> None:
    tx.execute(
        sa.update(deposit).where(deposit.c.id == deposit_id).values(files_open=deposit.c.files_open + number)
    )


_FILES = sa.select(
    pending_file,
    multipart.c.content.label("place"),
    multipart.c.part_size,
    multipart.c.upload_id,
    multipart.c.expires,
).outerjoin(multipart, multipart.c.file_id == pending_file.c.id)


def _from_row(row: sa.Row[Any]) -> PendingFile:
    announced = AnnouncedFile(row.key, row.size, row.declared, row.part_size or 0)
    came = (
        NewFile(row.key, row.received, row.content, row.root_digest, row.digests, row.declared)
        if row.content
        else None
    )
    parts = None if row.place is None else Multipart(row.place, row.upload_id, row.expires)
    return PendingFile(row.id, row.deposit_id, announced, row.created, row.updated, came, parts)
