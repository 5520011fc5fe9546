"""Scheduler and workers of an instance on many machines, each started by itself: Dask's own programs, told what
Headrace wants of them. Their environment is `tuning.environment()`; certificates come from Dask's own configuration
(`DASK_DISTRIBUTED__COMM__TLS__…`)."""

from pathlib import Path

from pipeline.running import processes
from pipeline.running.loopback import LOOPBACK, own_address


def scheduler_command(address: str) -> list[str]:
    """The command of a scheduler that listens at `address`, `tcp://host:port` or `tls://host:port`, and shows
    nothing of itself beyond this machine. It ends when it is told to."""
    protocol, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    return processes.python(
        "distributed.cli.dask_scheduler",
        *("--protocol", protocol, "--host", host.strip("[]"), "--port", port),
        *("--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"),
    )


def workers_command(scheduler: str, number: int, scratch: Path) -> list[str]:
    """The command of so many worker processes that join the scheduler, and come back when they die or the scheduler
    does. They listen where this machine reaches the scheduler from, and nowhere else. It ends when it is told to.
    Raises `Unavailable` where no way leads to the scheduler's host."""
    return processes.python(
        "pipeline.compute.workers",
        *(str(number), "--come-back", scheduler),
        *("--host", own_address(scheduler), "--local-directory", str(scratch)),
    )
