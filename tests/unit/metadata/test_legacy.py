"""Zenodo's deposit metadata: every field in, every field out, every mistake named."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from pipeline.metadata import REFUSED_ON_SAVE, FieldProblem, Reading, from_legacy, to_legacy
from pipeline.model import Access, FilesAccess
from tests.strategies import TODAY

BOOK: dict[str, Any] = {
    "upload_type": "publication",
    "publication_type": "book",
    "title": "Tide tables of the northern harbours",
    "publication_date": "2026-01-31",
    "creators": [
        {"name": "Marlow, Ida", "affiliation": "Pier Institute", "orcid": "0000-0002-1694-233X"},
        {"name": "Orr, Ben", "affiliation": None, "gnd": "170118215"},
    ],
    "description": "<p>All of them &amp; more.</p>",
    "access_right": "embargoed",
    "embargo_date": "2026-03-10",
    "license": "cc-zero",
    "doi": "10.1234/tables.1",
    "keywords": ["tides", "harbours"],
    "subjects": [{"term": "Oceans", "identifier": "https://example.org/oceans", "scheme": "url"}],
    "notes": "<p>Second printing.</p>",
    "method": "<p>Measured.</p>",
    "references": ["Doe J (2014). Earlier tables."],
    "related_identifiers": [
        {"identifier": "10.1234/foo", "relation": "isCitedBy", "scheme": "doi"},
        {
            "identifier": "https://example.org/data",
            "relation": "isSupplementTo",
            "resource_type": "dataset",
            "scheme": "url",
        },
        {"identifier": "2001ApJ...563..629L", "relation": "isAlternateIdentifier", "scheme": "ads"},
    ],
    "contributors": [{"name": "Kowal, Jack", "affiliation": "CERN", "type": "ProjectLeader"}],
    "communities": [{"identifier": "tides"}],
    "grants": [{"id": "10.13039/501100000780::871234"}],
    "journal_title": "Annals",
    "journal_volume": "20",
    "journal_issue": "2",
    "journal_pages": "10-20",
    "conference_title": "Tides 26",
    "conference_acronym": "T26",
    "conference_dates": "20-22 March 2026",
    "conference_place": "Riga",
    "conference_url": "https://example.org/t26",
    "conference_session": "VI",
    "conference_session_part": "1",
    "imprint_publisher": "Pier Press",
    "imprint_isbn": "978-3-16-148410-0",
    "imprint_place": "Riga",
    "partof_title": "Tables",
    "partof_pages": "1-99",
    "thesis_university": "Riga",
    "version": "1.2",
    "language": "eng",
    "locations": [{"place": "Riga", "lat": 56.95, "lon": 24.1, "description": "Harbour"}],
    "dates": [{"start": "2025-01-01", "end": "2025-12-31", "type": "collected", "description": "gauges"}],
    "custom": {"dwc:family": ["Felidae"], "obo:RO_0002453": [{"subject": ["a"], "object": ["b"]}]},
}
LEAST = {"upload_type": "dataset", "title": "Tides", "creators": [{"name": "Marlow, Ida"}]}


def reading(**fields: object) -> Reading:
    return from_legacy({"metadata": LEAST | fields}, today=TODAY)


def metadata(**fields: object) -> dict[str, Any]:
    described = reading(**fields).description
    assert described is not None
    return described.metadata


def fields_of(problems: tuple[FieldProblem, ...]) -> set[str]:
    return {problem.field for problem in problems}


# ---------------------------------------------------------------- what is right


def test_every_field_reads_back() -> None:
    """A book with every field of the form is read without problems and reads back as it was written."""
    read = from_legacy({"metadata": BOOK}, today=TODAY)
    assert read.problems == ()
    assert read.description is not None
    assert to_legacy(read.description) == BOOK


def test_envelope_does_not_matter() -> None:
    """The metadata object alone reads as it does inside its envelope."""
    assert from_legacy(BOOK, today=TODAY) == from_legacy({"metadata": BOOK}, today=TODAY)


def test_least_record_gets_defaults() -> None:
    """Type, title and a creator are enough: published today, open, CC0 for a dataset, the rest left out."""
    read = reading()
    assert read.problems == ()
    assert read.description is not None
    assert read.description.access == Access()
    assert read.description.metadata["publication_date"] == "2026-03-09"
    assert read.description.metadata["rights"] == [{"id": "cc0-1.0"}]
    assert "publisher" not in read.description.metadata


def test_licence_by_type_and_access() -> None:
    """What is no dataset is CC BY by default, restricted records have no default, empty metadata neither."""
    assert metadata(upload_type="poster")["rights"] == [{"id": "cc-by-4.0"}]
    assert "rights" not in metadata(access_right="restricted")
    empty = from_legacy({"metadata": {}}, today=TODAY).description
    assert empty is not None
    assert empty.metadata == {"publication_date": "2026-03-09"}


def test_supervisors_lead_the_contributors() -> None:
    """Supervisors of a thesis come back as the first contributors, with their role."""
    described = reading(
        contributors=[{"name": "Kowal, Jack", "type": "editor"}], thesis_supervisors=[{"name": "Orr, Ben"}]
    ).description
    assert described is not None
    legacy = to_legacy(described)
    assert "thesis_supervisors" not in legacy
    assert [(each["name"], each["type"]) for each in legacy["contributors"]] == [
        ("Orr, Ben", "Supervisor"),
        ("Kowal, Jack", "Editor"),
    ]


def test_names_split_at_the_one_comma() -> None:
    """A name with one comma has a family and a given name; any other is a family name as a whole."""
    creators = metadata(creators=[{"name": "Marlow, Ida"}, {"name": "The Tide Group"}, {"name": "A, B, C"}])[
        "creators"
    ]
    names = [
        (who.get("family_name"), who.get("given_name"))
        for who in (each["person_or_org"] for each in creators)
    ]
    assert names == [("Marlow", "Ida"), ("The Tide Group", None), ("A, B, C", None)]


def test_identifiers_are_normalised() -> None:
    """ORCIDs, GNDs and DOIs lose their resolvers, relations their case, and old words become the new."""
    read = metadata(
        upload_type="publication",
        publication_type="thesis",
        creators=[{"name": "M, I", "orcid": "https://orcid.org/0000-0002-1694-233X", "gnd": "gnd:170118215"}],
        related_identifiers=[{"identifier": "https://doi.org/10.1234/x", "relation": "isOrignialFormOf"}],
        language="de",
        grants=[{"id": "283595"}],
        license={"id": "GPL-3.0"},
    )
    assert read["resource_type"] == {"id": "publication-dissertation"}
    assert [each["identifier"] for each in read["creators"][0]["person_or_org"]["identifiers"]] == [
        "0000-0002-1694-233X",
        "170118215",
    ]
    assert read["related_identifiers"] == [
        {"identifier": "10.1234/x", "scheme": "doi", "relation_type": {"id": "isoriginalformof"}}
    ]
    assert read["languages"] == [{"id": "deu"}]
    assert read["funding"][0]["funder"] == {"id": "00k4n6c32", "name": "European Commission"}
    assert read["rights"] == [{"id": "gpl-3.0-only"}]


def test_places_on_the_equator() -> None:
    """A latitude or longitude of 0 is a place like any other, and coordinates are kept longitude first."""
    read = metadata(locations=[{"place": "Null Island", "lat": 0, "lon": 0.5}])
    assert read["locations"]["features"][0]["geometry"] == {"type": "Point", "coordinates": [0.5, 0.0]}


def test_closed_is_restricted() -> None:
    """Closed access is kept, and reads back, as restricted."""
    described = reading(access_right="closed").description
    assert described is not None
    assert described.access == Access(FilesAccess.RESTRICTED)
    assert to_legacy(described)["access_right"] == "restricted"


def test_embargo_is_kept() -> None:
    """An embargoed record is restricted until its day."""
    described = reading(access_right="embargoed", embargo_date="2027-01-01").description
    assert described is not None
    assert described.access == Access(FilesAccess.RESTRICTED, date(2027, 1, 1))


@pytest.mark.parametrize("upload_type", ["software", "image"])
def test_any_type_may_have_a_subtype(upload_type: str) -> None:
    """A subtype stands in the field that is named after the type."""
    subtype = {"software": "computationalnotebook", "image": "plot"}[upload_type]
    read = metadata(upload_type=upload_type, **{f"{upload_type}_type": subtype})
    assert read["resource_type"] == {"id": f"{upload_type}-{subtype}"}


def test_text_is_cleaned_and_html_sanitised() -> None:
    """Control characters go from text; from HTML also what may not be shown; from codes the blanks around them."""
    read = metadata(
        title="Ti\x00des ",
        upload_type=" dataset ",
        description="<p onclick='x()'>a</p>",
        notes="<b>n</b><iframe></iframe>",
    )
    assert read["title"] == "Tides "
    assert read["resource_type"] == {"id": "dataset"}
    assert read["description"] == "<p>a</p>"
    assert read["additional_descriptions"][0]["description"] == "<b>n</b>"


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": "ab"}, "metadata.title"),
        ({"title": 5}, "metadata.title"),
        ({"title": None}, "metadata.title"),
        ({"upload_type": None}, "metadata.upload_type"),
        ({"upload_type": "nonsense"}, "metadata.upload_type"),
        ({"upload_type": "image", "image_type": "nonsense"}, "metadata.image_type"),
        ({"creators": []}, "metadata.creators"),
        ({"creators": "Marlow"}, "metadata.creators"),
        ({"creators": ["Marlow"]}, "metadata.creators.0"),
        ({"creators": [{"name": "A, B"}, {}]}, "metadata.creators.1.name"),
        ({"creators": [{"name": ""}]}, "metadata.creators.0.name"),
        ({"creators": [{"name": 5}]}, "metadata.creators.0.name"),
        (
            {"creators": [{"name": "A, B"}, {"name": "C", "orcid": "0000-0002-1694-2330"}]},
            "metadata.creators.1.orcid",
        ),
        ({"creators": [{"name": "A, B", "gnd": "118540239"}]}, "metadata.creators.0.gnd"),
        ({"creators": [{"name": "A, B", "affiliation": ["X"]}]}, "metadata.creators.0.affiliation"),
        ({"contributors": [{"name": "A, B"}]}, "metadata.contributors.0.type"),
        ({"contributors": [{"name": "A, B", "type": "King"}]}, "metadata.contributors.0.type"),
        ({"thesis_supervisors": [{"name": ""}]}, "metadata.thesis_supervisors.0.name"),
        ({"description": "ab"}, "metadata.description"),
        ({"notes": "ab"}, "metadata.notes"),
        ({"publication_date": "yesterday"}, "metadata.publication_date"),
        ({"publication_date": "2024-02-30"}, "metadata.publication_date"),
        ({"publication_date": 2024}, "metadata.publication_date"),
        ({"access_right": "secret"}, "metadata.access_right"),
        ({"access_right": "embargoed"}, "metadata.embargo_date"),
        ({"access_right": "embargoed", "embargo_date": "2026-03-09"}, "metadata.embargo_date"),
        ({"access_right": "embargoed", "embargo_date": "2027-02"}, "metadata.embargo_date"),
        ({"license": "nonsense"}, "metadata.license"),
        ({"license": ""}, "metadata.license"),
        ({"license": {}}, "metadata.license"),
        ({"license": {"id": 5}}, "metadata.license"),
        ({"license": ["cc-by-4.0"]}, "metadata.license"),
        ({"doi": "10.1/x"}, "metadata.doi"),
        ({"keywords": "tides"}, "metadata.keywords"),
        ({"keywords": ["tides", ""]}, "metadata.keywords.1"),
        ({"keywords": ["a", {}, "c"]}, "metadata.keywords.1"),
        ({"subjects": [{"identifier": "x"}]}, "metadata.subjects.0"),
        ({"related_identifiers": "x"}, "metadata.related_identifiers"),
        ({"related_identifiers": ["x"]}, "metadata.related_identifiers.0"),
        (
            {"related_identifiers": [{"identifier": "10.1234/x", "relation": 5}]},
            "metadata.related_identifiers.0.relation",
        ),
        ({"related_identifiers": [{"identifier": "10.1234/x"}]}, "metadata.related_identifiers.0.relation"),
        (
            {"related_identifiers": [{"identifier": "10.1234/x", "relation": "likes"}]},
            "metadata.related_identifiers.0.relation",
        ),
        (
            {"related_identifiers": [{"identifier": "foo bar", "relation": "cites"}]},
            "metadata.related_identifiers.0.identifier",
        ),
        (
            {
                "related_identifiers": [
                    {"identifier": "10.1234/x", "relation": "cites"},
                    {"identifier": "foo", "relation": "isAlternateIdentifier"},
                ]
            },
            "metadata.related_identifiers.1.identifier",
        ),
        (
            {
                "related_identifiers": [
                    {"identifier": "10.1234/x", "relation": "cites", "resource_type": "song"}
                ]
            },
            "metadata.related_identifiers.0.resource_type",
        ),
        ({"communities": {"identifier": "a"}}, "communities"),
        ({"communities": ["a"]}, "communities"),
        ({"communities": [{"id": "a"}]}, "communities"),
        ({"grants": [{"id": "10.13039/1::5"}]}, "metadata.grants.0.id"),
        ({"grants": [{}]}, "metadata.grants.0.id"),
        ({"language": "english"}, "metadata.language"),
        ({"language": "xx"}, "metadata.language"),
        ({"language": "qqq"}, "metadata.language"),
        ({"locations": [{"lat": 1, "lon": 1}]}, "metadata.locations.0.place"),
        ({"locations": [{"place": "P", "lat": 1}]}, "metadata.locations.0.lon"),
        ({"locations": [{"place": "P", "lat": 91, "lon": 1}]}, "metadata.locations.0.lat"),
        ({"locations": [{"place": "P", "lat": 1, "lon": 181}]}, "metadata.locations.0.lon"),
        ({"locations": [{"place": "P", "lat": "north", "lon": 1}]}, "metadata.locations.0.lat"),
        ({"dates": [{"type": "Collected"}]}, "metadata.dates.0"),
        ({"dates": [{"start": "2024"}]}, "metadata.dates.0.type"),
        ({"dates": [{"start": "2024", "type": "Birthday"}]}, "metadata.dates.0.type"),
        ({"dates": [{"start": "2024", "end": "2023", "type": "Valid"}]}, "metadata.dates.0.start"),
        ({"dates": [{"end": "2024-13", "type": "Valid"}]}, "metadata.dates.0.end"),
        ({"imprint_isbn": "978-3-16-148410-1"}, "metadata.imprint_isbn"),
        ({"conference_url": "example"}, "metadata.conference_url"),
        ({"journal_title": 5}, "metadata.journal_title"),
        ({"custom": []}, "metadata.custom"),
        ({"custom": {"dwc:family": "Felidae"}}, "metadata.custom.dwc:family"),
        ({"references": [5]}, "metadata.references.0"),
        ({"version": 2}, "metadata.version"),
    ],
)
def test_every_mistake_names_its_field(wrong: dict[str, object], field: str) -> None:
    """Each wrong value is one problem, on the very field that was written, with a reason and a remedy."""
    problems = reading(**wrong).problems
    assert fields_of(problems) == {field}
    assert all(problem.reason and problem.remedy and not problem.warning for problem in problems)


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"autors": []}, "metadata.autors"),
        ({"custom": {"dwc:family": ["F"], "foo": 1}}, "metadata.custom.foo"),
        ({"access_conditions": "ask"}, "metadata.access_conditions"),
        ({"embargo_date": "2027-01-01"}, "metadata.embargo_date"),
        ({"publication_type": "article"}, "metadata.publication_type"),
        ({"creators": [{"name": "A, B", "email": "a@b.example"}]}, "metadata.creators.0.email"),
    ],
)
def test_what_is_left_out_is_said(extra: dict[str, object], field: str) -> None:
    """What Zenodo ignores is left out as well, but named in a warning, which stops nothing."""
    problems = reading(**extra).problems
    assert fields_of(problems) == {field}
    assert all(problem.warning for problem in problems)


def test_extra_top_level_key_is_refused() -> None:
    """A key beside `metadata` is an unknown field, under its own name."""
    (problem,) = from_legacy({"metadata": LEAST, "files": []}, today=TODAY).problems
    assert (problem.field, problem.code in REFUSED_ON_SAVE) == ("files", True)


@pytest.mark.parametrize("document", [None, [], "x", 5, {"metadata": None}, {"metadata": []}])
def test_no_metadata_at_all(document: object) -> None:
    """Where there is no metadata object there is no description, and one problem says so."""
    read = from_legacy(document, today=TODAY)
    assert read.description is None
    assert fields_of(read.problems) == {"metadata"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"license": 5},
        {"related_identifiers": ["x"]},
        {"communities": ["a"]},
        {"upload_type": "nonsense"},
        {"access_right": "secret"},
        {"language": "english"},
        {"title": 5},
        {"creators": "x"},
        {"dates": [{"type": "Valid"}]},
    ],
)
def test_what_refuses_a_draft(wrong: dict[str, object]) -> None:
    """Shapes and words that Zenodo answers with 400 when a draft is saved have a code that says so."""
    assert {problem.code for problem in reading(**wrong).problems} <= REFUSED_ON_SAVE


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"title": "ab"}, ("title",)),
        ({"description": "ab"}, ("description",)),
        ({"publication_date": "yesterday"}, ("publication_date",)),
        ({"language": "xx"}, ("languages",)),
    ],
)
def test_what_a_draft_drops(wrong: dict[str, object], path: tuple[str, ...]) -> None:
    """Values that Zenodo drops from a draft are absent, though the draft may be saved."""
    read = reading(**wrong)
    assert not {problem.code for problem in read.problems} & REFUSED_ON_SAVE
    assert read.description is not None
    assert path[0] not in read.description.metadata


def test_dropped_custom_fields_leave_no_trace() -> None:
    """A wrong ISBN or conference address goes, what stands beside it stays."""
    described = reading(imprint_isbn="1", imprint_place="Riga", conference_url="x").description
    assert described is not None
    assert described.custom_fields == {"imprint:imprint": {"place": "Riga"}}


def test_not_understood_access_is_restricted() -> None:
    """Files whose access right or embargo is not understood are never shown."""
    for wrong in ({"access_right": "secret"}, {"access_right": "embargoed", "embargo_date": "soon"}):
        described = reading(**wrong).description
        assert described is not None
        assert described.access == Access(FilesAccess.RESTRICTED)
