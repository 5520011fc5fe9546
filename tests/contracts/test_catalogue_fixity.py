"""When stored bytes were last found right, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipeline.catalogue import Catalogue, Transaction, deposit_files, fixity, tables
from pipeline.catalogue.fixity import NEVER, Position, StoredFile
from tests.contracts import rows

NOW = rows.NOW
LATER = NOW + timedelta(days=1)


@pytest.fixture
def tx(catalogue: Catalogue) -> object:
    with catalogue.write() as opened:
        yield opened


def add(tx: Transaction, record_id: int, files: dict[str, str], *, resumed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """A published record with files (key → digest), taken in at `NOW`."""
    if record_id == 2:
        rows.add_accession(tx)
    deposit_id = rows.add_deposit(tx, record_id, concept_id=record_id + 1000)
    deposit_files.note_found(tx, [rows.found(deposit_id, key, size=10) for key in files], run="run")
    deposit_files.count(tx, [deposit_id])
    planned = deposit_files.planned(tx, "a1", below=1 << 40, after=0, limit=100)
    outcomes = [
        replace(rows.outcome(one.id, files[one.key]), resumed=one.key in resumed)
        for one in planned
        if one.deposit_id == deposit_id
    ]
    deposit_files.settle(tx, outcomes, taken_at=NOW)
    rows.publish(tx, [deposit_id])


def due(tx: Transaction, **options: object) -> list[tuple[int, str]]:
    found = fixity.due(tx, **{"before": LATER, "limit": 100, **options})  # type: ignore[arg-type]
    return [(one.record_id, one.key) for one in found]


def stored(tx: Transaction, key: str) -> StoredFile:
    return next(one for one in fixity.due(tx, before=LATER + timedelta(days=9), limit=100) if one.key == key)


def test_what_was_found_right_longest_ago_comes_first(tx: Transaction) -> None:
    """Before it, what no one process ever read as a whole, and what was found wrong; pages go on where one ended."""
    add(tx, 2, {"a": "d1", "b": "d2", "c": "d3", "d": "d4"}, resumed={"c"})
    assert due(tx) == [(2, "c"), (2, "a"), (2, "b"), (2, "d")]
    assert stored(tx, "c").sound_at is None
    assert stored(tx, "a").sound_at == NOW
    fixity.note_sound(tx, [stored(tx, "a"), stored(tx, "c")], now=NOW + timedelta(hours=1))
    assert fixity.note_failed(tx, stored(tx, "d"), now=NOW + timedelta(hours=1))
    assert due(tx) == [(2, "d"), (2, "b"), (2, "a"), (2, "c")]
    assert due(tx, limit=2, after=Position(NEVER, 2, "d")) == [(2, "b"), (2, "a")]
    assert due(tx, before=NOW + timedelta(minutes=1)) == [(2, "d"), (2, "b")]


def test_bytes_that_are_kept_once_are_due_once(tx: Transaction) -> None:
    """Files of a record with the same bytes lean on the copy of the first."""
    add(tx, 2, {"a": "d1", "b": "d1"})
    add(tx, 3, {"a": "d1"})
    assert due(tx) == [(2, "a"), (3, "a")]
    assert fixity.holdings(tx) == fixity.Holdings(files=2, size=20, oldest=NOW, failed=0)


def test_a_file_is_wrong_since_it_was_first_found_so(tx: Transaction) -> None:
    """However often that is found again, until it is right."""
    add(tx, 2, {"a": "d1"})
    for later in (1, 2):
        assert fixity.note_failed(tx, stored(tx, "a"), now=NOW + timedelta(hours=later))
    assert stored(tx, "a").failed_at == NOW + timedelta(hours=1)
    assert fixity.holdings(tx) == fixity.Holdings(files=1, size=10, oldest=None, failed=1)
    assert fixity.alarm(tx) == (1, None)
    fixity.note_sound(tx, [stored(tx, "a")], now=LATER)
    assert fixity.holdings(tx) == fixity.Holdings(files=1, size=10, oldest=LATER, failed=0)
    assert fixity.alarm(tx) == (0, LATER)


def test_what_is_gone_from_a_record_is_no_longer_due(tx: Transaction) -> None:
    """And who found it wrong a moment ago hears that it need not be there."""
    add(tx, 2, {"a": "d1", "b": "d2"})
    gone = stored(tx, "a")
    tx.execute(sa.delete(tables.record_file).where(tables.record_file.c.key == "a"))
    assert due(tx) == [(2, "b")]
    assert not fixity.note_failed(tx, gone, now=LATER)


def test_what_was_taken_in_today_is_no_part_of_todays_share(tx: Transaction) -> None:
    """Only what audits read counts, and of that what they read since."""
    add(tx, 2, {"a": "d1", "b": "d2"})
    assert fixity.audited_since(tx, NOW) == 0
    fixity.note_sound(tx, [stored(tx, "a")], now=LATER)
    assert fixity.audited_since(tx, NOW + timedelta(hours=1)) == 10
    assert fixity.extent(tx, before=LATER) == (1, 10)
