"""A server of the web with files and with manners: ranges, tags, dates, redirects, and what goes wrong on a bad day."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_PIECE, _PACE, _LONGEST_HOLD = 1 << 20, 0.2, 240.0


@dataclass(frozen=True)
class Manners:
    """How files are served. `breaks_after`: an answer ends after so many bytes, its connection with it."""

    ranges: bool = True
    heads: bool = True
    tags: bool = True
    dates: bool = True
    breaks_after: int = 0
    encoding: str = ""


@dataclass
class WebServer:
    """Files by their paths, decoded; `answers` are given instead of a file, each once, and then the file again. What
    was asked is in `requests` (method, path, headers), how many bytes of a file went out in `handed`. Files in `holds`
    come slowly, and stop after so many bytes until the event."""

    url: str = ""
    manners: Manners = field(default_factory=Manners)
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    answers: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    handed: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    holds: dict[str, tuple[int, threading.Event]] = field(default_factory=dict)

    def put(self, path: str, content: bytes) -> None:
        # Each change has a second of its own, which is what dates can tell.
        self.changes += 1
        self.files[path] = content, 1_700_000_000 + self.changes

    def remove(self, path: str) -> None:
        del self.files[path]


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: WebServer

    def do_HEAD(self) -> None:
        if self.web.manners.heads:
            self._answer(with_body=False)
        else:
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, {})

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        web, path = self.web, unquote(urlsplit(self.path).path)
        web.requests.append(
            (self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        )
        if instead := web.answers.get(path):
            self._say(*instead.pop(0))
        elif path in web.redirects:
            self._say(HTTPStatus.FOUND, {"Location": web.redirects[path]})
        elif path not in web.files:
            self._say(HTTPStatus.NOT_FOUND, {})
        else:
            self._file(*web.files[path], with_body=with_body)

    def _file(self, content: bytes, modified: int, *, with_body: bool) -> None:
        manners = self.web.manners
        headers = {}
        if manners.tags:
            headers["ETag"] = f'"{hashlib.md5(content).hexdigest()}-{modified}"'
        if manners.dates:
            headers["Last-Modified"] = formatdate(modified, usegmt=True)
        if manners.encoding:
            headers["Content-Encoding"] = manners.encoding
        status, start, end = HTTPStatus.OK, 0, len(content)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and manners.ranges and self.headers.get("If-Range", "") in ("", *headers.values()):
            start, end = int(wanted[1]), min(int(wanted[2] or end) + bool(wanted[2]), end)
            if start >= len(content):
                self._say(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{len(content)}"}
                )
                return
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        self._say(status, headers, content[start:end], with_body=with_body)

    def _say(
        self, status: int, headers: dict[str, str], body: bytes = b"", *, with_body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.web.manners.breaks_after or len(body)
        if with_body:
            held, event = self.web.holds.get(urlsplit(self.path).path, (cut, None))
            for start in range(0, min(held, cut), _PIECE):
                self._hand(body[start : min(start + _PIECE, held, cut)])
                if event is not None:
                    event.wait(_PACE)
            if event is not None:
                event.wait(_LONGEST_HOLD)
            self._hand(body[held:cut])
        if with_body and cut < len(body):
            self.close_connection = True

    def _hand(self, piece: bytes) -> None:
        self.wfile.write(piece)
        self.web.handed[unquote(urlsplit(self.path).path)] += len(piece)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients go away in the middle of an answer."""


@contextmanager
def serving() -> Iterator[WebServer]:
    """A server at every address of this machine's loopback, for as long as the block lasts."""
    web = WebServer()
    with _Server(("", 0), type("Request", (_Request,), {"web": web})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        web.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
