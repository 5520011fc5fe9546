"""A tree of files in a folder of this machine. What a source names is opened, and nothing else: every component of a
path below the tree's root is opened from the one before it without following a symbolic link, and only regular files
are opened for reading (opening a FIFO wakes its writer, opening a tape rewinds it).
"""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.display import shown
from pipeline.errors import HeadraceError, SourceChanged, Unavailable
from pipeline.ingest.sources.fates import kind_of
from pipeline.ingest.sources.names import escaped, path_fault, segments
from pipeline.ingest.sources.protocol import (
    Entry,
    FileMissing,
    FileUnreadable,
    NearTree,
    NotRegular,
    SourceReader,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

    from pipeline.settings import SourceLocation

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW
# O_PATH asks for search permission only, as any other path lookup does; it is Linux's own.
_STEP = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY

# The machine's trouble, not the file's: the same call may succeed later.
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT})


@dataclass(frozen=True, slots=True)
class LocalTree(NearTree):
    """The files below a folder; symbolic links are never followed, but for the folder's own name."""

    location: SourceLocation

    @property
    def name(self) -> str:
        return escaped(Path(self.location.url).name)

    @contextmanager
    def folder(self, path: str) -> Iterator[LocalFolder]:
        with _parent(self.location.url, path or ".") as (parent, name), _told(path):
            descriptor = os.open(name, _FOLDER | os.O_RDONLY, dir_fd=parent)
        try:
            with _told(path):
                folder = LocalFolder(descriptor)
            yield folder
        finally:
            os.close(descriptor)

    def look(self, path: str) -> Entry:
        found = _stat_regular(self.location.url, path)
        name = path.rpartition("/")[2]
        return Entry(name, escaped(name), found.st_mode, found.st_size, found.st_mtime_ns, _stamp(found))

    def open(self, path: str, size: int, stamp: str) -> SourceReader:
        reader = self.open_now(path)
        if reader.size != size or stamp not in ("", reader.stamp):
            reader.close()
            raise SourceChanged(f"{shown(path)} changed since the survey", remedy=_SETTLE)
        return reader

    def open_now(self, path: str) -> SourceReader:
        root = self.location.url
        with _parent(root, path) as (parent, name), _told(path):
            _require_regular(path, os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
            descriptor = os.open(name, _FILE, dir_fd=parent)
        reader = LocalReader(descriptor, root, path)
        try:
            # The name may have been given to something else between the two calls.
            _require_regular(path, reader.found.st_mode)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        except BaseException:
            reader.close()
            raise
        return reader


def _stamp(found: os.stat_result) -> str:
    return str(found.st_mtime_ns)


class LocalReader(SourceReader, io.FileIO):
    """Reading raises `FileUnreadable` where the disk does not give the bytes."""

    def __init__(self, descriptor: int, root: str, path: str) -> None:
        super().__init__(descriptor)
        self._root = root
        self._path = path
        self.found = os.fstat(descriptor)
        self.size = self.found.st_size
        self.stamp = _stamp(self.found)
        self.given = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with _told(self._path):
            number = io.FileIO.readinto(self, buffer) or 0
        self.given += number
        return number

    def read(self, size: int | None = -1, /) -> bytes:
        with _told(self._path):
            block = io.FileIO.read(self, size) or b""
        self.given += len(block)
        return block

    def still_same(self) -> None:
        """Its name may also have been given to another file: writers replace a file by renaming a new one over it.
        Raises as opening does where nothing that could be read lies there any more."""
        for now in (os.fstat(self.fileno()), _stat_regular(self._root, self._path)):
            if _identity(now) != _identity(self.found):
                raise SourceChanged(f"{shown(self._path)} changed while it was read", remedy=_SETTLE)


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


_SETTLE = "Ingest again when nothing writes to the source."


def _stat_regular(root: str, path: str) -> os.stat_result:
    """Look at the regular file `path` without opening it."""
    with _parent(root, path) as (parent, name), _told(path):
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        _require_regular(path, found.st_mode)
        return found


class LocalFolder:
    """An open folder."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.names = sorted(os.listdir(descriptor), key=os.fsencode)

    def has_document(self, name: str) -> bool:
        if name not in self.names:
            return False
        with _told(name):
            found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        return not stat.S_ISDIR(found.st_mode)

    def folders(self) -> list[str]:
        with os.scandir(self._descriptor) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

    def entries(self) -> Iterator[Entry]:
        """Raises `FileUnreadable` where the folder may be listed but not searched."""
        renamed = segments(self.names)
        for name in self.names:
            try:
                found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _translated(name, error) from error
            yield Entry(
                name,
                renamed.get(name, name),
                found.st_mode,
                found.st_size,
                found.st_mtime_ns,
                _stamp(found),
            )


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


def _require_regular(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise NotRegular(f"{shown(path)} is a {kind_of(mode)}, not a file", remedy=_LINKS)
