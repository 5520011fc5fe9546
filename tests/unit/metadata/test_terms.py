"""Terms of the vocabularies: how they are found, and how organisations of ROR become some."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Rejected
from pipeline.metadata import ror, terms
from pipeline.metadata.terms import Term
from tests.unit.metadata.any_json import documents

ROR_FIELDS = """
    id status names value types locations geonames_details country_code country_name external_ids type all preferred
"""
LISTED = [*((name, term) for name in terms.TYPES for term in terms.of_type(name))]


@given(st.sampled_from(LISTED))
@settings(deadline=None)
def test_every_term_is_found_by_its_names(listed: tuple[str, Term]) -> None:
    """By `id:`, by its title, and by what its title begins with."""
    name, term = listed
    known = terms.of_type(name)
    assert terms.search(known, q=f"id:{term.id}") == [term]
    assert term in terms.search(known, q=term.title)
    nearest = terms.search(known, suggest=term.title, sort="bestmatch")[0]
    assert nearest.folded_title == term.folded_title or term.folded_title in nearest.names


@given(
    st.text(max_size=40), st.text(max_size=40), st.sampled_from(["bestmatch", "title", "newest", "oldest"])
)
@settings(deadline=None)
def test_any_question_has_an_answer(q: str, suggest: str, sort: str) -> None:
    """Whatever is asked, what is found is of the list, each once."""
    known = terms.of_type("resourcetypes")
    found = terms.search(known, q=q, suggest=suggest, sort=sort)
    assert len(found) == len(set(map(id, found)))
    assert {*map(id, found)} <= {*map(id, known)}


@pytest.mark.parametrize("asked", [{"q": "a " * 33}, {"suggest": "a " * 33}, {"sort": "nonsense"}])
def test_what_cannot_be_asked_is_refused(asked: dict[str, str]) -> None:
    """Very many words, and orders that there are not, by the name of the parameter."""
    with pytest.raises(Rejected) as refused:
        terms.search(terms.of_type("datetypes"), **asked)
    assert [refused.value.field] == list(asked)


def test_words_are_found_without_accents_and_case() -> None:
    """Whole words with `q`, beginnings with `*`; names of one term are not run together."""
    fct = Term("00snfqn58", "Fundação para a Ciência", also=("FCT",))
    for question in ("fundacao", "FUNDAÇÃO ciencia", "fct", "fund*", "title:ciência", '"para"', "-"):
        assert terms.search([fct], q=question) == [fct]
    for question in ("fund", "title:fct", "id:FCT", "ciencia-fct"):
        assert terms.search([fct], q=question) == []


@given(documents(ROR_FIELDS) | st.dictionaries(st.sampled_from(ROR_FIELDS.split()), documents(ROR_FIELDS)))
@settings(deadline=None)
def test_any_record_of_ror_is_read_or_left(record: Any) -> None:
    """No JSON makes reading fail; what comes of it has an id that ROR could have given, and a name."""
    if isinstance(record, dict):
        named = {"id": "https://ror.org/00k4n6c32", "names": [{"value": "EC", "types": ["ror_display"]}]}
        record = named | record | {"id": named["id"]}
    organisation = ror.organisation(record)
    assert organisation is None or (organisation.id, bool(organisation.title)) == ("00k4n6c32", True)


def test_every_shipped_organisation_has_a_sound_id() -> None:
    """Ids have right check digits and are there once; funders have a DOI."""
    ids = [each.id for each in ror.shipped()]
    assert len(ids) == len(set(ids))
    for each in ror.shipped():
        found = ror.organisation({"id": each.id, "names": [{"value": each.title, "types": ["ror_display"]}]})
        assert found is not None
        assert ("doi" in each.props) == (ror.FUNDER in each.tags)
