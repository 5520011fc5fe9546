"""The standing Prefect server of an instance: one for all its commands, there as long as one needs it.

Nothing here imports Prefect: its settings are read at import, so they have to be in the environment first
(`flow_environment`).
"""

import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from pipeline.errors import Misconfigured, Unavailable
from pipeline.flows.server_files import Record, ServerFiles, can_lock
from pipeline.flows.server_process import GRACE
from pipeline.running import processes
from pipeline.running.loopback import LOOPBACK, http_url, is_loopback, remembered_port

START_TIMEOUT = 120.0
"""Seconds; the first start migrates a new database, 10 s of work on an idle CPU."""

_POLL = 0.1


@dataclass(frozen=True, slots=True)
class PrefectServer:
    """Where Prefect is. `pid` is None for a server that is not the instance's own."""

    api_url: str
    ui_url: str
    pid: int | None


@contextmanager
def standing_server(
    home: Path,
    *,
    trusted_network: bool = False,
    meanwhile: Callable[[PrefectServer], object] | None = None,
) -> Iterator[PrefectServer]:
    """A Prefect server that answers for as long as the block lasts.

    `PREFECT_API_URL` names one that somebody else runs. Without it the instance at `home` has its own, which
    its first user starts and its last one stops; users that come at once share it. `meanwhile` is called as
    soon as the URLs are known, while the server may still be starting: the time to import flows.
    Raises `Unavailable` where a server of our own does not start, `Misconfigured` as `named_server` does.
    """
    if external := named_server(trusted_network=trusted_network):
        if meanwhile is not None:
            meanwhile(external)
        yield external
        return
    home = home.absolute()
    files = ServerFiles(home)
    with files.use() as user:
        try:
            with files.turn():
                if not files.is_alive():
                    _launch(files, home)
                server = _await_ready(files, home, meanwhile)
            yield server
        finally:
            # The server of an instance that was deleted meanwhile ends by itself.
            with suppress(FileNotFoundError), files.turn():
                if can_lock(user, fcntl.LOCK_EX):
                    _stop(files)


def revive(home: Path) -> None:
    """Start the instance's server anew where it died while it is used (its data and address stay); who calls has it in
    use. Returns before it answers."""
    files = ServerFiles(home.absolute())
    with files.turn():
        if not files.is_alive():
            _launch(files, home.absolute())


def named_server(*, trusted_network: bool) -> PrefectServer | None:
    """The server that `PREFECT_API_URL` names. Raises `Misconfigured` where it is open to all, or where all could read
    with what we answer it."""
    api_url = os.environ.get("PREFECT_API_URL")
    if not api_url:
        return None
    require_authentication(api_url, trusted_network=trusted_network)
    return PrefectServer(api_url, os.environ.get("PREFECT_UI_URL") or api_url.removesuffix("/api"), None)


def require_authentication(api_url: str, *, trusted_network: bool = False) -> None:
    """Who reaches Prefect's API starts flows: beyond this machine it is one that asks who one is, and is answered where
    nobody listens. Raises `Misconfigured` where it is not so."""
    if is_loopback(api_url):
        return
    credentials = ("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY")
    if not any(os.environ.get(name) for name in credentials):
        raise Misconfigured(
            "the Prefect server that PREFECT_API_URL names is not on this machine and asks nobody who he is",
            field="PREFECT_API_URL",
            remedy="give that server an authentication string (PREFECT_SERVER_API_AUTH_STRING), and set "
            "PREFECT_API_AUTH_STRING or PREFECT_API_KEY here",
        )
    if not api_url.startswith("https:") and not trusted_network:
        raise Misconfigured(
            "what we answer the Prefect server that PREFECT_API_URL names could be read in the network",
            field="PREFECT_API_URL",
            remedy="give that server an https:// address, or, where nobody else is in the network, set "
            "HEADRACE_TRUSTED_NETWORK=yes",
        )


