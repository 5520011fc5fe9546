"""What the index holds of a record."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Rejected
from pipeline.index.analysis import words
from pipeline.index.document import document, terms
from pipeline.index.fields import EVERYWHERE, FIELDS, NEVER, NO_FILES, OPEN, OPENS, PRESENT
from tests.index_corpus import CLOSED, CORPUS, NOW, dissemination, embargoed_until, indexed, person, withdrawn


def body_of(**more: Any) -> dict[str, Any]:
    body = indexed(7, **more).body
    assert body is not None
    return body


def test_every_value_has_a_field() -> None:
    """All that documents hold is in the table of fields, and an engine can take it."""
    for entry in CORPUS:
        assert entry.body is not None
        stored = terms(entry.body)
        assert set(stored) - {EVERYWHERE, PRESENT} <= set(FIELDS)


def test_people_are_found_by_what_is_known_of_them() -> None:
    """Names, identifiers and affiliations of creators and contributors are stored apart."""
    body = body_of(
        creators=[person("Marlow, Ida", orcid="0000-0001-2345-6789", affiliation="Pier Institute")]
    )
    assert body["metadata.creators.person_or_org.name"] == ["Marlow, Ida"]
    assert body["metadata.creators.person_or_org.identifiers.identifier"] == ["0000-0001-2345-6789"]
    assert body["metadata.creators.affiliations.name"] == ["Pier Institute"]


def test_markup_is_not_searched() -> None:
    """Descriptions are indexed as the text that readers see."""
    body = body_of(description='<p class="lead">Sea &amp; land</p>')
    assert terms(body)["metadata.description"] == ["sea land"]


@pytest.mark.parametrize(
    ("more", "opens"),
    [
        ({}, OPEN),
        ({"access": CLOSED}, NEVER),
        ({"access": embargoed_until(date(1970, 1, 11))}, 10 * 86_400),
        ({"files": ()}, NO_FILES),
    ],
)
def test_the_moment_of_opening(more: dict[str, Any], opens: int) -> None:
    """One number says when files open: at once, at an embargo's end, never; or that there are none."""
    assert opens == body_of(**more)[OPENS]


def test_closed_files_leave_no_trace() -> None:
    """Of restricted files neither names nor types, sizes, checksums or their count are in the index."""
    body = body_of(access=CLOSED, files=("secret-interview.wav",))
    assert not [name for name in body if FIELDS[name].of_files]
    assert "secret" not in str(terms(body))


@pytest.mark.parametrize(
    ("published", "first", "last", "year"),
    [
        ("2024", 2024, 2025, "2024"),
        ("2020/2022", 2020, 2023, "2020"),
        ("1850-01/1850-12", 1850, 1851, "1850"),
    ],
)
def test_publication_dates_are_spans(published: str, first: int, last: int, year: str) -> None:
    """Each EDTF form covers its first to its last second; the facet has its first year."""
    body = body_of(publication_date=published)
    assert body["metadata.publication_date.first"] == _second(first)
    assert body["metadata.publication_date.last"] == _second(last) - 1
    assert year == body["facet.year"]


def _second(year: int) -> int:
    return (date(year, 1, 1) - date(1970, 1, 1)).days * 86_400


@pytest.mark.parametrize(
    ("name", "value"), [("dataset", "dataset"), ("publication-article", "publication::publication-article")]
)
def test_types_are_nested_in_their_facet(name: str, value: str) -> None:
    """A subtype stands behind its type."""
    assert value == body_of(resource_type={"id": name})["facet.resource_type"]


def test_a_withdrawn_record_is_deleted() -> None:
    """A withdrawn record's document deletes it and keeps the version that deletes it."""
    entry = document(withdrawn(dissemination(7)), version=4)
    assert (entry.id, entry.version, entry.body) == (7, 4, None)


def test_orders_hold_each_record_once() -> None:
    """Sort keys follow their value first and the record's id second, so that no two are equal."""
    early, late, later = (body_of(publication_date=day) for day in ("1850", "2024-01-01", "2024-01-02"))
    assert early["sort.published"] < late["sort.published"] < later["sort.published"]
    newer, same = indexed(8).body, indexed(9).body
    assert newer is not None
    assert same is not None
    assert newer["sort.published"] < same["sort.published"]


def test_journals_are_ordered_by_number() -> None:
    """Volume 12 comes after volume 9, and issue 2 of it before issue 10."""
    volumes = [("9", "1"), ("12", "2"), ("12", "10 (suppl.)")]
    keys = [
        body_of(custom_fields={"journal:journal": {"volume": volume, "issue": issue}})["sort.journal"]
        for volume, issue in volumes
    ]
    assert keys == sorted(keys)


def test_usage_orders_by_given_counts() -> None:
    """Views and downloads come from the caller, who counts them."""
    quiet, busy = (document(dissemination(7), version=1, views=views).body for views in (3, 40))
    assert quiet is not None
    assert busy is not None
    assert quiet["sort.views"] < busy["sort.views"]


@pytest.mark.parametrize("body", [{"nosuchfield": "x"}, {"id": "x"}, {"metadata.title": 5}, {"id": 1 << 63}])
def test_a_body_that_does_not_fit_is_rejected(body: dict[str, Any]) -> None:
    """An unknown field, a wrong type or a number out of bounds is named."""
    with pytest.raises(Rejected) as caught:
        terms(body)
    assert caught.value.field == next(iter(body))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_KEYS = (
    "title",
    "creators",
    "subjects",
    "publication_date",
    "resource_type",
    "rights",
    "funding",
    "languages",
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(_KEYS), _JSON))
def test_odd_metadata_is_indexed_for_what_it_is_worth(metadata: dict[str, Any]) -> None:
    """Metadata of any shape gives a document: the index never stands in the way of publishing."""
    found = body_of(**metadata)
    assert terms(found)["id"] == [7]


@settings(deadline=None)
@given(st.text())
def test_words_of_the_title_are_found_everywhere(title: str) -> None:
    """What the title holds is found without naming a field."""
    stored = " ".join(map(str, terms(body_of(title=title))[EVERYWHERE])).split()
    assert set(words(title)) <= set(stored)


def test_dates_are_whole_seconds() -> None:
    """The time of creation is kept to the second."""
    assert body_of()["created"] == int(
        (NOW.replace(month=1, day=1, hour=12, minute=0, second=0) + timedelta(minutes=7)).timestamp()
    )
