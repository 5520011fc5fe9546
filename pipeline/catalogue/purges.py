"""Purges: which bytes were taken out of the storage root, by whom and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction, deposit_files, file_texts
from pipeline.catalogue.deposits import PENDING
from pipeline.catalogue.fixity import is_of_file
from pipeline.catalogue.tables import deposit, deposit_file, fixity, purge, record, record_file
from pipeline.model import Decision, FileState, PurgeState


@dataclass(frozen=True, slots=True)
class Purge:
    """A purge of the file `key` of a record, or of the whole record where that is empty. `digests` are of the bytes, by
    the root's algorithm; `content` is where in the work's object they lay."""

    id: int
    concept_id: int
    record_id: int
    key: str
    state: PurgeState
    decision: Decision
    digests: tuple[str, ...]
    content: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """A file of a record that has, or had, certain bytes."""

    record_id: int
    key: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A file of a deposit whose bytes, stored under the key `place`, were purged meanwhile from the deposit's work."""

    deposit_id: int
    path: str
    place: str
    decision: Decision


def begin(
    tx: Transaction, concept_id: int, asked: tuple[int, str], decision: Decision, digests: Collection[str]
) -> Purge:
    """From now on nobody is served these bytes of a work. `asked` is (record, file or "")."""
    added = sa.insert(purge).returning(purge.c.id)
    values = {
        "concept_id": concept_id,
        "record_id": asked[0],
        "key": asked[1],
        "state": PurgeState.PURGING,
        "decided_by": decision.by,
        "reason": decision.reason,
        "decided_at": decision.at,
        "digests": sorted(digests),
        "content": [],
    }
    begun = get(tx, tx.execute(added.values(**values)).scalar_one())
    return extend(tx, begun, ())


def extend(tx: Transaction, one: Purge, content: Collection[str]) -> Purge:
    """A purge takes all that the work has of its bytes by now, `content` among the places where they lie."""
    versions = sa.select(record.c.id).where(record.c.concept_id == one.concept_id)
    tx.execute(
        sa.update(record_file)
        .where(
            record_file.c.record_id.in_(versions),
            record_file.c.root_digest.in_(one.digests),
            record_file.c.purge_id.is_(None),
        )
        .values(purge_id=one.id)
    )
    # No audit is to miss them.
    taken = sa.exists().where(is_of_file(), record_file.c.purge_id == one.id)
    tx.execute(sa.delete(fixity).where(fixity.c.record_id.in_(versions), taken))
    file_texts.forget_unserved(tx, digests=one.digests)
    known = sorted({*one.content, *content})
    tx.execute(sa.update(purge).where(purge.c.id == one.id).values(content=known))
    return get(tx, one.id)


def finish(tx: Transaction, id_: int, *, now: datetime) -> None:
    """The bytes are gone."""
    tx.execute(sa.update(purge).where(purge.c.id == id_).values(state=PurgeState.PURGED, finished=now))


def get(tx: Transaction, id_: int) -> Purge:
    return _purge(tx.execute(sa.select(purge).where(purge.c.id == id_)).one())


def under_way(tx: Transaction, concept_id: int) -> Purge | None:
    """The purge of a work that was begun and not finished, if there is one."""
    row = tx.execute(
        sa.select(purge).where(purge.c.concept_id == concept_id, purge.c.state == PurgeState.PURGING)
    ).one_or_none()
    return None if row is None else _purge(row)


def latest(tx: Transaction, record_id: int, key: str) -> Purge | None:
    """The last purge that took bytes of a file of a record, or of any of its files where `key` is empty."""
    of_file = sa.select(sa.func.max(record_file.c.purge_id)).where(record_file.c.record_id == record_id)
    if key:
        of_file = of_file.where(record_file.c.key == key)
    row = tx.execute(sa.select(purge).where(purge.c.id == of_file.scalar_subquery())).one_or_none()
    return None if row is None else _purge(row)


def digests_left(tx: Transaction, record_id: int, key: str) -> set[str]:
    """Digests of the bytes of a file of a record, or of all its files where `key` is empty, that were not purged."""
    statement = sa.select(record_file.c.root_digest).where(
        record_file.c.record_id == record_id, record_file.c.purge_id.is_(None)
    )
    return set(tx.execute(statement.where(record_file.c.key == key) if key else statement).scalars())


def copies(tx: Transaction, one: Purge) -> list[Copy]:
    """The files that a purge took, of all versions of the work."""
    rows = tx.execute(
        _COPIES.join(record, record.c.id == record_file.c.record_id)
        .where(record.c.concept_id == one.concept_id, record_file.c.purge_id == one.id)
        .order_by(record_file.c.record_id, record_file.c.key)
    )
    return [Copy(*row) for row in rows]


