"""Dask workers on this machine: a scheduler and worker processes that live as long as their owner."""

import argparse
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.compute.owned import START_TIMEOUT, owned_cluster, serve
from pipeline.compute.workers import kept, worker_command
from pipeline.errors import Misconfigured
from pipeline.running.loopback import LOOPBACK

_URL = re.compile(r"local:(?:(?:\?workers=)?([1-9]\d{0,3}))?")


def parse_local(url: str) -> int | None:
    """How many workers `local:4` or `local:?workers=4` asks for; None where `local:` leaves that open. Raises
    `Misconfigured`."""
    asked = _URL.fullmatch(url)
    if asked is None:
        raise Misconfigured(
            f"{url!r} does not say how many workers to start",
            field="HEADRACE_COMPUTE",
            remedy="use local: or local:<number of workers>",
        )
    return int(asked[1]) if asked[1] else None


@contextmanager
def local_cluster(workers: int, home: Path) -> Iterator[str]:
    """Run `scheduler_and_workers` in a process apart; the scheduler's address. Raises `Unavailable` where they do not
    start."""
    arguments = ("--workers", str(workers), "--home", str(home))
    with owned_cluster(__name__, *arguments, log=_log(home)) as said:
        yield str(said["address"])


@contextmanager
def scheduler_and_workers(workers: int, home: Path) -> Iterator[str]:
    """Run a scheduler here, and `workers` single-threaded worker processes, scratch and log below `home`; the
    scheduler's address. The environment is `tuning.environment()`. Raises `TimeoutError` where they do not start."""
    # Here, because processes that only start such a cluster do not need Dask.
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=0, host=LOOPBACK, dashboard_address=f"{LOOPBACK}:0", silence_logs=logging.WARNING
    ) as cluster:
        command = worker_command(
            cluster.scheduler_address, "--host", LOOPBACK, "--local-directory", str(home / "scratch")
        )
        with kept([command] * workers, _log(home)):
            cluster.wait_for_workers(workers, timeout=START_TIMEOUT)
            yield cluster.scheduler_address


def _log(home: Path) -> Path:
    return home / "logs" / "workers.log"


def main() -> None:
    """Run the cluster, say its address on stdout, and end when stdin does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    with scheduler_and_workers(options.workers, options.home) as address:
        serve({"address": address})


if __name__ == "__main__":
    main()
