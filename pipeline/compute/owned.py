"""A cluster that lives as long as its owner, in a process apart.

Apart, because spawned workers import the `__main__` of the process that spawns them, and in a flow run that is
Prefect (seconds of import for each worker); and because the scheduler then does not share an interpreter with the
flow. The process ends when its stdin does, so the cluster outlives neither its owner's `close` nor a `kill -9` of it.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline.compute import tuning
from pipeline.errors import Unavailable
from pipeline.model import JsonObject
from pipeline.running import processes

START_TIMEOUT = 120.0
STOP_TIMEOUT = 20.0


@contextmanager
def owned_cluster(module: str, *arguments: str, log: Path) -> Iterator[JsonObject]:
    """Run `module`, whose main calls `serve`, for as long as the block lasts: what it said. Raises `Unavailable` where
    it does not start."""
    process = processes.start(
        processes.python(module, *arguments),
        log=log,
        env=tuning.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield _await_word(process, log)
    finally:
        _stop(process)


def serve(said: JsonObject) -> None:
    """Tell the owner where the cluster is, and wait until the owner is gone or wants no more of it."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


def _await_word(process: processes.Process, log: Path) -> JsonObject:
    line = _first_line(process.stdout)
    if not line:
        raise Unavailable(
            f"the workers did not start:\n{processes.last_lines(log)}", remedy=f"see the end of {log}"
        )
    said: JsonObject = json.loads(line)
    return said


def _first_line(answers: IO[bytes] | None) -> bytes:
    if answers is None or not select.select([answers], [], [], START_TIMEOUT)[0]:
        return b""
    return answers.readline()


def _stop(process: processes.Process) -> None:
    try:
        process.communicate(timeout=STOP_TIMEOUT)  # closes stdin, which tells the cluster to end
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
