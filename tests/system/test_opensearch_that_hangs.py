"""An OpenSearch that answers nothing, or what no OpenSearch answers, takes nobody with it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.app import create_app
from pipeline.errors import Unavailable
from pipeline.index import indexer
from pipeline.index.opensearch import OpenSearchIndex
from pipeline.index.opensearch_server import parse_server
from pipeline.ports import SearchRequest
from tests.archive import open_archive
from tests.asking import Client
from tests.index_corpus import NOW, indexed
from tests.opensearch_front import front


def clock() -> datetime:
    return NOW


@contextmanager
def opened(url: str) -> Iterator[OpenSearchIndex]:
    with closing(OpenSearchIndex(parse_server(url, ""), clock)) as index:
        yield index


@contextmanager
def taking(*, at_most: float) -> Iterator[None]:
    """Seconds that somebody has who waits."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < at_most


def test_who_does_not_search_does_not_wait_for_a_server_that_hangs(
    opensearch_url: str, tmp_path: Path
) -> None:
    """It takes connections and answers nothing. One waits for it at a time; health and the front page answer at once,
    and a search says at once that it is away. When it answers again so does search."""
    with (
        front(opensearch_url.replace("opensearch://", "http://")) as server,
        open_archive(tmp_path / "home", index=f"{server.url}/{uuid4().hex}") as archive,
        ThreadPoolExecutor(4) as pool,
    ):
        client = Client(create_app(archive.services))
        record = archive.publish(title="Tides")
        indexer.index(archive.services, [record.id], at_once=True)
        server.speak.clear()
        waiting = [pool.submit(archive.services.index.search, SearchRequest(f"w{n}")) for n in range(2)]
        time.sleep(3.2)
        waiting.append(pool.submit(archive.services.index.count))
        time.sleep(0.2)
        taken = []
        for path in ("/", "/healthz", "/api/records?q=tides") * 4:
            begun = time.monotonic()
            answer = client.get(path)
            taken.append(time.monotonic() - begun)
            assert "Tides" not in answer.text
            assert answer.status_code == (503 if "?q=" in path else 200)
        # One of them may have been its turn to wait.
        assert sorted(taken)[-2] < 2
        assert client.get("/healthz").json()["parts"]["index"] == "unavailable"
        server.speak.set()
        wait(waiting)
        with taking(at_most=10):
            while client.get("/api/records?q=tides").status_code != 200:
                time.sleep(0.1)
        assert "Tides" in client.get("/").text
        assert client.get("/healthz").json()["parts"]["index"] == "ok"


def test_a_server_that_takes_no_connection_is_soon_given_up() -> None:
    """As behind a firewall, or when its queue is full: no answer comes to the first packet."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(address)
        with (
            opened(f"opensearch://127.0.0.1:{address[1]}/archive") as index,
            taking(at_most=8),
            pytest.raises(Unavailable, match="does not answer"),
        ):
            index.count()


USES: tuple[Callable[[OpenSearchIndex], object], ...] = (
    lambda index: index.search(SearchRequest("tide", facets=("year",))),
    lambda index: index.write([indexed(1)]),
    lambda index: index.write([indexed(1)], at_once=True),
    lambda index: index.begin_rebuild(),
    lambda index: list(index.entries(0, 9)),
    lambda index: index.count(),
    lambda index: index.describe(),
)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"[]", "application/json"),
        (b"7", "application/json"),
        (b'{"error": "no"}', "application/json"),
        (b'{"a": {"aliases": 7}}', "application/json"),
        (b'{"responses": [{}, {}], "errors": 1, "version": [], "hits": {}}', "application/json"),
        (b"{", "application/json"),
        (b"Welcome", "text/plain"),
        (b"<html>", "text/html"),
        (b"", "application/json"),
    ],
)
def test_what_no_opensearch_answers_is_told(content: bytes, kind: str) -> None:
    """With 200, as a proxy that has a page of its own: retryable, as the server is when it is back."""
    with front("") as server, opened(f"{server.url}/archive") as index:
        server.instead = content, kind
        for use in USES:
            with pytest.raises(Unavailable):
                use(index)
