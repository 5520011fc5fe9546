"""The standing Prefect server of an instance, with real servers and real commands."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pipeline.errors import Misconfigured, Unavailable
from pipeline.flows import server as server_module
from pipeline.flows.server import (
    PrefectServer,
    flow_environment,
    require_authentication,
    standing_server,
)
from pipeline.flows.server_files import ServerFiles
from pipeline.running import processes

COMMAND = """
import json, sys
from pathlib import Path
from pipeline.flows.server import standing_server
with standing_server(Path(sys.argv[1])) as server:
    assert "prefect" not in sys.modules
    print(json.dumps([server.api_url, server.pid]), flush=True)
    sys.stdin.read()
"""
FLOW = """
import json
from prefect import flow, get_run_logger, task
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_HOME
@task
def double(number):
    return 2 * number
@flow
def quadruple(number):
    get_run_logger().info("told the page, not the terminal")
    return double(double(number))
result = quadruple(3)
runs = get_client(sync_client=True).read_flow_runs()
print(json.dumps([result, str(PREFECT_HOME.value()), [run.state_name for run in runs]]))
"""
WATCHER = """
import sys
from pathlib import Path
from pipeline.flows import server_process
from pipeline.flows.server_files import ServerFiles
server_process.IDLE = 1.0
print("watching", flush=True)
server_process.end_when_unused(ServerFiles(Path(sys.argv[1])))
"""

OWN = PrefectServer("http://127.0.0.1:4200/api", "http://127.0.0.1:4200", 1)


@pytest.fixture(scope="module", autouse=True)
def _no_server_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        yield


@pytest.fixture
def home(home_with_prefect: Path) -> Path:
    """An instance of the test's own, whose server does not run."""
    return home_with_prefect


@pytest.fixture(scope="module")
def served(
    prefect_files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, PrefectServer]]:
    """An instance with its server, for tests that leave it running."""
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(prefect_files, home / "prefect")
    with standing_server(home) as running:
        yield home, running


@pytest.fixture
def server(served: tuple[Path, PrefectServer]) -> PrefectServer:
    return served[1]


@dataclass
class Command:
    """A command that uses the server until it is told to leave."""

    process: subprocess.Popen[str]

    def server(self) -> tuple[str, int]:
        """API URL and process id of the server it got; waits for them."""
        api_url, pid = json.loads(self.said())
        return api_url, pid

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0


@contextmanager
def command(home: Path, code: str = COMMAND) -> Iterator[Command]:
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=processes.environment({}),
    ) as process:
        try:
            yield Command(process)
        finally:
            process.kill()


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def answer(url: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as response:
        return response.status, response.read().decode()


# ------------------------------------------------------------ one server for all commands


def test_commands_share_a_server_and_the_last_one_stops_it(home: Path) -> None:
    """Commands that start at once get one server; it outlives the first to leave and a `kill -9`, serves the
    next command, and is gone when the last has left."""
    with command(home) as first, command(home) as second:
        shared = first.server()
        assert second.server() == shared
        url, pid = shared
        first.leave()
        assert answer(f"{url}/health") == (200, "true")
        second.process.kill()
        second.process.wait()
        with command(home) as third:
            assert third.server() == shared
            assert answer(f"{url}/health") == (200, "true")
            third.leave()
        assert not alive(pid)


def test_a_new_server_has_the_old_address(home: Path) -> None:
    """A server that was killed is replaced by the next command, at the same address."""
    with standing_server(home) as before:
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda: not ServerFiles(home).is_alive())
        with standing_server(home) as after:
            assert after.pid != before.pid
            assert (after.api_url, after.ui_url) == (before.api_url, before.ui_url)
            assert answer(f"{after.api_url}/health") == (200, "true")


def test_a_server_that_cannot_start_is_unavailable(tmp_path: Path) -> None:
    """When the server ends instead of starting, the error names its log; nothing stays behind."""
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "prefect.db").write_text("this is no database " * 1000)
    with pytest.raises(Unavailable) as failure, standing_server(tmp_path):
        pytest.fail("there is no server")
    assert "not a database" in (tmp_path / "logs" / "prefect-server.log").read_text()
    assert "prefect-server.log" in failure.value.remedy
    assert not ServerFiles(tmp_path).is_alive()


