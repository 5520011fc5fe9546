"""Requests at a server whose connections let bodies pass by the parser."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.connections import Connection
from pipeline.running.loopback import LOOPBACK

_LARGE = bytes(range(256)) * 4096


async def _application(scope: dict, receive, send) -> None:  # type: ignore[no-untyped-def, type-arg]
    """Answers with the digest of the body; of a `DELETE` without reading it."""
    digest, more = hashlib.sha256(), scope["method"] != "DELETE"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        assert type(message["body"]) is bytes
        digest.update(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
    await send({"type": "http.response.body", "body": digest.hexdigest().encode()})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server((LOOPBACK, 0))
    config = uvicorn.Config(
        _application,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


def _sent(port: int, pieces: Sequence[bytes]) -> bytes:
    """All that is answered to what is sent piece by piece, the last request of which closes."""
    with socket.create_connection((LOOPBACK, port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.001)
        answered = b""
        while came := connection.recv(1 << 16):
            answered += came
    return answered


def _put(body: bytes, *, closes: bool = False, chunked: bool = False, method: str = "PUT") -> bytes:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    close = "Connection: close\r\n" if closes else ""
    head = f"{method} / HTTP/1.1\r\nHost: x\r\n{framing}\r\n{close}\r\n".encode()
    if not chunked:
        return head + body
    return head + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 9, 1000, 70_000, len(_LARGE)]), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.integers(0, 1 << 20), max_size=8),
)
def test_requests_come_out_as_they_were_sent(
    port: int, requests: list[tuple[int, bool]], cuts: list[int]
) -> None:
    """Wherever what is sent is cut, and whatever follows on it at once: each has its own body, and no other's."""
    bodies = [_LARGE[:size] for size, _ in requests]
    sent = b"".join(
        _put(body, chunked=chunked, closes=number == len(bodies))
        for number, (body, (_, chunked)) in enumerate(zip(bodies, requests, strict=True), 1)
    )
    borders = [0, *sorted({cut % len(sent) for cut in cuts}), len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(borders)]
    answered = _sent(port, pieces)
    assert answered.count(b"HTTP/1.1 200 OK") == len(bodies)
    assert [part[-64:] for part in answered.split(b"HTTP/1.1 200 OK")[1:]] == [
        _digest(body) for body in bodies
    ]


def test_a_body_that_nobody_asked_for_ends_with_its_answer(port: int) -> None:
    """What the client sends behind the answer is read past, and the next request is heard."""
    request = _put(_LARGE, method="DELETE")
    answered = _sent(port, [request[:1000], request[1000:70_000], request[70_000:], _put(b"", closes=True)])
    assert [part[-64:] for part in answered.split(b"HTTP/1.1 200 OK")[1:]] == [_digest(b""), _digest(b"")]


def test_a_client_is_asked_for_the_body_that_it_waits_to_send(port: int) -> None:
    head, body = _put(_LARGE, closes=True)[: -len(_LARGE)], _LARGE
    head = head[:-2] + b"Expect: 100-continue\r\n\r\n"
    with socket.create_connection((LOOPBACK, port), timeout=30) as connection:
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        answered = b""
        while came := connection.recv(1 << 16):
            answered += came
    assert answered.endswith(_digest(body))
