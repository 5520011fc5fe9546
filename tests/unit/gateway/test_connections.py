"""Requests at a server whose connections let bodies pass by the parser."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

import pytest
import uvicorn
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http import connections
from gateway.http.connections import Connection
from gateway.http.receiving import Receivers
from pipeline import refusals
from pipeline.errors import Rejected
from pipeline.running.loopback import LOOPBACK
from pipeline.store.transfer import MIB

_LARGE = random.Random(1).randbytes(7 * MIB + 3)
_SIZES = (0, 1, 9, 1000, 70_000, MIB, 2 * MIB + 1, len(_LARGE))


_RECEIVERS = Receivers()
_ENOUGH = 3 * MIB


async def _application(scope: dict, receive, send) -> None:  # type: ignore[no-untyped-def, type-arg]
    """Answers with the digest of what it takes of the body: all, in `PUT` in a thread, in `POST` as it comes, both of
    which are slow about it in `LOCK` and `LINK`; some MiB in `MOVE` in a thread, and in `PATCH` as they come; nothing
    in `DELETE`. It holds all pieces meanwhile, which what comes behind them must not change. `BREW` has the body read
    by the event loop while a thread is at it."""
    method, held = scope["method"], list[bytes]()

    def take(blocks: Iterator[bytes]) -> None:
        for block in blocks:
            assert type(block) is bytes
            held.append(block)
            if method == "MOVE" and sum(map(len, held)) > _ENOUGH:
                break
            if method == "BREW":
                asyncio.run_coroutine_threadsafe(receive(), loop).result(30)
            if method == "LOCK":
                time.sleep(0.002)

    loop = asyncio.get_running_loop()
    try:
        if method in ("PUT", "LOCK", "MOVE", "BREW"):
            await _RECEIVERS.take(Request(scope, receive), take)
        elif method != "DELETE" and not await _taken(method, receive, held):
            return
    except Rejected as refused:
        held = [refused.message.encode()]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
    await send({"type": "http.response.body", "body": _digest(b"".join(held))})


async def _taken(method: str, receive, held: list[bytes]) -> bool:  # type: ignore[no-untyped-def]
    """Whether the client was there to the end."""
    more = True
    while more:
        if method == "LINK":
            await asyncio.sleep(0.002)
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        assert type(message["body"]) is bytes
        held.append(message["body"])
        more = message["more_body"] and not (method == "PATCH" and sum(map(len, held)) > _ENOUGH)
    if method == "PATCH":
        # What comes meanwhile was asked for, and is not taken.
        asking = asyncio.create_task(receive())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.sleep(0.1)
    return True


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
        st.tuples(st.sampled_from(_SIZES), st.booleans(), st.sampled_from(["PUT", "POST", "LOCK", "LINK"])),
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


@pytest.mark.parametrize("method", ["LOCK", "LINK"])
def test_a_large_body_comes_whole_in_small_pieces(port: int, method: str) -> None:
    """Of which many are there before the one before is taken, or none."""
    request = _put(_LARGE, method=method, closes=True)
    pieces = [request[start : start + 30_011] for start in range(0, len(request), 30_011)]
    assert _sent(port, pieces).endswith(_digest(_LARGE))


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "MOVE"])
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


def test_who_stops_for_a_while_is_waited_for(port: int) -> None:
    """In the middle of what a thread reads, with less at hand than is worth waking it for, and more behind it."""
    request = _put(_LARGE, closes=True)
    with socket.create_connection((LOOPBACK, port), timeout=30) as connection:
        for piece in (request[: 4 * MIB], request[4 * MIB : -5]):
            connection.sendall(piece)
            time.sleep(1.5)
        connection.sendall(request[-5:])
        answered = b""
        while came := connection.recv(1 << 16):
            answered += came
    assert answered.endswith(_digest(_LARGE))


def test_who_falls_silent_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of what a thread reads."""
    monkeypatch.setattr(connections, "SILENCE", 0.1)
    assert _digest(b"Nothing came for 0 seconds.") in _cut(port, "PUT", ends=False)


def test_a_client_that_goes_away_is_noticed(port: int) -> None:
    """In the middle of what a thread reads. It may still hear what is answered."""
    assert _digest(refusals.transfer_failed().message.encode()) in _cut(port, "PUT", ends=True)


def test_a_body_that_two_are_reading_is_nobodys(port: int) -> None:
    """The event loop has a piece of what a thread reads: the connection ends, and nothing counts as come."""
    assert _cut(port, "BREW", ends=False) == b""


def _cut(port: int, method: str, *, ends: bool) -> bytes:
    """What is answered to some MiB of a larger body."""
    answered = b""
    with socket.create_connection((LOOPBACK, port), timeout=30) as connection, suppress(ConnectionError):
        connection.sendall(_put(_LARGE, method=method)[: 4 * MIB])
        if ends:
            connection.shutdown(socket.SHUT_WR)
        while len(answered) < 64 and (came := connection.recv(1 << 16)):
            answered += came
    return answered
