"""A site on this machine, each of its processes apart and kept running as an init system would: PostgreSQL, S3 and
Prefect for all instances; a Dask scheduler, workers and a dispatcher for each while it is in use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import psycopg

from infra.local.buckets import make_bucket
from infra.local.dask import dask_scheduler
from infra.local.postgres import postgres
from infra.local.prefect import prefect
from infra.local.seaweedfs import seaweedfs
from infra.local.service import Service, launched
from pipeline.running import processes
from tests.blows import Victim
from tests.command import BASE_URL, Instance, Running

WORKERS = 2

_BUCKET = "site"
KEYS = {"AWS_ACCESS_KEY_ID": "headrace-tests", "AWS_SECRET_ACCESS_KEY": "for-this-machine-only"}
_START_SECONDS = 240
_AWAY_SECONDS = 3.0


class Kept:
    """A service that is started again at the same address whenever it was killed or stopped."""

    def __init__(self, service: Service, log: Path) -> None:
        self.service = service
        self._log = log
        self._run = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        run = launched(self.service, self._log, start_seconds=_START_SECONDS)
        self._process = self._run.enter_context(run)

    def stop(self) -> None:
        self._run.close()

    def kill(self) -> None:
        """`kill -9`, after which an init system would sweep up what is left of its group."""
        self.process.kill()
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def descendants(self, mark: str) -> list[int]:
        """Processes that came of it and have `mark` in their command line."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [one.pid for one in family if mark in " ".join(one.cmdline())]


class Site:
    """The services; who is killed or stopped is started again by an executor's threads, the site's init system."""

    def __init__(self, folder: Path, kept: dict[Victim, Kept]) -> None:
        self._folder = folder
        self._kept = kept
        self._coming: dict[Victim, Future[None]] = {}

    def settings(self, name: str) -> dict[str, str]:
        """Of an instance on this site, by the names of `pipeline.settings`."""
        return {
            "database": self._kept[Victim.POSTGRES].service.url.replace("/postgres?", f"/{name}?"),
            "store": f"s3://{_BUCKET}/{name}",
            "s3_endpoint": self._kept[Victim.S3].service.url,
            "s3_path_style": "true",
        }

    def instance_alone(self, name: str, environment: Mapping[str, str]) -> Instance:
        """A new instance without processes of its own: its commands do all of the work."""
        settings = {**self._made(name), "HEADRACE_COMPUTE": "inline:", **environment}
        return Instance(self._folder / name / "home", settings)

    @contextmanager
    def instance(self, name: str, environment: Mapping[str, str]) -> Iterator[Instance]:
        """A new instance, its scheduler, workers and dispatcher running with `environment` while the block lasts."""
        scheduler = dask_scheduler()
        common = {**self._made(name), "HEADRACE_COMPUTE": scheduler.url, **environment}
        folder = self._folder / name
        workers = ("worker", "--scheduler", scheduler.url, "--workers", str(WORKERS))
        own = {
            Victim.SCHEDULER: scheduler,
            Victim.NANNY: _command("workers", {**common, "HEADRACE_HOME": str(folder / "workers")}, *workers),
            Victim.DISPATCHER: _command("dispatcher", common, "dispatch"),
        }
        with ExitStack() as stack:
            for victim, service in own.items():
                self._kept[victim] = _started(stack, service, self._folder / f"{name}-{victim}.log")
            self._init = stack.enter_context(ThreadPoolExecutor(len(Victim)))
            stack.callback(self.await_all)
            yield Instance(folder / "home", common)

    def _made(self, name: str) -> dict[str, str]:
        """The environment of a new instance, whose database and folder are made."""
        with psycopg.connect(
            self._kept[Victim.POSTGRES].service.url.replace("+psycopg", ""), autocommit=True
        ) as server:
            server.execute(f"CREATE DATABASE {name}")
        folder = self._folder / name
        folder.mkdir()
        return {
            **KEYS,
            "HEADRACE_HOME": str(folder / "home"),
            "HEADRACE_BASE_URL": BASE_URL,
            **{f"HEADRACE_{key.upper()}": value for key, value in self.settings(name).items()},
            "PREFECT_API_URL": self._kept[Victim.PREFECT].service.url,
            "PREFECT_HOME": str(folder / "prefect"),
            "NO_PROXY": "*",
        }

    def strike(self, victim: Victim, flow: Running, preferred: int) -> None:
        """Kill the victim, or stop it for a while. All but the flow come again by themselves, meanwhile: the others
        go on without them. Of several workers it is the one with the process id `preferred`, if that is one."""
        match victim:
            case Victim.FLOW:
                flow.signal(signal.SIGKILL)
            case Victim.WORKER:
                workers = self._workers()
                os.kill(preferred if preferred in workers else workers[0], signal.SIGKILL)
            case Victim.S3 | Victim.POSTGRES:
                self._back(victim)
                self._kept[victim].stop()
                self._coming[victim] = self._init.submit(self._start, victim, _AWAY_SECONDS)
            case _:
                self._back(victim)
                self._kept[victim].kill()
                self._coming[victim] = self._init.submit(self._start, victim)

    def tend(self) -> None:
        """Start again whom nobody struck and who ended all the same, since somebody else was away."""
        for victim, kept in self._kept.items():
            coming = self._coming.get(victim)
            if (coming is None or coming.done()) and kept.process.poll() is not None:
                self._back(victim)
                kept.stop()
                self._coming[victim] = self._init.submit(self._start, victim, _AWAY_SECONDS)

    def await_all(self) -> None:
        """Wait until everybody is back who was killed or stopped."""
        for victim in list(self._coming):
            self._back(victim)

    def _start(self, victim: Victim, after: float = 0) -> None:
        time.sleep(after)
        self._kept[victim].start()

    def _back(self, victim: Victim) -> None:
        if coming := self._coming.pop(victim, None):
            coming.result()

    def _workers(self) -> list[int]:
        self._back(Victim.NANNY)
        found: list[int] = []
        while not found:
            found = self._kept[Victim.NANNY].descendants("distributed.cli.dask_worker")
        return found


@contextmanager
def site(folder: Path, prefect_files: Path) -> Iterator[Site]:
    """Start the services that all instances share, Prefect with a copy of files that an earlier start made."""
    shutil.copytree(prefect_files, folder / "prefect")
    made = {
        Victim.POSTGRES: postgres(_new(folder / "postgres")),
        Victim.S3: seaweedfs(_new(folder / "s3"), *KEYS.values()),
        Victim.PREFECT: prefect(folder / "prefect"),
    }
    with ExitStack() as stack:
        kept = {
            victim: _started(stack, service, folder / f"{victim}.log") for victim, service in made.items()
        }
        # Its orderly end takes 15 seconds, and what it has is thrown away.
        stack.callback(kept[Victim.S3].kill)
        make_bucket(kept[Victim.S3].service.url, _BUCKET, *KEYS.values())
        yield Site(folder, kept)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _started(stack: ExitStack, service: Service, log: Path) -> Kept:
    kept = Kept(service, log)
    kept.start()
    stack.callback(kept.stop)
    return kept


def _command(name: str, environment: Mapping[str, str], *arguments: str) -> Service:
    """A command of the product that runs until it is stopped. It counts as healthy at once: whoever needs it waits."""
    return Service(
        name=name,
        command=tuple(processes.python("pipeline", *arguments)),
        url="",
        healthy=lambda: True,
        environment={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
    )