def flow_environment(server: PrefectServer, home: Path) -> dict[str, str]:
    """What the environment of a process must hold before it imports Prefect to run flows on `server`.

    Preferences that stand in the environment already are left alone. With a server of our own, Prefect keeps
    its files in `home/prefect`; with another's, the profile of the user stays in force.
    """
    preferences = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",  # the run's page has all of it
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # Of a server that is away it tells with every single event, whole; that it is away is told once, by us.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_API_REQUEST_TIMEOUT": "120",
    }
    chosen = {name: os.environ.get(name, value) for name, value in preferences.items()}
    if server.pid is None:
        return {**chosen, "PREFECT_API_URL": server.api_url}
    return {**chosen, **_own(home.absolute(), server.api_url), "PREFECT_UI_URL": server.ui_url}


def _own(home: Path, api_url: str) -> dict[str, str]:
    """What both sides of a server of our own need: no state outside of `home`, no proxy in between."""
    direct = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), LOOPBACK]))
    return {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_PROFILES_PATH": str(home / "prefect" / "profiles.toml"),
        "PREFECT_API_URL": api_url,
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def _server_environment(home: Path, port: int) -> dict[str, str]:
    environment = processes.environment(
        {
            **_own(home, _api_url(port)),
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_API_URL": _api_url(port),
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            # Else the UI is unpacked into the installation, which may belong to root.
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "prefect" / "ui"),
            # Where everything starts at once the defaults of 10 and 5 s are too short.
            "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
            "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
            "PREFECT_SERVER_LOGGING_LEVEL": os.environ.get("PREFECT_SERVER_LOGGING_LEVEL", "WARNING"),
        }
    )
    # A database that was meant for another server; ours is an SQLite file in PREFECT_HOME.
    for name in ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL"):
        environment.pop(name, None)
    return environment


def _launch(files: ServerFiles, home: Path) -> None:
    (home / "prefect").mkdir(parents=True, exist_ok=True)
    port = remembered_port(home, "prefect")
    with files.claim() as record:
        process = processes.start(
            processes.python("pipeline.flows.server_process", str(home), str(port), str(record.fileno())),
            log=_log(home),
            env=_server_environment(home, port),
            pass_fds=[record.fileno()],
        )
    # It may end long before us, by another user's hand: somebody has to take note.
    threading.Thread(target=process.wait, name="prefect-server", daemon=True).start()


def _await_ready(
    files: ServerFiles, home: Path, meanwhile: Callable[[PrefectServer], object] | None
) -> PrefectServer:
    deadline = time.monotonic() + START_TIMEOUT
    while files.is_alive() and time.monotonic() < deadline:
        record = files.record()
        if record is not None:
            server = PrefectServer(_api_url(record.port), http_url(record.port), record.pid)
            if meanwhile is not None:
                meanwhile(server)
                meanwhile = None
            if _is_healthy(record):
                return server
        time.sleep(_POLL)
    _stop(files)
    raise Unavailable(
        f"the Prefect server of this instance does not start:\n{processes.last_lines(_log(home))}",
        remedy=f"see {_log(home)}, then run the same command again",
    )


def _is_healthy(record: Record) -> bool:
    connection = HTTPConnection(LOOPBACK, record.port, timeout=5)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _stop(files: ServerFiles) -> None:
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        record = files.record()
        if record is None or not files.is_alive():
            return
        with suppress(ProcessLookupError):
            os.kill(record.pid, number)
        deadline = time.monotonic() + patience
        while files.is_alive() and time.monotonic() < deadline:
            time.sleep(_POLL)


def _api_url(port: int) -> str:
    return f"{http_url(port)}/api"


def _log(home: Path) -> Path:
    return home / "logs" / "prefect-server.log"


def running_server(home: Path) -> PrefectServer | None:
    """The instance's own server, where it answers now; starts nothing."""
    files = ServerFiles(home.absolute())
    record = files.record() if files.is_alive() else None
    if record is None or not _is_healthy(record):
        return None
    return PrefectServer(_api_url(record.port), http_url(record.port), record.pid)
