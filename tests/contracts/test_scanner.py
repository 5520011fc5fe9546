"""What every scanner does, whatever it is."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.model import ScanStatus
from pipeline.ports import Scanner, ScanResumption
from tests.contracts.scanners import (
    MIB,
    NOISE,
    SCANNERS,
    SIZE,
    WINDOW,
    checkpoint_at,
    cut,
    infected_at,
    verdict,
)
from tests.eicar import EICAR


@pytest.fixture(params=SCANNERS)
def scanner(request: pytest.FixtureRequest) -> Scanner:
    return SCANNERS[request.param](request)


def nothing_found(scanner: Scanner) -> ScanStatus:
    return ScanStatus.CLEAN if scanner.gives_clean else ScanStatus.UNSCANNED


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.binary(max_size=100),
    after=st.binary(max_size=100),
    borders=st.lists(st.integers(0, 300), max_size=20),
)
def test_a_virus_is_found_wherever_blocks_end(
    scanner: Scanner, before: bytes, after: bytes, borders: list[int]
) -> None:
    """In a small file, cut into any number of blocks; the verdict names it."""
    found = verdict(scanner, before + EICAR + after, borders)
    assert found.status is ScanStatus.INFECTED
    assert found.signature
    assert found.engine


@pytest.mark.parametrize(
    "content", [b"", b"x", b"ten-minute means\n" * 1000], ids=["empty", "a byte", "text"]
)
def test_a_file_without_a_virus_is_not_called_infected(scanner: Scanner, content: bytes) -> None:
    """It is called clean by a scanner that gives clean verdicts at all, an empty one too."""
    assert verdict(scanner, content).status is nothing_found(scanner)


@pytest.mark.parametrize(
    "place",
    [
        SIZE - len(EICAR),
        SIZE - MIB,
        WINDOW - 34,
        WINDOW,
        WINDOW - MIB - 34,
        2 * WINDOW - MIB - 34,
        2 * WINDOW - 2 * MIB - 34,
    ],
)
def test_a_virus_is_found_anywhere_in_a_large_file(scanner: Scanner, place: int) -> None:
    """At the end of one that is longer than what the engine takes at one go, and across each border of what it takes:
    no byte goes unseen between two."""
    found = verdict(scanner, infected_at(place), range(0, SIZE, MIB + 1))
    assert found.status is ScanStatus.INFECTED


def test_a_large_file_without_a_virus_is_not_called_infected(scanner: Scanner) -> None:
    """Nor is a part of it missed."""
    assert verdict(scanner, NOISE, range(0, SIZE, MIB)).status is nothing_found(scanner)


@pytest.mark.parametrize(
    ("place", "border"),
    [
        (5, 11 * MIB),
        (3 * MIB - 34, 3 * MIB),
        (3 * MIB - 34, 6 * MIB),
        (6 * MIB - 34, 6 * MIB),
        (2 * WINDOW, 6 * MIB),
        (SIZE - len(EICAR), 11 * MIB),
        (None, 6 * MIB),
        (None, 11 * MIB),
    ],
)
def test_another_session_goes_on_from_a_checkpoint(scanner: Scanner, place: int | None, border: int) -> None:
    """With what the first one found, and what it had not looked into yet; it may ask for bytes before the border
    only."""
    content = NOISE if place is None else infected_at(place)
    state = checkpoint_at(scanner, content, border)

    def read_back(start: int, length: int) -> bytes:
        assert start >= 0
        assert start + length <= border
        return content[start : start + length]

    with closing(scanner.begin(SIZE, ScanResumption(state, read_back))) as session:
        session.feed(content[border:])
        found = session.finish()
    assert found.status is (nothing_found(scanner) if place is None else ScanStatus.INFECTED)


@pytest.mark.parametrize(
    ("size", "fed"), [(5, 6), (0, 1), (SIZE, SIZE - 1), (SIZE - 1, SIZE), (2 * WINDOW, WINDOW)]
)
def test_a_file_of_another_size_than_was_said_is_not_clean(scanner: Scanner, size: int, fed: int) -> None:
    """Some of it may be unscanned."""
    with closing(scanner.begin(size)) as session:
        for block in cut(NOISE[:fed], [*range(0, fed, MIB), size]):
            session.feed(block)
        assert session.finish().status in (ScanStatus.PARTIAL, ScanStatus.UNSCANNED)


def test_files_are_scanned_each_for_itself(scanner: Scanner) -> None:
    """Halves of the string in two files at once are no virus."""
    with closing(scanner.begin(34)) as first, closing(scanner.begin(34)) as second:
        first.feed(EICAR[:34])
        second.feed(EICAR[34:])
        assert {first.finish().status, second.finish().status} == {nothing_found(scanner)}


def test_a_scan_may_be_given_up_at_any_time(scanner: Scanner) -> None:
    """Before it was fed, in the middle of it, and again."""
    for number in (0, WINDOW + 5):
        session = scanner.begin(SIZE)
        session.feed(NOISE[:number])
        session.close()
        session.close()


def test_a_scanner_says_what_it_is(scanner: Scanner) -> None:
    """For people."""
    assert verdict(scanner, EICAR).engine in scanner.describe()
