"""Files in custody of deposits, which become those of the records that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.tables import deposit, deposit_file, fixity, record, record_file
from pipeline.model import FileState


def adopt_files(tx: Transaction, deposit_ids: Sequence[int]) -> None:
    """Make the files in custody of deposits those of their records. Bytes that the work has already, or has
    twice, are held once (OCFL keeps equal content once): the first key that brought them holds them."""
    tx.execute(_adopting(), {"deposit_ids": list(deposit_ids)})


def replace_files(tx: Transaction, one: Deposit) -> bool:
    """Take from the record of an edit, whose files were opened, those that the edit has no more or has others in the
    place of, and leave to the edit only what is new to the record: whether that has bytes of its own. What a purge took
    stays listed. Nothing may lean on what is taken (`leaned_on`)."""
    is_same = sa.and_(
        deposit_file.c.deposit_id == one.id,
        deposit_file.c.key == record_file.c.key,
        _same_bytes(deposit_file),
    )
    mine = sa.and_(record_file.c.record_id == one.record_id, record_file.c.purge_id.is_(None))
    is_gone = sa.and_(mine, ~sa.exists().where(is_same).correlate(record_file))
    gone = tx.execute(
        sa.select(record_file.c.key, record_file.c.content, record_file.c.holder_id).where(is_gone)
    ).all()
    for row in gone:
        _hand_over_fixity(tx, one.record_id, row, besides=[each.key for each in gone])
    tx.execute(sa.delete(record_file).where(is_gone))
    stays = sa.exists().where(mine, is_same).correlate(deposit_file)
    tx.execute(sa.delete(deposit_file).where(deposit_file.c.deposit_id == one.id, stays))
    is_new = sa.exists().where(deposit_file.c.deposit_id == one.id, deposit_file.c.holder_id.is_(None))
    return tx.execute(sa.select(is_new)).scalar_one()


def _hand_over_fixity(tx: Transaction, record_id: int, gone: Any, *, besides: Sequence[str]) -> None:
    """Where another file of the record has the same bytes, what is known of them is that one's from now on."""
    heir = tx.execute(
        sa.select(sa.func.min(record_file.c.key)).where(
            record_file.c.record_id == record_id,
            record_file.c.holder_id == gone.holder_id,
            record_file.c.content == gone.content,
            record_file.c.key.not_in(besides),
        )
    ).scalar_one()
    if heir is not None:
        known = sa.and_(fixity.c.record_id == record_id, fixity.c.key == gone.key)
        tx.execute(sa.update(fixity).where(known).values(key=heir))


def leaned_on(tx: Transaction, one: Deposit) -> str | None:
    """The key of a file that an edit would take from its record, and whose bytes another version of the work, or a
    deposit under way, has from there; None where there is none."""
    others = record_file.alias("others")
    kept = sa.exists().where(_same_bytes(deposit_file), deposit_file.c.deposit_id == one.id)
    published = sa.exists().where(_same_bytes(others), others.c.record_id != one.record_id)
    under_way = sa.exists().where(_same_bytes(deposit_file), deposit_file.c.deposit_id != one.id)
    found = sa.select(sa.func.min(record_file.c.key)).where(
        record_file.c.record_id == one.record_id,
        record_file.c.holder_id == one.record_id,
        record_file.c.purge_id.is_(None),
        ~kept,
        sa.or_(published, under_way),
    )
    key: str | None = tx.execute(found).scalar_one()
    return key


def _same_bytes(files: sa.FromClause) -> sa.ColumnElement[bool]:
    """Joins to a file of a record others that have their bytes from the same place."""
    return sa.and_(files.c.holder_id == record_file.c.holder_id, files.c.content == record_file.c.content)


