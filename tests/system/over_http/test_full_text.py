"""Texts of files in search (`HEADRACE_FULL_TEXT`): of those that everybody may read, for as long as they may. On
SQLite, a folder and the embedded index, and on PostgreSQL, S3 and OpenSearch."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from lxml import html

from gateway.app import create_app
from pipeline import dispatch
from pipeline.catalogue import file_texts, tables
from pipeline.index.indexer import rebuild, verify
from pipeline.model import Access, FilesAccess, Identification, ScanStatus, ScanVerdict
from pipeline.stewardship import purging
from tests.archive import Archive, GivenFile, open_archive
from tests.asking import Client
from tests.pdf_file import pdf
from tests.system.over_http.contract.depositor import Depositor

PLAIN = Identification("x-fmt/111", mime="text/plain")
PDF = Identification("fmt/18", mime="application/pdf")
LARGEST = 10_000
CLOSED = Access(FilesAccess.RESTRICTED)


@pytest.fixture(params=["embedded", "opensearch"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """Takes the place of that of others: texts of files are searched."""
    if request.param == "embedded":
        parts = open_archive(tmp_path / "home", full_text=LARGEST)
    else:
        parts = open_archive(
            tmp_path / "home",
            request.getfixturevalue("seaweedfs_location"),
            database=request.getfixturevalue("postgres_catalogue"),
            index=f"{request.getfixturevalue('opensearch_url')}/{uuid4().hex}",
            full_text=LARGEST,
        )
    with parts as opened:
        yield opened


def text(said: str) -> GivenFile:
    return GivenFile(said.encode(), identification=PLAIN)


def finds(client: Client, query: str, *ids: int) -> bool:
    """Whether these records are found, within the seconds that an index may take to show them."""
    deadline = time.monotonic() + 10
    while True:
        hits = client.get(f"/api/records?q={query}").json()["hits"]["hits"]
        if {int(one["id"]) for one in hits} == set(ids) or time.monotonic() > deadline:
            return {int(one["id"]) for one in hits} == set(ids)
        time.sleep(0.05)


def test_a_record_is_found_by_what_its_files_say(archive: Archive, client: Client) -> None:
    """Plain text and PDF, as soon as they are read; and the page shows where. Tables, and what is too large, are not
    read; a file that is no PDF has no text, and everything else of its record goes on."""
    both = archive.publish(
        title="Logbook",
        description="Of a harbour.",
        files={
            "notes.txt": text("Long before that. " * 50 + "The <b>barometer</b> fell, and Müller slept."),
            "report.pdf": GivenFile(pdf("Anemometers", "of the lighthouse"), identification=PDF),
        },
    )
    archive.publish(
        files={
            "table.csv": GivenFile(
                b"barometer,1\n", identification=Identification("x-fmt/18", mime="text/csv")
            ),
            "large.txt": text("barometer " * LARGEST),
            "no.pdf": GivenFile(b"barometer", identification=PDF),
        }
    )
    for query in ("barometer", '"muller slept"', "anemometers +lighthouse", "files.text:anemo*"):
        assert finds(client, query, both.id), query
    assert finds(client, "title:barometer")
    page = html.fromstring(client.get("/search?q=barometer").content)
    [passage] = page.find_class("snippet")[1:]
    assert passage.text_content().startswith("notes.txt: … ")
    assert passage.text_content().endswith("The <b>barometer</b> fell, and Müller slept.")
    assert [one.text_content() for one in passage.iterfind("mark")] == ["barometer"]
    assert "notes.txt" not in client.get("/search?q=logbook").text
    assert not verify(archive.services)


def test_files_that_came_over_http_are_read_once_they_are_looked_into(
    archive: Archive, client: Client, ida: Depositor
) -> None:
    """Their formats are found out after that."""
    deposition = ida.create()
    assert ida.put(deposition, "notes.txt", b"The barometer fell.\n").status_code == 201
    record_id = ida.publish(deposition)["id"]
    dispatch.drain(archive.services)
    assert finds(client, "barometer", record_id)


def test_what_is_closed_is_neither_found_nor_shown(archive: Archive, client: Client, ida: Depositor) -> None:
    """From the moment on in which it is; opened again it is. No closed file is ever read."""
    deposition = ida.create()
    assert ida.put(deposition, "notes.txt", b"The barometer fell.\n").status_code == 201
    record_id = ida.publish(deposition)["id"]
    dispatch.drain(archive.services)
    assert finds(client, "barometer", record_id)
    ida.set_access(record_id, access_right="restricted")
    assert client.get("/api/records?q=barometer").json()["hits"]["total"] == 0
    assert "barometer fell" not in client.get("/search?q=fell+OR+tide").text
    dispatch.drain(archive.services)
    assert finds(client, "barometer")
    ida.set_access(record_id, access_right="open")
    dispatch.drain(archive.services)
    assert finds(client, "barometer", record_id)
    hidden = archive.publish(files={"a.txt": text("Hygrometers")}, access=CLOSED)
    assert finds(client, "hygrometers")
    with archive.services.catalogue.read() as tx:
        assert file_texts.left(tx, [hidden.id], largest=LARGEST)


def test_texts_under_an_embargo_are_read_when_it_ends(archive: Archive, client: Client) -> None:
    """With what tells the world of it."""
    record = archive.publish(
        files={"a.txt": text("Hygrometers")}, access=Access(FilesAccess.RESTRICTED, date(2026, 3, 11))
    )
    assert finds(client, "hygrometers")
    archive.clock.move(days=2)
    assert dispatch.lift_embargoes(archive.services) == 1
    dispatch.drain(archive.services)
    assert finds(client, "hygrometers", record.id)


def test_what_is_withdrawn_or_purged_is_found_no_more(archive: Archive, client: Client) -> None:
    """And of bytes that are purged the text goes with them."""
    withdrawn = archive.publish(files={"a.txt": text("Hygrometers")})
    purged = archive.publish(files={"b.txt": text("Theodolites"), "c.txt": text("Sextants")})
    assert finds(client, "hygrometers", withdrawn.id)
    archive.withdraw(withdrawn)
    purging.purge(archive.services, purged.id, key="b.txt", reason="a court said so", by="ida")
    dispatch.drain(archive.services)
    assert finds(client, "hygrometers")
    assert finds(client, "theodolites")
    assert finds(client, "sextants", purged.id)
    with archive.services.catalogue.read() as tx:
        assert [one.key for one in file_texts.of_records(tx, [purged.id], largest=LARGEST)[purged.id]] == [
            "c.txt"
        ]


def test_bytes_that_several_have_are_read_once_and_found_of_all(archive: Archive, client: Client) -> None:
    """And a rebuild keeps them; one that finds some unread has them read."""
    ours = [archive.publish(files={f"{nth}.txt": text("Hygrometers")}) for nth in range(3)]
    assert finds(client, "hygrometers", *(one.id for one in ours))
    assert rebuild(archive.services) == {}
    assert finds(client, "hygrometers", *(one.id for one in ours))
    with archive.services.catalogue.write() as tx:
        tx.execute(sa.delete(tables.file_text))
    rebuild(archive.services)
    assert finds(client, "hygrometers")
    dispatch.drain(archive.services)
    assert finds(client, "hygrometers", *(one.id for one in ours))
    assert not verify(archive.services)


def test_what_nobody_is_served_yet_is_not_read(tmp_path: Path) -> None:
    """Where files wait for a verdict; a rebuild has those read that have one by then."""
    with open_archive(tmp_path / "home", full_text=LARGEST) as opened:
        waiting = opened.services.settings.model_copy(update={"scan_gate": "serve"})
        archive = Archive(replace(opened.services, settings=waiting), opened.clock)
        client = Client(create_app(archive.services))
        record = archive.publish(files={"a.txt": text("Hygrometers")})
        assert finds(client, "hygrometers")
        archive.give(record, "a.txt", ScanVerdict(ScanStatus.CLEAN, "engine"))
        rebuild(archive.services)
        dispatch.drain(archive.services)
        assert finds(client, "hygrometers", record.id)
