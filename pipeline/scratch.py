"""Folders for the files of one run, below `home/scratch`, which go with the run.

A folder is locked for as long as its process lives: one that is not locked was left by a run that was killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

_PREFIX = "survey-"


@contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """A new folder of this process's own for as long as the block lasts."""
    top = home / "scratch"
    top.mkdir(parents=True, exist_ok=True)
    while True:
        folder = Path(mkdtemp(dir=top, prefix=_PREFIX))
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Before it was locked, another process may have taken it for a dead one's.
        if folder.exists():
            break
        os.close(descriptor)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def abandoned_folders(home: Path) -> Iterator[Path]:
    """Folders of runs that died. Each stays locked until the next is asked for, so that it can be removed."""
    for folder in sorted((home / "scratch").glob(f"{_PREFIX}*")):
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
