"""DOI names: made, recognised, compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pid.doi import concept_doi, is_given_here, is_own, parse, same, version_doi
from tests.strategies import REPOSITORY


def test_own_dois_follow_from_ids() -> None:
    """The DOIs of a version and of a work are prefix, name and number, known before anything is registered."""
    assert version_doi(REPOSITORY, 42) == "10.5072/tides.42"
    assert concept_doi(REPOSITORY, 41) == "10.5072/tides.41"


@pytest.mark.parametrize(
    "text",
    [
        "10.1234/Abc.(1)<2>",
        " 10.1234/Abc.(1)<2> ",
        "doi:10.1234/Abc.(1)<2>",
        "DOI: 10.1234/Abc.(1)<2>",
        "https://doi.org/10.1234/Abc.(1)<2>",
        "http://dx.doi.org/10.1234/Abc.(1)<2>",
        "https://www.doi.org/10.1234/Abc.(1)<2>",
        "doi.org/10.1234/Abc.(1)<2>",
        "https://handle.test.datacite.org/10.1234/Abc.(1)<2>",
        "https://handle.stage.datacite.org/10.1234/Abc.(1)<2>",
        "10.1234/\u200bAbc.(1)<2>",
    ],
)
def test_every_usual_form_is_reduced_to_the_name(text: str) -> None:
    """Resolvers, schemes, blanks at the ends and zero-width characters are taken off; the suffix stays as given."""
    assert parse(text) == "10.1234/Abc.(1)<2>"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.1234",
        "10.1234/",
        "10.12/x",
        "11.1234/x",
        "https://example.org/10.1234/x",
        "10.1234/a b",
        "x" * 9999,
    ],
)
def test_what_is_no_doi_is_refused(text: str) -> None:
    """Other text, other addresses, missing suffixes and blanks inside are no DOIs."""
    assert parse(text) is None


@given(st.text(max_size=60))
def test_parsing_is_final(text: str) -> None:
    """Whatever the text, what is parsed parses to itself."""
    name = parse(text)
    assert name is None or parse(name) == name


@given(st.text(max_size=20))
def test_own_dois_are_those_under_the_prefix(suffix: str) -> None:
    """A DOI is our own by its prefix alone, in every form; a longer prefix that begins alike is another's."""
    name = parse(f"10.5072/{suffix}")
    if name is not None:
        assert is_own(REPOSITORY, f"https://doi.org/{name}")
        assert not is_own(REPOSITORY, name.replace("10.5072/", "10.50721/", 1))


def test_no_doi_is_not_own() -> None:
    """Text that is no DOI is not one of ours, though it may begin like one."""
    assert not is_own(REPOSITORY, "10.5072/")


@given(st.integers(0), st.sampled_from(["{}", "DOI:{}", "https://doi.org/{}"]))
def test_what_is_given_here_is_known_by_its_form(number: int, form: str) -> None:
    """Every name that a record or work has or will have, however it is written, and no other under the prefix."""
    name = version_doi(REPOSITORY, number)
    assert is_given_here(REPOSITORY, form.format(name))
    assert is_given_here(REPOSITORY, form.format(name.upper()))
    for other in (f"{name}a", f"{name}.1", name.replace("tides.", "tide."), f"10.50721/tides.{number}"):
        assert not is_given_here(REPOSITORY, form.format(other))


def test_case_of_ascii_letters_does_not_count() -> None:
    """Names that differ in the case of ASCII letters are one; other letters are told apart."""
    assert same("10.1234/ABC", "10.1234/abc")
    assert not same("10.1234/É", "10.1234/é")
