"""The metadata of a deposit: what a request is refused for, what a draft keeps and shows, what stops its publication.

Tests with a number in their name are of the contract of Zenodo's deposit API: `b` of what its own tests assert, `d1` of
what it was seen to do.
"""

from __future__ import annotations

import json
import pickle
import unicodedata
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import FieldFault, InvalidFields, Rejected
from pipeline.metadata.deposit_form import DepositMetadata, faults_at_publish, read, write
from pipeline.model import Access, Description, FilesAccess, JsonObject
from tests import large_deposit
from tests.strategies import (
    GNDS,
    ORCIDS,
    REPOSITORY,
    TODAY,
    WORKS,
    descriptions,
    edtf_dates,
    markup,
    texts,
)
from tests.unit.metadata.any_json import LEGACY_FIELDS, documents

TOMORROW = (TODAY + timedelta(days=1)).isoformat()
LEAST = {"upload_type": "dataset", "title": "Tides", "creators": [{"name": "Marlow, Ida"}]}
RECORD = 7654321
RESERVED: JsonObject = {"doi": f"10.5072/tides.{RECORD}", "recid": RECORD}


def deposited(**fields: object) -> DepositMetadata:
    return read({"metadata": LEAST | fields}, today=TODAY)


def shown(body: object, *, doi: str | None = None) -> dict[str, Any]:
    """The `metadata` of the answer to a request with that body."""
    description = read(body, today=TODAY).description
    return write(description, repository=REPOSITORY, record_id=RECORD, doi=doi)


def read_back(**fields: object) -> dict[str, Any]:
    return shown({"metadata": LEAST | fields})


def refusal(body: object) -> tuple[FieldFault, ...]:
    with pytest.raises(InvalidFields) as refused:
        read(body, today=TODAY)
    return refused.value.faults


def refused_field(**fields: object) -> str:
    (fault,) = refusal({"metadata": LEAST | fields})
    return fault.field


def faults(**fields: object) -> dict[str, tuple[str, ...]]:
    found = faults_at_publish(deposited(**fields).description, today=TODAY)
    return {fault.field: fault.messages for fault in found}


# ---------------------------------------------------------------- what Zenodo's own tests assert


def test_b24_an_unknown_top_level_key_is_refused() -> None:
    """A key beside `metadata` is told by its own name, be there metadata or not."""
    assert refusal({"metadata": LEAST, "files": []}) == (FieldFault("files", ("Unknown field.",)),)
    assert refusal({"title": "Tides"}) == (FieldFault("title", ("Unknown field.",)),)


def test_b25_a_large_object_reads_back() -> None:
    """A book with every field reads back as it was given, but for what Zenodo writes in another place or word."""
    understood = read({"metadata": large_deposit.METADATA}, today=TODAY)
    assert understood.errors == []
    assert (understood.description.doi, understood.description.communities) == (
        "10.1234/tables.1",
        ("tides",),
    )
    written = write(understood.description, repository=REPOSITORY, record_id=RECORD)
    assert written == large_deposit.read_back(RESERVED["doi"], RECORD)
    assert faults_at_publish(understood.description, today=TODAY) == ()


@pytest.mark.parametrize(
    ("wrong", "field", "begins"),
    [
        ("10.1234/x", "metadata.related_identifiers", "related_identifiers must be a list"),
        (["10.1234/x"], "metadata.related_identifiers.0", "Each related identifier must be an object"),
        (
            [{"identifier": "10.1234/x", "relation": 5}],
            "metadata.related_identifiers.0.relation",
            "relation must be a string",
        ),
    ],
)
def test_b26_misshapen_related_identifiers_are_refused(wrong: object, field: str, begins: str) -> None:
    """Each wrong shape is exactly one error, on the very place."""
    (fault,) = refusal({"metadata": LEAST | {"related_identifiers": wrong}})
    assert fault.field == field
    assert fault.messages[0].startswith(begins)


@pytest.mark.parametrize("wrong", [5, ["cc-by-4.0"]])
def test_b27_a_licence_is_text_or_an_object(wrong: object) -> None:
    """A number or a list is one error on the licence."""
    (fault,) = refusal({"metadata": LEAST | {"license": wrong}})
    assert fault.field == "metadata.license"
    assert fault.messages[0].startswith("Invalid license value provided")


