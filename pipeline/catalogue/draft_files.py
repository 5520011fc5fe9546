"""The files of drafts, which are in custody as soon as they are in one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Transaction, deposit_files, deposits, drafts, scans
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.tables import deposit, deposit_file, draft, multipart, pending_file, record_file, user
from pipeline.model import UNIDENTIFIED, Digests, FileState, ScanStatus, ScanVerdict
from pipeline.store import layout

MULTIPART = "multipart"
"""Stands in place of an algorithm where nobody has read a file yet: the md5 of the md5s of its parts as they came, or
what tells its sending from every other, and behind a dash the size of the parts."""

_NOT_SCANNED = ScanVerdict(ScanStatus.UNSCANNED, engine="")


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A file of a draft. `place` is the key of its bytes in the store, None where a published version holds them. Of
    one that nobody has read yet, `digests` has `MULTIPART` only."""

    id: int
    key: str
    size: int
    digests: Digests
    place: str | None
    content: str
    holder_id: int | None
    taken_at: datetime
    scan: ScanVerdict


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file whose bytes are durable in the store, at a path of the draft's content folder. Nobody has looked into it
    yet. Of one that nobody has read at all, `root_digest` is None and `digests` has `MULTIPART` only."""

    key: str
    size: int
    content: str
    root_digest: str | None
    digests: Digests
    declared: Digests


def page(tx: Transaction, deposit_id: int, *, after: str = "", limit: int) -> list[DraftFile]:
    """Files by key, from behind `after` on."""
    return [_file(row) for row in tx.execute(_PAGE, {"wanted": deposit_id, "after": after, "most": limit})]


def find(tx: Transaction, deposit_id: int, key: str) -> DraftFile | None:
    """The file of that key, if there is one."""
    row = tx.execute(_FILE_BY_KEY, {"wanted": deposit_id, "wanted_key": key}).one_or_none()
    return None if row is None else _file(row)


def held(tx: Transaction, one: Deposit, key: str) -> DraftFile | None:
    """As `find`, of a draft that is `locked`; the database is not asked where it has none at all."""
    return find(tx, one.id, key) if one.files_total else None


def by_id(tx: Transaction, deposit_id: int, file_id: int) -> DraftFile | None:
    found = tx.execute(_FILES.where(deposit_file.c.deposit_id == deposit_id, deposit_file.c.id == file_id))
    row = found.one_or_none()
    return None if row is None else _file(row)


def largest(tx: Transaction, deposit_id: int) -> int:
    """Bytes of it; 0 where there is none."""
    largest = sa.select(sa.func.max(deposit_file.c.size)).where(deposit_file.c.deposit_id == deposit_id)
    return tx.execute(largest).scalar_one() or 0


def holds(tx: Transaction, one: Deposit, content: str) -> bool:
    """Whether what is at this path of a draft's content folder is a file of it, or of the record that it has become, or
    waits to be committed."""
    drafted = sa.exists().where(
        deposit_file.c.deposit_id == one.id,
        deposit_file.c.content == content,
        deposit_file.c.holder_id.is_(None),
    )
    pending = sa.exists().where(pending_file.c.deposit_id == one.id, pending_file.c.content == content)
    in_parts = sa.exists().where(
        pending_file.c.deposit_id == one.id,
        multipart.c.file_id == pending_file.c.id,
        multipart.c.content == content,
    )
    published = sa.exists().where(
        record_file.c.record_id == one.record_id,
        record_file.c.holder_id == one.record_id,
        record_file.c.content == content,
    )
    return bool(tx.execute(sa.select(sa.or_(drafted, pending, in_parts, published))).scalar_one())


@dataclass(frozen=True, slots=True)
class InfectedDraft:
    """A file in which a virus was found, of the draft of a record; `owner` is who deposits it (an address)."""

    record_id: int
    owner: str
    file: DraftFile


def infected(tx: Transaction, *, limit: int) -> tuple[list[InfectedDraft], int]:
    """The first files of open drafts in which a virus was found, by id, and how many there are. They are not put apart:
    who deposits them is told, and takes them out."""
    is_infected = sa.and_(
        drafts.is_open(),
        deposit_files.is_unclean(),
        deposit_file.c.scan["status"].as_string() == ScanStatus.INFECTED,
    )
    found = (
        _FILES.add_columns(deposit.c.record_id, user.c.email)
        .join(draft, draft.c.deposit_id == deposit.c.id)
        .join(user, user.c.id == draft.c.account_id)
        .where(is_infected)
        .order_by(deposit_file.c.id)
        .limit(limit)
    )
    number = sa.select(sa.func.count()).select_from(deposit_file).join(deposit).where(is_infected)
    rows = [InfectedDraft(row.record_id, row.email, _file(row)) for row in tx.execute(found)]
    return rows, tx.execute(number).scalar_one()


def put(tx: Transaction, one: Deposit, new: NewFile, *, now: datetime) -> tuple[DraftFile, DraftFile | None]:
    """Have the draft, which is `locked`, hold a file; (it, the one whose place it took)."""
    before = held(tx, one, new.key)
    values = {
        "run": "",
        "path": os.fsencode(new.key),
        "size": new.size,
        "declared": dict(new.declared),
        "state": FileState.UNREAD if new.root_digest is None else FileState.IN_CUSTODY,
        "content": new.content,
        "holder_id": None,
        "root_digest": new.root_digest,
        "digests": dict(new.digests),
        "identification": codec.identification_to_json(UNIDENTIFIED),
        "scan": codec.verdict_to_json(_NOT_SCANNED),
        "taken_at": now,
    }
    if before is None:
        id_ = tx.execute(_ADD_FILE, {"deposit_id": one.id, "key": new.key, **values}).scalar_one()
    else:
        id_ = before.id
        tx.execute(_CHANGE_FILE, {"wanted": id_, **values})
    _measure(tx, one.id, files=int(before is None), size=new.size - (before.size if before else 0))
    drafts.note_change(tx, one.id, now)
    place = layout.content(one.home, new.content)
    return DraftFile(
        id_, new.key, new.size, dict(new.digests), place, new.content, None, now, _NOT_SCANNED
    ), before


def remove(tx: Transaction, one: Deposit, gone: DraftFile, *, now: datetime) -> None:
    tx.execute(sa.delete(deposit_file).where(deposit_file.c.id == gone.id))
    _measure(tx, one.id, files=-1, size=-gone.size)
    drafts.note_change(tx, one.id, now)


def remove_all(tx: Transaction, one: Deposit, *, now: datetime) -> list[str]:
    """Take all files out of a draft, which is `locked`; where their own bytes lie in the store."""
    mine = deposit_file.c.deposit_id == one.id
    own = sa.select(deposit_file.c.content).where(mine, deposit_file.c.holder_id.is_(None))
    places = [layout.content(one.home, content) for content in tx.execute(own).scalars()]
    tx.execute(sa.delete(deposit_file).where(mine))
    deposits.change(tx, one.id, files_total=0, bytes_total=0)
    drafts.note_change(tx, one.id, now)
    return places


def open_files(tx: Transaction, one: Deposit, home: str, *, until: datetime, now: datetime) -> None:
    """Give an edit, which is `locked` and has no files of its own, those of its record, to be changed; what it is sent
    is kept below the key `home`. It may be published with them `until` then."""
    deposits.change(tx, one.id, home=home)
    tx.execute(sa.update(draft).where(draft.c.deposit_id == one.id).values(files_until=until))
    import_files(tx, one, now=now)


def prolong_files(tx: Transaction, one: Deposit, *, until: datetime) -> None:
    """The same of an edit whose files are open already."""
    tx.execute(sa.update(draft).where(draft.c.deposit_id == one.id).values(files_until=until))


def import_files(tx: Transaction, one: Deposit, *, now: datetime) -> None:
    """Give a draft that has no files those of the version that it follows, or changes, without their bytes being
    moved."""
    chosen = sa.select(
        sa.literal(one.id),
        sa.literal(""),
        record_file.c.key,
        record_file.c.original_path,
        record_file.c.size,
        record_file.c.mtime_ns,
        record_file.c.stamp,
        record_file.c.declared,
        sa.literal(FileState.IN_CUSTODY.value),
        record_file.c.content,
        record_file.c.holder_id,
        record_file.c.root_digest,
        record_file.c.digests,
        record_file.c.identification,
        record_file.c.scan,
        sa.func.coalesce(record_file.c.taken_at, sa.literal(now, draft.c.created.type)),
        sa.false(),
    ).where(record_file.c.record_id == one.base_record_id, record_file.c.purge_id.is_(None))
    columns = [
        "deposit_id",
        "run",
        "key",
        "path",
        "size",
        "mtime_ns",
        "stamp",
        "declared",
        "state",
        "content",
    ]
    columns += ["holder_id", "root_digest", "digests", "identification", "scan", "taken_at", "resumed"]
    tx.execute(sa.insert(deposit_file).from_select(columns, chosen))
    deposit_files.count(tx, [one.id])
    drafts.note_change(tx, one.id, now)


def _measure(tx: Transaction, deposit_id: int, *, files: int, size: int) -> None:
    tx.execute(_MEASURE, {"wanted": deposit_id, "more_files": files, "more_bytes": size})


def take_over_verdicts(tx: Transaction, deposit_id: int) -> None:
    """Files that came with the version before have the verdict that its bytes have by now."""
    tx.execute(
        sa.update(deposit_file)
        .where(deposit_file.c.deposit_id == deposit_id, deposit_file.c.holder_id.is_not(None))
        .values(scan=scans.of_held_bytes())
    )


def has_imported(tx: Transaction, deposit_id: int) -> bool:
    """Whether any file of the draft came with the version that it follows."""
    imported = sa.exists().where(
        deposit_file.c.deposit_id == deposit_id, deposit_file.c.holder_id.is_not(None)
    )
    return tx.execute(sa.select(imported)).scalar_one()


# ---------------------------------------------------------------- rows

_FILES = (
    sa.select(deposit_file, deposit.c.home)
    .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
    .where(deposit_file.c.state.in_([FileState.IN_CUSTODY, FileState.UNREAD]))
)
# Said once: to put a statement together takes longer than to carry it out.
_MEASURE = (
    sa.update(deposit)
    .where(deposit.c.id == sa.bindparam("wanted"))
    .values(
        files_total=deposit.c.files_total + sa.bindparam("more_files", type_=sa.BigInteger),
        bytes_total=deposit.c.bytes_total + sa.bindparam("more_bytes", type_=sa.BigInteger),
    )
)
_ADD_FILE = sa.insert(deposit_file).returning(deposit_file.c.id)
_CHANGE_FILE = sa.update(deposit_file).where(deposit_file.c.id == sa.bindparam("wanted"))
_OF_DRAFT = _FILES.where(deposit_file.c.deposit_id == sa.bindparam("wanted"))
_PAGE = (
    _OF_DRAFT.where(deposit_file.c.key > sa.bindparam("after"))
    .order_by(deposit_file.c.key)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_FILE_BY_KEY = _OF_DRAFT.where(deposit_file.c.key == sa.bindparam("wanted_key"))


def _file(row: sa.Row[Any]) -> DraftFile:
    return DraftFile(
        id=row.id,
        key=row.key,
        size=row.size,
        digests=row.digests,
        place=layout.content(row.home, row.content) if row.holder_id is None else None,
        content=row.content,
        holder_id=row.holder_id,
        taken_at=row.taken_at,
        scan=codec.verdict_from_json(row.scan),
    )
