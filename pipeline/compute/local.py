"""Dask workers on this machine: a scheduler and worker processes that live as long as their owner."""

import argparse
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.compute.owned import START_TIMEOUT, owned_cluster, serve
from pipeline.compute.workers import kept, worker_command
from pipeline.errors import Misconfigured
from pipeline.running.loopback import LOOPBACK

_URL = re.compile(r"local:(?:(?:\?workers=)?([1-9]\d{0,3}))?")


@dataclass(frozen=True, slots=True)
class Local:
    """A cluster of this machine that runs; `is_over` says whether its scheduler is gone."""

    address: str
    is_over: Callable[[], bool]


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
def local_cluster(workers: int, home: Path) -> Iterator[Local]:
    """Run a scheduler and `workers` single-threaded worker processes, scratch and log below `home`. Raises
    `Unavailable` where they do not start."""
    log = home / "logs" / "workers.log"
    arguments = ("--workers", str(workers), "--scratch", str(home / "scratch"), "--log", str(log))
    with owned_cluster(__name__, *arguments, log=log) as owned:
        yield Local(str(owned.said["address"]), owned.is_over)


def main() -> None:
    """Run the cluster, say its address on stdout, and end when stdin does."""
    # Here, because the process that only starts us does not need Dask.
    from distributed import LocalCluster

    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    with LocalCluster(
        n_workers=0, host=LOOPBACK, dashboard_address=f"{LOOPBACK}:0", silence_logs=logging.WARNING
    ) as cluster:
        command = worker_command(
            cluster.scheduler_address, "--host", LOOPBACK, "--local-directory", options.scratch
        )
        with kept([command] * options.workers, options.log):
            cluster.wait_for_workers(options.workers, timeout=START_TIMEOUT)
            serve({"address": cluster.scheduler_address})


if __name__ == "__main__":
    main()
