"""DataCite JSON: DataCite's own examples, the API's envelope, and every mistake under its own name."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.metadata import Reading, from_datacite, read
from pipeline.model import Access, FilesAccess
from tests.reference import reference
from tests.strategies import TODAY

if TYPE_CHECKING:
    from pathlib import Path

LEAST: dict[str, Any] = {
    "titles": [{"title": "Tides"}],
    "creators": [{"name": "Marlow, Ida"}],
    "publisher": {"name": "Pier Press"},
    "publicationYear": "2026",
    "types": {"resourceTypeGeneral": "Dataset"},
}


def reading(**fields: object) -> Reading:
    return from_datacite(LEAST | fields, today=TODAY)


def metadata(**fields: object) -> dict[str, Any]:
    described = reading(**fields).description
    assert described is not None
    return described.metadata


def examples() -> list[Path]:
    folder = reference("testdata", "datacite", "json")
    return sorted(path for path in folder.rglob("*.json") if "schema" not in path.name)


FLAWED = {
    "datacite-example-ancientdates-v4.json": {"dates.0.date"},
    "datacite-example-complicated-v4.json": {"identifiers.1.identifier"},
    "datacite-example-instrument-v4.json": {"relatedIdentifiers.0.relatedIdentifier"},
    "datacite-example-relateditem1-v4.json": {"relatedIdentifiers.0.relatedIdentifier"},
    "datacite-example-relateditem3-v4.json": {"relatedIdentifiers.0.relatedIdentifier"},
}
"""Of DataCite's examples, those with a year before Christ, invented ISBN or ISSN, or an address for a handle."""


def test_examples_of_datacite() -> None:
    """DataCite's own examples are read without problems, but for values in them that are not valid."""
    found = {}
    for path in examples():
        problems = read(json.loads(path.read_text(encoding="utf-8")), today=TODAY).problems
        if stopping := {problem.field for problem in problems if not problem.warning}:
            found[path.name] = stopping
    assert found == FLAWED


def test_least_record() -> None:
    """Title, creator, publisher, year and type are enough; files are open unless the rights say otherwise."""
    read_ = reading()
    assert read_.problems == ()
    assert read_.description is not None
    assert read_.description.access == Access()
    assert read_.description.metadata == {
        "title": "Tides",
        "creators": [
            {
                "person_or_org": {
                    "type": "personal",
                    "name": "Marlow, Ida",
                    "family_name": "Marlow",
                    "given_name": "Ida",
                }
            }
        ],
        "publisher": "Pier Press",
        "publication_date": "2026",
        "resource_type": {"id": "dataset"},
    }


def test_envelope_and_its_extras() -> None:
    """The API's envelope, and what it says of the DOI's state, change nothing; the DOI itself is kept."""
    extras = {"doi": "10.1234/X", "state": "findable", "url": "https://example.org", "viewCount": 3}
    enveloped = from_datacite(
        {"data": {"id": "10.1234/x", "type": "dois", "attributes": LEAST | extras}}, today=TODAY
    )
    assert enveloped == reading(doi="https://doi.org/10.1234/X")


def test_forms_are_told_apart() -> None:
    """`read` knows DataCite JSON by its fields and by its envelope, and takes all else for deposit metadata."""
    assert read(LEAST, today=TODAY) == reading()
    assert read({"data": {"attributes": {}}}, today=TODAY).problems[0].field == "titles"
    assert read({"title": "Tides"}, today=TODAY).problems[0].field == "metadata.upload_type"
    assert read({}, today=TODAY).problems[0].field == "metadata.title"


@pytest.mark.parametrize(
    ("general", "detail", "key"),
    [
        ("JournalArticle", "", "publication-article"),
        ("Report", "", "publication-report"),
        ("Report", "Project deliverable", "publication-deliverable"),
        ("Image", "Plot", "image-plot"),
        ("Other", "", "other"),
        ("Other", "Patent", "publication-patent"),
        ("Text", "", "publication"),
        ("Service", "", "other"),
        ("software", "", "software"),
    ],
)
def test_types(general: str, detail: str, key: str) -> None:
    """The general type decides; a free text that is the title of one of our types decides more exactly."""
    types = {"resourceTypeGeneral": general, "resourceType": detail}
    assert metadata(types=types)["resource_type"] == {"id": key}


