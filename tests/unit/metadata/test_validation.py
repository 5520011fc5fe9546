"""What stops a description in canonical form from being published, under the canonical names."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from pipeline.metadata import validate
from pipeline.model import Access, Description, FilesAccess
from tests.strategies import TODAY

PERSON = {"person_or_org": {"type": "personal", "name": "Marlow, Ida", "family_name": "Marlow"}}
LEAST: dict[str, Any] = {
    "resource_type": {"id": "dataset"},
    "title": "Tides",
    "creators": [PERSON],
    "publication_date": "2026",
}


def problem_fields(description: Description) -> list[str]:
    return [problem.field for problem in validate(description, today=TODAY)]


def with_identifier(scheme: str, identifier: str) -> dict[str, Any]:
    who = PERSON["person_or_org"] | {"identifiers": [{"scheme": scheme, "identifier": identifier}]}
    return {"person_or_org": who}


def test_least_description() -> None:
    """Type, title, a creator and a date are all that a description needs."""
    assert problem_fields(Description(LEAST)) == []


def test_empty_description() -> None:
    """Of an empty description everything required is missing, in the words that Zenodo uses."""
    problems = validate(Description({}), today=TODAY)
    assert {problem.field for problem in problems} == {f"metadata.{key}" for key in LEAST}
    assert {problem.reason for problem in problems} == {"Missing data for required field."}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": "ab"}, "metadata.title"),
        (
            {"creators": [{"person_or_org": {"type": "personal"}}]},
            "metadata.creators.0.person_or_org.family_name",
        ),
        (
            {"creators": [{"person_or_org": {"type": "organizational"}}]},
            "metadata.creators.0.person_or_org.name",
        ),
        (
            {"creators": [PERSON, {"person_or_org": {"type": "robot"}}]},
            "metadata.creators.1.person_or_org.type",
        ),
        (
            {"creators": [with_identifier("orcid", "0000-0002-1694-2330")]},
            "metadata.creators.0.person_or_org.identifiers.0.identifier",
        ),
        (
            {"creators": [with_identifier("shoe", "42")]},
            "metadata.creators.0.person_or_org.identifiers.0.identifier",
        ),
        ({"creators": [PERSON | {"affiliations": [{}]}]}, "metadata.creators.0.affiliations.0.name"),
        ({"contributors": [PERSON]}, "metadata.contributors.0.role"),
        ({"publication_date": "2026-02-30"}, "metadata.publication_date"),
        ({"resource_type": {"id": "song"}}, "metadata.resource_type"),
        ({"resource_type": "dataset"}, "metadata.resource_type"),
        (
            {"additional_descriptions": [{"description": "ab", "type": {"id": "notes"}}]},
            "metadata.additional_descriptions.0.description",
        ),
        ({"additional_titles": [{"title": "Waves"}]}, "metadata.additional_titles.0.type"),
        (
            {"additional_titles": [{"title": "Waves", "type": {"id": "other"}, "lang": {"id": "xxxx"}}]},
            "metadata.additional_titles.0.lang",
        ),
        ({"rights": [{"id": "nonsense"}]}, "metadata.rights.0"),
        ({"rights": [{}]}, "metadata.rights.0.title"),
        ({"rights": [{"title": {"en": "Mine"}, "link": "here"}]}, "metadata.rights.0.link"),
        ({"subjects": [{"subject": ""}]}, "metadata.subjects.0.subjects"),
        ({"languages": [{"id": "english"}]}, "metadata.languages.0"),
        ({"dates": [{"date": "2020/2019", "type": {"id": "valid"}}]}, "metadata.dates.0.date"),
        ({"dates": [{"type": {"id": "valid"}}]}, "metadata.dates.0.date"),
        ({"identifiers": [{"identifier": "x", "scheme": "doi"}]}, "metadata.identifiers.0.identifier"),
        (
            {"related_identifiers": [{"identifier": "10.1234/x", "scheme": "doi"}]},
            "metadata.related_identifiers.0.relation_type",
        ),
        (
            {"locations": {"features": [{"geometry": {"type": "Point", "coordinates": [0, 99]}}]}},
            "metadata.locations.features.0.geometry",
        ),
        ({"locations": {"features": [{}]}}, "metadata.locations.features.0.place"),
        ({"funding": [{"award": {"number": "1"}}]}, "metadata.funding.0.funder"),
        ({"funding": [{"funder": {"id": "123"}}]}, "metadata.funding.0.funder.id"),
        ({"references": [{}]}, "metadata.references.0.reference"),
        ({"formats": [""]}, "metadata.formats.0"),
    ],
)
def test_every_mistake_names_its_field(wrong: dict[str, Any], field: str) -> None:
    """Each wrong value is one problem, on its canonical path."""
    assert problem_fields(Description(LEAST | wrong)) == [field]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"imprint:imprint": {"isbn": "978-3-16-148410-1"}}, "custom_fields.imprint:imprint.isbn"),
        ({"journal:journal": {"issn": "1188-1535"}}, "custom_fields.journal:journal.issn"),
        ({"meeting:meeting": {"url": "riga"}}, "custom_fields.meeting:meeting.url"),
        ({"code:codeRepository": "git@example.org:x"}, "custom_fields.code:codeRepository"),
        ({"dwc:family": "Felidae"}, "custom_fields.dwc:family"),
    ],
)
def test_custom_fields(wrong: dict[str, Any], field: str) -> None:
    """Custom fields are checked as well: ISBN, ISSN, addresses and types."""
    assert problem_fields(Description(LEAST, wrong)) == [field]


@pytest.mark.parametrize(
    ("days", "fields"), [(-1, ["access.embargo.until"]), (0, ["access.embargo.until"]), (1, [])]
)
def test_embargo_ends_in_the_future(days: int, fields: list[str]) -> None:
    """An embargo ends after today, not on it."""
    access = Access(FilesAccess.RESTRICTED, TODAY + timedelta(days=days))
    assert problem_fields(Description(LEAST, access=access)) == fields


@pytest.mark.parametrize(
    ("until", "fields"), [(date(2027, 1, 1), ["access.embargo.until"]), (date(2020, 1, 1), [])]
)
def test_open_files_are_not_embargoed(until: date, fields: list[str]) -> None:
    """Open files cannot be under an embargo that is still to end; one that has ended may be remembered."""
    assert problem_fields(Description(LEAST, access=Access(embargo_until=until))) == fields


def test_external_doi() -> None:
    """A DOI that the depositor brings has to be one."""
    assert problem_fields(Description(LEAST, doi="10.1234/x")) == []
    assert problem_fields(Description(LEAST, doi="10.1/x")) == ["pids.doi"]
