"""One flush of a file for all who wait for one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from pipeline.durability import flush_folder, is_out_of_room
from pipeline.errors import OutOfSpace, Unavailable

# Of the file's metadata what its bytes are found by, and no more; not every system has it.
_flush_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class SharedFlush:
    """What is written to a file, by whomever, is brought to the disk before `wait` returns. Threads that wait at the
    same time share a flush: the one that is under way when a thread comes may have begun before its bytes were
    written, so all who come meanwhile wait for the next one, which one of them carries out."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError`, for a file that is not there, too."""
        flush_folder(path.parent)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._turn = threading.Lock()
        self._begun = self._ended = 0
        self._failure: OSError | None = None

    def wait(self) -> None:
        """Raises what `require_sound` does, which it finds out."""
        begun = self._begun
        with self._turn:
            if self._ended <= begun:
                self._flush()
        self.require_sound()

    def require_sound(self) -> None:
        """Raises `Unavailable`, or `OutOfSpace`, once the disk refused: what it was given is not written again, though
        it would say at the next flush that all is well."""
        if self._failure is None:
            return
        if is_out_of_room(self._failure):
            raise OutOfSpace(
                "no room left for the database",
                remedy="make room on its disk, then start again what was running",
            ) from self._failure
        raise Unavailable(
            f"the database's disk does not take what is written: {self._failure.strerror}",
            remedy="see that the disk is sound, then start again what was running",
        ) from self._failure

    def _flush(self) -> None:
        self._begun += 1
        try:
            _flush_data(self._descriptor)
        except OSError as failure:
            self._failure = self._failure or failure
        self._ended = self._begun

    def close(self) -> None:
        # Not under a flush: its number may by then be that of another file.
        with self._turn:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
