"""The workers that a running instance keeps: where they are, for commands that find the instance up."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def announced(home: Path, address: str) -> Iterator[None]:
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
