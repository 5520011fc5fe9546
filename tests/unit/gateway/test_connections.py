"""Requests at a server whose connections let bodies pass by the parser."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.connections import _MOST_BUFFERS, Connection, _Buffered
from pipeline.running.loopback import LOOPBACK
from pipeline.store.transfer import MIB

_LARGE = random.Random(1).randbytes(7 * MIB + 3)
_SIZES = (0, 1, 9, 1000, 70_000, MIB, 2 * MIB + 1, len(_LARGE))


async def _application(scope: dict, receive, send) -> None:  # type: ignore[no-untyped-def, type-arg]
    """Answers with the digest of the body: of a `DELETE` without reading it, of a `POST` while it takes its time, of a
    `PATCH` once it has read some MiB. It holds all pieces meanwhile, which what comes behind them must not change."""
    held, more = list[bytes](), scope["method"] != "DELETE"
    came = 0
    while more:
        if scope["method"] == "POST":
            await asyncio.sleep(0.002)
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        assert type(message["body"]) is bytes
        held.append(message["body"])
        came += len(message["body"])
        more = message["more_body"] and not (scope["method"] == "PATCH" and came > 3 * MIB)
    if scope["method"] == "PATCH":
        # What comes meanwhile was asked for, and is not taken.
        asking = asyncio.create_task(receive())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.sleep(0.1)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
    await send({"type": "http.response.body", "body": _digest(b"".join(held))})


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
        st.tuples(st.sampled_from(_SIZES), st.booleans(), st.sampled_from(["PUT", "POST"])),
        min_size=1,
        max_size=3,
    ),
    st.lists(st.integers(0, len(_LARGE)), max_size=12),
)
def test_requests_come_out_as_they_were_sent(
    port: int, requests: list[tuple[int, bool, str]], cuts: list[int]
) -> None:
    """Wherever what is sent is cut, whatever follows on it at once, and however slowly it is taken: each has its own
    body, and no other's."""
    bodies = [_LARGE[:size] for size, _, _ in requests]
    sent = b"".join(
        _put(_LARGE[:size], chunked=chunked, closes=number == len(requests), method=method)
        for number, (size, chunked, method) in enumerate(requests, 1)
    )
    borders = [0, *sorted({cut % len(sent) for cut in cuts}), len(sent)]
    answered = _sent(port, [sent[start:end] for start, end in pairwise(borders)])
    assert [part[-64:] for part in answered.split(b"HTTP/1.1 200 OK")[1:]] == [
        _digest(body) for body in bodies
    ]


def test_a_large_body_comes_whole_in_small_pieces(port: int) -> None:
    """Of which many are there before the one before is taken, or none."""
    request = _put(_LARGE, method="POST", closes=True)
    pieces = [request[start : start + 30_011] for start in range(0, len(request), 30_011)]
    assert _sent(port, pieces).endswith(_digest(_LARGE))


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_a_body_ends_though_it_was_answered_before(port: int, method: str) -> None:
    """What the client sends behind the answer is read past, and the next request is heard."""
    request = _put(_LARGE, method=method)
    answered = _sent(port, [request[:1000], request[1000:70_000], request[70_000:], _put(b"", closes=True)])
    assert answered.count(b"HTTP/1.1 200 OK") == 2
    assert answered.endswith(_digest(b""))


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


def test_buffers_are_given_back(port: int) -> None:
    """By connections that end in the middle of a body as well."""
    head = _put(_LARGE)[: -len(_LARGE)]
    with ExitStack() as stack:
        for _ in range(_MOST_BUFFERS + 2):
            connection = stack.enter_context(socket.create_connection((LOOPBACK, port), timeout=30))
            connection.sendall(head + _LARGE[: 4 * MIB])
        _await(lambda: _Buffered.number == _MOST_BUFFERS)
    _await(lambda: _Buffered.number == 0)


def _await(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