@pytest.mark.parametrize("wrong", [{"identifier": "tides"}, [{"id": "tides"}], ["tides"]])
def test_b28_misshapen_communities_are_refused(wrong: object) -> None:
    """The error is on `communities`, without prefix, and names the key that is wanted."""
    (fault,) = refusal({"metadata": LEAST | {"communities": wrong}})
    assert fault.field == "communities"
    assert "identifier" in fault.messages[0]


@pytest.mark.parametrize("slugs", [["tides"], ["tides", "sea-level"]])
def test_b29_communities_read_back(slugs: list[str]) -> None:
    """The slugs that were given are kept, whether such communities exist or not."""
    communities = [{"identifier": slug} for slug in slugs]
    assert deposited(communities=communities).description.communities == tuple(slugs)
    assert read_back(communities=communities)["communities"] == communities


@pytest.mark.parametrize("given_licence", ["cc-by-4.0", {"id": "cc-by-4.0"}, " CC-BY-4.0 ", {"id": "cc-by"}])
def test_b30_a_licence_may_be_an_id_or_an_object_with_one(given_licence: object) -> None:
    """Both forms are taken, whatever their case, old ids too; the answer has a plain string."""
    assert read_back(license=given_licence)["license"] == "cc-by-4.0"


def test_b41_incomplete_funding_is_left_out_of_grants() -> None:
    """Entries without funder or award make no grant; one that has both does."""
    funder, award = {"id": "00k4n6c32", "name": "European Commission"}, {"number": "871234"}
    funding = [{"funder": funder}, {"award": award}, {"funder": funder, "award": award}]
    written = write(Description({"funding": funding}), repository=REPOSITORY, record_id=RECORD)
    assert written["grants"] == [{"id": "10.13039/501100000780::871234"}]


# ---------------------------------------------------------------- what Zenodo was seen to do


def test_d1_2_6_what_an_answer_has_without_metadata() -> None:
    """`{}` gives two fields, empty metadata four, and any field of it a licence as well."""
    assert shown({}) == {"access_right": "open", "prereserve_doi": RESERVED}
    empty = shown({"metadata": {}})
    assert empty == {
        "publication_date": TODAY.isoformat(),
        "access_right": "open",
        "imprint_publisher": REPOSITORY.name,
        "prereserve_doi": RESERVED,
    }
    assert shown({"metadata": {"title": "Tides"}})["license"] == "cc-by-4.0"
    assert not read({}, today=TODAY).has_metadata
    assert read({"metadata": {}}, today=TODAY).has_metadata


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "ab"),
        ("title", " a \u0000"),
        ("description", "ab"),
        ("notes", "ab"),
        ("method", "ab"),
        ("publication_date", "yesterday"),
        ("imprint_isbn", "978-3-16-148410-1"),
        ("conference_url", "example"),
        ("journal_title", 5),
        ("language", "xx"),
    ],
)
def test_d1_2_3_invalid_values_are_dropped_and_named(field: str, value: object) -> None:
    """The draft is saved without them, as Zenodo does, but the answer names each."""
    understood = deposited(**{field: value})
    assert [error["field"] for error in understood.errors] == [f"metadata.{field}"]
    assert all(error["message"] for error in understood.errors)
    assert field not in read_back(**{field: value})