def test_dates() -> None:
    """The date issued completes the year, unless it is of another year; times of day are taken off."""
    dates = [
        {"date": "2026-03-01T12:00:00Z", "dateType": "Issued"},
        {"date": "2025/2026", "dateType": "Collected", "dateInformation": "gauges"},
    ]
    assert metadata(dates=dates)["publication_date"] == "2026-03-01"
    assert metadata(dates=dates)["dates"] == [
        {"date": "2025/2026", "type": {"id": "collected"}, "description": "gauges"}
    ]
    other_year = metadata(publicationYear=2020, dates=dates[:1])
    assert other_year["publication_date"] == "2020"
    assert other_year["dates"] == [{"date": "2026-03-01", "type": {"id": "issued"}}]


def test_rights() -> None:
    """Licences are known by identifier or address, others kept in words; access statements are access."""
    rights = [
        {"rightsIdentifier": "CC-BY-4.0"},
        {"rights": "Free", "rightsUri": "https://creativecommons.org/publicdomain/zero/1.0/"},
        {"rights": "Ask the keeper", "rightsUri": "https://example.org/ask"},
        {"rights": "Restricted Access", "rightsUri": "info:eu-repo/semantics/restrictedAccess"},
    ]
    described = reading(rightsList=rights).description
    assert described is not None
    assert described.access == Access(FilesAccess.RESTRICTED)
    assert described.metadata["rights"] == [
        {"id": "cc-by-4.0"},
        {"id": "cc0-1.0"},
        {"title": {"en": "Ask the keeper"}, "link": "https://example.org/ask"},
    ]


@pytest.mark.parametrize(
    "right", ["info:eu-repo/semantics/embargoedAccess", "http://purl.org/coar/access_right/c_f1cf"]
)
def test_embargo(right: str) -> None:
    """An embargo ends on the date the files are available; without one they stay restricted, and it is said."""
    dates = [{"date": "2027-01-01", "dateType": "Available"}]
    described = reading(rightsList=[{"rightsUri": right}], dates=dates).description
    assert described is not None
    assert described.access == Access(FilesAccess.RESTRICTED, date(2027, 1, 1))
    endless = reading(rightsList=[{"rightsUri": right}])
    assert [problem.field for problem in endless.problems] == ["dates"]
    assert endless.description is not None
    assert endless.description.access == Access(FilesAccess.RESTRICTED)


def test_people() -> None:
    """People and organisations come with their identifiers, affiliations and roles."""
    person = {
        "name": "Marlow, Ida",
        "nameType": "Personal",
        "nameIdentifiers": [
            {"nameIdentifier": "https://orcid.org/0000-0002-1694-233X", "nameIdentifierScheme": "ORCID"}
        ],
        "affiliation": [
            "Pier Institute",
            {"name": "DataCite", "affiliationIdentifier": "https://ror.org/04wxnsj81"},
        ],
        "contributorType": "DataCurator",
    }
    group = {"name": "Tide, Group", "nameType": "Organizational", "contributorType": "HostingInstitution"}
    assert metadata(contributors=[person, group])["contributors"] == [
        {
            "person_or_org": {
                "type": "personal",
                "name": "Marlow, Ida",
                "family_name": "Marlow",
                "given_name": "Ida",
                "identifiers": [{"scheme": "orcid", "identifier": "0000-0002-1694-233X"}],
            },
            "role": {"id": "datacurator"},
            "affiliations": [{"name": "Pier Institute"}, {"name": "DataCite", "id": "04wxnsj81"}],
        },
        {
            "person_or_org": {"type": "organizational", "name": "Tide, Group"},
            "role": {"id": "hostinginstitution"},
        },
    ]


