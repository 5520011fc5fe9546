"""Which flow runs this machine works on, and which were left by a process that died.

Each has a file in `home/run/flow-runs`, named as the run and locked (flock) as long as its process lives. A file that
is not locked names a run whose process was killed: Prefect would go on showing it as running for ever. What the runner
carries out has a word in its file.

Files are made, judged and taken away in turn, under the lock of `home/run/flow-runs.turn`: nobody sees one that is not
locked yet, or is taken away just now, and takes its process for a dead one. What became of a run whose process was
killed takes longer to say: who says it has the file locked until then, and no other says it, too, or begins the run.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.flows.server_files import can_lock

_RUNNERS = "runner"


@contextmanager
def under_way(home: Path, run_id: str) -> Iterator[None]:
    """This process works on the run for as long as the block lasts."""
    with ExitStack() as stack:
        with _turn(home):
            file = stack.enter_context(_open(home, run_id))
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            leave(home, run_id)


def claim(home: Path, run_id: str) -> IO[str] | None:
    """The run's file, locked for a process that is about to be started and inherits it; None while another has it."""
    with _turn(home):
        file = _open(home, run_id)
        if can_lock(file, fcntl.LOCK_EX):
            file.write(_RUNNERS)
            file.flush()
            return file
    file.close()
    return None


def leave(home: Path, run_id: str) -> None:
    """The run is over, or another's to judge."""
    with _turn(home):
        (_folder(home) / run_id).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A run whose process died without a farewell; `of_runner` tells whether it was one of the runner's."""

    run_id: str
    of_runner: bool


def orphaned(home: Path) -> list[str]:
    """The ids of runs whose process died without a farewell, as far as nobody concludes them yet."""
    with _turn(home):
        return [path.name for path in _folder(home).iterdir() if not _is_locked(path)]


@contextmanager
def concluding(home: Path, run_id: str) -> Iterator[Orphan | None]:
    """Say what became of a run that was orphaned when somebody looked: it is nobody else's for as long as the block
    lasts, and is left then, unless an error ends the block. None where there is nothing to say any more: another
    concludes it or has done so, or a process works on it anew."""
    with _turn(home):
        file = _locked(home, run_id)
    if file is None:
        yield None
        return
    with file:
        yield Orphan(run_id, of_runner=os.fstat(file.fileno()).st_size > 0)
        leave(home, run_id)


def _locked(home: Path, run_id: str) -> IO[str] | None:
    """The run's file, locked; None where another has it, or there is none."""
    try:
        file = (_folder(home) / run_id).open()
    except FileNotFoundError:
        return None
    if can_lock(file, fcntl.LOCK_EX):
        return file
    file.close()
    return None


def is_under_way(home: Path, run_id: str) -> bool:
    """Whether a process of this machine works on the run."""
    with _turn(home), suppress(FileNotFoundError):
        return _is_locked(_folder(home) / run_id)
    return False


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        return not can_lock(file, fcntl.LOCK_SH)


@contextmanager
def _turn(home: Path) -> Iterator[None]:
    """Wait until nobody else makes, judges or takes away files of runs, and keep others from it."""
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.turn").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _open(home: Path, run_id: str) -> IO[str]:
    return (_folder(home) / run_id).open("a")


def _folder(home: Path) -> Path:
    return home / "run" / "flow-runs"
