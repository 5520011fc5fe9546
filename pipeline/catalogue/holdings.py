"""What is in custody already, as far as a plan can compare files with it that nobody has read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import deposit_file, record_file
from pipeline.model import Digests, FileState

FileOf: TypeAlias = tuple[int, str]
"""Id of the deposit or record that a file is of, and its key."""

_PAIRS = 5000  # two parameters each; SQLite takes 32,766 of them, PostgreSQL 65,535


class HeldFile(NamedTuple):
    """A file in custody, as its source had it."""

    size: int
    stamp: str
    declared: Digests


def in_deposits(tx: Transaction, wanted: Sequence[FileOf]) -> dict[FileOf, HeldFile]:
    """Those of the files that their deposits have in custody."""
    columns = deposit_file.c
    statement = sa.select(
        columns.deposit_id, columns.key, columns.size, columns.stamp, columns.declared
    ).where(columns.state == FileState.IN_CUSTODY)
    return _found(tx, statement, sa.tuple_(columns.deposit_id, columns.key), wanted)


def in_records(tx: Transaction, wanted: Sequence[FileOf]) -> dict[FileOf, HeldFile]:
    """Those of the files that their record versions have."""
    columns = record_file.c
    statement = sa.select(columns.record_id, columns.key, columns.size, columns.stamp, columns.declared)
    return _found(tx, statement, sa.tuple_(columns.record_id, columns.key), wanted)


def root_digests(tx: Transaction, wanted: Iterable[str]) -> set[str]:
    """Those of the digests, of the storage root's algorithm, that bytes of published records have."""
    found: set[str] = set()
    left = sorted(set(wanted))
    while left:
        some, left = left[:_PAIRS], left[_PAIRS:]
        rows = tx.execute(
            sa.select(record_file.c.root_digest).where(record_file.c.root_digest.in_(some)).distinct()
        )
        found.update(rows.scalars())
    return found


def _found(
    tx: Transaction, statement: sa.Select[Any], name: sa.Tuple, wanted: Sequence[FileOf]
) -> dict[FileOf, HeldFile]:
    found: dict[FileOf, HeldFile] = {}
    for start in range(0, len(wanted), _PAIRS):
        rows = tx.execute(statement.where(name.in_(wanted[start : start + _PAIRS])))
        found.update(((id_, key), HeldFile(*rest)) for id_, key, *rest in rows)
    return found
