"""Real servers as child processes, for tests and benchmarks: no containers, nothing installed in the system.

Each server is one module here: a function that prepares a folder and answers the `Service` in it. Starting,
waiting until it is healthy, stopping and keeping its log is the same for all of them and done by `running`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_POLL_SECONDS = 0.05
_LOG_TAIL_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Service:
    """A server that can be started: its command, where it answers, and how to see that it does.

    `healthy` is asked again and again from the start on and must answer within a second or two.
    """

    name: str
    command: tuple[str, ...]
    url: str
    healthy: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the command finds in its environment besides ours: secrets do not belong into its arguments."""


class ServiceError(Exception):
    """A server did not become healthy, or died, or would not stop; the message ends with its log's tail."""


def installed(command: str) -> Path:
    """The command in this virtual environment. Raises `ServiceError` where it is not there."""
    path = Path(sys.prefix, "bin", command)
    if not path.exists():
        raise ServiceError(f"{command} is not installed: `make test` does it")
    return path


@contextmanager
def running(
    service: Service, log: Path, *, start_seconds: float = 60, stop_seconds: float = 30
) -> Iterator[str]:
    """The service's URL while it runs; its output is appended to `log`, which is kept.

    Raises `ServiceError` when it is not healthy after `start_seconds`, and after the block when it died
    meanwhile or had to be killed. Whatever happens, none of its processes is left.
    """
    with launched(service, log, start_seconds=start_seconds, stop_seconds=stop_seconds) as process:
        yield service.url
        if process.poll() is not None:
            raise _failed(service, f"died with status {process.returncode} while in use", log)


@contextmanager
def launched(
    service: Service, log: Path, *, start_seconds: float = 60, stop_seconds: float = 30
) -> Iterator[subprocess.Popen[bytes]]:
    """As `running`, for who wants the service's process, to kill it for instance: that it died is no error."""
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches the tests, which then stop the service in order.
        process = subprocess.Popen(
            service.command,
            env={**os.environ, **service.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _await_health(service, process, log, time.monotonic() + start_seconds)
        yield process
    finally:
        _stop(service, process, log, stop_seconds)


def _await_health(service: Service, process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    while not service.healthy():
        if process.poll() is not None:
            raise _failed(service, f"ended with status {process.returncode} before it was healthy", log)
        if time.monotonic() > deadline:
            raise _failed(service, "did not become healthy in time", log)
        time.sleep(_POLL_SECONDS)


def _stop(service: Service, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    process.send_signal(service.stop_signal)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise _failed(service, f"did not stop within {seconds:g} s and was killed", log) from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _failed(service: Service, reason: str, log: Path) -> ServiceError:
    tail = log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
    return ServiceError(f"{service.name} {reason}; the end of {log}:\n{tail}")
