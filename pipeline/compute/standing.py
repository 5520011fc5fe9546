"""The workers that a running instance keeps, in a process of their own beside their scheduler, and where they are, for
commands that find the instance up.

    python -m pipeline.compute.standing NUMBER HOME

keeps that many until SIGTERM. It is all that runs of `headrace worker`, whose other modules nobody needs for that.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.compute.local import scheduler_and_workers
from pipeline.running import processes


def standing_command(workers: int, home: Path) -> list[str]:
    """The command that keeps so many workers for the instance at `home`; its environment is `tuning.environment()`."""
    return processes.python(__name__, str(workers), str(home))


@contextmanager
def _announced(home: Path, address: str) -> Iterator[None]:
    """Let other commands of the instance use the scheduler at `address` for as long as the block lasts; a lock that
    dies with this process tells that it still does."""
    path = _path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(json.dumps({"address": address, "pid": os.getpid()}))
        file.flush()
        yield
        file.truncate(0)


def standing_address(home: Path) -> str | None:
    """The scheduler of the instance's workers, if it keeps any now."""
    try:
        with _path(home).open("r+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return str(json.loads(file.read())["address"])
    except (FileNotFoundError, ValueError, KeyError):
        pass
    return None


def _path(home: Path) -> Path:
    return home / "run" / "workers.json"


def main(workers: int, home: Path) -> None:
    """Run the program."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with scheduler_and_workers(workers, home) as address, _announced(home, address):
            sys.stderr.write(f"workers at {address}\n")
            stop.wait()
    except TimeoutError as error:
        sys.exit(f"the workers did not start: {error}")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
