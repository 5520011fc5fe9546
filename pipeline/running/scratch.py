"""Folders and databases for the temporary files of one process, which go with it.

A folder is locked for as long as its process lives: one that is not locked was left by a process that was killed, and
is anybody's to take away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_RUN = "run-"


@contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """A new folder for the files of a run of the instance, for as long as the block lasts."""
    with own_folder(home / "scratch", _RUN) as folder:
        yield folder


def abandoned_runs(home: Path) -> Iterator[Path]:
    """Folders of runs of the instance that died; as `abandoned_folders`."""
    return abandoned_folders(home / "scratch", _RUN)


@contextmanager
def own_folder(parent: Path, prefix: str = "") -> Iterator[Path]:
    """A new folder below `parent` for as long as the block lasts."""
    name = f"{prefix}{uuid.uuid4().hex}"
    unlocked = parent / f".{name}"
    unlocked.mkdir(parents=True)
    descriptor = os.open(unlocked, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Only now may others see it: before, they would take it for a dead process's.
        folder = unlocked.rename(parent / name)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def abandoned_folders(parent: Path, prefix: str = "") -> Iterator[Path]:
    """Folders that a process left which died. Each is locked until the next is asked for, so that it can be taken
    away."""
    for folder in sorted(parent.glob(f"{prefix}[!.]*")):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


@contextmanager
def scratch_database(folder: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """An empty database with this schema in a file below `folder`, gone afterwards: for what has to be joined or sorted
    and may be larger than memory. Nothing survives a crash, so nothing is synchronised. Tables with their sort order as
    primary key, WITHOUT ROWID, are sorted in that file; a sort of any other kind would go to the system's temporary
    folder."""
    with (
        TemporaryDirectory(dir=folder, prefix="database-") as place,
        closing(sqlite3.connect(Path(place) / "scratch.sqlite", isolation_level=None)) as database,
    ):
        database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
            f"PRAGMA cache_size=-65536; {schema}; BEGIN"
        )
        yield database
