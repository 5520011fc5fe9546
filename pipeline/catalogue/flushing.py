"""One flush of a file for all who wait for one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import Unavailable

# Of the file's metadata what its bytes are found by, and no more; not every system has it.
_flush_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class SharedFlush:
    """What is written to a file, by whomever, is brought to the disk before `wait` returns. Threads that wait at the
    same time share a flush: the one that is under way when a thread comes may have begun before its bytes were
    written, so all who come meanwhile wait for the next one, which one of them carries out."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError`, for a file that is not there, too."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._turn = threading.Lock()
        self._begun = self._ended = 0
        self._failure: OSError | None = None
        _flush_name(path.parent)

    def wait(self) -> None:
        """Raises `Unavailable` where the disk refuses, and from then on: what it was given is not written again, though
        it would say at the next flush that all is well."""
        begun = self._begun
        with self._turn:
            if self._ended <= begun:
                self._flush()
        if self._failure is not None:
            raise Unavailable(
                f"the database's disk does not take what is written: {self._failure.strerror}",
                remedy="see that the disk is sound and has room, then start again what was running",
            ) from self._failure

    def _flush(self) -> None:
        self._begun += 1
        try:
            _flush_data(self._descriptor)
        except OSError as failure:
            self._failure = self._failure or failure
        self._ended = self._begun

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _flush_name(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