def test_a_server_that_does_not_answer_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not ready in time is stopped, and the error says so."""
    monkeypatch.setattr(server_module, "START_TIMEOUT", 1.0)
    with pytest.raises(Unavailable), standing_server(tmp_path):
        pytest.fail("there is no server yet")
    assert not ServerFiles(tmp_path).is_alive()


# ------------------------------------------------------------ the server


def test_it_serves_api_and_ui(server: PrefectServer) -> None:
    """The API and the pages for people answer."""
    assert answer(f"{server.api_url}/health") == (200, "true")
    status, page = answer(server.ui_url)
    assert status == 200
    assert "<title>Prefect" in page


def test_it_speaks_to_nobody_outside(server: PrefectServer) -> None:
    """It listens on the loopback interface only, has no connection elsewhere, and sends no usage data."""
    assert server.pid is not None
    answer(server.ui_url)
    connections = psutil.Process(server.pid).net_connections()
    assert connections
    assert {connection.laddr.ip for connection in connections} == {"127.0.0.1"}
    settings = json.loads(answer(f"{server.api_url}/admin/settings")[1])
    assert settings["server"]["analytics_enabled"] is False
    assert settings["server"]["ui"]["show_promotional_content"] is False


def test_flows_run_on_it_and_all_files_stay_inside(
    served: tuple[Path, PrefectServer], tmp_path: Path
) -> None:
    """With `flow_environment` a flow runs on the server, writes only below the instance's home, and tells the
    terminal nothing."""
    home, server = served
    environment = processes.environment({**flow_environment(server, home), "HOME": str(tmp_path)})
    done = subprocess.run(
        [sys.executable, "-c", FLOW],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert json.loads(done.stdout) == [12, str(home / "prefect"), ["Completed"]]
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
    assert (home / "prefect" / "prefect.db").exists()


def test_flows_can_be_imported_while_it_starts(served: tuple[Path, PrefectServer]) -> None:
    """`meanwhile` is called once, with the URLs, before the block is entered."""
    called: list[PrefectServer] = []
    with standing_server(served[0], meanwhile=called.append) as running:
        assert called == [running]


def test_an_error_while_it_starts_stops_it(home: Path) -> None:
    """When `meanwhile` fails its error is raised, and no server stays behind."""

    def fail(_: PrefectServer) -> None:
        raise ImportError("flows")

    with pytest.raises(ImportError, match="flows"), standing_server(home, meanwhile=fail):
        pytest.fail("the flows are missing")
    assert not ServerFiles(home).is_alive()


def test_no_proxy_stands_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is reached directly in places where the environment names a proxy."""
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("no_proxy", raising=False)
    environment = flow_environment(OWN, tmp_path)
    assert environment["NO_PROXY"] == environment["no_proxy"] == "example.org,127.0.0.1"


# ------------------------------------------------------------ somebody else's server


def test_a_server_named_in_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `PREFECT_API_URL` set nothing is started or written, and the user's own profile is in force."""
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.org/api")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "user:secret")
    called: list[PrefectServer] = []
    with standing_server(tmp_path, meanwhile=called.append) as server:
        assert server == PrefectServer("https://prefect.example.org/api", "https://prefect.example.org", None)
        assert called == [server]
        environment = flow_environment(server, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert environment["PREFECT_API_URL"] == "https://prefect.example.org/api"
    assert "PREFECT_HOME" not in environment


def test_a_server_that_asks_nobody_who_he_is_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond this machine Prefect's API needs a credential of ours, for whoever reaches it starts flows."""
    for name in ("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example.org:4200/api")
    with pytest.raises(Misconfigured) as refused, standing_server(tmp_path):
        pytest.fail("it was used")
    assert refused.value.field == "PREFECT_API_URL"
    assert "PREFECT_API_AUTH_STRING" in refused.value.remedy
    require_authentication("http://127.0.0.1:4200/api")


def test_a_credential_goes_through_no_network_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond this machine it needs https:, unless the operator trusts the network."""
    monkeypatch.setenv("PREFECT_API_KEY", "secret")
    with pytest.raises(Misconfigured) as refused:
        require_authentication("http://prefect.example.org:4200/api")
    assert "https://" in refused.value.remedy
    require_authentication("http://prefect.example.org:4200/api", trusted_network=True)
    require_authentication("https://prefect.example.org/api")


def test_preferences_of_the_user_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says about logging is not overridden."""
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "DEBUG")
    environment = flow_environment(OWN, tmp_path)
    assert environment["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "DEBUG"


# ------------------------------------------------------------ a server that nobody uses


def test_an_unused_server_ends_itself(tmp_path: Path) -> None:
    """It stays as long as there is a user, and ends soon after the last one was killed."""
    with ExitStack() as user:
        user.enter_context(ServerFiles(tmp_path).use())
        with command(tmp_path, WATCHER) as watcher:
            time.sleep(5)
            assert watcher.process.poll() is None
            user.close()
            assert watcher.process.wait(10) == -signal.SIGTERM


def test_the_server_of_a_deleted_instance_ends_itself(tmp_path: Path) -> None:
    """Deleting the instance's home ends its server, users or not."""
    home = tmp_path / "home"
    with ServerFiles(home).use(), command(home, WATCHER) as watcher:
        assert watcher.said() == "watching"
        time.sleep(0.5)
        shutil.rmtree(home)
        assert watcher.process.wait(10) == -signal.SIGTERM
    assert not home.exists()
