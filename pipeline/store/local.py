"""An `ObjectStore` in a folder.

An object is written under a temporary name, flushed, and renamed to its key; `settle` then flushes the folders,
so that neither bytes nor names are lost with the power. Flushing costs milliseconds of waiting, not work: many are
under way at once (each caller's thread its own, small groups in a pool), and large groups flush all at once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pipeline.errors import Conflict, Missing, Rejected
from pipeline.model import PartLedger
from pipeline.ports import OpenUpload, StoredObject, StoreTraits
from pipeline.store.disk import Disk, rename_into_folder, translated
from pipeline.store.partial import PARTIAL, PartedUpload, PartialFiles, WholeUpload
from pipeline.store.slots import SlottedUpload
from pipeline.store.transfer import MIB, PartPlan

Item = TypeVar("Item")

_BLOCK = 1 << 20
_FLUSHES_AT_ONCE = 16
_GROUP = 64  # flushes from which on flushing everything at once waits less


class LocalStore:
    """Objects as files below `folder`; large ones are flushed in parts of `part_size` bytes or more."""

    traits = StoreTraits(renames_trees=True, writes_wait=True)

    def __init__(self, folder: Path, disk: Disk | None = None, *, part_size: int = 64 * MIB) -> None:
        self._folder = folder.absolute()
        self._disk = disk or Disk()
        self._pool = ThreadPoolExecutor(_FLUSHES_AT_ONCE, thread_name_prefix="flush")
        self._partial = PartialFiles(self._folder, self._disk, self._pool, part_size)

    def begin(
        self,
        key: str,
        size: int | None,
        resume: PartLedger | None = None,
        *,
        from_network: bool = False,  # noqa: ARG002 - a disk waits for nobody
    ) -> WholeUpload | PartedUpload:
        return self._partial.begin(key, self._path(key), size, resume)

    def begin_parts(self, key: str, plan: PartPlan) -> SlottedUpload:
        return self._partial.begin_slots(key, self._path(key), plan)

    def open_parts(self, key: str, plan: PartPlan, upload_id: str) -> SlottedUpload:
        return self._partial.open_slots(key, self._path(key), plan, upload_id)

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        if prefix:
            self._path(prefix)
        return self._partial.open_uploads(prefix)

    def end_upload(self, upload: OpenUpload) -> None:
        self._path(upload.key)
        self._partial.end(upload.key, upload.upload_id)

    def requests(self, size: int) -> int:  # noqa: ARG002
        return 0

    def settle(self, keys: Sequence[str]) -> None:
        self._flush_folders(self._path(key).parent for key in keys)

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        uploads: list[WholeUpload] = []
        contents = {self._path(key): content for key, content in objects.items()}
        try:
            with translated():
                for path, content in contents.items():
                    uploads.append(self._partial.whole(path))
                    uploads[-1].write(content)
                    # A group may be larger than the number of files that a process may have open.
                    uploads[-1].close()
                if len(uploads) < _GROUP or not self._disk.flush_all(self._folder):
                    self._each(WholeUpload.flush, uploads)
                for upload in uploads:
                    upload.appear()
                self._flush_folders(path.parent for path in contents)
        finally:
            for upload in uploads:
                upload.abort()

    def swap_many(self, changes: Mapping[str, tuple[bytes | None, bytes]]) -> None:
        with self._locked():
            for key, (before, after) in changes.items():
                if self._content(key) not in (before, after):
                    raise Conflict(f"{key} is not what it was")
            self.put_many({key: after for key, (_, after) in changes.items()})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other processes of this machine from swapping meanwhile; a process that dies lets go."""
        with translated():
            descriptor = os.open(self._folder / PARTIAL, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with translated():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _content(self, key: str) -> bytes | None:
        try:
            return b"".join(self.read(key))
        except Missing:
            return None

    def read(
        self, key: str, offset: int = 0, length: int | None = None, *, fresh: bool = False
    ) -> Iterator[bytes]:
        blocks = (_fresh_blocks if fresh else _blocks)(self._path(key), offset, length)
        with translated(), _missing(key):
            # The file is opened now, and from now on closed however the generator ends, unread too.
            next(blocks)
        return blocks

    def size(self, key: str) -> int:
        with translated(), _missing(key):
            found = self._path(key).stat()
        if stat.S_ISDIR(found.st_mode):
            raise Missing(f"the store has no object {key}")
        return found.st_size

    def move_many(self, moves: Mapping[str, str]) -> None:
        named = [(self._path(source), self._path(target)) for source, target in moves.items()]
        due = [(old, new) for old, new in named if self._is_due(old, new)]
        with translated():
            for old, new in due:
                rename_into_folder(self._disk, old, new)
            self._flush_folders(new.parent for _, new in due)
            self._each(self._prune, {old.parent for old, _ in due})

    def _is_due(self, old: Path, new: Path) -> bool:
        if not old.exists():
            if new.exists():
                return False
            raise Missing(f"the store has no {self._key(old)}")
        if new.exists():
            raise Conflict(f"{self._key(new)} is there already, {self._key(old)} cannot be moved to it")
        return True

    def copy_many(self, copies: Mapping[str, str]) -> None:
        for source, target in copies.items():
            upload = self.begin(target, self.size(source))
            try:
                for block in self.read(source):
                    upload.write(block)
                upload.commit()
            finally:
                upload.abort()
        self.settle(list(copies.values()))

    def delete(self, prefix: str) -> None:
        path = self._path(prefix)
        with translated():
            try:
                remove = _remove_tree if path.is_dir() else Path.unlink
                remove(path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return
            self._prune(path.parent)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        start = len(str(self._folder)) + 1
        for folder, _, names in os.walk(self._path(prefix)):
            for name in names:
                path = f"{folder}/{name}"
                with suppress(FileNotFoundError):
                    found = os.stat(path)  # noqa: PTH116 - a third of the time of Path's, once for every object
                    modified = datetime.fromtimestamp(found.st_mtime, UTC)
                    yield StoredObject(path[start:], found.st_size, modified)

    def room(self) -> tuple[int, int] | None:
        with translated():
            usage = shutil.disk_usage(self._folder)
        return usage.free, usage.total

    def describe(self) -> str:
        return self._folder.as_uri()

    def close(self) -> None:
        self._pool.shutdown()
        self._partial.close()

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if any(part in ("", ".", "..") for part in parts) or parts[0] == PARTIAL or not _is_utf8_text(key):
            raise Rejected(f"not a key of the store: {key!r}")
        return self._folder.joinpath(*parts)

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _prune(self, folder: Path) -> None:
        """After something went from `folder`: take away folders that are empty, for a store of objects has none and
        OCFL allows none, and flush the first that stays. Those right below the store's own always do."""
        while folder.parent != self._folder and folder != self._folder:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                break
            folder = folder.parent
        # What another thread has taken away meanwhile, it has flushed.
        with suppress(FileNotFoundError):
            self._disk.flush_folder(folder)

    def _flush_folders(self, folders: Iterable[Path]) -> None:
        """Flush folders and all that lie between them and the store's own. In what order is a matter of time only:
        nothing counts as durable before all of them are flushed."""
        due: set[Path] = set()
        for folder in folders:
            while folder not in due:
                due.add(folder)
                if folder != self._folder:
                    folder = folder.parent
        if len(due) < _GROUP or not self._disk.flush_all(self._folder):
            # At once also where they are few: one after the other each has the disk empty its own cache again, though
            # all were written with the first.
            self._each(self._disk.flush_folder, sorted(due, key=_depth, reverse=True))

    def _each(self, action: Callable[[Item], None], items: Collection[Item]) -> None:
        """All at once, the last of them in this thread."""
        if not items:
            return
        *others, own = items
        under_way = [self._pool.submit(action, item) for item in others]
        with translated():
            try:
                action(own)
            finally:
                wait(under_way)
            for done in under_way:
                done.result()


def _remove_tree(folder: Path) -> None:
    """Remove all that is in a folder, and it. What others write there meanwhile may stay."""

    def raise_unless_gone(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for parent, _, names in os.walk(folder, topdown=False, onerror=raise_unless_gone):
        for name in names:
            Path(parent, name).unlink(missing_ok=True)
        try:
            Path(parent).rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise


def _depth(folder: Path) -> int:
    return len(folder.parts)


def _is_utf8_text(key: str) -> bool:
    try:
        return b"\0" not in key.encode()
    except UnicodeEncodeError:
        return False


def _blocks(path: Path, offset: int, length: int | None) -> Iterator[bytes]:
    """Nothing once the file is open, then its blocks."""
    with path.open("rb", buffering=0) as file:
        yield b""
        left = length
        while left is None or left > 0:
            with translated():
                block = os.pread(file.fileno(), _BLOCK if left is None else min(_BLOCK, left), offset)
            if not block:
                return
            offset += len(block)
            left = None if left is None else left - len(block)
            yield block


def _fresh_blocks(path: Path, offset: int, length: int | None) -> Iterator[bytes]:
    """The same, past the page cache: all that is committed was flushed, so its pages can be given up."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            yield from _blocks(path, offset, length)
        finally:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise Missing(f"the store has no object {key}") from None
