"""How long an application will take, from what earlier accessions took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalogue.accessions import Pace
from pipeline.ingest.estimate import seconds

SMALL = Pace(files=10_000, bytes=100_000_000, seconds=20)
LARGE = Pace(files=2, bytes=8_000_000_000, seconds=40)
PACES = st.builds(
    Pace,
    files=st.integers(1, 10**6),
    bytes=st.integers(1, 10**15),
    seconds=st.floats(0.1, 10**6),
)


def test_nothing_is_told_without_an_accession_to_tell_from() -> None:
    """Nor by one that read nothing."""
    assert seconds(10, 1000, []) is None
    assert seconds(10, 1000, [Pace(0, 0, 3.0), Pace(3, 0, 1.0)]) is None


def test_many_small_files_take_as_long_as_small_files_took_and_large_ones_as_large_ones() -> None:
    """Each by the fastest that was seen of its kind; of a mixture the slower of the two counts."""
    assert seconds(20_000, 200_000_000, [SMALL, LARGE]) == pytest.approx(40)
    assert seconds(2, 16_000_000_000, [SMALL, LARGE]) == pytest.approx(80)
    assert seconds(20_000, 16_000_000_000, [SMALL, LARGE]) == pytest.approx(80)


@given(PACES, st.lists(PACES, max_size=3))
def test_the_same_again_never_takes_longer_than_it_took(pace: Pace, others: list[Pace]) -> None:
    """However slow others were."""
    told = seconds(pace.files, pace.bytes, [pace, *others])
    assert told is not None
    assert told <= pace.seconds * (1 + 1e-9)