def test_d1_2_3_an_entry_stays_without_its_date() -> None:
    """Of `dates`, what is no date goes; the rest of its entry is kept."""
    dates = [{"start": "2024", "end": "2023", "type": "Valid", "description": "gauges"}]
    assert [error["field"] for error in deposited(dates=dates).errors] == ["metadata.dates.0.start"]
    assert read_back(dates=dates)["dates"] == [{"type": "valid", "description": "gauges"}]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"title": "ab"}, "metadata.title", "Missing data for required field."),
        ({"publication_date": "soon"}, "metadata.publication_date", "Missing data for required field."),
        ({"notes": "ab"}, "metadata.additional_descriptions.0.description", ""),
        ({"method": "ab"}, "metadata.additional_descriptions.0.description", ""),
        ({"keywords": [""]}, "metadata.subjects.0.subjects", ""),
        ({"contributors": [{"name": "Orr, Ben"}]}, "metadata.contributors.0.role", ""),
        (
            {"creators": [{"name": "Orr, Ben", "orcid": "0000-0002-1694-2330"}]},
            "metadata.creators.0.person_or_org.identifiers.0.identifier",
            "Invalid ORCID identifier.",
        ),
        ({"imprint_publisher": ""}, "metadata.publisher", ""),
        ({"dates": [{"start": "soon", "type": "Valid"}]}, "metadata.dates.0.date", ""),
        ({"doi": "10.1/x"}, "pids.doi", "Invalid DOI"),
        (
            {"access_right": "embargoed", "embargo_date": TODAY.isoformat()},
            "access.embargo.until",
            "Embargo end date must be set to a future date.",
        ),
    ],
)
def test_d1_2_3_what_was_dropped_is_missed_at_publication(
    fields: dict[str, object], field: str, message: str
) -> None:
    """Publication is refused under the names of InvenioRDM's fields."""
    found = faults(**fields)
    assert list(found) == [field]
    assert message in found[field][0]


@pytest.mark.parametrize(
    "fields",
    [{"description": "ab"}, {"imprint_isbn": "1"}, {"conference_url": "x"}, {"language": "xx"}, {}],
)
def test_d1_2_3_some_that_was_dropped_is_not_missed(fields: dict[str, object]) -> None:
    """Description, ISBN, address and language are not needed."""
    assert faults(**fields) == {}


def test_d1_2_6_an_external_doi_is_kept_as_given() -> None:
    """A resolver goes, and what is no DOI is shown all the same, until publication."""
    assert read_back(doi="https://doi.org/10.1234/Tides")["doi"] == "10.1234/Tides"
    assert read_back(doi="nonsense")["doi"] == "nonsense"
    assert deposited().description.doi is None


def test_d1_2_6_6_an_unknown_custom_field_is_dropped_and_named() -> None:
    """The others stay."""
    understood = deposited(custom={"dwc:family": ["Felidae"], "shoe:size": ["42"]})
    assert [error["field"] for error in understood.errors] == ["metadata.custom.shoe:size"]
    assert understood.description.custom_fields == {"dwc:family": ["Felidae"]}


def test_d1_2_6_4_html_has_the_tags_in_force() -> None:
    """Elements beyond the list leave their text, scripts too; of attributes `class` stays, `style` goes."""
    given_html = '<h2 class="c" style="x">A</h2><s>b</s><script>c()</script><a href="javascript:d()">e</a>'
    assert read_back(description=given_html)["description"] == '<h2 class="c">A</h2>bc()<a>e</a>'


@pytest.mark.parametrize("given_text", ["“Tides” of ﬁords", "schÃ¶n", "Ti\u200bdes", " Tides ", "a < b & c"])
def test_d1_2_6_text_is_kept_as_given(given_text: str) -> None:
    """Quotes, ligatures, mojibake, zero-width characters and blanks are the depositor's."""
    kept = read_back(title=given_text, keywords=[given_text], version=given_text)
    assert (kept["title"], kept["keywords"], kept["version"]) == (given_text, [given_text], given_text)


