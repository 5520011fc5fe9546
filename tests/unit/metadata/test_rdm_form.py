"""A draft's body in InvenioRDM's form: what is kept of it, what is named, what it leaves as it is.

Tests with a number in their name are of that section of the contract of Zenodo's REST API.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dissemination import Dissemination, DraftView
from pipeline.errors import InvalidFields, Rejected
from pipeline.feeds.crosswalks import rdm_draft, rdm_json, zenodo_draft
from pipeline.metadata.deposit_form import DepositMetadata, Unsaid, faults_at_publish
from pipeline.metadata.rdm_form import errors, misunderstood_access, read
from pipeline.model import Access, FilesAccess, FilesView, Record, RecordState
from tests.strategies import REPOSITORY, TODAY, disseminations
from tests.unit.metadata.any_json import documents, many

RECORD = 7654321
OWN = f"10.5072/tides.{RECORD}"
TOMORROW = TODAY + timedelta(days=1)
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()
LEAST = {
    "title": "Tides",
    "resource_type": {"id": "dataset"},
    "creators": [{"person_or_org": {"type": "personal", "family_name": "Marlow", "given_name": "Ida"}}],
    "publication_date": "2026-03-09",
}
RDM_FIELDS = """
    metadata custom_fields access files pids record embargo active until reason doi identifier provider external
    datacite enabled order default_preview title resource_type id creators contributors person_or_org type name
    family_name given_name identifiers scheme role affiliations publication_date publisher description
    additional_titles additional_descriptions rights link subjects subject languages dates date version
    related_identifiers relation_type sizes formats locations features place geometry coordinates Point funding
    funder award number references reference lang imprint:imprint isbn meeting:meeting url
