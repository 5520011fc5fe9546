"""Dask's scheduler, and workers that join it, as a site runs them."""

from __future__ import annotations

import socket
from pathlib import Path

from distributed import Client

from infra.local.service import Service
from pipeline.compute import standalone, tuning
from pipeline.running.loopback import LOOPBACK, free_port

_ANSWER_SECONDS = 5


def dask_scheduler(*, port: int = 0, tls: bool = False) -> Service:
    """A scheduler at `port` of the loopback interface or a free one; `url` is what `HEADRACE_COMPUTE` takes.
    Certificates for `tls` come from Dask's configuration."""
    port = port or free_port()
    url = f"{'tls' if tls else 'tcp'}://{LOOPBACK}:{port}"
    return Service(
        name="Dask scheduler",
        command=tuple(standalone.scheduler_command(url)),
        url=url,
        healthy=lambda: _listens(port),
        environment=tuning.environment(),
    )


def dask_workers(folder: Path, scheduler: str, count: int = 2) -> Service:
    """`count` worker processes that join the scheduler at that address, scratch below `folder`. They are there when
    the scheduler knows them; others may have joined it before."""
    before = _workers(scheduler)
    return Service(
        name="Dask workers",
        command=tuple(standalone.workers_command(scheduler, count, folder / "scratch")),
        url=scheduler,
        healthy=lambda: _workers(scheduler) >= before + count,
        environment=tuning.environment(),
    )


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=2).close()
    except OSError:
        return False
    return True


def _workers(scheduler: str) -> int:
    with Client(scheduler, timeout=_ANSWER_SECONDS, set_as_default=False) as client:
        return len(client.nthreads())
