"""The calls to the operating system that the local store's durability depends on, and what their failures mean."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline import durability
from pipeline.errors import HeadraceError, OutOfSpace, Rejected, Unavailable

_TRIES = 50

# syncfs(2) tells of failed writes since Linux 5.8; Python has no call for it.
_SYNCFS = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None) if sys.platform == "linux" else None

# macOS has none.
_DIRECT = getattr(os, "O_DIRECT", 0)


class Disk:
    """The calls that durability depends on, in one place: tests record their order."""

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        view = memoryview(block)
        while view:
            view = view[os.write(descriptor, view) :]

    def go_direct(self, descriptor: int, *, on: bool) -> bool:
        """Have what is written from now on go past the page cache, or not; whether it does. Not every file system lets
        it."""
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | _DIRECT if on else flags & ~_DIRECT)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
        return on and _DIRECT != 0

    def flush(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def flush_part(self, descriptor: int, offset: int, size: int) -> None:
        """Flush, and keep nothing of that range in memory: what is written next finds room where it was, instead of
        taking that of what others read. (Fresh memory can cost a virtual machine more than the copy into it.)"""
        self.flush(descriptor)
        os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_DONTNEED)

    def flush_all(self, folder: Path) -> bool:
        """Flush the whole file system of `folder`: one wait instead of hundreds. False where the system cannot."""
        if _SYNCFS is None:
            return False
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if _SYNCFS(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(folder))
        finally:
            os.close(descriptor)
        return True

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)  # noqa: PTH104 - half the time of Path.rename, thousands of times a second

    def flush_folder(self, folder: Path) -> None:
        durability.flush_folder(folder)


def rename_into_folder(disk: Disk, source: Path, target: Path) -> None:
    """Rename; the target's folder is made if need be, and again where another has just taken it away as empty.
    Raises `FileNotFoundError` where there is no source."""
    for tries_left in reversed(range(_TRIES)):
        try:
            disk.rename(source, target)
        except FileNotFoundError:
            if not tries_left or not source.exists():
                raise
        else:
            return
        with suppress(FileNotFoundError, FileExistsError):
            target.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def translated() -> Iterator[None]:
    """The system's errors as ours."""
    try:
        yield
    except HeadraceError:
        raise
    except OSError as error:
        if durability.is_out_of_room(error):
            raise OutOfSpace(
                "no room left in the store", remedy="make room on its disk, then run the same command again"
            ) from error
        if error.errno == errno.ENAMETOOLONG:
            raise Rejected("a name is longer than the store's disk bears") from error
        raise Unavailable(
            f"the store's disk answers: {error.strerror} ({error.filename or 'write'})",
            remedy="see that the disk of HEADRACE_STORE is mounted, sound and writable, "
            "then run the same command again",
        ) from error
