"""The gateway as a process of its own, over a socket."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from pipeline.loopback import free_port

_START_SECONDS = 60


@contextmanager
def running(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process and its address, once it answers."""
    address = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gateway", "--port", address.rpartition(":")[2]]
    environment = {**os.environ, "HEADRACE_HOME": str(home), "HEADRACE_BASE_URL": address}
    with subprocess.Popen(command, env=environment) as process:
        try:
            _await_health(address)
            yield process, address
        finally:
            process.kill()


def _await_health(address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            if httpx.get(f"{address}/healthz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