"""


def given_draft(body: object, own_doi: str | None = OWN) -> DepositMetadata:
    return read(body, repository=REPOSITORY, own_doi=own_doi, today=TODAY)


def told(found: DepositMetadata) -> list[tuple[str, str]]:
    return [(one["field"], one["message"]) for one in found.errors]


def described(**fields: object) -> DepositMetadata:
    return given_draft({"metadata": LEAST | fields})


# ---------------------------------------------------------------- metadata


def test_4_1_what_is_whole_and_valid_has_no_errors() -> None:
    found = described()
    assert (told(found), found.has_metadata) == ([], True)
    assert list(faults_at_publish(found.description, today=TODAY)) == []


@pytest.mark.parametrize("body", [[], None, "x", 5])
def test_4_1_what_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(InvalidFields):
        given_draft(body)


def test_4_1_unknown_fields_are_named_wherever_they_are() -> None:
    """Nothing vanishes in silence, though Zenodo says nothing of those at the top."""
    found = given_draft(
        {
            "metadata": {**LEAST, "colour": 1, "creators": [{**LEAST["creators"][0], "age": 3}]},  # type: ignore[dict-item]
            "custom_fields": {"no:such": 1, "odd": 2},
            "access": {"file": "restricted"},
            "files": {"on": True},
            "pids": {"ark": {}},
            "weird": 1,
        }
    )
    assert {field for field, message in told(found) if message == "Unknown field."} == {
        *("metadata.colour", "metadata.creators.0.age", "custom_fields.no:such", "custom_fields.odd"),
        *("access.file", "files.on", "pids.ark", "weird"),
    }
    assert len(found.errors) == 8


def test_4_1_values_of_the_wrong_kind_are_left_out_and_named() -> None:
    """An entry that is none leaves no empty one behind."""
    found = described(title=5, creators=[7, LEAST["creators"][0]], sizes="big", dates={"a": 1}, version=[])  # type: ignore[index]
    assert told(found) == [
        ("metadata.title", "Not a valid string."),
        ("metadata.creators.0", "Invalid input type."),
        ("metadata.sizes", "Not a valid list."),
        ("metadata.dates", "Not a valid list."),
        ("metadata.version", "Not a valid string."),
    ]
    assert [one["person_or_org"]["name"] for one in found.description.metadata["creators"]] == ["Marlow, Ida"]


def test_4_1_the_words_of_what_is_not_valid() -> None:
    found = described(
        title="x",
        publication_date="yesterday",
        creators=[{"person_or_org": {"type": "personal", "given_name": "Ida"}}],
    )
    assert told(found) == [
        ("metadata.title", "Shorter than minimum length 3."),
        ("metadata.publication_date", "Please provide a valid date or interval."),
    ]
    faults = faults_at_publish(found.description, today=TODAY)
    listed = errors(found.errors, faults, has_files=False)
    # What was left out is not said to be missing as well.
    assert [(one.field, list(one.messages)) for one in listed] == [
        ("metadata.title", ["Shorter than minimum length 3."]),
        ("metadata.publication_date", ["Please provide a valid date or interval."]),
        ("metadata.creators.0.person_or_org.family_name", ["Family name cannot be blank."]),
        ("files.enabled", ["Missing uploaded files."]),
    ]


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"resource_type": {"id": "nope"}}, "nope"),
        ({"rights": [{"id": "no-licence"}]}, "no-licence"),
        ({"languages": [{"id": "qqq"}]}, "qqq"),
        ({"contributors": [{**LEAST["creators"][0], "role": {"id": "clown"}}]}, "clown"),  # type: ignore[index]
    ],
)
def test_0_5_terms_that_no_vocabulary_has_are_refused(fields: dict[str, object], value: str) -> None:
    with pytest.raises(Rejected) as refused:
        described(**fields)
    assert (refused.value.message, refused.value.field) == (f"Invalid value {value}.", "")


def test_4_1_a_kind_of_person_that_there_is_not_is_an_error() -> None:
    """It is in no vocabulary."""
    found = described(creators=[{"person_or_org": {"type": "robot", "name": "R2"}}])
    fields = [one.field for one in faults_at_publish(found.description, today=TODAY)]
    assert fields == ["metadata.creators.0.person_or_org.type"]


# ---------------------------------------------------------------- access


def access(**fields: object) -> DepositMetadata:
    return given_draft({"metadata": LEAST, "access": fields})


def test_4_1_a_restricted_record_is_refused() -> None:
    found = access(record="restricted", files="restricted")
    assert told(found) == [("access", "You don't have permissions to manage record access.")]
    assert found.description.access == Access(FilesAccess.RESTRICTED)
    assert [one.field for one in misunderstood_access(found.errors)] == ["access"]


def test_4_2_an_embargo() -> None:
    embargo = {"active": True, "until": TOMORROW.isoformat(), "reason": "Journal policy"}
    found = access(record="public", files="restricted", embargo=embargo)
    assert (told(found), found.description.access) == (
        [],
        Access(FilesAccess.RESTRICTED, TOMORROW, "Journal policy"),
    )


@pytest.mark.parametrize(
    ("embargo", "files"),
    [
        ({"active": True, "until": TODAY.isoformat()}, "restricted"),
        ({"active": True, "until": YESTERDAY}, "restricted"),
        ({"active": True, "until": TOMORROW.isoformat()}, "public"),
        ({"active": True}, "restricted"),
        ({"active": True, "until": "soon"}, "restricted"),
        ({"active": True, "until": "2027"}, "restricted"),
        ({"active": True, "until": "0000-01-01"}, "restricted"),
        ({"active": False, "until": TOMORROW.isoformat()}, "restricted"),
        ({"active": False, "until": TOMORROW.isoformat()}, "public"),
        ({"until": YESTERDAY}, "restricted"),
        ({"active": "yes", "until": TOMORROW.isoformat()}, "restricted"),
        ("soon", "restricted"),
        ({}, "closed"),
    ],
)
def test_4_2_no_embargo_that_is_not_understood_is_published(embargo: object, files: str) -> None:
    """Each is named, with the draft that is saved; files that were to be restricted open on no day."""
    found = access(files=files, embargo=embargo)
    faults = list(faults_at_publish(found.description, today=TODAY))
    listed = errors(found.errors, faults, has_files=True)
    assert listed
    assert all(one.field.startswith("access.") for one in listed)
    assert [*faults, *misunderstood_access(found.errors)]
    if files == "restricted":
        assert found.description.access.files is FilesAccess.RESTRICTED


def test_4_2_an_embargo_that_is_over_may_be_told_of_open_files() -> None:
    found = access(files="public", embargo={"active": False, "until": YESTERDAY})
    assert told(found) == []
    assert list(faults_at_publish(found.description, today=TODAY)) == []


# ---------------------------------------------------------------- DOIs and files


def named(doi: object, own_doi: str | None = OWN) -> DepositMetadata:
    return given_draft({"metadata": LEAST, "pids": {"doi": doi}}, own_doi)


def test_4_1_a_doi_that_the_depositor_brings() -> None:
    """Bare, however it was written; one that is none is kept, and stops publication."""
    found = named({"identifier": " https://doi.org/10.1234/abc ", "provider": "external"})
    assert (told(found), found.description.doi) == ([], "10.1234/abc")
    bad = named({"identifier": "nonsense", "provider": "external"}).description
    assert [(one.field, one.messages) for one in faults_at_publish(bad, today=TODAY)] == [
        ("pids.doi", ("Invalid DOI",))
    ]


@pytest.mark.parametrize("identifier", ["10.5072/else", "https://doi.org/10.5072/TIDES.5"])
def test_4_1_no_external_doi_is_under_our_prefix(identifier: str) -> None:
    found = named({"identifier": identifier, "provider": "external"})
    assert told(found) == [("pids.doi", f"The prefix '10.5072' is managed by {REPOSITORY.name}.")]
    assert found.description.doi is None


def test_4_1_the_records_own_doi_is_reserved() -> None:
    """As it is in the answer of a draft that has it; any other of ours is not."""
    assert named({"identifier": OWN, "provider": "datacite", "client": "x"}).description.doi == OWN
    assert named({"identifier": OWN.upper()}).description.doi == OWN
    assert named({"identifier": f"https://doi.org/{OWN}", "provider": "external"}).description.doi == OWN
    assert named({"identifier": "", "provider": "external"}).description.doi is None
    for other, own_doi in (("10.5072/tides.5", OWN), (OWN, None), ("10.1234/abc", OWN)):
        found = named({"identifier": other, "provider": "datacite"}, own_doi)
        assert (found.description.doi, [field for field, _ in told(found)]) == (None, ["pids.doi"])


def test_4_1_what_a_body_leaves_unsaid() -> None:
    said = given_draft({"pids": {}, "files": {}})
    assert (said.unsaid, said.has_metadata) == ({Unsaid.COMMUNITIES}, False)
    assert given_draft({}).unsaid == {Unsaid.COMMUNITIES, Unsaid.DOI, Unsaid.FILES_VIEW}


def test_4_1_how_files_are_shown() -> None:
    files = {"enabled": True, "order": ["b", "a"], "default_preview": "a", "count": 2, "entries": {}}
    found = given_draft({"files": files})
    assert (told(found), found.description.files) == ([], FilesView("a", ("b", "a")))
    assert told(given_draft({"files": {"enabled": False}})) == [
        ("files.enabled", "You don't have permissions to manage files options.")
    ]
    odd = given_draft({"files": {"enabled": "x", "order": ["a", 5], "default_preview": 7}})
    assert {field for field, _ in told(odd)} == {"files.enabled", "files.order.1", "files.default_preview"}
    assert odd.description.files == FilesView("", ("a",))
    assert [field for field, _ in told(given_draft({"files": {"order": ["a"] * 1001}}))] == ["files.order"]


# ---------------------------------------------------------------- whatever is given


@given(
    documents(RDM_FIELDS) | st.dictionaries(st.sampled_from(RDM_FIELDS.split()[:5]), documents(RDM_FIELDS))
)
@many
def test_any_json_is_read_shown_and_read_again(body: Any) -> None:
    """Or refused. What it understood is shown in both forms, and saved again says the same without a word more."""
    try:
        found = given_draft(deepcopy(body))
    except Rejected:
        return
    view = view_of(found)
    zenodo_draft(view)
    again = given_draft(rdm_draft(view))
    assert again.description.metadata == found.description.metadata
    assert again.description.doi == found.description.doi
    assert [field for field, _ in told(again) if not field.startswith("access.")] == []


@given(disseminations())
@many
def test_what_was_published_is_read_back_as_it_was(d: Dissemination) -> None:
    """A record's own answer, put into the draft of an edit, changes nothing."""
    found = read(rdm_json(d, files_open=True), repository=d.repository, own_doi=d.doi, today=TODAY)
    before = d.record.description
    # A draft has files, whatever the record has.
    assert {field for field, _ in told(found)} <= ({"files.enabled"} if not d.files else set())
    assert found.description.metadata == {"publisher": d.repository.name} | before.metadata
    assert found.description.custom_fields == before.custom_fields


def view_of(found: DepositMetadata) -> DraftView:
    at = datetime(2026, 3, 9, tzinfo=UTC)
    record = Record(
        id=RECORD,
        concept_id=RECORD - 1,
        version=1,
        revision=1,
        is_latest=True,
        state=RecordState.PUBLISHED,
        description=found.description,
        owner="ida@example.org",
        created=at,
        modified=at,
        file_count=0,
        total_bytes=0,
    )
    doi = found.description.doi or ""
    return DraftView(Dissemination(REPOSITORY, record, doi, concept_doi=None, files=(), versions=()))
