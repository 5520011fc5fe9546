"""What a real OpenSearch alone can show: rebuilds that begin at once, die or meet trouble, a server that is away, busy,
full, of another version, or one that nobody should trust."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.app import create_app
from infra.local.opensearch import opensearch
from infra.local.service import running
from pipeline import dispatch
from pipeline.catalogue import outbox
from pipeline.errors import Conflict, Misconfigured, OutOfSpace, Unavailable
from pipeline.index import indexer, query_dsl
from pipeline.index.document import entry
from pipeline.index.opensearch import OpenSearchIndex
from pipeline.index.opensearch_server import parse_server
from pipeline.model import EffectKind
from pipeline.ports import Clock, IndexDocument, SearchRequest
from tests.archive import open_archive
from tests.asking import Client
from tests.fault_proxy import Kind, fault_proxy
from tests.index_corpus import CORPUS, NOW, indexed
from tests.mail_server import make_certificate
from tests.opensearch_front import ALL, ODD, front

pytestmark = pytest.mark.timeout(600)


def clock() -> datetime:
    return NOW


@pytest.fixture
def alias(opensearch_url: str) -> Iterator[str]:
    """An alias that nobody has, and what it left is taken away."""
    name = uuid4().hex
    yield name
    httpx.delete(f"{http(opensearch_url)}/{name}.*", timeout=60, trust_env=False).raise_for_status()


@pytest.fixture
def opened(opensearch_url: str, alias: str) -> Iterator[Callable[..., OpenSearchIndex]]:
    """Opens the index of the alias, again and again; at another server's URL, too."""
    with ExitStack() as stack:

        def open_(url: str = opensearch_url, clock: Clock = clock) -> OpenSearchIndex:
            index = OpenSearchIndex(parse_server(f"{url}/{alias}", ""), clock)
            return stack.enter_context(closing(index))

        yield open_


def http(url: str) -> str:
    return url.replace("opensearch://", "http://")


def names(opensearch_url: str, alias: str) -> set[str]:
    """The indices that there are."""
    return set(httpx.get(f"{http(opensearch_url)}/{alias}.*/_alias", trust_env=False).json())


def held(index: OpenSearchIndex) -> list[int]:
    return [one.id for one in index.entries(0, 1 << 40)]


# ---------------------------------------------------------------- rebuilding


def test_of_rebuilds_that_begin_at_once_one_is_swapped_in(
    opened: Callable[..., OpenSearchIndex], opensearch_url: str, alias: str
) -> None:
    """The others are told so at their next call at the latest and change nothing; one index is left."""
    opened().write([indexed(1)])

    def rebuild(number: int) -> int | None:
        try:
            with closing(opened().begin_rebuild()) as rebuilt:
                rebuilt.write([indexed(number)])
                time.sleep(0.2)
                rebuilt.finish_rebuild()
        except Conflict:
            return None
        return number

    with ThreadPoolExecutor(4) as pool:
        done = [one for one in pool.map(rebuild, range(2, 6)) if one is not None]
    assert len(done) >= 1
    assert held(opened()) in ([one] for one in done)
    assert len(names(opensearch_url, alias)) == 1


def test_processes_that_begin_at_once_share_one_index(
    opened: Callable[..., OpenSearchIndex], opensearch_url: str, alias: str
) -> None:
    """It is made by the first write or search."""
    with ThreadPoolExecutor(6) as pool:
        for each in [pool.submit(opened().write, [indexed(number)]) for number in range(1, 7)]:
            assert each.result() == {}
    assert held(opened()) == [1, 2, 3, 4, 5, 6]
    assert len(names(opensearch_url, alias)) == 1


