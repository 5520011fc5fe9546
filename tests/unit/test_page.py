"""A run's page in Prefect, beside a server that does not go on."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED, temporary_settings
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Failed,
    Paused,
    Pending,
    Running,
    Suspended,
)

from pipeline.flows.page import Asked, RunPage, asked
from pipeline.flows.progress import Progress
from pipeline.loopback import LOOPBACK, http_url

PATIENCE = 60.0


class _Stuck(ThreadingHTTPServer):
    """Says that it is well, and lets everything else wait."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Asked)
        self.let_go = threading.Event()
        self.asked = threading.Event()
        self.paths: list[str] = []


class _Asked(BaseHTTPRequestHandler):
    server: _Stuck

    def do_GET(self) -> None:
        if not self.path.endswith("/health"):
            self.server.paths.append(self.path)
            self.server.asked.set()
            self.server.let_go.wait(PATIENCE)
        self.send_response(200 if self.path.endswith("/health") else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stuck() -> Iterator[_Stuck]:
    with _Stuck() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"{http_url(server.server_port)}/api"
        with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False}):
            yield server
        server.let_go.set()
        server.shutdown()
        thread.join()


def test_a_page_that_is_stuck_keeps_nobody(stuck: _Stuck) -> None:
    """The work tells what there is to tell while Prefect holds on to a call, and goes on; Prefect hears it once it
    goes on, too."""
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    with RunPage(Progress(), lambda: None) as page:
        page.bury(first)
        assert stuck.asked.wait(PATIENCE)
        page.bury(second)
        page.look()
        page.wait(0.0, lambda: False)
        assert not any(second in path for path in stuck.paths)
        stuck.let_go.set()
        page.wait(PATIENCE, lambda: False)
    assert any(second in path for path in stuck.paths)


@pytest.mark.parametrize(
    ("state", "meant"),
    [
        (None, Asked.GO_ON),
        (Running(), Asked.GO_ON),
        (Pending(), Asked.GO_ON),
        (Paused(), Asked.PAUSE),
        (Suspended(), Asked.LEAVE),
        (AwaitingRetry(), Asked.LEAVE),
        (Cancelling(), Asked.STOP),
        (Cancelled(), Asked.STOP),
        (Failed(), Asked.STOP),
        (Completed(), Asked.STOP),
    ],
    ids=str,
)
def test_what_a_state_asks_of_the_process_that_works_on_the_run(
    state: State[object] | None, meant: Asked
) -> None:
    """It rests where it is paused, leaves where another process is to go on, and stops where the run is over."""
    assert asked(state) is meant
