"""Whether a document that is in no index is a hit. That indexes find the same is a contract (`tests/contracts`)."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.index.fields import TITLE
from pipeline.index.matching import matches
from pipeline.index.nodes import Fuzzy

WORDS = st.text("ab", max_size=8) | st.text("abc", max_size=8).map(lambda word: "ab" * 9 + word)


@given(WORDS, WORDS, st.integers(0, 2))
def test_words_are_near_by_the_edits_between_them(left: str, right: str, distance: int) -> None:
    """As the whole table of edits says it."""
    assert matches(Fuzzy(TITLE, left, distance), {TITLE: [right]}) == (edits(left, right) <= distance)


def edits(left: str, right: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours between two words."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, one in enumerate(left, 1):
        two_before, before, row = before, row, [i]
        for j, other in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (one != other))
            if i > 1 and j > 1 and one == right[j - 2] and left[i - 2] == other:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
    return row[-1]
