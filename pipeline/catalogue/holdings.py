"""What is in custody already, as far as files can be compared with it that nobody has read.

Whether a source's file is one that is in custody is asked in Python for a plan on paper, and in SQL for one that is
carried out: both are said here, side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import deposit_file, record_file
from pipeline.model import Digests, FileState, ScanStatus, SourceFile

FileOf: TypeAlias = tuple[int, str]
"""Id of the deposit or record that a file is of, and its key."""

Columns: TypeAlias = sa.ColumnCollection[str, Any]

_LOOK_UPS = 5000  # in one query; SQLite takes 32,766 parameters, PostgreSQL 65,535


class HeldFile(NamedTuple):
    """A file in custody, as its source had it."""

    size: int
    stamp: str
    declared: Digests

    def is_same(self, file: SourceFile) -> bool:
        """Whether a source has it still: the size, stamp and declared digests are the same, and there is a stamp."""
        return (
            self.stamp != ""
            and (self.size, self.stamp) == (file.size, file.stamp)
            and dict(self.declared) == dict(file.declared)
        )


def is_same(held: Columns, found: Columns) -> sa.ColumnElement[bool]:
    """`HeldFile.is_same`, of the columns of two files. Declared digests are to be written sorted by algorithm: as JSON
    they are compared as text."""
    return sa.and_(
        held.stamp != "",
        held.size == found.size,
        held.stamp == found.stamp,
        sa.cast(held.declared, sa.Text) == sa.cast(found.declared, sa.Text),
    )


def may_be_taken_over() -> sa.ColumnElement[bool]:
    """Of a file of a record version: the next one may have its bytes, unread. They were neither purged nor found
    infected."""
    return sa.and_(
        record_file.c.purge_id.is_(None), record_file.c.scan["status"].as_string() != ScanStatus.INFECTED
    )


def in_deposits(tx: Transaction, wanted: Iterable[FileOf]) -> dict[FileOf, HeldFile]:
    """Those of the files that their deposits have in custody."""
    columns = deposit_file.c
    statement = sa.select(
        columns.deposit_id, columns.key, columns.size, columns.stamp, columns.declared
    ).where(columns.state == FileState.IN_CUSTODY)
    return _found(tx, statement, columns.deposit_id, columns.key, wanted)


def in_records(tx: Transaction, wanted: Iterable[FileOf]) -> dict[FileOf, HeldFile]:
    """Those of the files that their record versions have, and that may be taken over into the next."""
    columns = record_file.c
    statement = sa.select(
        columns.record_id, columns.key, columns.size, columns.stamp, columns.declared
    ).where(may_be_taken_over())
    return _found(tx, statement, columns.record_id, columns.key, wanted)


def root_digests(tx: Transaction, wanted: Iterable[str]) -> set[str]:
    """Those of the digests, of the storage root's algorithm, that bytes of published records have."""
    found: set[str] = set()
    left = sorted(set(wanted))
    while left:
        some, left = left[:_LOOK_UPS], left[_LOOK_UPS:]
        rows = tx.execute(
            sa.select(record_file.c.root_digest)
            .where(record_file.c.root_digest.in_(some), record_file.c.purge_id.is_(None))
            .distinct()
        )
        found.update(rows.scalars())
    return found


def _found(
    tx: Transaction,
    statement: sa.Select[Any],
    id_: sa.ColumnElement[int],
    key: sa.ColumnElement[str],
    wanted: Iterable[FileOf],
) -> dict[FileOf, HeldFile]:
    found: dict[FileOf, HeldFile] = {}
    for ids, keys in _products(wanted):
        rows = tx.execute(statement.where(id_.in_(ids), key.in_(keys)))
        found.update(((row_id, row_key), HeldFile(*rest)) for row_id, row_key, *rest in rows)
    return found


def _products(wanted: Iterable[FileOf]) -> Iterator[tuple[set[int], set[str]]]:
    """Ids and keys whose pairs hold all that is wanted, in sets of so few pairs that looking up each costs little. To
    ask for pairs as they are would have SQLite read the whole table."""
    ids: set[int] = set()
    keys: set[str] = set()
    for id_, key in wanted:
        if (len(ids) + (id_ not in ids)) * (len(keys) + (key not in keys)) > _LOOK_UPS:
            yield ids, keys
            ids, keys = set(), set()
        ids.add(id_)
        keys.add(key)
    if ids:
        yield ids, keys
