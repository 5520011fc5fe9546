"""Documents that are kept for whoever asks next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from gateway.http.kept import LARGEST, Kept, KeptAnswers, get, keep_for_strangers
from pipeline.access import Viewer
from tests.archive import Archive, open_archive


def test_a_document_is_made_once() -> None:
    """And again for another key."""
    kept, made = Kept[bytes](), list[int]()

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
    kept, made = Kept[bytes](most_bytes=30), list[str]()

    def ask(name: str) -> None:
        get(kept, name, lambda: made.append(name) or name.encode() * 10)

    for name in "abcadab":
        ask(name)
    assert made == ["a", "b", "c", "d", "b"]


def test_a_large_document_is_not_kept() -> None:
    """It would drive out many others."""
    kept, made = Kept[bytes](), list[int]()
    for _ in range(2):
        get(kept, "large", lambda: made.append(1) or bytes(LARGEST + 1))
    assert made == [1, 1]


def test_what_cannot_be_made_is_asked_for_again() -> None:
    """Nothing is kept of it."""

    def fail() -> bytes:
        raise LookupError

    kept = Kept[bytes]()
    with pytest.raises(LookupError):
        get(kept, "one", fail)
    assert get(kept, "one", lambda: b"made") == b"made"


def test_what_was_forgotten_leaves_its_room() -> None:
    """There is as much as before."""
    kept = Kept[str](most_bytes=30)
    for round_ in range(3):
        for name in "abc":
            kept.keep(name, f"{name} {round_}", 10)
        assert [kept.find(name) for name in "abc"] == [f"{name} {round_}" for name in "abc"]
        kept.clear()
        assert kept.find("a") is None


# ---------------------------------------------------------------- answers


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with open_archive(tmp_path_factory.mktemp("kept")) as opened:
        yield opened


class _Asked:
    """Answers of few bytes to strangers, with a header of some, that are kept; `made` for which paths."""

    def __init__(self, archive: Archive, header: bytes = b"") -> None:
        self.made: list[bytes] = []
        self._header = header
        self._kept = KeptAnswers(self._answer, services=archive.services)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.made.append(scope["raw_path"])
        keep_for_strangers(Request(scope), Viewer(None))
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
