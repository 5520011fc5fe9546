"""A server between us and OpenSearch, which can be told to answer something else, or nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

ALL, ODD = "all", "odd"


class Front(ThreadingHTTPServer):
    """Answers bulk requests as a server with too much to do, as often as `refuse` says; says that it is of `version`,
    `instead` (with its type) of all else, and nothing while it does not `speak`. What is left it passes on; the
    answer to a request whose line has the next of `lost` in it is lost."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Front)
        self.upstream = upstream
        self.url = f"opensearch://127.0.0.1:{self.server_address[1]}"
        self.refuse: list[str] = []
        self.sent: list[list[int]] = []
        self.version: dict[str, str] = {}
        self.instead: tuple[bytes, str] | None = None
        self.lost: list[str] = []
        self.speak = threading.Event()
        self.speak.set()


class _Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def do_ANY(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.speak.wait()
        if self.server.instead is not None:
            return self._send(200, *self.server.instead)
        is_bulk = "_bulk" in self.path
        refusal = self.server.refuse.pop(0) if is_bulk and self.server.refuse else ""
        lines = body.splitlines(keepends=True)
        ids = [int(json.loads(line)["index"]["_id"]) for line in lines[::2]] if is_bulk else []
        if is_bulk:
            self.server.sent.append(ids)
        if self.path == "/" and self.server.version:
            return self._answer(200, {"version": self.server.version})
        if refusal == ALL:
            return self._answer(429, {"error": {"type": "rejected_execution", "root_cause": []}})
        if refusal == ODD:
            kept = [n for n, id_ in enumerate(ids) if id_ % 2 == 0]
            body = b"".join(line for n in kept for line in lines[2 * n : 2 * n + 2])
        answer = httpx.request(
            self.command,
            self.server.upstream + self.path,
            content=body,
            headers={"Content-Type": self.headers.get("Content-Type", "application/json")},
            timeout=60,
            trust_env=False,
        )
        if self.server.lost and self.server.lost[0] in self.requestline:
            del self.server.lost[0]
            self.close_connection = True
            return None
        found = answer.json()
        if refusal == ODD:
            busy = {"type": "rejected_execution_exception", "reason": "too much to do"}
            items = [{"index": {"_id": str(n), "status": 429, "error": busy}} for n in ids if n % 2]
            found = {"errors": True, "items": items}
        return self._answer(answer.status_code, found)

    do_GET = do_POST = do_PUT = do_DELETE = do_ANY  # noqa: N815

    def _answer(self, status: int, body: Any) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def front(upstream: str) -> Iterator[Front]:
    with Front(upstream) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.speak.set()
            server.shutdown()
            thread.join()