def purged_before(tx: Transaction, one: Deposit) -> str | None:
    """The key of a file of an edit that its record lists already, as purged; None where there is none."""
    is_same = sa.and_(deposit_file.c.deposit_id == one.id, deposit_file.c.key == record_file.c.key)
    found = sa.select(sa.func.min(record_file.c.key)).where(
        record_file.c.record_id == one.record_id,
        record_file.c.purge_id.is_not(None),
        sa.exists().where(is_same),
    )
    key: str | None = tx.execute(found).scalar_one()
    return key


_CHOSEN: sa.BindParameter[Any] = sa.bindparam("deposit_ids", expanding=True)


@cache
def _adopting() -> sa.Insert:
    older, again = _held_bytes(), _own_bytes_again()
    chosen = (
        sa.select(
            deposit.c.record_id,
            deposit_file.c.key,
            deposit_file.c.size,
            deposit_file.c.mtime_ns,
            deposit_file.c.stamp,
            deposit_file.c.root_digest,
            sa.func.coalesce(deposit_file.c.holder_id, older.c.holder_id, deposit.c.record_id),
            sa.case(
                (deposit_file.c.holder_id.is_not(None), deposit_file.c.content),
                else_=sa.func.coalesce(older.c.content, again.c.content, deposit_file.c.content),
            ),
            deposit_file.c.path,
            deposit_file.c.digests,
            deposit_file.c.declared,
            deposit_file.c.identification,
            deposit_file.c.scan,
            deposit_file.c.taken_at,
        )
        .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
        .outerjoin(
            older,
            sa.and_(
                older.c.concept_id == deposit.c.concept_id, older.c.root_digest == deposit_file.c.root_digest
            ),
        )
        .outerjoin(
            again,
            sa.and_(
                again.c.deposit_id == deposit_file.c.deposit_id,
                again.c.root_digest == deposit_file.c.root_digest,
            ),
        )
        .where(deposit_file.c.deposit_id.in_(_CHOSEN), deposit_file.c.state == FileState.IN_CUSTODY)
        # As they are read from now on: what is written in another order costs that order for good.
        .order_by(deposit_file.c.deposit_id, deposit_file.c.key)
    )
    columns = ["record_id", "key", "size", "mtime_ns", "stamp", "root_digest", "holder_id", "content"]
    columns += ["original_path", "digests", "declared", "identification", "scan", "taken_at"]
    return sa.insert(record_file).from_select(columns, chosen)


def _own_bytes_again() -> sa.Subquery:
    """(deposit, digest) → the content of the first file by key, of bytes that several files of a deposit have."""
    first = (
        sa.select(
            deposit_file.c.deposit_id,
            deposit_file.c.root_digest,
            sa.func.min(deposit_file.c.key).label("key"),
        )
        .where(deposit_file.c.deposit_id.in_(_CHOSEN), deposit_file.c.state == FileState.IN_CUSTODY)
        .group_by(deposit_file.c.deposit_id, deposit_file.c.root_digest)
        .having(sa.func.count() > 1)
        .subquery()
    )
    is_first = sa.and_(deposit_file.c.deposit_id == first.c.deposit_id, deposit_file.c.key == first.c.key)
    return sa.select(first, deposit_file.c.content).join(deposit_file, is_first).subquery()


def _held_bytes() -> sa.Subquery:
    """(concept, digest) → the first holder and content, of works that the deposits make new versions of."""
    numbered = (
        sa.select(
            record.c.concept_id,
            record_file.c.root_digest,
            record_file.c.holder_id,
            record_file.c.content,
            sa.func.row_number()
            .over(
                partition_by=(record.c.concept_id, record_file.c.root_digest),
                order_by=(record_file.c.holder_id, record_file.c.content),
            )
            .label("place"),
        )
        .join(record, record.c.id == record_file.c.record_id)
        .where(
            record_file.c.purge_id.is_(None),
            record.c.concept_id.in_(
                sa.select(deposit.c.concept_id).where(
                    deposit.c.id.in_(_CHOSEN), deposit.c.base_record_id.is_not(None)
                )
            ),
        )
        .subquery()
    )
    return sa.select(numbered).where(numbered.c.place == 1).subquery()
