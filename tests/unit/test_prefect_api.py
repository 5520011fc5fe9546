"""Whether Prefect answers, asked of real HTTP servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from pipeline.flows import api
from pipeline.running.loopback import LOOPBACK, free_port


class _Guarded(BaseHTTPRequestHandler):
    """Answers who says who he is."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Authorization"] else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def guarded() -> Iterator[str]:
    with ThreadingHTTPServer((LOOPBACK, 0), _Guarded) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_port}/api"
        server.shutdown()
        thread.join()


def test_a_server_that_asks_who_one_is_is_told(guarded: str) -> None:
    """The question is put as Prefect puts its own, credentials and all; without them the server does not answer."""
    with temporary_settings({PREFECT_API_URL: guarded, PREFECT_API_AUTH_STRING: "admin:secret"}):
        assert api.answers()
    with temporary_settings({PREFECT_API_URL: guarded}, restore_defaults={PREFECT_API_AUTH_STRING}):
        assert "401" in str(api.failure())


@pytest.mark.parametrize("url", ["http://{LOOPBACK}:{port}/api", "prefect"])
def test_a_server_that_is_not_there_does_not_answer(url: str) -> None:
    """Nor does one whose address is none."""
    with temporary_settings({PREFECT_API_URL: url.format(LOOPBACK=LOOPBACK, port=free_port())}):
        assert not api.answers()
