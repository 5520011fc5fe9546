"""OAI-PMH over HTTP, with what validators check."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from lxml import etree

from gateway.app import create_app
from pipeline.feeds.harvest_source import CatalogueSource
from pipeline.feeds.oaipmh import answer
from tests.archive import BASE_URL, Archive, open_archive
from tests.asking import Client
from tests.oai_conformance import OAI, Arguments, problems

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path / "home") as opened:
        opened.add_community("tides", "Tide tables & more")
        yield opened


def identifiers(body: bytes, status: str = "") -> list[str]:
    condition = f"[@status='{status}']" if status else "[not(@status)]"
    found = etree.fromstring(body).xpath(f"//o:header{condition}/o:identifier/text()", namespaces={"o": OAI})
    return [str(one) for one in found]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_archive_conforms(archive: Archive, method: str) -> None:
    """A validator finds nothing to complain of, asking by GET or by POST, in an archive with versions, a community
    and a withdrawn record."""
    first = archive.publish(files={"a.txt": b"1"}, community="tides")
    archive.clock.move(days=1)
    archive.publish(files={"a.txt": b"2"}, version_of=first)
    archive.withdraw(archive.publish(files={"b.txt": b"3"}))
    archive.clock.move(days=1)
    client = Client(create_app(archive.services))

    def fetch(arguments: Arguments) -> bytes:
        encoded = urlencode(arguments)
        answer = (
            client.get(f"/oai2d?{encoded}")
            if method == "GET"
            else client.ask("POST", "/oai2d", content=encoded.encode(), Content_Type=FORM)
        )
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        return answer.content

    assert problems(fetch, base_url=f"{BASE_URL}/oai2d") == []


def test_a_form_and_a_query_stand_together(archive: Archive) -> None:
    """Arguments of a POST's query count like those of its form."""
    client = Client(create_app(archive.services))
    answer = client.ask("POST", "/oai2d?verb=ListMetadataFormats", Content_Type=FORM)
    assert b"<ListMetadataFormats>" in answer.content
    doubled = client.ask("POST", "/oai2d?verb=Identify", content=b"verb=Identify", Content_Type=FORM)
    assert b'code="badVerb"' in doubled.content


def test_oversized_requests_are_refused(archive: Archive) -> None:
    """A form that is too long, or has too many arguments, gets 400 before anything is parsed."""
    client = Client(create_app(archive.services))
    assert client.ask("POST", "/oai2d", content=b"a" * 40_000, Content_Type=FORM).status_code == 400
    assert client.ask("POST", "/oai2d", content=b"a=1&" * 200, Content_Type=FORM).status_code == 400


def test_a_withdrawn_record_is_deleted_not_gone(archive: Archive) -> None:
    """Harvesters see a withdrawn record as deleted, in its sets, with a new datestamp."""
    record = archive.publish(files={"a.txt": b"1"}, community="tides")
    archive.clock.move(hours=1)
    moment = archive.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    archive.withdraw(record)
    archive.clock.move(hours=1)
    client = Client(create_app(archive.services))
    name = f"oai:headrace.localdomain:{record.id}"
    listed = client.get(f"/oai2d?verb=ListRecords&metadataPrefix=oai_dc&set=user-tides&from={moment}").content
    assert identifiers(listed, "deleted") == [name]
    got = client.get(f"/oai2d?verb=GetRecord&metadataPrefix=oai_dc&identifier={name}").content
    assert identifiers(got, "deleted") == [name]
    assert b"<metadata>" not in got


def test_sets_are_communities(archive: Archive) -> None:
    """A community is a set that holds its records only; a set that is none matches nothing."""
    inside = archive.publish(files={"a.txt": b"1"}, community="tides")
    archive.publish(files={"b.txt": b"1"})
    archive.clock.move(hours=1)
    client = Client(create_app(archive.services))
    listed = client.get("/oai2d?verb=ListIdentifiers&metadataPrefix=oai_dc&set=user-tides").content
    assert identifiers(listed) == [f"oai:headrace.localdomain:{inside.id}"]
    for unknown in ("user-nobody", "openaire"):
        answer = client.get(f"/oai2d?verb=ListRecords&metadataPrefix=oai_dc&set={unknown}").content
        assert b'code="noRecordsMatch"' in answer


def test_a_split_harvest_meets_each_record_once(archive: Archive) -> None:
    """Following resumption tokens through the catalogue meets each record exactly once, in order, though one is
    announced anew and one is added meanwhile."""
    published = [archive.publish(title=f"Record {number}") for number in range(5)]
    archive.clock.move(hours=1)
    met: list[str] = []
    query = [("verb", "ListIdentifiers"), ("metadataPrefix", "oai_dc")]
    while query:
        with archive.services.catalogue.read() as tx:
            source = CatalogueSource(tx, archive.services.repository, now=archive.clock())
            body = answer(
                query, source, archive.services.repository, now=archive.clock(), secret=b"x", page_size=2
            )
        if not met:
            archive.withdraw(published[4])
            archive.publish(title="Added meanwhile")
        met += identifiers(body)
        token = etree.fromstring(body).findtext(f".//{{{OAI}}}resumptionToken")
        query = [("verb", "ListIdentifiers"), ("resumptionToken", token)] if token else []
    assert met == [f"oai:headrace.localdomain:{record.id}" for record in published[:4]]
