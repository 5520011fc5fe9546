"""A run's page in Prefect, beside a server that does not go on."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from prefect.client.orchestration import get_client
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
from pipeline.running.loopback import LOOPBACK, http_url
from tests.web_server import WebServer

PATIENCE = 60.0
AWAY = "the Prefect server does not answer; the work goes on"
REFUSED = "Prefect cannot be told something, and does without; the work goes on"


class _Stuck(ThreadingHTTPServer):
    """Says that it is well, lets everything else wait, and knows of nothing then."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Asked)
        self.let_go = threading.Event()
        self.asked = threading.Event()
        self.paths: list[str] = []
        self.artifacts: list[str] = []  # keys of those that it was to make


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

    def do_POST(self) -> None:
        self.server.artifacts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["key"])
        self.do_GET()

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


def answered() -> None:
    with get_client(sync_client=True) as client:
        client.api_version()


def cut_off() -> None:
    raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


def late() -> None:
    raise httpx.ReadTimeout("timed out")


@pytest.mark.parametrize(
    ("status", "failing"),
    [(500, answered), (503, answered), (429, answered), (0, cut_off), (0, late)],
    ids=["500", "503", "429", "cut-off", "late"],
)
def test_what_prefect_fails_to_hear_while_it_is_well_is_told_again(
    status: int, failing: Callable[[], None], brief: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    """One that has too much to do, or has only just come back, says that it is well and fails a call: nothing is lost,
    and what comes after waits its turn."""
    brief.put("/api/admin/version", b'"3.0.0"')
    if status:
        # As often as Prefect's own client asks.
        asked_each = 1 if status == 500 else 3
        brief.answers["/api/admin/version"] = [(status, {"Retry-After": "0.01"})] * asked_each
    told: list[str] = []
    tries = iter([failing])

    def call() -> None:
        next(tries, answered)()
        told.append("it")

    with RunPage(None, lambda: None) as page:
        page.show(call)
        page.show(lambda: told.append("what comes after"))
        page.wait(PATIENCE, lambda: False)
    assert told == ["it", "what comes after"]
    assert caplog.messages.count(AWAY) == 1
    assert REFUSED not in caplog.messages


def test_what_prefect_refuses_keeps_nothing_else_from_it(
    brief: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A call that would fail again is not made again, and is told with its trace."""
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
    [record] = [one for one in caplog.records if one.message == REFUSED]
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError


@pytest.mark.filterwarnings("ignore:Artifact creation outside:FutureWarning")  # of no flow run
def test_what_prefect_refuses_at_every_look_is_said_once(
    stuck: _Stuck, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a server that makes no artifacts: each is asked for again, but told of once, and keeps no other from being
    asked for."""
    stuck.let_go.set()
    with RunPage(Progress(), lambda: None) as page:
        page.begin_stage("survey", lambda: "")
        page.look()
        page.look()
        page.wait(PATIENCE, lambda: False)
    assert stuck.artifacts.count("progress") > 1
    assert stuck.artifacts.count("stages") > 1
    assert caplog.messages.count(REFUSED) == 2
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
