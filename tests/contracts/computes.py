"""Every implementation of `Compute`, and the units that tests run on them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.local.dask import dask_scheduler, dask_workers
from infra.local.service import Service, ServiceError, running
from infra.local.slurm import slurm
from pipeline import wiring
from pipeline.compute.dask import ATTEMPTS
from pipeline.errors import Interrupted, Rejected
from pipeline.ports import Compute, Note
from pipeline.running import processes
from pipeline.settings import load_settings

Tell = Callable[[Note], None]

# ------------------------------------------------------------ what runs on workers


@dataclass(frozen=True)
class Unit:
    number: int
    path: str = ""
    attempt: int = 1


def same(unit: Any, tell: Tell) -> Any:
    return unit


def square(number: int, tell: Tell) -> int:
    return number * number


def pid_of(_: int, tell: Tell) -> int:
    return os.getpid()


def refuse(number: int, tell: Tell) -> int:
    if number % 2:
        raise Rejected(f"{number} is odd", remedy="use even ones", field="number")
    raise ValueError(number)


def leave_a_mark(unit: Unit, tell: Tell) -> int:
    time.sleep(0.05)
    Path(unit.path, str(unit.number)).touch()
    return unit.number


def linger(unit: Unit, tell: Tell) -> int:
    """Says which process it runs in, and takes its time."""
    Path(unit.path, str(os.getpid())).touch()
    time.sleep(0.2)
    return unit.number


def report(number: int, tell: Tell) -> int:
    """Tells from this thread and from another, in turn."""
    for step in range(4):
        note = {"unit": number, "step": step, "parts": [[1, "etag"]], "none": None}
        if step % 2:
            with ThreadPoolExecutor(1) as thread:  # what `tell` raises there reaches the unit
                thread.submit(tell, note).result()
        else:
            tell(note)
    if number == 3:
        raise ValueError("after it told")
    return number


def tell_and_wait(path: str, tell: Tell) -> bool:
    """Tells, and ends when its note was heard."""
    tell({"is": "here"})
    deadline = time.monotonic() + 30
    while not (heard := Path(path).exists()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return heard


def ask_on_and_on(path: str, tell: Tell) -> None:
    """Tells nothing until it learns that nobody waits for it, and leaves word of that."""
    Path(path, "begun").touch()
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            tell({})
            time.sleep(0.01)
    except Interrupted:
        Path(path, "learned").touch()
        raise


def mark_and_stay(unit: Unit, tell: Tell) -> None:
    """Marks that it began; all but the first then stay until nobody waits for them."""
    Path(unit.path, str(unit.number)).touch()
    deadline = time.monotonic() + 60
    while unit.number and time.monotonic() < deadline:
        tell({})
        time.sleep(0.01)


def sleep(seconds: float, tell: Tell) -> float:
    time.sleep(seconds)
    return seconds


def be_killed_once(unit: Unit, tell: Tell) -> int:
    """Unit 3 dies of `kill -9` the first time it runs; the answer is its attempt."""
    with suppress(FileExistsError):
        if unit.number == 3:
            Path(unit.path, "killed").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return unit.attempt


def be_killed_always(unit: Unit, tell: Tell) -> int:
    if unit.number == 3:
        Path(unit.path, str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return unit.number


def get_on_a_little(unit: Unit, tell: Tell) -> int:
    """Tells one thing more at each attempt and dies, more often than one may that tells nothing."""
    tell({"attempt": unit.attempt})
    time.sleep(0.2)
    if unit.attempt < ATTEMPTS + 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return unit.attempt


# ------------------------------------------------------------ implementations


def open_compute(url: str, home: Path) -> Compute:
    """What `HEADRACE_COMPUTE` names for an instance in `home`."""
    return wiring.open_compute(load_settings(home=home, compute=url))


@contextmanager
def inline(folder: Path) -> Iterator[Compute]:
    yield open_compute("inline:", folder)


@contextmanager
def local(folder: Path) -> Iterator[Compute]:
    with closing(open_compute("local:2", folder)) as compute:
        yield compute


@contextmanager
def by_address(folder: Path) -> Iterator[Compute]:
    folder.mkdir(exist_ok=True)
    with (
        running(dask_scheduler(), folder / "scheduler.log") as address,
        running(dask_workers(folder, address), folder / "workers.log"),
        closing(open_compute(address, folder)) as compute,
    ):
        yield compute


@contextmanager
def in_jobs(folder: Path) -> Iterator[Compute]:
    with _slurm(folder), closing(open_compute(SLURM, folder)) as compute:
        wait_until(lambda: compute.slots() == 2)
        yield compute


SLURM = "slurm:?jobs=2&cores=1&memory=1GB&queue=main&interface=lo&one_machine=yes"


@contextmanager
def _slurm(folder: Path) -> Iterator[None]:
    inner = folder / "slurm"
    inner.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        try:
            patch.setenv("SLURM_CONF", stack.enter_context(slurm(inner)))
        except ServiceError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
        yield


IMPLEMENTATIONS = {"inline": inline, "local": local, "scheduler": by_address, "slurm": in_jobs}


@contextmanager
def started(service: Service, log: Path) -> Iterator[processes.Process]:
    """The service's process, which the test may kill."""
    with processes.start(service.command, log=log, env={**os.environ, **service.environment}) as process:
        try:
            wait_until(service.healthy)
            yield process
        finally:
            processes.signal_group(process, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    # A process that nobody waits for any more is a zombie until init takes it: dead for our purpose.
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
