"""Whatever is given, it is read without a crash; whatever was read, it reads back as the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.dissemination import Dissemination
from pipeline.feeds.crosswalks import datacite_json
from pipeline.feeds.crosswalks.facts import distinct
from pipeline.metadata import from_datacite, from_legacy, read, to_legacy, validate
from pipeline.model import Description
from tests.strategies import TODAY, descriptions, disseminations
from tests.unit.metadata.any_json import DATACITE_FIELDS, LEGACY_FIELDS, documents, many


@given(st.one_of(documents(LEGACY_FIELDS), documents(DATACITE_FIELDS)))
@many
def test_any_json_is_read(document: Any) -> None:
    """No JSON value makes a reader raise, and what it understood can be checked and written again."""
    for reader in (read, from_legacy, from_datacite):
        reading = reader(document, today=TODAY)
        if reading.description is None:
            assert reading.problems
        else:
            to_legacy(reading.description)
            validate(reading.description, today=TODAY)


@given(st.dictionaries(st.sampled_from(LEGACY_FIELDS.split()), documents(LEGACY_FIELDS), max_size=12))
@many
def test_what_is_not_reported_is_valid(document: Any) -> None:
    """A document read without problems, warnings aside, may be published."""
    reading = read(document, today=TODAY)
    if reading.description is not None and all(problem.warning for problem in reading.problems):
        assert validate(reading.description, today=TODAY) == ()


@given(documents(LEGACY_FIELDS + "person_or_org geometry coordinates features rights"))
@many
def test_any_description_is_checked(document: Any) -> None:
    """A description that came from nowhere known is checked without a crash, whatever stands in it."""
    validate(Description(metadata=document, custom_fields=document), today=TODAY)


@given(descriptions())
@many
def test_drawn_descriptions_are_valid(description: Description) -> None:
    """The descriptions that other tests are built on may be published."""
    assert validate(description, today=TODAY) == ()


@given(descriptions())
@many
def test_deposit_metadata_reads_back(description: Description) -> None:
    """Deposit metadata says the same after it was read, and what was read stays so ever after."""
    written = to_legacy(description)
    first = from_legacy(written, today=TODAY).description
    assert first is not None
    assert {"license": None} | to_legacy(first) == {"license": to_legacy(first).get("license")} | written
    again = from_legacy({"metadata": to_legacy(first)}, today=TODAY)
    assert [problem for problem in again.problems if not problem.warning] == []
    assert again.description == first


@given(disseminations())
@many
def test_datacite_json_reads_back(d: Dissemination) -> None:
    """Our own DataCite JSON is read without problems, and says the same of people, dates and access."""
    reading = from_datacite({"data": {"attributes": datacite_json(d)}}, today=TODAY)
    assert [problem for problem in reading.problems if not problem.warning] == []
    assert reading.description is not None
    read_back, described = reading.description, d.record.description
    for field in ("title", "creators", "publication_date", "resource_type"):
        assert read_back.metadata[field] == described.metadata[field], field
    for field in ("contributors", "funding"):
        # DataCite's lists hold nothing twice.
        assert read_back.metadata.get(field, []) == distinct(described.metadata.get(field, [])), field
    assert read_back.access == described.access
    assert read_back.doi == d.doi
