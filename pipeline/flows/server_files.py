"""How the commands of an instance and its Prefect server know of each other: three locked files.

| In `home/run` | Locked by | Means |
|---|---|---|
| `prefect.json` | the server, as long as it lives | there is a server: `{"pid", "port"}` |
| `prefect.users` | each user, shared | somebody needs the server |
| `prefect.turn` | whoever starts or stops the server | one at a time |

Locks (flock) end with their process however it dies, so nothing here can be stale: a process id is read
only while the lock proves that the process lives.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class Record:
    """What a server says of itself."""

    pid: int
    port: int


class ServerFiles:
    """The files of the instance at `home`."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "run"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until nobody else starts or stops the server, and keep others from it."""
        with self._open("prefect.turn") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def use(self) -> Iterator[IO[str]]:
        """Be one of the server's users. Makes the folder; all else expects it and raises `FileNotFoundError`
        when somebody deleted the instance."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._open("prefect.users") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield file

    @contextmanager
    def claim(self) -> Iterator[IO[str]]:
        """The record, locked for the server that is about to start: it inherits the open file, and with it
        the lock. To be called in one's turn, when no server is alive."""
        with self._open("prefect.json") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # at most the moment of somebody's `is_alive`
            file.truncate(0)
            yield file

    def is_alive(self) -> bool:
        """Whether there is a server, ready or not."""
        with suppress(FileNotFoundError), (self._folder / "prefect.json").open() as file:
            return not can_lock(file, fcntl.LOCK_SH)
        return False

    def record(self) -> Record | None:
        """What the server says of itself; None when it has not said it yet."""
        with suppress(ValueError, FileNotFoundError):
            return Record(**json.loads((self._folder / "prefect.json").read_text()))
        return None

    @contextmanager
    def if_unused(self) -> Iterator[bool]:
        """Whether nobody uses, starts or stops the server; nobody can begin to inside of the block."""
        with self._open("prefect.turn") as turn, self._open("prefect.users") as users:
            yield can_lock(turn, fcntl.LOCK_EX) and can_lock(users, fcntl.LOCK_EX)

    def _open(self, name: str) -> IO[str]:
        return (self._folder / name).open("a")


def can_lock(file: IO[str], operation: int) -> bool:
    """Lock the file if that is possible at once (a lock it held before is converted, or lost)."""
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_record(descriptor: int, record: Record) -> None:
    """Say which server we are, into the file that `ServerFiles.claim` opened."""
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps({"pid": record.pid, "port": record.port}).encode())
