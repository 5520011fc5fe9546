"""Phrases whose words need not stand side by side."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.index.phrases import arrangements, most_arrangements, places, stand_near

WORDS = st.lists(st.sampled_from("abc"), min_size=2, max_size=4)


@given(WORDS, st.integers(0, 3), st.lists(st.lists(st.sampled_from("abcd"), max_size=5), max_size=3))
def test_a_phrase_stands_where_one_of_its_arrangements_does(
    words: list[str], slop: int, values: list[list[str]]
) -> None:
    """And nowhere else, whatever values the text has."""
    found = places(" ".join(value) for value in values)
    starts = {place for every in found.values() for place in every}
    assert stand_near(words, slop, found) == any(
        all(start + offset in found.get(word, ()) for offset, word in way)
        for way in arrangements(words, slop)
        for start in starts
    )


@given(WORDS, st.integers(0, 4))
def test_arrangements_are_bounded(words: list[str], slop: int) -> None:
    """No two words stand in one place, the first in place 0, and there are no more than was said."""
    ways = arrangements(words, slop)
    assert 0 < len(ways) <= most_arrangements(words, slop)
    for way in ways:
        assert sorted(word for _, word in way) == sorted(words)
        assert len({place for place, _ in way}) == len(words)
        assert way[0][0] == 0


def test_a_place_lies_between_values() -> None:
    """Words of two values do not stand side by side."""
    found = places(["a b", "c"])
    assert not stand_near(["b", "c"], 0, found)
    assert stand_near(["b", "c"], 1, found)
