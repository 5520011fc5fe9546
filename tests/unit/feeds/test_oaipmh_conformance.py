"""The provider before the validator's checks, and the checks before providers that err."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.feeds.oaipmh import FORMATS, MetadataFormat, OaiSet, answer
from tests.oai_conformance import Arguments, problems
from tests.unit.feeds.memory_archive import FORMATS as SMALL_FORMATS
from tests.unit.feeds.memory_archive import FOUNDED, REPOSITORY, MemoryArchive, archive_of

BASE_URL = "https://archive.example.org/oai2d"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


def provider(
    archive: MemoryArchive, page_size: int, formats: Mapping[str, MetadataFormat] = SMALL_FORMATS
) -> Callable[[Arguments], bytes]:
    def fetch(arguments: Arguments) -> bytes:
        return answer(
            arguments, archive, REPOSITORY, now=NOW, secret=b"s", formats=formats, page_size=page_size
        )

    return fetch


def mixed_archive() -> MemoryArchive:
    """Two sets, deleted records at both ends, several records in one second."""
    archive = archive_of(20, OaiSet("user-odd", "Odd"), OaiSet("openaire", "OpenAIRE"))
    archive.stamp(1, at=FOUNDED + timedelta(days=2), sets=("user-odd",), deleted=True)
    for record_id in range(30, 36):
        archive.stamp(record_id, at=FOUNDED + timedelta(days=3, milliseconds=record_id), sets=("openaire",))
    archive.stamp(35, at=FOUNDED + timedelta(days=4), deleted=True)
    return archive


@pytest.mark.parametrize("page_size", [1, 5, 13, 25, 26, 100])
def test_the_provider_conforms(page_size: int) -> None:
    """No check of the validators complains, whether lists are split or not."""
    assert problems(provider(mixed_archive(), page_size), base_url=BASE_URL) == []


def test_the_provider_conforms_in_all_formats_of_the_archive() -> None:
    """With the formats that the archive really disseminates nothing changes."""
    assert problems(provider(mixed_archive(), 5, FORMATS), base_url=BASE_URL) == []


def test_the_provider_conforms_without_sets() -> None:
    """An archive without sets conforms as well."""
    assert problems(provider(archive_of(4), 2), base_url=BASE_URL) == []


def test_an_archive_without_live_records_cannot_be_checked() -> None:
    """The checks say that they need a record that is not deleted."""
    archive = MemoryArchive()
    archive.stamp(1, at=FOUNDED, deleted=True)
    assert problems(provider(archive, 2), base_url=BASE_URL) == [
        "ListIdentifiers: there is no record that is not deleted"
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        (b"Z</responseDate>", b".5Z</responseDate>", "responseDate"),
        (b"OAI-PMH.xsd", b"my-own.xsd", "schemaLocation"),
        (b"/oai2d</request>", b"/oai2d/</request>", "request is not the base URL"),
        (b"/oai2d</baseURL>", b"/oai2d/</baseURL>", "baseURL"),
        (b"oai@archive.example.org", b"mailto:oai@archive.example.org", "adminEmail"),
        (b"<scheme>oai</scheme>", b"", "not valid"),
        (b"<setName>Odd</setName>", b"", "not every set has a name"),
        (b"<setSpec>user-odd</setSpec>", b"<setSpec>user/odd</setSpec>", "not valid"),
        (b"00Z</datestamp>", b"00.0Z</datestamp>", "datestamp is"),
        (b"2024-02-29T00:00:00Z</earliest", b"2024-03-01T00:00:00Z</earliest", "before earliestDatestamp"),
        (b'cursor="0"', b'cursor="1"', "cursor"),
        (b"expirationDate", b"xml:lang", "expirationDate"),
        (b"</resumptionToken>", b"", "not well-formed"),
        (b'code="badVerb"', b'code="badArgument"', "instead of badVerb"),
        (
            b"<metadataPrefix>oai_dc</metadataPrefix>",
            b"<metadataPrefix>dc</metadataPrefix>",
            "oai_dc is missing",
        ),
        (b"MARC21/slim</metadataNamespace>", b"MARC21</metadataNamespace>", "another namespace than listed"),
        (b"oai:archive.example.org:3<", b"oai:archive.example.org:2<", "met a record twice"),
    ],
)
def test_the_checks_find_what_is_wrong(right: bytes, wrong: bytes, complaint: str) -> None:
    """A provider whose answers differ in one point from ours is complained about for that point."""
    ours = provider(mixed_archive(), 5)

    def theirs(arguments: Arguments) -> bytes:
        return ours(arguments).replace(right, wrong)

    found = problems(theirs, base_url=BASE_URL)
    assert [problem for problem in found if complaint in problem], found