def test_places() -> None:
    """Points, boxes and polygons become GeoJSON, be their coordinates numbers or texts."""
    corners = [(0, 0), (1, 0), (1, 1), (0, 0)]
    points = [{"polygonPoint": {"pointLongitude": lon, "pointLatitude": lat}} for lon, lat in corners]
    box = dict.fromkeys(("westBoundLongitude", "southBoundLatitude"), "-1") | dict.fromkeys(
        ("eastBoundLongitude", "northBoundLatitude"), "1"
    )
    read_ = metadata(
        geoLocations=[
            {
                "geoLocationPlace": "Riga",
                "geoLocationPoint": {"pointLongitude": "24.1", "pointLatitude": 56.95},
            },
            {"geoLocationBox": box, "geoLocationPolygon": points},
        ]
    )
    features = read_["locations"]["features"]
    assert features[0] == {"place": "Riga", "geometry": {"type": "Point", "coordinates": [24.1, 56.95]}}
    assert features[1]["geometry"]["coordinates"] == [[[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]]
    assert features[2]["geometry"]["coordinates"] == [[[0, 0], [1, 0], [1, 1], [0, 0]]]


def test_funding() -> None:
    """Funders are known by ROR or Crossref DOI; other identifiers are kept with their scheme."""
    read_ = metadata(
        fundingReferences=[
            {
                "funderName": "EC",
                "funderIdentifier": "https://doi.org/10.13039/501100000780",
                "funderIdentifierType": "Crossref Funder ID",
                "awardNumber": 871234,
                "awardTitle": "Tides",
                "awardUri": "https://example.org/award",
            },
            {"funderName": "Club", "funderIdentifier": "grid.5170.3", "funderIdentifierType": "GRID"},
        ]
    )
    assert read_["funding"] == [
        {
            "funder": {"id": "00k4n6c32", "name": "EC"},
            "award": {
                "number": "871234",
                "title": {"en": "Tides"},
                "identifiers": [{"scheme": "url", "identifier": "https://example.org/award"}],
            },
        },
        {"funder": {"name": "Club", "identifiers": [{"scheme": "grid", "identifier": "grid.5170.3"}]}},
    ]


def test_related_items() -> None:
    """What it is published in becomes the journal, with its ISSN a relation; other items become references."""
    described = reading(
        relatedItems=[
            {
                "relationType": "IsPublishedIn",
                "relatedItemType": "Journal",
                "titles": [{"title": "Annals"}],
                "volume": "20",
                "firstPage": "1",
                "lastPage": "9",
                "relatedItemIdentifier": {
                    "relatedItemIdentifier": "1188-1534",
                    "relatedItemIdentifierType": "ISSN",
                },
            },
            {"relationType": "Cites", "titles": [{"title": "Waves"}], "publicationYear": "1990"},
        ]
    ).description
    assert described is not None
    assert described.custom_fields["journal:journal"] == {"title": "Annals", "volume": "20", "pages": "1-9"}
    assert described.metadata["references"] == [{"reference": "Waves, 1990"}]
    assert described.metadata["related_identifiers"] == [
        {"identifier": "1188-1534", "scheme": "issn", "relation_type": {"id": "ispublishedin"}}
    ]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"titles": []}, "titles"),
        ({"titles": [{"title": "ab"}]}, "titles.0.title"),
        ({"titles": [{"title": "Tides"}, {"title": "More", "titleType": "Nick"}]}, "titles.1.titleType"),
        ({"creators": []}, "creators"),
        ({"creators": [{"name": ""}]}, "creators.0.name"),
        ({"creators": [5]}, "creators.0"),
        (
            {
                "creators": [
                    {
                        "name": "A, B",
                        "nameIdentifiers": [
                            {"nameIdentifier": "0000-0002-1694-2330", "nameIdentifierScheme": "ORCID"}
                        ],
                    }
                ]
            },
            "creators.0.nameIdentifiers.0.nameIdentifier",
        ),
        (
            {
                "creators": [
                    {"name": "A, B", "affiliation": [{"name": "X", "affiliationIdentifier": "ror.org/1"}]}
                ]
            },
            "creators.0.affiliation.0.affiliationIdentifier",
        ),
        ({"contributors": [{"name": "A, B"}]}, "contributors.0.contributorType"),
        ({"contributors": [{"name": "A, B", "contributorType": "King"}]}, "contributors.0.contributorType"),
        ({"publicationYear": None}, "publicationYear"),
        ({"publicationYear": "soon"}, "publicationYear"),
        ({"types": {}}, "types.resourceTypeGeneral"),
        ({"types": {"resourceTypeGeneral": "Song"}}, "types.resourceTypeGeneral"),
        ({"types": "Dataset"}, "types"),
        ({"dates": [{"date": "soon", "dateType": "Valid"}]}, "dates.0.date"),
        ({"dates": [{"date": "2020", "dateType": "Birthday"}]}, "dates.0.dateType"),
        ({"dates": [{"date": "2020"}]}, "dates.0.dateType"),
        ({"language": "english"}, "language"),
        (
            {"descriptions": [{"description": "ab", "descriptionType": "Abstract"}]},
            "descriptions.0.description",
        ),
        (
            {"descriptions": [{"description": "abc", "descriptionType": "Poem"}]},
            "descriptions.0.descriptionType",
        ),
        ({"subjects": [{"subject": ""}]}, "subjects.0.subject"),
        (
            {
                "relatedIdentifiers": [
                    {"relatedIdentifier": "x y", "relatedIdentifierType": "DOI", "relationType": "Cites"}
                ]
            },
            "relatedIdentifiers.0.relatedIdentifier",
        ),
        (
            {"relatedIdentifiers": [{"relatedIdentifier": "10.1234/x", "relatedIdentifierType": "DOI"}]},
            "relatedIdentifiers.0.relationType",
        ),
        (
            {"geoLocations": [{"geoLocationPoint": {"pointLongitude": 1, "pointLatitude": 91}}]},
            "geoLocations.0.geoLocationPoint",
        ),
        ({"geoLocations": [{"geoLocationPoint": {}}]}, "geoLocations.0.geoLocationPoint"),
        ({"fundingReferences": [{"awardNumber": "1"}]}, "fundingReferences.0.funderName"),
        ({"doi": "10.1/x"}, "doi"),
        ({"version": {}}, "version"),
        ({"sizes": [5]}, "sizes.0"),
    ],
)
def test_every_mistake_names_its_field(wrong: dict[str, object], field: str) -> None:
    """Each wrong value is a problem on the very attribute that was written."""
    problems = reading(**wrong).problems
    assert {problem.field for problem in problems} == {field}
    assert not any(problem.warning for problem in problems)


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"colour": "blue"}, "colour"),
        ({"types": {"resourceTypeGeneral": "Dataset", "resourceType": "Census"}}, "types.resourceType"),
        ({"titles": [{"title": "Tides"}, {"title": "More", "lang": "zzz"}]}, "titles.1.lang"),
        (
            {
                "creators": [
                    {
                        "name": "A, B",
                        "nameIdentifiers": [{"nameIdentifier": "5", "nameIdentifierScheme": "VIAF"}],
                    }
                ]
            },
            "creators.0.nameIdentifiers.0.nameIdentifierScheme",
        ),
    ],
)
def test_what_is_left_out_is_said(extra: dict[str, object], field: str) -> None:
    """What the canonical form has no place for is named in a warning, which stops nothing."""
    problems = reading(**extra).problems
    assert (
        [problem.field for problem in problems if problem.warning]
        == [field]
        == [each.field for each in problems]
    )


@pytest.mark.parametrize("document", [None, [], {"data": None}, {"data": {"attributes": []}}])
def test_no_metadata_at_all(document: object) -> None:
    """Where there are no attributes there is no description, and one problem says so."""
    read_ = from_datacite(document, today=TODAY)
    assert read_.description is None
    assert [problem.field for problem in read_.problems] == ["data"]
