"""Files in custody of deposits, which become those of the records that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import deposit, deposit_file, record, record_file
from pipeline.model import FileState


def adopt_files(tx: Transaction, deposit_ids: Sequence[int]) -> None:
    """Make the files in custody of deposits those of their records. Bytes that the work has already, or has
    twice, are held once (OCFL keeps equal content once): the first key that brought them holds them."""
    tx.execute(_adopting(), {"deposit_ids": list(deposit_ids)})


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
