"""The embedded scanner: it finds one string and claims nothing else."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.eicar import EicarScanner
from pipeline.model import ScanStatus, ScanVerdict
from pipeline.ports import ScanResumption
from tests.eicar import EICAR


def verdict(blocks: list[bytes]) -> ScanVerdict:
    session = EicarScanner().begin(sum(map(len, blocks)))
    for block in blocks:
        session.feed(memoryview(bytearray(block)))
    found = session.finish()
    session.close()
    session.close()
    return found


def cut(content: bytes, at: list[int]) -> list[bytes]:
    """Blocks with borders at the given offsets."""
    borders = sorted({min(place, len(content)) for place in at} | {0, len(content)})
    return [content[start:end] for start, end in pairwise(borders)]


def unread(start: int, length: int) -> bytes:
    raise AssertionError("it needs nothing of what lies before")


filler = st.binary(max_size=100) | st.integers(0, 90).map(lambda number: EICAR[:number])


@given(before=filler, after=filler, borders=st.lists(st.integers(0, 300), max_size=30))
def test_the_string_is_found_wherever_blocks_end(before: bytes, after: bytes, borders: list[int]) -> None:
    """Behind false beginnings, and cut into any number of blocks."""
    found = verdict(cut(before + EICAR + after, borders))
    assert (found.status, found.signature) == (ScanStatus.INFECTED, "EICAR-Test-File")


def test_the_string_is_found_byte_by_byte() -> None:
    """No block is too small."""
    assert verdict([bytes([byte]) for byte in b"X" + EICAR]).status is ScanStatus.INFECTED


@given(st.binary(max_size=300).filter(lambda content: EICAR not in content), st.lists(st.integers(0, 300)))
def test_nothing_else_is_called_infected_nor_clean(content: bytes, borders: list[int]) -> None:
    """What no scanner looked through is unscanned."""
    assert verdict(cut(content, borders)).status is ScanStatus.UNSCANNED


@given(st.integers(0, len(EICAR) - 1), st.integers(0, 300))
def test_the_string_with_a_byte_missing_is_not_the_string(missing: int, border: int) -> None:
    """Pieces of it from before and after a border are not put together over a gap."""
    content = EICAR[:missing] + EICAR[missing + 1 :]
    assert verdict(cut(content, [border])).status is ScanStatus.UNSCANNED


@given(before=filler, after=filler, borders=st.lists(st.integers(0, 300), max_size=10))
def test_another_session_goes_on_from_a_checkpoint(before: bytes, after: bytes, borders: list[int]) -> None:
    """Wherever the first one ended: within the string, behind it, or before it."""
    scanner = EicarScanner()
    blocks = cut(before + EICAR + after, borders)
    state = None
    for block in blocks:
        session = scanner.begin(300, state and ScanResumption(state, unread))
        session.feed(block)
        state = json.loads(json.dumps(session.checkpoint()))
    assert state is not None
    assert scanner.begin(300, ScanResumption(state, unread)).finish().status is ScanStatus.INFECTED


def test_files_are_scanned_each_for_itself() -> None:
    """Halves of the string in two files are no virus."""
    scanner = EicarScanner()
    first, second = scanner.begin(34), scanner.begin(34)
    first.feed(EICAR[:34])
    second.feed(EICAR[34:])
    assert {first.finish().status, second.finish().status} == {ScanStatus.UNSCANNED}


def test_the_scanner_says_what_it_is_not() -> None:
    """Whoever reads it does not think that files are clean."""
    assert "never clean" in EicarScanner().describe()
