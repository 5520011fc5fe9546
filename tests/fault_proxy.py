"""A proxy before an S3 server that does what networks and servers do on a bad day, by lot, and keeps account of it.

Requests pass as they came, byte for byte: what a client signed (its `Host` included, which is the proxy's) stays true,
and each is sent on a connection of its own, so that the store sees each request whole or not at all.
"""

from __future__ import annotations

import random
import re
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedReader
from urllib.parse import urlsplit

LATENCY_SECONDS = 0.5

_BLOCK = 1 << 16
_LONGEST_LINE = 1 << 16
_ETAG = re.compile(rb"(?i)(etag(?:: |>)(?:\"|&quot;|&#34;)?)([0-9a-f]{32})")
_FLIPPED = bytes.maketrans(b"0123456789abcdef", b"123456789abcdef0")


class Kind(StrEnum):
    """What may befall a request."""

    ERROR = "500 InternalError, nothing done"
    SLOW_DOWN = "503 SlowDown, nothing done"
    RESET_BEFORE = "connection reset, the store saw nothing"
    RESET_AFTER = "connection reset, the store has done it"
    TRUNCATED = "the answer's body ends half-way"
    WRONG_ETAG = "the answer has another ETag"
    LATENCY = "the answer comes late"


_REFUSALS = {
    Kind.ERROR: ("500 Internal Server Error", "InternalError"),
    Kind.SLOW_DOWN: ("503 Slow Down", "SlowDown"),
}


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that truly happened. `status` is what the store had answered, 0 where it was not asked."""

    kind: Kind
    method: str
    target: str
    status: int = 0


class FaultProxy:
    """Draws the faults of requests in the order in which they come, and remembers those that happened."""

    def __init__(self, seed: int, rate: float, kinds: Collection[Kind]) -> None:
        self.url = ""
        self._random = random.Random(seed)
        self._rate = rate
        self._kinds = sorted(kinds)
        self._waiting = self._random.sample(self._kinds, len(self._kinds))
        self._injected: list[Injected] = []
        self.requests = 0
        self._lock = threading.Lock()
        self._certain: list[tuple[str, str, Kind]] = []

    @property
    def injected(self) -> list[Injected]:
        with self._lock:
            return list(self._injected)

    def counts(self) -> Counter[Kind]:
        """How often each kind happened."""
        return Counter(one.kind for one in self.injected)

    def befall(self, method: str, query: str, kind: Kind) -> None:
        """The next request of this method and this query meets a fault for certain."""
        with self._lock:
            self._certain.append((method, query, kind))

    def draw(self, method: str, target: str) -> Kind | None:
        """What shall befall the next request. Kinds come as from a pack of cards, and one that did not truly happen
        (an answer without a body cannot be cut short) goes back below the others."""
        with self._lock:
            self.requests += 1
            for one in self._certain:
                if one[:2] == (method, urlsplit(target).query):
                    self._certain.remove(one)
                    return one[2]
            if self._random.random() >= self._rate:
                return None
            meetable = [kind for kind in self._kinds if _can_meet(method, kind)]
            if not set(meetable) & set(self._waiting):
                self._waiting += self._random.sample(meetable, len(meetable))
            kind = next((kind for kind in self._waiting if kind in meetable), None)
            if kind is not None:
                self._waiting.remove(kind)
                self._waiting.append(kind)
            return kind

    def note(self, injected: Injected) -> None:
        with self._lock:
            self._injected.append(injected)
            if injected.kind in self._waiting:
                self._waiting.remove(injected.kind)


def _can_meet(method: str, kind: Kind) -> bool:
    match kind:
        case Kind.TRUNCATED:
            return method in ("GET", "POST")
        case Kind.WRONG_ETAG:
            return method != "DELETE"
    return True


@contextmanager
def fault_proxy(
    upstream: str, seed: int, *, rate: float = 0.1, kinds: Collection[Kind] = tuple(Kind)
) -> Iterator[FaultProxy]:
    """Run a proxy before the server at the URL `upstream`, on a free port; `url` of what it yields is its own. Of the
    requests a share of `rate` meets a fault; the same seed gives the same faults for the same order of requests."""
    plan = FaultProxy(seed, rate, kinds)
    address = urlsplit(upstream)
    with _Server(plan, (str(address.hostname), int(address.port or 80))) as server:
        plan.url = f"http://127.0.0.1:{server.server_address[1]}"
        acceptor = threading.Thread(target=server.serve_forever, args=[0.05], name="fault-proxy")
        acceptor.start()
        try:
            yield plan
        finally:
            server.shutdown()
            acceptor.join()
            server.hang_up()


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128

    def __init__(self, plan: FaultProxy, upstream: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.plan, self.upstream = plan, upstream
        self.connections: set[socket.socket] = set()

    def hang_up(self) -> None:
        """End the connections that clients keep open; closing the server waits for their threads."""
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        # Called where an error is being handled: what the proxy itself does wrong ends its thread, and the test.
        raise


@dataclass(frozen=True, slots=True)
class _Head:
    """The first line of a message, and its headers by lower-case name."""

    raw: bytes
    start: list[str]
    headers: dict[str, str]


class _Cut(Exception):
    """The other side hung up in the middle of a message."""


class _Connection(socketserver.BaseRequestHandler):
    """One client's connection: request after request until either side has enough."""

    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.server.connections.add(self.request)
        try:
            with self.request.makefile("rb") as stream:
                while self._exchange(stream):
                    pass
        except (OSError, _Cut):
            _reset(self.request)
        finally:
            self.server.connections.discard(self.request)

    def _exchange(self, stream: BufferedReader) -> bool:
        head = _head(stream)
        if head is None:
            return False
        method = head.start[0]
        kind = self.server.plan.draw(method, head.start[1])
        if kind is Kind.RESET_BEFORE:
            self._injected(kind, head)
            stream.close()
            _reset(self.request)
            return False
        if head.headers.get("expect", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _framed(stream, head.headers)
        if kind in _REFUSALS:
            for _ in body:
                pass
            self._injected(kind, head)
            self.request.sendall(_refusal(kind, with_body=method != "HEAD"))
            return True
        if kind is Kind.LATENCY:
            self._injected(kind, head)
            time.sleep(LATENCY_SECONDS)
        with closing(socket.create_connection(self.server.upstream)) as store:
            _send(store, head.raw, body)
            with store.makefile("rb") as answers:
                return self._answer(stream, head, answers, kind)

    def _answer(
        self, stream: BufferedReader, asked: _Head, answers: BufferedReader, kind: Kind | None
    ) -> bool:
        answer = _head(answers)
        while answer is not None and answer.start[1] == "100":
            answer = _head(answers)
        if answer is None:
            raise _Cut
        status = int(answer.start[1])
        bodyless = asked.start[0] == "HEAD" or status in (204, 304)
        body = iter(()) if bodyless else _framed(answers, answer.headers, until_end=True)
        if kind is Kind.RESET_AFTER:
            for _ in body:
                pass
            self._injected(kind, asked, status)
            stream.close()
            _reset(self.request)
            return False
        length = int(answer.headers.get("content-length", "0"))
        if kind is Kind.TRUNCATED and length > 1:
            whole = b"".join(body)
            self._injected(kind, asked, status)
            self.request.sendall(answer.raw + whole[: length // 2])
            return False
        if kind is Kind.WRONG_ETAG:
            self._send_with_wrong_etag(asked, answer, body, status)
        else:
            self.request.sendall(answer.raw)
            for block in body:
                self.request.sendall(block)
        return answer.headers.get("connection", "").lower() != "close"

    def _send_with_wrong_etag(self, asked: _Head, answer: _Head, body: Iterator[bytes], status: int) -> None:
        head = _other_etags(answer.raw)
        whole = b"".join(body)
        shown = _other_etags(whole) if "xml" in answer.headers.get("content-type", "") else whole
        if (head, shown) != (answer.raw, whole):
            self._injected(Kind.WRONG_ETAG, asked, status)
        self.request.sendall(head + shown)

    def _injected(self, kind: Kind, head: _Head, status: int = 0) -> None:
        self.server.plan.note(Injected(kind, head.start[0], head.start[1], status))


def _head(stream: BufferedReader) -> _Head | None:
    """The next message up to its body; None at the end of the stream."""
    lines = []
    while (line := stream.readline(_LONGEST_LINE)) not in (b"\r\n", b""):
        lines.append(line)
    if not lines:
        return None
    if not line:
        raise _Cut
    named = (text.decode("latin-1").partition(":") for text in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in named}
    return _Head(b"".join(lines) + line, lines[0].decode("latin-1").split(maxsplit=2), headers)


def _framed(stream: BufferedReader, headers: dict[str, str], *, until_end: bool = False) -> Iterator[bytes]:
    """The message's body as it travels, chunk sizes and trailers included (RFC 9112 §6)."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        yield from _chunks(stream)
    elif "content-length" in headers:
        yield from _exactly(stream, int(headers["content-length"]))
    elif until_end:
        while block := stream.read1(_BLOCK):
            yield block


def _chunks(stream: BufferedReader) -> Iterator[bytes]:
    size = -1
    while size != 0:
        line = stream.readline(_LONGEST_LINE)
        if not line:
            raise _Cut
        size = int(line.partition(b";")[0], 16)
        yield line
        if size:
            yield from _exactly(stream, size + len(b"\r\n"))
    while True:  # trailers, then an empty line
        line = stream.readline(_LONGEST_LINE)
        if not line:
            raise _Cut
        yield line
        if line == b"\r\n":
            return


def _exactly(stream: BufferedReader, size: int) -> Iterator[bytes]:
    while size:
        block = stream.read1(min(size, _BLOCK))
        if not block:
            raise _Cut
        size -= len(block)
        yield block


def _send(store: socket.socket, head: bytes, body: Iterator[bytes]) -> None:
    store.sendall(head)
    for block in body:
        # A server may answer, and hang up, before it has read everything: then its answer is what counts, and the
        # rest of the request is read all the same, so that the client sees the answer as well.
        with suppress(BrokenPipeError, ConnectionResetError):
            store.sendall(block)


def _refusal(kind: Kind, *, with_body: bool) -> bytes:
    status, code = _REFUSALS[kind]
    xml = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>drawn by lot</Message></Error>'
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(xml)}\r\n\r\n"
    return (head + xml if with_body else head).encode()


def _other_etags(message: bytes) -> bytes:
    """The same number of bytes with every ETag another."""
    return _ETAG.sub(lambda found: found[1] + found[2].lower().translate(_FLIPPED), message)


def _reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
