"""A server that speaks as much of S3 as a store needs for small objects, and does with each write what a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import urlsplit

Answers: TypeAlias = Callable[[Mapping[str, str], bytes], tuple[int, str]]
"""Headers and body of a write to HTTP status and code; 200 takes it."""

_EMPTY = "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"
_ETAG = {"ETag": '"0123456789abcdef0123456789abcdef"'}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers: Answers) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.answers = answers
        self.objects: dict[str, bytes] = {}


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status, code = self.server.answers(self.headers, body)
        if status == HTTPStatus.OK:
            self.server.objects[self.path] = body
        self._answer(status, f"<Error><Code>{code}</Code></Error>" if code else "")

    def do_GET(self) -> None:
        if urlsplit(self.path).query.startswith("list-type"):
            self._answer(HTTPStatus.OK, _EMPTY)
        elif self.path in self.server.objects:
            self._answer(HTTPStatus.OK, self.server.objects[self.path].decode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        for name, value in {**_ETAG, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def lesser_s3(answers: Answers) -> Iterator[str]:
    """The URL of such a server, while the block runs."""
    with _Server(answers) as server:
        acceptor = threading.Thread(target=server.serve_forever, args=[0.05], name="lesser-s3")
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            acceptor.join()
