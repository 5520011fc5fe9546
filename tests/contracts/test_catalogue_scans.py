"""Verdicts on stored bytes, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from pipeline.catalogue import Catalogue, Transaction, record_files, scans
from pipeline.catalogue.scans import InfectedFile, ScannedFile
from pipeline.model import ScanStatus, ScanVerdict
from tests.contracts import rows

NOW = rows.NOW
LATER = NOW + timedelta(days=1)
CLEAN = ScanVerdict(ScanStatus.CLEAN, "engine", method="stream", database="7")
FOUND = ScanVerdict(ScanStatus.INFECTED, "engine", method="stream", signature="Test.Found")


@pytest.fixture
def tx(catalogue: Catalogue) -> Iterator[Transaction]:
    """With two records that have a file in common."""
    with catalogue.write() as opened:
        rows.add_two_records(opened)
        yield opened


def due(tx: Transaction, *statuses: ScanStatus) -> list[ScannedFile]:
    return scans.due(tx, statuses, before=LATER, limit=100)


def test_a_verdict_is_on_bytes_wherever_they_stand(tx: Transaction) -> None:
    """And files are due by what was said of them, and when."""
    assert [(one.record_id, one.key) for one in due(tx, ScanStatus.UNSCANNED)] == [
        (2, "a"),
        (2, "b"),
        (3, "c"),
    ]
    scans.give(tx, [("d1", CLEAN)], now=NOW)
    assert [one.key for one in due(tx, ScanStatus.UNSCANNED)] == ["b"]
    assert [(one.key, one.verdict) for one in due(tx, ScanStatus.CLEAN)] == [("a", CLEAN), ("c", CLEAN)]
    assert [one.key for one in scans.due(tx, [ScanStatus.CLEAN], before=NOW, limit=9)] == []
    assert record_files.holding(tx, 3, "c").entry.scan == CLEAN
    assert scans.extent(tx, [ScanStatus.CLEAN], before=LATER) == (2, 2)


def test_what_was_looked_at_is_due_last(tx: Transaction) -> None:
    """Though nothing new was found out."""
    first = due(tx, ScanStatus.UNSCANNED)[0]
    scans.note_looked(tx, [first], now=NOW)
    assert [one.key for one in due(tx, ScanStatus.UNSCANNED)] == ["b", "c", "a"]
    behind = scans.due(
        tx, [ScanStatus.UNSCANNED], before=LATER, after=due(tx, ScanStatus.UNSCANNED)[0].position, limit=1
    )
    assert [one.key for one in behind] == ["c"]


def test_a_persons_word_stays(tx: Transaction) -> None:
    """Bytes that somebody released are called infected by no scanner."""
    scans.give(tx, [("d1", ScanVerdict(ScanStatus.RELEASED, "engine"))], now=NOW)
    scans.give(tx, [("d1", FOUND)], now=NOW)
    assert scans.infected_in_service(tx, limit=9) == []


def test_a_persons_word_stays_among_verdicts_that_are_given_together(tx: Transaction) -> None:
    released = ScanVerdict(ScanStatus.RELEASED, "engine")
    scans.give(tx, [("d1", CLEAN), ("d1", released), ("d2", CLEAN), ("d1", FOUND)], now=NOW)
    assert [one.key for one in due(tx, ScanStatus.RELEASED)] == ["a", "c"]
    assert [one.key for one in due(tx, ScanStatus.CLEAN)] == ["b"]


def test_infected_files_in_service_are_found(tx: Transaction) -> None:
    """Of every record that has the bytes."""
    scans.give(tx, [("d1", FOUND)], now=NOW)
    assert scans.infected_in_service(tx, limit=9) == [
        InfectedFile(2, "a", "Test.Found"),
        InfectedFile(3, "c", "Test.Found"),
    ]
