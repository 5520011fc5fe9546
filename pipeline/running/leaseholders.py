"""Which processes of an instance hold leases, and which of them are dead.

Leases in the catalogue end by time, so that a lost machine keeps nothing. On this machine nobody need wait for
that: every process has a file in `home/run/leaseholders`, named as it signs its leases and locked (flock) as long
as it lives. A file that is not locked names a process that was killed.
"""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def leaseholder(home: Path) -> Iterator[str]:
    """The name in which this process takes leases for as long as the block lasts."""
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    unlocked = folder / f".{name}"
    with unlocked.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Only now may others see it: before, they would take it for a dead process's.
        path = unlocked.rename(folder / name)
        yield name
        # After an error the file stays, unlocked: what was leased may still be.
        path.unlink(missing_ok=True)


def departed(home: Path) -> list[str]:
    """Processes of the instance that died without a farewell."""
    return [path.name for path in _folder(home).glob("[!.]*") if not _is_locked(path)]


def forget(home: Path, name: str) -> None:
    """The leases of a process that died are released."""
    (_folder(home) / name).unlink(missing_ok=True)


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        # It has just left, in order: nothing of it is to be released.
        return True
    return False


def _folder(home: Path) -> Path:
    return home / "run" / "leaseholders"