def test_d1_2_6_text_is_in_one_form_without_control_characters() -> None:
    """NFC, and no character that XML cannot carry."""
    assert read_back(title="e\u0301cume\u0000\u001b")["title"] == unicodedata.normalize("NFC", "écume")


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"title": 5}, "metadata.title", "Not a valid string."),
        ({"version": 2}, "metadata.version", "Not a valid string."),
        ({"description": []}, "metadata.description", "Not a valid string."),
        ({"creators": "Marlow"}, "metadata.creators", "Not a valid list."),
        ({"creators": ["Marlow"]}, "metadata.creators.0", "Invalid input type."),
        ({"keywords": "tides"}, "metadata.keywords", "Not a valid list."),
        ({"subjects": "tides"}, "metadata.subjects", "Not a valid list."),
        ({"access_right": "secret"}, "_schema", "Unknown access type."),
        ({"access_right": "embargoed"}, "_schema", "Unknown access type."),
        ({"access_right": "embargoed", "embargo_date": "soon"}, "metadata.embargo_date", "valid date"),
        (
            {"language": "english"},
            "metadata.language",
            "Language must be either ISO-639-1 or 639-2 compatible.",
        ),
        ({"dates": [{"type": "Valid"}]}, "metadata.dates", "Invalid date provided."),
        ({"dates": [{"start": "2024"}]}, "metadata.dates.0.type", "Missing data for required field."),
        ({"locations": [{"lat": 1, "lon": 2}]}, "metadata.locations.0.place", "Missing data"),
        ({"locations": [{"place": "P", "lat": "x", "lon": 2}]}, "metadata.locations.0.lat", "valid number"),
        ({"grants": [{}]}, "metadata.grants.0.id", "Missing data for required field."),
        ({"license": ""}, "metadata.license", "Invalid license provided: "),
        ({"license": {}}, "metadata.license", "Invalid license object provided (missing 'id' key)"),
        ({"license": {"x": 1}}, "metadata.license", "Invalid license object provided (missing 'id' key)"),
        ({"license": "nonsense"}, "metadata.license", "Invalid license provided: nonsense"),
        (
            {"related_identifiers": [{"identifier": "foo bar", "relation": "cites"}]},
            "metadata.related_identifiers.scheme",
            "No valid scheme recognized for identifier.",
        ),
        (
            {"related_identifiers": [{"relation": "cites"}]},
            "metadata.related_identifiers.0.identifier",
            "Missing data for required field.",
        ),
        (
            {"related_identifiers": [{"identifier": "10.1234/x"}]},
            "metadata.related_identifiers.0.relation",
            "relation must be a string",
        ),
    ],
)
def test_d2_2_7_shapes_are_refused_with_their_field(
    fields: dict[str, object], field: str, message: str
) -> None:
    """What the deposit API answers with 400, or fails on, is one error on one field."""
    (fault,) = refusal({"metadata": LEAST | fields})
    assert fault.field == field
    assert message in fault.messages[0]


@pytest.mark.parametrize("body", [None, [], "metadata", 5, True])
def test_d2_2_7_a_body_that_is_no_object_is_refused(body: object) -> None:
    """The error is one of the whole."""
    assert [fault.field for fault in refusal(body)] == ["_schema"]


@pytest.mark.parametrize("metadata", [None, [], "x"])
def test_d2_2_7_metadata_that_is_no_object_is_refused(metadata: object) -> None:
    """The error is one of `metadata`."""
    assert [fault.field for fault in refusal({"metadata": metadata})] == ["metadata"]


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"upload_type": "nonsense"}, "nonsense"),
        ({"upload_type": "image", "image_type": "nonsense"}, "image-nonsense"),
        ({"contributors": [{"name": "Orr, Ben", "type": "King"}]}, "king"),
        ({"related_identifiers": [{"identifier": "10.1234/x", "relation": "likes"}]}, "likes"),
        ({"language": "qqq"}, "qqq"),
        ({"grants": [{"id": "10.13039/1::5"}]}, "10.13039/1::5"),
        ({"dates": [{"start": "2024", "type": "Birthday"}]}, "birthday"),
    ],
)
def test_d2_2_7_unknown_terms_are_refused_without_a_list(fields: dict[str, object], value: str) -> None:
    """A term of no vocabulary is told in the message alone."""
    with pytest.raises(Rejected) as refused:
        deposited(**fields)
    assert not isinstance(refused.value, InvalidFields)
    assert refused.value.message == f"Invalid value {value}."


def test_several_errors_are_told_at_once() -> None:
    """Each field has one entry, with all that is to be said of it."""
    found = refusal(
        {"metadata": LEAST | {"license": 5, "dates": [{"type": "Valid"}, {"type": "Valid"}], "title": 1}}
    )
    assert {fault.field for fault in found} == {"metadata.license", "metadata.dates", "metadata.title"}
    assert all(len(fault.messages) == 1 for fault in found)


def test_a_refusal_survives_the_way_between_processes() -> None:
    """Its faults are there after pickling."""
    refused = InvalidFields((FieldFault("metadata.title", ("Not a valid string.",)),))
    assert pickle.loads(pickle.dumps(refused)).faults == refused.faults


# ---------------------------------------------------------------- fields of their own kind