def test_a_rebuild_goes_on_after_trouble(
    opensearch_url: str, alias: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had is not lost, whichever answer is: those to what makes the new index, fills it and swaps it in, and as
    often as not even the second try helps. Another rebuild did not begin only because it asks twice."""
    monkeypatch.setattr("pipeline.index.indexer._BATCH", 2)
    waits: list[float] = []
    with (
        front(http(opensearch_url)) as server,
        open_archive(tmp_path / "home", index=f"{server.url}/{alias}") as archive,
    ):
        for number in range(6):
            archive.publish(title=f"Tides {number}")
        server.lost = ["PUT /", "_aliases"]
        troubles = [["_bulk", "_bulk"], ["_alias ", "_alias "], ["_aliases", "_aliases"]]

        def trouble(_batch: int) -> None:
            assert server.lost == []
            server.lost = troubles.pop(0)

        assert indexer.rebuild(archive.services, on_batch=trouble, wait=waits.append) == {}
        assert (len(waits), troubles, server.lost) == (3, [], [])
        assert not indexer.verify(archive.services)
    assert len(names(opensearch_url, alias)) == 1


def test_an_index_of_other_code_asks_for_a_rebuild(
    opened: Callable[..., OpenSearchIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index whose fields or words differ is neither read nor written, nor is one that other code is filling; the
    remedy is named, and works. Who is of the older code finds nothing then, and is told the same."""
    older = opened()
    older.write([indexed(1)], at_once=True)
    monkeypatch.setattr("pipeline.index.opensearch.SCHEMA_DIGEST", "0123abcd")
    newer = opened()
    for use in (lambda: newer.search(SearchRequest()), lambda: newer.write([indexed(1)]), newer.count):
        with pytest.raises(Unavailable) as caught:
            use()
        assert "index rebuild" in caught.value.remedy
    rebuilt = newer.begin_rebuild()
    with pytest.raises(Unavailable, match="Another version"):
        older.write([indexed(2)])
    assert older.search(SearchRequest()).ids == (1,)
    rebuilt.write([indexed(3)])
    rebuilt.finish_rebuild()
    rebuilt.close()
    assert held(newer) == [3]
    with pytest.raises(Unavailable, match="another version"):
        older.search(SearchRequest())


def test_a_rebuild_that_died_goes_with_the_next_write(
    opened: Callable[..., OpenSearchIndex], opensearch_url: str, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that said nothing of itself for a quarter of an hour: also where it was by another version, which keeps
    everybody from writing as long as it lives. One that writes lives."""
    now = NOW
    index = opened(clock=lambda: now)
    index.write([indexed(1)])
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.index.opensearch.SCHEMA_DIGEST", "0123abcd")
        other = opened(clock=lambda: now).begin_rebuild()
    for _ in range(3):
        now += timedelta(minutes=10)
        other.write([indexed(1)])
        with pytest.raises(Unavailable, match="Another version"):
            index.write([indexed(2)])
    assert ", being rebuilt" in index.describe()
    now += timedelta(minutes=20)
    assert ", with a rebuild that died" in index.describe()
    assert index.write([indexed(2)]) == {}
    assert len(names(opensearch_url, alias)) == 1
    with pytest.raises(Conflict):
        other.write([indexed(3)])
    other.close()
    assert held(index) == [1, 2]


def test_indices_of_others_are_left_alone(
    opened: Callable[..., OpenSearchIndex], opensearch_url: str, alias: str
) -> None:
    """Their names may begin as ours do."""
    others = {f"{alias}.{name}" for name in ("backup", "0123abcd.old", "0123abcd.0123456789ab.old")}
    for name in others:
        httpx.put(f"{http(opensearch_url)}/{name}", timeout=60, trust_env=False).raise_for_status()
    index = opened()
    for _ in range(2):
        with closing(index.begin_rebuild()) as rebuilt:
            rebuilt.write([indexed(1)])
            rebuilt.finish_rebuild()
    assert held(index) == [1]
    assert len(names(opensearch_url, alias)) == 4
    assert others < names(opensearch_url, alias)


# ---------------------------------------------------------------- trouble


def test_a_network_that_breaks_off_loses_nothing(
    opened: Callable[..., OpenSearchIndex], opensearch_url: str
) -> None:
    """Connections are reset before and after the server heard, and errors answered: a write that fails is retryable,
    and when each was repeated until it returned, all is there once."""
    kinds = (Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.ERROR, Kind.SLOW_DOWN, Kind.TRUNCATED)
    with fault_proxy(http(opensearch_url), seed=4, rate=0.4, kinds=kinds) as proxy:
        index = opened(proxy.url.replace("http://", "opensearch://"))
        for first in range(1, 61, 6):
            repeated(lambda first=first: index.write([indexed(n, stamp=n) for n in range(first, first + 6)]))
        assert proxy.injected
        index.close()
    assert list(opened().entries(0, 1 << 40)) == [entry(indexed(n, stamp=n)) for n in range(1, 61)]


def repeated(call: Callable[[], object]) -> None:
    for _ in range(50):
        try:
            call()
        except Unavailable:
            continue
        return
    pytest.fail("it failed 50 times")


def test_what_a_busy_server_refuses_is_sent_again_item_by_item(
    opened: Callable[..., OpenSearchIndex], opensearch_url: str
) -> None:
    """429 for a whole request, and 429 for some of its documents: the write waits and sends those again alone."""
    with front(http(opensearch_url)) as busy:
        index = opened(busy.url)
        index.write([indexed(1)])
        busy.refuse = [ALL, ODD]
        assert index.write([indexed(number) for number in range(1, 8)]) == {}
        assert busy.sent[-3:] == [list(range(1, 8)), list(range(1, 8)), [1, 3, 5, 7]]
        index.close()
    assert held(opened()) == list(range(1, 8))


@pytest.mark.parametrize(
    ("block", "raised"), [("read_only_allow_delete", OutOfSpace), ("write", Unavailable)]
)
def test_an_index_that_takes_no_writes_is_told(
    opened: Callable[..., OpenSearchIndex],
    opensearch_url: str,
    alias: str,
    block: str,
    raised: type[Exception],
) -> None:
    """A full disk, or an operator's block: retryable, and it is still searched."""
    index = opened()
    index.write([indexed(1)])
    blocks = partial(httpx.put, f"{http(opensearch_url)}/{alias}/_settings", trust_env=False, timeout=60)
    blocks(json={f"index.blocks.{block}": True}).raise_for_status()
    with pytest.raises(raised) as caught:
        index.write([indexed(2)])
    assert getattr(caught.value, "retryable", False)
    assert index.search(SearchRequest("nothing")).total == 0
    blocks(json={f"index.blocks.{block}": None}).raise_for_status()
    assert index.write([indexed(2)]) == {}


def test_one_document_that_cannot_be_taken_keeps_no_other(
    opened: Callable[..., OpenSearchIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's reason is told by the document's id."""
    mappings = json.loads(json.dumps(query_dsl.MAPPINGS))
    del mappings["properties"]["metadata.version"]
    monkeypatch.setattr(query_dsl, "MAPPINGS", mappings)
    index = opened()
    documents = [indexed(1), indexed(2, version=1), indexed(3)]
    documents[1] = IndexDocument(2, 1, {**(documents[1].body or {}), "metadata.version": ["1.0"]})
    refused = index.write(documents)
    assert list(refused) == [2]
    assert "metadata.version" in refused[2] or "strict" in refused[2]
    assert held(index) == [1, 3]


def test_an_alias_that_is_an_index_of_somebody_else_is_told(
    opened: Callable[..., OpenSearchIndex], opensearch_url: str, alias: str
) -> None:
    """Nothing is written into it."""
    place = f"{http(opensearch_url)}/{alias}"
    httpx.put(place, timeout=60, trust_env=False).raise_for_status()
    with pytest.raises(Misconfigured) as caught:
        opened().write([indexed(1)])
    assert caught.value.field == "HEADRACE_INDEX"
    assert httpx.get(f"{place}/_count", trust_env=False).json()["count"] == 0
    httpx.delete(place, timeout=60, trust_env=False).raise_for_status()


def test_what_the_server_refuses_is_told_in_its_words(
    opened: Callable[..., OpenSearchIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No alias is to blame for it, nor any other setting of ours; once it is mended the same call succeeds."""
    with monkeypatch.context() as patch:
        patch.setattr(query_dsl, "SETTINGS", {**query_dsl.SETTINGS, "number_of_shards": 5000})
        with pytest.raises(Unavailable, match=r"refuses.*5000") as caught:
            opened().write([indexed(1)])
    assert "alias" not in caught.value.message + caught.value.remedy
    assert opened().write([indexed(1)]) == {}


@pytest.mark.parametrize(
    "version",
    [{"distribution": "opensearch", "number": "2.11.1"}, {"number": "8.17.0"}],
    ids=["old", "other"],
)
def test_a_server_that_is_too_old_or_another_is_refused(
    opened: Callable[..., OpenSearchIndex], opensearch_url: str, version: dict[str, str]
) -> None:
    """Before anything is made there, with the version that is needed. One that is not says which it is."""
    with front(http(opensearch_url)) as old:
        old.version = version
        index = opened(old.url)
        for use in (index.describe, index.begin_rebuild, lambda: index.write([indexed(1)])):
            with pytest.raises(Misconfigured, match=re.escape(version["number"])) as caught:
                use()
            assert "2.12" in caught.value.remedy
        old.version = {}
        assert re.match(r"OpenSearch \d+\.\d+\.\d+ at 127\.0\.0\.1:\d+, alias ", index.describe())
        index.close()


# ---------------------------------------------------------------- trust


@pytest.mark.parametrize("is_known", [True, False])
def test_a_server_has_to_prove_its_name(
    is_known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over `opensearchs://` the certificate is verified, by the operator's own authority where there is one; the
    password goes to nobody else."""
    certificate = make_certificate(tmp_path, "localhost")
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    heard: list[bytes] = []
    with tls_listener(certificate, heard) as port:
        server = parse_server(f"opensearchs://ida@localhost:{port}/archive", "secret")
        with closing(OpenSearchIndex(server, clock)) as index, pytest.raises(Misconfigured) as caught:
            index.count()
    assert caught.value.field == "HEADRACE_INDEX"
    assert "secret" not in str(caught.value) + caught.value.remedy
    assert any(b"authorization: basic" in each.lower() for each in heard) == is_known


def _request(connection: ssl.SSLSocket) -> bytes:
    """All of it: who hangs up before cuts off the answer."""
    with connection.makefile("rb") as stream:
        head = b"".join(iter(stream.readline, b"\r\n"))
        [length] = re.findall(rb"(?i)content-length: (\d+)", head) or [b"0"]
        return head + stream.read(int(length))


@contextmanager
def tls_listener(certificate: Path, heard: list[bytes]) -> Iterator[int]:
    """A server in TLS that lets nobody in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as connection:
                        heard.append(_request(connection))
                        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                except OSError:
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


# ---------------------------------------------------------------- away


def test_while_opensearch_is_away_all_else_goes_on(tmp_path: Path) -> None:
    """It is stopped in the middle: records are published, read and shown, search says in words what is away, and so
    does the state of the instance. When it is back what was published meanwhile is found, and the index is as the
    catalogue says."""
    node = tmp_path / "node"
    node.mkdir()
    service = opensearch(node)
    port = int(service.url.rpartition(":")[2])
    with open_archive(tmp_path / "home", index=f"opensearch://127.0.0.1:{port}/archive") as archive:
        client = Client(create_app(archive.services))
        with running(service, node / "log", start_seconds=300):
            before = archive.publish(title="Tides before")
            indexer.index(archive.services, [before.id], at_once=True)
            assert found(client) == [before.id]
        meanwhile = archive.publish(title="Tides meanwhile")
        assert client.get(f"/api/records/{meanwhile.id}").status_code == 200
        for path in ("/api/records?q=tides", "/search?q=tides"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
            assert "Search is temporarily unavailable" in answer.text
        health = client.get("/healthz")
        assert (health.status_code, health.json()["parts"]["index"]) == (200, "unavailable")
        assert waiting(archive.services.catalogue) == 1
        with running(opensearch(node, port=port), node / "log", start_seconds=300):
            archive.clock.move(hours=1)
            dispatch.drain(archive.services, [EffectKind.INDEX])
            assert waiting(archive.services.catalogue) == 0
            assert not indexer.verify(archive.services)
            assert found(client) == [meanwhile.id, before.id]


def found(client: Client) -> list[int]:
    hits: Sequence[Any] = client.get("/api/records?q=tides&sort=newest").json()["hits"]["hits"]
    return [hit["id"] for hit in hits]


def waiting(catalogue: Any) -> int:
    with catalogue.read() as tx:
        return sum(one.due for one in outbox.waiting(tx) if one.kind is EffectKind.INDEX)


def test_the_corpus_is_rebuilt_by_the_command_s_use_case(
    opensearch_url: str, alias: str, tmp_path: Path
) -> None:
    """From the catalogue, on OpenSearch as in a folder."""
    with open_archive(tmp_path / "home", index=f"{opensearch_url}/{alias}") as archive:
        published = [archive.publish(title=f"Tides {number}") for number in range(3)]
        archive.services.index.write([CORPUS[0]])
        assert indexer.verify(archive.services).surplus == (1,)
        assert indexer.rebuild(archive.services) == {}
        assert not indexer.verify(archive.services)
        assert archive.services.index.count() == len(published)
