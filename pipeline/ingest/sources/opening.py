"""Opening what a source names, and nothing else: every component of a path below the source's root is
opened from the one before it without following a symbolic link, and only regular files are opened for
reading (opening a FIFO wakes its writer, opening a tape rewinds it).
"""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pipeline.display import shown
from pipeline.errors import HeadraceError, Rejected, SourceChanged, Unavailable
from pipeline.ingest.sources.names import path_fault, segments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW
# O_PATH asks for search permission only, as any other path lookup does; it is Linux's own.
_STEP = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY

# The machine's trouble, not the file's: the same call may succeed later.
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT})


class FileMissing(Rejected):
    """No file lies at the path."""

    code = "missing"


class FileUnreadable(Rejected):
    """Something lies at the path that this process may not read, or whose disk does not answer."""

    code = "unreadable"


class NotRegular(Rejected):
    """A symbolic link, FIFO, socket, device or folder: never followed, never opened."""

    code = "not-regular"


class SourceReader(io.FileIO):
    """A file of a source, unbuffered, that may be read from any offset (`seek`). `still_same` belongs after the last
    read; `given` counts the bytes that were read, repeated ones too.

    Reading raises `FileUnreadable` where the disk does not give the bytes.
    """

    def __init__(self, descriptor: int, root: str, path: str) -> None:
        super().__init__(descriptor)
        self.root = root
        self.path = path
        self.found = os.fstat(descriptor)
        self.given = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with _told(self.path):
            number = super().readinto(buffer) or 0
        self.given += number
        return number

    def read(self, size: int | None = -1, /) -> bytes:
        with _told(self.path):
            block = super().read(size) or b""
        self.given += len(block)
        return block

    def read_at(self, start: int, length: int) -> bytes:
        self.seek(start)
        return self.read(length)

    def still_same(self) -> None:
        """Raises `SourceChanged` when size or modification time moved since the file was opened, or when its name
        was given to another file: writers replace a file by renaming a new one over it. As `open_file` where
        nothing that could be read lies there any more."""
        for now in (os.fstat(self.fileno()), stat_regular(self.root, self.path)):
            if _identity(now) != _identity(self.found):
                raise SourceChanged(f"{shown(self.path)} changed while it was read", remedy=_SETTLE)


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


_SETTLE = "Ingest again when nothing writes to the source."


def open_file(root: str, path: str, expected_size: int, expected_mtime_ns: int | None) -> SourceReader:
    """Open the regular file `path` (as a `SourceFile` has it) below the folder `root` for one reading, and see
    that it is still what the survey saw.

    Raises `FileMissing`, `FileUnreadable`, `NotRegular`, `SourceChanged`, all of them `Rejected` and told
    apart by `code`; `Unavailable` when the root itself is away.
    """
    reader = open_regular(root, path)
    found = reader.found
    if found.st_size != expected_size or expected_mtime_ns not in (None, found.st_mtime_ns):
        reader.close()
        raise SourceChanged(f"{shown(path)} changed since the survey", remedy=_SETTLE)
    return reader


def open_regular(root: str, path: str) -> SourceReader:
    """As `open_file`, for a file that no survey has seen yet."""
    with _parent(root, path) as (parent, name), _told(path):
        _require_regular(path, os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        descriptor = os.open(name, _FILE, dir_fd=parent)
    reader = SourceReader(descriptor, root, path)
    try:
        # The name may have been given to something else between the two calls.
        _require_regular(path, reader.found.st_mode)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    except BaseException:
        reader.close()
        raise
    return reader


def stat_regular(root: str, path: str) -> os.stat_result:
    """Look at the regular file `path` without opening it. Raises as `open_file` does."""
    with _parent(root, path) as (parent, name), _told(path):
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        _require_regular(path, found.st_mode)
        return found


class Entry(NamedTuple):
    """One name in a folder: `segment` is its part of a key; size and time as `stat` has them."""

    name: str
    segment: str
    mode: int
    size: int
    mtime_ns: int


class Folder:
    """An open folder: its names, in the order of their bytes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.names = sorted(os.listdir(descriptor), key=os.fsencode)

    def has_document(self, name: str) -> bool:
        """Whether `name` is here and is not a folder."""
        if name not in self.names:
            return False
        with _told(name):
            found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        return not stat.S_ISDIR(found.st_mode)

    def entries(self) -> Iterator[Entry]:
        """What the names stand for, symbolic links as themselves; what has vanished is left out.
        Raises `FileUnreadable` where the folder may be listed but not searched."""
        renamed = segments(self.names)
        for name in self.names:
            try:
                found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _translated(name, error) from error
            yield Entry(name, renamed.get(name, name), found.st_mode, found.st_size, found.st_mtime_ns)


@contextmanager
def open_folder(root: str, path: str) -> Iterator[Folder]:
    """The folder `path` below `root`, `""` being the root itself. Raises as `open_file` does."""
    with _parent(root, path or ".") as (parent, name), _told(path):
        descriptor = os.open(name, _FOLDER | os.O_RDONLY, dir_fd=parent)
    try:
        with _told(path):
            folder = Folder(descriptor)
        yield folder
    finally:
        os.close(descriptor)


@contextmanager
def _parent(root: str, path: str) -> Iterator[tuple[int, str]]:
    """A descriptor of the folder that holds `path`, and the last segment of `path`."""
    fault = path_fault(path)
    if fault:
        raise NotRegular(f"{shown(path)}: {fault}")
    *folders, name = path.split("/")
    try:
        descriptor = os.open(root, _STEP & ~os.O_NOFOLLOW)
    except OSError as error:
        raise Unavailable(
            f"The source {shown(root)} cannot be opened: {error.strerror}",
            remedy="See that it is mounted and readable here.",
        ) from error
    try:
        for folder in folders:
            with _told(path):
                step = os.open(folder, _STEP, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = step
        yield descriptor, name
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Operating system errors as ours."""
    try:
        yield
    except OSError as error:
        raise _translated(path, error) from error


def _translated(path: str, error: OSError) -> HeadraceError:
    if error.errno in _PASSING:
        return Unavailable(f"{shown(path)} cannot be opened now: {error.strerror}", remedy=_PASSES)
    if error.errno == errno.ENOENT:
        return FileMissing(f"{shown(path)} is missing", remedy="Put the file back, or take it off the list.")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return NotRegular(f"{shown(path)} lies behind something that is no folder", remedy=_LINKS)
    return FileUnreadable(f"{shown(path)} cannot be read: {error.strerror}", remedy=_PERMISSION)


_LINKS = "Symbolic links are never followed: put the file itself in its place."
_PASSES = "See that the source is mounted and that memory and open files (ulimit -n) are left; ingest again."
_PERMISSION = "Give the user that Headrace runs as the permission to read it."


def kind_of(mode: int) -> str:
    """What a person calls something that is neither a file nor a folder."""
    kinds = {
        stat.S_IFLNK: "symbolic link",
        stat.S_IFIFO: "FIFO",
        stat.S_IFSOCK: "socket",
        stat.S_IFDIR: "folder",
    }
    return kinds.get(stat.S_IFMT(mode), "device")


def _require_regular(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise NotRegular(f"{shown(path)} is a {kind_of(mode)}, not a file", remedy=_LINKS)