def test_what_is_ignored_is_named() -> None:
    """Fields that there are not, and those that say nothing where they stand, are in the answer's errors."""
    understood = deposited(autors=[], access_conditions="ask", embargo_date=TOMORROW, prereserve_doi=True)
    assert {error["field"] for error in understood.errors} == {
        "metadata.autors",
        "metadata.access_conditions",
        "metadata.embargo_date",
    }


def test_what_is_kept_is_not_named() -> None:
    """A value that the draft still has, though it stops publication, is no dropped one."""
    assert deposited(creators=[{"name": "Orr, Ben", "orcid": "bad"}], doi="nonsense").errors == []
    assert read_back(creators=[{"name": "Orr, Ben", "orcid": "bad"}])["creators"] == [
        {"name": "Orr, Ben", "affiliation": None, "orcid": "bad"}
    ]


def test_closed_reads_back_as_restricted() -> None:
    """The two are one, without a default licence."""
    assert read_back(access_right="closed")["access_right"] == "restricted"
    assert "license" not in read_back(access_right="closed")


def test_an_embargo_in_the_past_is_kept_until_publication() -> None:
    """A draft may say it."""
    until = (TODAY - timedelta(days=1)).isoformat()
    understood = deposited(access_right="embargoed", embargo_date=until)
    assert understood.description.access == Access(FilesAccess.RESTRICTED, date.fromisoformat(until))
    assert read_back(access_right="embargoed", embargo_date=until)["embargo_date"] == until


def test_a_thesis_reads_back_as_a_dissertation() -> None:
    """The old word is taken, the new one given."""
    assert (
        read_back(upload_type="publication", publication_type="thesis")["publication_type"] == "dissertation"
    )


@pytest.mark.parametrize(
    ("grant", "written"),
    [
        ("283595", "10.13039/501100000780::283595"),
        ("10.13039/501100000690::EP/1", "10.13039/100014013::EP/1"),
        ("021nxhr62::1", "10.13039/100000001::1"),
        ("https://ror.org/04wxnsj81::2", "04wxnsj81::2"),
    ],
)
def test_grants_are_named_by_their_funders_doi(grant: str, written: str) -> None:
    """A bare number is the European Commission's; a funder beyond those with a DOI here is named by ROR id."""
    assert read_back(grants=[{"id": grant}])["grants"] == [{"id": written}]
    assert faults(grants=[{"id": grant}]) == {}


def test_a_latitude_alone_is_dropped_and_named() -> None:
    """Half a coordinate says nothing; the place stays."""
    assert [error["field"] for error in deposited(locations=[{"place": "P", "lat": 1}]).errors] == [
        "metadata.locations.0.lon"
    ]
    assert read_back(locations=[{"place": "P", "lat": 1}])["locations"] == [{"place": "P"}]


def test_the_order_of_an_answer() -> None:
    """What every deposit has comes first, what is reserved last."""
    assert list(read_back(description="<p>Means.</p>", version="1")) == [
        *("title", "upload_type", "publication_date", "description", "access_right", "license"),
        *("imprint_publisher", "creators", "version", "prereserve_doi"),
    ]


def test_a_published_record_shows_its_own_doi() -> None:
    """A draft has a reserved one alone."""
    assert "doi" not in read_back()
    own = f"10.5072/tides.{RECORD}"
    assert shown({"metadata": LEAST}, doi=own)["doi"] == own


def test_an_empty_draft_misses_what_every_record_needs() -> None:
    """Type, title, creators and date; not the publisher, which is the repository."""
    found = faults_at_publish(read({}, today=TODAY).description, today=TODAY)
    assert {fault.field for fault in found} == {
        f"metadata.{field}" for field in ("resource_type", "title", "creators", "publication_date")
    }
    assert {fault.messages for fault in found} == {("Missing data for required field.",)}


# ---------------------------------------------------------------- whatever is given

