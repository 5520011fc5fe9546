"""One `headrace up` a home: a locked file says who runs it, and where it answers.

The lock (flock) ends with its process however that dies, so what the file says is read only while it holds.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pipeline.errors import Misconfigured


@contextmanager
def only_one(home: Path, *, by: str) -> Iterator[Callable[[str], None]]:
    """Nobody else runs the instance at `home` for as long as the block lasts, which is handed what to tell the URL to
    that it answers at. `by` names who runs it. Raises `Misconfigured` where it is up already."""
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "up.json").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                f"the instance in {home} is up already{_told(file)}",
                remedy="use that one, or stop it first; for a second instance set another HEADRACE_HOME",
            ) from None

        def announce(base_url: str) -> None:
            file.truncate(0)
            file.write(json.dumps({"by": by, "pid": os.getpid(), "base_url": base_url}))
            file.flush()

        file.truncate(0)
        yield announce
        file.truncate(0)


def _told(file: IO[str]) -> str:
    # Whoever has the lock may not have said it yet.
    with suppress(ValueError, KeyError, TypeError):
        file.seek(0)
        said = json.loads(file.read())
        return f", by {said['by']} (process {said['pid']}), at {said['base_url']}"
    return ""
