"""Dask workers on this machine: a scheduler and worker processes that live as long as their owner.

They live in a process apart, because spawned workers import the `__main__` of the process that spawns
them, and in a flow run that is Prefect (seconds of import for each worker); and because the scheduler then
does not share an interpreter with the flow. The process ends when its stdin does, so workers outlive
neither `close` nor a `kill -9` of their owner.
"""

import argparse
import json
import logging
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline import processes
from pipeline.errors import Unavailable
from pipeline.loopback import LOOPBACK

PRELOAD = ("pipeline.worker",)
START_TIMEOUT = 120.0
STOP_TIMEOUT = 20.0

_DEFAULTS = {
    "distributed": {
        "comm": {"timeouts": {"connect": "15s", "tcp": "120s"}},
        # A worker is given one unit at a time, so the death of a worker is held against that unit only.
        "scheduler": {"worker-saturation": 1.0},
        "worker": {
            # Results are small: nothing to spill, and a paused worker would never go on.
            "memory": {"target": False, "spill": False, "pause": False},
            "profile": {"enabled": False},
        },
        # Units keep a worker's interpreter busy for seconds; that is no news.
        "admin": {"tick": {"limit": "60s"}},
    }
}


@contextmanager
def local_cluster(workers: int, home: Path) -> Iterator[str]:
    """Run a scheduler and `workers` single-threaded worker processes, scratch and log below `home`; yields
    the scheduler's address. Raises `Unavailable` where they do not start."""
    log = home / "logs" / "workers.log"
    process = processes.start(
        processes.python(
            __name__, "--workers", str(workers), "--scratch", str(home / "scratch"), "--preload", *PRELOAD
        ),
        log=log,
        env=processes.environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield _await_address(process, log)
    finally:
        _stop(process)


def _await_address(process: processes.Process, log: Path) -> str:
    line = _first_line(process.stdout)
    if not line:
        raise Unavailable(
            "the worker processes of this machine did not start", remedy=f"see the end of {log}"
        )
    return str(json.loads(line)["address"])


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


def main() -> None:
    """Run the cluster, say its address on stdout as one line of JSON, and end when stdin does."""
    # Here, because the process that only starts us does not need Dask.
    import dask
    from distributed import LocalCluster

    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--preload", nargs="*", default=[])
    options = parser.parse_args()
    dask.config.update_defaults(_DEFAULTS)  # what the operator set in DASK_* still wins
    with LocalCluster(
        n_workers=options.workers,
        threads_per_worker=1,
        host=LOOPBACK,
        dashboard_address=f"{LOOPBACK}:0",
        # What units run is loaded before the first of them comes.
        preload=options.preload,
        local_directory=options.scratch,
        silence_logs=logging.WARNING,
    ) as cluster:
        sys.stdout.write(json.dumps({"address": cluster.scheduler_address}) + "\n")
        sys.stdout.flush()
        sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
