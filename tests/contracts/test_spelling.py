"""What may have been meant, by each index: the same of all."""

from collections.abc import Iterator, Sequence

import pytest

from pipeline.index import spelling
from pipeline.index.analysis import words
from pipeline.index.fields import DESCRIPTION, TITLE
from pipeline.ports import SearchIndex, SearchRequest
from tests.index_corpus import CORPUS, indexed

_BODIES = {one.id: one.body or {} for one in CORPUS}


def told(ids: Sequence[int]) -> Iterator[list[str]]:
    for number in ids:
        names = _BODIES[number].get("metadata.creators.person_or_org.name", [])
        keywords = _BODIES[number].get("metadata.subjects.subject", [])
        yield [*_BODIES[number][TITLE], *keywords, *names, *_BODIES[number].get(DESCRIPTION, [])]


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("guage", "gauge"),
        ("tide guage", "tide gauge"),
        ('"tide guage"', '"tide gauge"'),
        ("hrabuor", "harbour"),
        ("ocenaography -plan", "Oceanography -plan"),
        ("Mulelr", "Müller"),
        ("+levle AND type:publication", "+Level AND type:publication"),
        # Nothing is near, it is known, too short, a number, a pattern, in a field, or all of it is too little.
        *((query, None) for query in ("qqqqqq", "gauge", "tida*", "sae", "20244", "guage*", "title:guage")),
        ("guage AND type:software", None),
        ("", None),
    ],
)
def test_a_word_that_is_in_no_record_leads_to_one_that_is(
    corpus: SearchIndex, query: str, meant: str | None
) -> None:
    """An edit or two away, written as records have it; all else of the question stays."""
    asked = SearchRequest(query)
    assert spelling.meant(corpus, asked, corpus.search(asked).total, told) == meant


def test_a_word_is_no_operator(index: SearchIndex) -> None:
    """Where the record shouts, neither."""
    index.write([indexed(1, title="DO NOT OPEN")], at_once=True)
    assert spelling.meant(index, SearchRequest("nott"), 0, lambda _: [["DO NOT OPEN"]]) == "not"


def test_nobody_who_found_much_is_asked_what_they_meant(corpus: SearchIndex) -> None:
    """The index is not asked either."""
    assert spelling.meant(corpus, SearchRequest("guage"), spelling.FEW + 1, told) is None


def test_a_word_of_what_others_may_not_see_is_never_told(corpus: SearchIndex) -> None:
    """Names of closed files are words of no question."""
    for query in ("embargoedd", "secrett"):
        found = spelling.meant(corpus, SearchRequest(query), 0, told)
        assert found is None or words(found)[0] not in ("embargoed", "secret")


@pytest.mark.parametrize(("known", "is_told"), [(7, True), (8, False)])
def test_of_a_long_question_the_first_words_are_looked_at(
    index: SearchIndex, known: int, is_told: bool
) -> None:
    """Each costs a search, which anybody may cause."""
    title = "alpha bravo charlie delta echo foxtrot golf hotel gauge"
    index.write([indexed(1, title=title)], at_once=True)
    begin = " ".join(title.split()[:known])
    found = spelling.meant(index, SearchRequest(f"{begin} guage"), 0, lambda _: [[title]])
    assert found == (f"{begin} gauge" if is_told else None)
