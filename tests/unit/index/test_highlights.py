"""Where a text answers a question."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.index.fields import TITLE
from pipeline.index.highlights import LOOKED_AT, Highlights
from pipeline.index.query import MOST_EXPANSIONS


def marked(query: str, text: str) -> str:
    """`text` with brackets around what is marked."""
    return "".join(
        f"[{piece}]" if is_asked else piece for piece, is_asked in Highlights(query).pieces(text, TITLE)
    )


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("tide", "The [tide], not tides"),
        ("MULLER jorg", "[Müller], [Jörg]"),
        ('"sea level"', "[Level] of the [sea]"),
        ("tid*", "The [tide], [tides]"),
        ("tdie~", "The [tide]"),
        ("title:tide", "The [tide]"),
        ("description:tide", "The tide"),
        ("tide -tides", "The [tide], not tides"),
        ("tide^2 OR (sea AND type:dataset)", "[sea] [tide] dataset"),
        ("潮位", "東京湾の[潮位]"),
        ("gauge", "[gauge]_01"),
        ("", "The tide"),
        ("*", "The tide"),
        ("café", "[cafe\u0301] au lait"),
    ],
)
def test_words_are_marked_as_they_are_written(query: str, text: str) -> None:
    """Those that are asked for in that field or in none, whatever their case and accents; not what is excluded."""
    assert marked(query, text.replace("[", "").replace("]", "")) == text


@given(st.text(), st.sampled_from(["a*", "e", "ß~1", "潮"]))
def test_nothing_of_a_text_is_lost(text: str, query: str) -> None:
    """The pieces together are the text, and follow each other marked and unmarked."""
    pieces = Highlights(query).pieces(text, TITLE)
    assert "".join(piece for piece, _ in pieces) == text
    assert all(one[1] != other[1] for one, other in pairwise(pieces))


def test_the_first_is_told_by_its_place() -> None:
    """0 where there is none."""
    highlights = Highlights("tide")
    assert highlights.first("the tide, the tide", TITLE) == 4
    assert highlights.first("the sea", TITLE) == 0


def test_what_stands_far_behind_is_not_looked_for() -> None:
    """A text that goes on and on is shown whole, and takes no longer."""
    text = "sea " * (LOOKED_AT // 4) + "tide"
    assert Highlights("tide").first(text, TITLE) == 0
    assert Highlights("tide").pieces(text, TITLE) == [(text, False)]


def test_the_dearest_question_takes_no_time() -> None:
    """As many fuzzy words as may be asked for, as long as words may be, in descriptions that are made for it: compared
    letter by letter that was a minute of a processor."""
    asked = [f"{'ab' * 90}{number:02}{'cd' * 9}" for number in range(MOST_EXPANSIONS)]
    page = [
        " ".join(f"{'ba' * 90}{number:03}{'dc' * 8}" for number in range(first, first + 20))
        for first in range(25)
    ]
    begun = time.thread_time()
    highlights = Highlights(" ".join(f"{word}~2" for word in asked))
    assert [highlights.first(text, TITLE) for text in page] == [0] * len(page)
    assert time.thread_time() - begun < 2
