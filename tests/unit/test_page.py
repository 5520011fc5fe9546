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
from tests.web_server import WebServer

PATIENCE = 60.0
AWAY = "the Prefect server does not answer; the work goes on"


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


@pytest.fixture
def brief(web_server: WebServer) -> Iterator[WebServer]:
    """A server that says that it is well as long as it has the file that says so."""
    web_server.put("/api/health", b"true")
    with temporary_settings({PREFECT_API_URL: f"{web_server.url}/api"}):
        yield web_server


def test_what_prefect_could_not_be_told_is_told_when_it_is_back(
    brief: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that dies of a call, and answers again when somebody has started it: that is said and seen to, the run
    waits, and the call is made once more."""
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            brief.remove("/api/health")
            raise ConnectionResetError

    with RunPage(None, lambda: brief.put("/api/health", b"true")) as page:
        page.show(call)
        page.wait(PATIENCE, lambda: False)
        assert calls == 2
    assert caplog.messages.count(AWAY) == 1


def test_what_prefect_refuses_keeps_nothing_else_from_it(
    brief: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A call that fails while the server answers is not made again."""
    calls: list[str] = []

    def refused() -> None:
        calls.append("refused")
        raise ValueError

    with RunPage(None, lambda: None) as page:
        page.show(refused)
        page.show(lambda: calls.append("taken"))
        page.wait(PATIENCE, lambda: False)
    assert calls == ["refused", "taken"]
    assert AWAY not in caplog.messages


def test_a_server_that_does_not_answer_to_the_end_is_told(
    stuck: _Stuck, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the page is still waiting for its answer when the run's patience is over."""
    with RunPage(None, lambda: None) as page:
        page.bury(str(uuid.uuid4()))
        assert stuck.asked.wait(PATIENCE)
        page.wait(0.0, lambda: False)
        assert caplog.messages.count(AWAY) == 1
        stuck.let_go.set()
        page.wait(PATIENCE, lambda: False)


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