def elsewhere(tx: Transaction, one: Purge, *, limit: int) -> list[Copy]:
    """Files of other works that have the same bytes still, the first `limit` of them."""
    rows = tx.execute(
        _COPIES.join(record, record.c.id == record_file.c.record_id)
        .where(
            record_file.c.root_digest.in_(one.digests),
            record_file.c.purge_id.is_(None),
            record.c.concept_id != one.concept_id,
        )
        .order_by(record_file.c.record_id, record_file.c.key)
        .limit(limit)
    )
    return [Copy(*row) for row in rows]


def unpreserved(tx: Transaction, concept_id: int) -> list[int]:
    """Versions of a work whose bytes are not in the storage root yet."""
    statement = sa.select(record.c.id).where(record.c.concept_id == concept_id, record.c.staged.is_not(None))
    return list(tx.execute(statement.order_by(record.c.id)).scalars())


def waiting_for(tx: Transaction, concept_id: int, digests: Collection[str]) -> str | None:
    """An accession in which a further version of the work is under way that has these bytes, if there is one; in drafts
    they are refused at publication."""
    return tx.execute(
        sa.select(deposit.c.accession_id)
        .join(deposit_file, deposit_file.c.deposit_id == deposit.c.id)
        .where(
            deposit.c.concept_id == concept_id,
            deposit.c.accession_id.is_not(None),
            deposit.c.state.in_(PENDING),
            deposit_file.c.state == FileState.IN_CUSTODY,
            deposit_file.c.root_digest.in_(digests),
        )
        .limit(1)
    ).scalar_one_or_none()


def of_accession(tx: Transaction, accession_id: str) -> dict[tuple[str, str], Decision]:
    """(record, digest) → the decision by which a record under way in the accession may not have such bytes: they
    were purged from its work, or are being purged."""
    rows = tx.execute(
        sa.select(deposit.c.key.label("under_way"), purge)
        .join(purge, purge.c.concept_id == deposit.c.concept_id)
        .where(deposit.c.accession_id == accession_id, deposit.c.state.in_(PENDING))
        .order_by(purge.c.id.desc())
    )
    return {(row.under_way, digest): _purge(row).decision for row in rows for digest in row.digests}


def refuse(tx: Transaction, deposit_ids: Collection[int]) -> list[Refused]:
    """Reject the files in custody whose bytes were purged from their deposit's work since they were read; not those
    that are empty."""
    decisions = {
        (row.deposit_id, digest): _purge(row).decision
        for row in tx.execute(_BEGUN, {"wanted": list(deposit_ids)})
        for digest in row.digests
    }
    if not decisions:
        return []
    rows = tx.execute(
        sa.select(deposit_file, deposit.c.home)
        .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
        .where(
            deposit.c.id.in_(deposit_ids),
            deposit_file.c.state == FileState.IN_CUSTODY,
            deposit_file.c.size > 0,
            deposit_file.c.root_digest.in_({digest for _, digest in decisions}),
        )
        .order_by(deposit_file.c.id)
    )
    found = {
        row.id: Refused(
            row.deposit_id,
            os.fsdecode(row.path),
            deposit_files.place_of(row),
            decisions[row.deposit_id, row.root_digest],
        )
        for row in rows
        if (row.deposit_id, row.root_digest) in decisions
    }
    _reject(tx, found)
    return list(found.values())


_BEGUN = (
    sa.select(deposit.c.id.label("deposit_id"), purge)
    .join(purge, purge.c.concept_id == deposit.c.concept_id)
    .where(deposit.c.id.in_(sa.bindparam("wanted", expanding=True)))
    .order_by(purge.c.id.desc())
)


def _reject(tx: Transaction, found: Mapping[int, Refused]) -> None:
    """As if the files had been rejected when they were read."""
    tx.execute(
        sa.update(deposit_file)
        .where(deposit_file.c.id.in_(found))
        .values(
            state=FileState.REJECTED,
            content="",
            holder_id=None,
            root_digest=None,
            digests=None,
            identification=None,
            scan=None,
        )
    )
    for deposit_id, bad in Counter(one.deposit_id for one in found.values()).items():
        tx.execute(
            sa.update(deposit).where(deposit.c.id == deposit_id).values(files_bad=deposit.c.files_bad + bad)
        )


def everything(tx: Transaction) -> Iterator[Purge]:
    """All purges, in the order in which they were begun."""
    return map(_purge, tx.execute(sa.select(purge).order_by(purge.c.id)))


_COPIES = sa.select(
    record_file.c.record_id, record_file.c.key, record_file.c.size, record_file.c.root_digest
).select_from(record_file)


def _purge(row: sa.Row[Any]) -> Purge:
    return Purge(
        id=row.id,
        concept_id=row.concept_id,
        record_id=row.record_id,
        key=row.key,
        state=PurgeState(row.state),
        decision=Decision(row.decided_by, row.reason, row.decided_at),
        digests=tuple(row.digests),
        content=tuple(row.content),
    )
