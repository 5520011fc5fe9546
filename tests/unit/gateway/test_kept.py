"""Documents that are kept for whoever asks next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from gateway.http.kept import LARGEST, Documents, Kept, KeptAnswers, get, keep_for_strangers
from pipeline.access import Viewer
from pipeline.catalogue import records
from pipeline.lifecycle import RecordEvent
from pipeline.model import Record
from tests.archive import Archive, open_archive


def test_a_document_is_made_once() -> None:
    """And again for another key."""
    kept, made = Documents(), list[int]()

    def make(number: int) -> bytes:
        made.append(number)
        return b"document %d" % number

    assert [get(kept, number, lambda number=number: make(number)) for number in (1, 1, 2, 1)] == [
        b"document 1",
        b"document 1",
        b"document 2",
        b"document 1",
    ]
    assert made == [1, 2]


def test_what_nobody_has_asked_for_longest_goes_first() -> None:
    """There are never more bytes than there is room for."""
    kept, made = Kept[str](most_bytes=30), list[str]()

    def ask(name: str) -> None:
        if kept.find(name) is None:
            made.append(name)
            kept.keep(name, name, 10)

    for name in "abcadab":
        ask(name)
    assert made == ["a", "b", "c", "d", "b"]


@pytest.mark.parametrize(("document", "times"), [(b"x" * LARGEST, 1), (b"x" * (LARGEST + 1), 2)])
def test_a_large_document_is_not_kept(document: bytes, times: int) -> None:
    """However small it may be packed."""
    kept, made = Documents(), list[int]()

    def make() -> bytes:
        made.append(1)
        return document

    for _ in range(2):
        assert get(kept, "large", make) == document
    assert len(made) == times


def test_what_takes_much_room_is_not_kept() -> None:
    """It would drive out many others."""
    kept = Documents()
    kept.keep("large", random.randbytes(LARGEST))
    assert kept.find("large") is None


def test_what_cannot_be_made_is_asked_for_again() -> None:
    """Nothing is kept of it."""

    def fail() -> bytes:
        raise LookupError

    kept = Documents()
    with pytest.raises(LookupError):
        get(kept, "one", fail)
    assert get(kept, "one", lambda: b"made") == b"made"


@given(st.lists(st.binary() | st.binary(min_size=1, max_size=50).map(lambda text: text * 1000)))
def test_documents_are_what_they_were(documents: list[bytes]) -> None:
    """Whichever came first."""
    kept = Documents()
    for number, document in enumerate(documents):
        kept.keep(number, document)
    assert [kept.find(number) for number in range(len(documents))] == documents


def test_many_documents_that_are_alike_find_room() -> None:
    """Threads may bring the first ones at once."""
    shared = random.Random(1).randbytes(3000)
    documents = {number: shared + b"of record %d" % number for number in range(500)}
    kept = Documents(most_bytes=500 * 450)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(kept.keep, documents, documents.values()))
    assert {number: kept.find(number) for number in documents} == documents


def test_what_was_forgotten_leaves_its_room() -> None:
    """There is as much as before."""
    kept = Kept[str](most_bytes=30)
    for round_ in range(3):
        for name in "abc":
            kept.keep(name, f"{name} {round_}", 10)
        assert [kept.find(name) for name in "abc"] == [f"{name} {round_}" for name in "abc"]
        for name in "abcd":
            kept.forget(name)
        assert kept.find("a") is None


# ---------------------------------------------------------------- answers


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path) as opened:
        yield opened


class _Asked:
    """Answers of few bytes to strangers, with a header of some, that are kept; `made` for which paths. Each `shows` a
    record, or whatever there is."""

    def __init__(self, archive: Archive, header: bytes = b"", shows: Record | None = None) -> None:
        self.made: list[bytes] = []
        self.shows = shows
        self._header = header
        self._kept = KeptAnswers(self._answer, services=archive.services)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.made.append(scope["raw_path"])
        keep_for_strangers(Request(scope), Viewer(None), shows=self.shows)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"link", self._header)]})
        await send({"type": "http.response.body", "body": b"few"})

    def ask(self, path: bytes, accept: bytes = b"*/*") -> None:
        async def receive() -> Message:
            raise AssertionError("there is nothing to be received")

        async def send(_message: Message) -> None:
            pass

        scope = {
            "type": "http", "method": "GET", "query_string": b"",
            "path": path.decode(), "raw_path": path, "headers": [(b"accept", accept)],
        }  # fmt: skip
        asyncio.run(self._kept(scope, receive, send))


@pytest.mark.parametrize(("path", "header"), [(b"x" * 60_000, b""), (b"x", b"y" * 60_000)])
def test_all_that_is_kept_of_an_answer_takes_its_room(archive: Archive, path: bytes, header: bytes) -> None:
    """Not its body alone: of 200 with 60 kB beside that the first are forgotten, the last is kept."""
    asked = _Asked(archive, header)
    for number in range(200):
        asked.ask(b"/%d/" % number + path)
    asked.ask(b"/199/" + path)
    assert len(asked.made) == 200
    asked.ask(b"/0/" + path)
    assert len(asked.made) == 201


def test_what_is_asked_for_in_very_many_words_is_not_kept(archive: Archive) -> None:
    """There is no end of such; what browsers send is."""
    asked = _Asked(archive)
    for accept in (b"text/html," * 10, b"text/html," * 30):
        for _ in range(2):
            asked.ask(b"/", accept)
    assert len(asked.made) == 3


def test_an_answer_is_right_until_anything_is_committed(archive: Archive) -> None:
    """By whomever: it is made of all that there is."""
    asked = _Asked(archive)
    for slug in ("tides", "currents"):
        for _ in range(2):
            asked.ask(b"/")
        archive.add_community(slug, slug)
    assert len(asked.made) == 2


def test_an_answer_that_shows_a_record_is_right_until_that_is_another(archive: Archive) -> None:
    """What is committed of others changes nothing."""
    one, other = archive.publish(), archive.publish()
    asked = _Asked(archive, shows=one)
    asked.ask(b"/")
    archive.withdraw(other)
    for _ in range(2):
        asked.ask(b"/")
    assert len(asked.made) == 1
    with archive.services.catalogue.write() as tx:
        records.tell(tx, RecordEvent.REWORD, [one.id], now=archive.clock())
    asked.shows = archive.record(one.id)
    for _ in range(2):
        asked.ask(b"/")
    assert len(asked.made) == 2
    archive.withdraw(one)
    asked.ask(b"/")
    assert len(asked.made) == 3


def test_an_answer_is_right_for_a_day(archive: Archive) -> None:
    """An embargo may be over on the next, though nothing was committed."""
    asked = _Asked(archive, shows=archive.publish())
    for _ in range(2):
        asked.ask(b"/")
        asked.ask(b"/")
        archive.clock.move(days=1)
    assert len(asked.made) == 2