many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def deposits() -> st.SearchStrategy[JsonObject]:
    """Metadata as depositors write it: any field may be missing, some values are wrong but kept, or dropped."""
    words, some = texts(0, 12), lambda each: st.lists(each, max_size=3)
    person = {
        "affiliation": words | st.none(),
        "orcid": st.sampled_from([*ORCIDS, f"https://orcid.org/{ORCIDS[0]}", "bad"]),
        "gnd": st.sampled_from(GNDS),
    }
    named = st.fixed_dictionaries({"name": words}, optional=person)
    work = st.sampled_from([each["identifier"] for each in WORKS])
    point = {"lat": st.floats(-90, 90), "lon": st.floats(-180, 180), "description": words}
    days = edtf_dates().filter(lambda text: "/" not in text)
    fields: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(("title", "journal_title", "conference_place", "partof_pages", "version"), words),
        **dict.fromkeys(("thesis_university", "imprint_publisher"), words | st.none()),
        "upload_type": st.sampled_from(["dataset", "software", "publication"]),
        "publication_type": st.sampled_from(["article", "thesis"]),
        "publication_date": edtf_dates() | words,
        **dict.fromkeys(("description", "notes", "method"), markup()),
        "creators": some(named),
        "thesis_supervisors": some(named),
        "contributors": some(
            st.tuples(named, st.sampled_from(["Editor", "datacurator", None])).map(
                lambda pair: pair[0] | {"type": pair[1]}
            )
        ),
        "access_right": st.sampled_from(["open", "restricted", "closed", None]),
        "license": st.sampled_from(["cc-by", "CC0-1.0", {"id": "mit"}, "gpl-2.0+", "ukcrown", None]),
        "doi": st.sampled_from(["10.1234/x", "https://doi.org/10.1234/Y", "nonsense"]),
        "prereserve_doi": st.booleans(),
        "keywords": some(words),
        "references": some(words),
        "subjects": some(st.fixed_dictionaries({"term": words, "identifier": texts(), "scheme": texts()})),
        "related_identifiers": some(
            st.fixed_dictionaries(
                {
                    "identifier": work,
                    "relation": st.sampled_from(["cites", "ISPARTOF", "isAlternateIdentifier"]),
                }
            )
        ),
        "communities": some(st.fixed_dictionaries({"identifier": texts()})),
        "grants": some(
            st.sampled_from(["283595", "10.13039/501100000690::1", "04wxnsj81::2"]).map(
                lambda one: {"id": one}
            )
        ),
        "language": st.sampled_from(["de", "ger", "eng", "xx"]),
        "locations": some(st.fixed_dictionaries({"place": texts()}, optional=point)),
        "dates": some(days.map(lambda day: {"start": day, "type": "Valid", "description": "gauges"})),
        "custom": st.sampled_from(
            [{}, {"dwc:family": ["Felidae"]}, {"shoe:size": 5}, {"dwc:genus": "Felis"}]
        ),
    }
    return st.fixed_dictionaries({}, optional=fields)


@given(documents(LEGACY_FIELDS))
@many
def test_any_body_is_read_or_refused(body: Any) -> None:
    """No JSON value has another outcome than a description, or a refusal; of either, JSON can carry what is told."""
    told: list[Any]
    try:
        understood = read(body, today=TODAY)
    except InvalidFields as refused:
        told = [(fault.field, fault.messages) for fault in refused.faults]
    except Rejected as refused:
        told = [refused.message]
    else:
        faults = faults_at_publish(understood.description, today=TODAY)
        told = [understood.errors, [(fault.field, fault.messages) for fault in faults]]
        told.append(write(understood.description, repository=REPOSITORY, record_id=RECORD))
    assert told
    assert json.dumps(told, ensure_ascii=False, allow_nan=False).encode()


@given(deposits())
@many
def test_what_was_read_and_written_reads_the_same(metadata: JsonObject) -> None:
    """A client that puts back what it got changes nothing, and is told of nothing; all that may come in are the
    defaults of what it had not given, or not rightly."""
    written = shown({"metadata": metadata})
    again = shown({"metadata": written})
    defaults = ("license", "publication_date", "imprint_publisher")
    assert again == {key: again[key] for key in defaults if key in again} | written
    assert read({"metadata": written}, today=TODAY).errors == []


@given(descriptions())
@many
def test_any_record_reads_back_once_it_was_written(description: Any) -> None:
    """The metadata of a record, however it was published, can be put back, and is the same then."""
    once = shown({"metadata": write(description, repository=REPOSITORY, record_id=RECORD)})
    assert shown({"metadata": once}) == once
