"""Files of the local store that are still being written, below its folder `.partial`:

.partial/whole/<token>/<number>             an object in one piece; the folder is one open store's own
.partial/parts/<key>/<upload>.<generation>  an object in parts, which whoever knows its ledger can go on with
.partial/parts/<key>/<upload>.slots         one whose parts come in any order (`slots`)

What goes in one piece is lost with its process: the next store that opens takes it away. What goes in parts stays
until it is committed, ended, or begun afresh; whoever goes on with it renames it, so that of several processes that
believe it to be theirs only the last can commit. The others have the file open still: all write under its lock, and
only while it has the name that they gave it; whoever renamed it takes that lock before anything else. So who was
overtaken writes nothing any more, least of all into an object that is committed.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import xxhash

from pipeline.errors import Conflict, HeadraceError, Rejected, Unavailable
from pipeline.model import Part, PartLedger
from pipeline.ports import OpenUpload
from pipeline.running.scratch import abandoned_folders, own_folder
from pipeline.store.direct import DirectWriter
from pipeline.store.disk import Disk, rename_into_folder, translated
from pipeline.store.slots import SlottedUpload
from pipeline.store.transfer import (
    IN_PARTS_FROM,
    OpenPlan,
    PartPlan,
    SeenPart,
    agreed,
    before_checkpoint,
    behind_checkpoint,
    plan_parts,
    require_unchanged,
)

T = TypeVar("T")

PARTIAL = ".partial"
_TRIES = 50
# The writer is at most this many parts ahead of the disk: memory that waits to be written does not grow.
_FLUSHES_AHEAD = 2
# Seconds to wait for somebody else's write that is under way: what takes longer is a process that stands still.
_PATIENCE = 10.0
_BETWEEN_TRIES = 0.002


class WholeUpload:
    """One file being written in one piece under a temporary name."""

    id = ""
    part_size = 0
    offset = 0

    def __init__(self, disk: Disk, partial: Path, final: Path) -> None:
        self._disk = disk
        self._partial = partial
        self._final = final
        self._has_appeared = False
        with translated():
            self._descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def write(self, block: bytes | memoryview) -> None:
        with translated():
            self._disk.write(self._descriptor, block)

    def parts(self) -> Sequence[Part]:
        return ()

    def commit(self) -> None:
        with translated():
            self.flush()
            self.appear()

    def flush(self) -> None:
        if self._descriptor < 0:
            self._descriptor = os.open(self._partial, os.O_RDONLY | os.O_CLOEXEC)
        self._disk.flush(self._descriptor)

    def appear(self) -> None:
        """Take the final name; the bytes are durable by now."""
        self.close()
        rename_into_folder(self._disk, self._partial, self._final)
        self._has_appeared = True

    def abort(self) -> None:
        self.close()
        if not self._has_appeared:
            self._partial.unlink(missing_ok=True)

    leave = abort
    """Nothing of it could be gone on with."""

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class PartedUpload:
    """One file being written in parts under a temporary name. A part is flushed while the next is written, and
    acknowledged once its bytes and the file's name are durable; its etag is its xxh3-128."""

    def __init__(
        self,
        disk: Disk,
        flushers: Executor,
        top: Path,
        partial: Path,
        final: Path,
        plan: PartPlan | OpenPlan,
        descriptor: int,
    ) -> None:
        self.id = _upload_id(partial)
        self.part_size = plan.part_size
        self.offset = 0
        self._disk = disk
        self._flushers = flushers
        self._top = top
        self._partial = partial
        self._final = final
        self._plan = plan
        self._descriptor = descriptor
        self._writer = DirectWriter(disk, descriptor)
        self._position = 0
        self._hash = xxhash.xxh3_128()
        self._acknowledged: dict[int, Part] = {}
        self._expected: Mapping[int, str] = {}
        self._flushing: deque[Future[None]] = deque()
        self._is_named = False

    def go_on(self, ledger: PartLedger) -> None:
        """Forget what lies behind the ledger's checkpoint, and write on from there. Once this returns, nobody who had
        the upload before writes to it. Raises `Conflict` where another has gone on with it meanwhile, `Unavailable`
        where one who had it before stands still in the middle of a write."""
        with self._alone():
            os.ftruncate(self._descriptor, ledger.offset)
        os.lseek(self._descriptor, ledger.offset, os.SEEK_SET)
        self._writer = DirectWriter(self._disk, self._descriptor, ledger.offset)
        self.offset = self._position = ledger.offset
        self._acknowledged = {part.number: part for part in before_checkpoint(ledger)}
        self._expected = behind_checkpoint(ledger)

    def write(self, block: bytes | memoryview) -> None:
        view = memoryview(block)
        while view and (room := self._room()) > 0:
            piece = view[:room]
            with self._alone():
                self._writer.write(piece)
                if len(piece) == room:
                    self._writer.end()
            self._hash.update(piece)
            self._position += len(piece)
            view = view[len(piece) :]
            if len(piece) == room:
                self._end_part()
        # What comes beyond the size is counted only: such an object is not committed.
        self._position += len(view)

    def _room(self) -> int:
        """Bytes that the part under way still takes."""
        number, written = divmod(self._position, self.part_size)
        return self._plan.length(number + 1) - written

    def _end_part(self) -> None:
        number = max(1, -(-self._position // self.part_size))
        xxh3 = self._hash.hexdigest()
        require_unchanged(self._expected, number, xxh3)
        self._hash = xxhash.xxh3_128()
        part = Part(number, self._plan.length(number), etag=xxh3, xxh3=xxh3)
        self._flushing.append(self._flushers.submit(self._flush, part))
        while len(self._flushing) > _FLUSHES_AHEAD or (self._flushing and self._flushing[0].done()):
            self._flushing.popleft().result()

    def _flush(self, part: Part) -> None:
        with self._still_mine():
            self._disk.flush_part(self._descriptor, (part.number - 1) * self.part_size, part.size)
            if not self._is_named:
                self._flush_name()
            self._partial.stat()
        self._acknowledged[part.number] = part

    def _flush_name(self) -> None:
        flush_names(self._disk, self._partial.parent, self._top)
        self._is_named = True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The file is this upload's, and stays so meanwhile."""
        with self._still_mine():
            _lock(self._descriptor)
            try:
                self._partial.stat()
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @contextmanager
    def _still_mine(self) -> Iterator[None]:
        with translated():
            try:
                yield
            except FileNotFoundError:
                raise Conflict("another process has gone on with this upload, or has ended it") from None

    def parts(self) -> Sequence[Part]:
        return sorted(self._acknowledged.copy().values(), key=lambda part: part.number)

    def commit(self) -> None:
        plan = self._closed()
        while self._flushing:
            self._flushing.popleft().result()
        if self._position != plan.size:
            raise Rejected(f"{plan.size:,} bytes were to come, and {self._position:,} came")
        with self._still_mine():
            rename_into_folder(self._disk, self._partial, self._final)
        self.leave()
        _prune(self._partial.parent)

    def _closed(self) -> PartPlan:
        """The plan; where nobody knew the size, the last part ends here."""
        if isinstance(self._plan, OpenPlan):
            self._plan = self._plan.closed(self._position)
            if self._position % self.part_size or not self._position:
                with self._alone():
                    self._writer.end()
                self._end_part()
        return self._plan

    def abort(self) -> None:
        if self._descriptor >= 0:
            self.leave()
            self._partial.unlink(missing_ok=True)
            _prune(self._partial.parent)

    def leave(self) -> None:
        wait(self._flushing)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class PartialFiles:
    """All that is being written to a store, by this process and by others. `top` is the store's own folder."""

    def __init__(self, top: Path, disk: Disk, flushers: Executor, least_part: int) -> None:
        self._top = top
        self._disk = disk
        self._flushers = flushers
        self._least_part = least_part
        self._parts = top / PARTIAL / "parts"
        self._open = ExitStack()
        with translated():
            for folder in abandoned_folders(top / PARTIAL / "whole"):
                shutil.rmtree(folder, ignore_errors=True)
            self._own = self._open.enter_context(own_folder(top / PARTIAL / "whole"))
        self._owning = threading.Lock()
        self._numbers = itertools.count()

    def begin(
        self, key: str, final: Path, size: int | None, resume: PartLedger | None
    ) -> WholeUpload | PartedUpload:
        """As `ObjectStore.begin`."""
        # What is not yet a part of an object without a size is lost, or kept elsewhere: no larger than need be.
        open_plan = OpenPlan(min(self._least_part, IN_PARTS_FROM))
        plan = open_plan if size is None else plan_parts(size, least=self._least_part)
        if not plan.part_size:
            return self.whole(final)
        with translated():
            upload = resume and self._resumed(key, final, size, resume)
            return upload or self._afresh(key, final, plan)

    def begin_slots(self, key: str, final: Path, plan: PartPlan) -> SlottedUpload:
        """As `ObjectStore.begin_parts`."""
        with translated():
            self._end_all(key)
            folder = self._parts / key
            upload = self.open_slots(key, final, plan, uuid.uuid4().hex)
            self._in_folder(folder, upload.begin)
            flush_names(self._disk, folder, self._top)
        return upload

    def open_slots(self, key: str, final: Path, plan: PartPlan, upload_id: str) -> SlottedUpload:
        """As `ObjectStore.open_parts`."""
        return SlottedUpload(self._disk, self._parts / key, final, plan, upload_id)

    def whole(self, final: Path) -> WholeUpload:
        with self._owning, translated():
            # Somebody cleared away what seemed to be left over: that is lost, what comes need not be.
            if not self._own.is_dir():
                self._own = self._open.enter_context(own_folder(self._top / PARTIAL / "whole"))
        return WholeUpload(self._disk, self._own / str(next(self._numbers)), final)

    def _resumed(self, key: str, final: Path, size: int | None, ledger: PartLedger) -> PartedUpload | None:
        plan = OpenPlan(ledger.part_size) if size is None else PartPlan(size, ledger.part_size)
        for found in self._files(key):
            if _upload_id(found) == ledger.upload_id and _has(found, ledger, plan):
                mine = found.with_name(_file_name(ledger.upload_id))
                try:
                    self._disk.rename(found, mine)
                    upload = self._opened(mine, final, plan, os.O_WRONLY)
                except FileNotFoundError:
                    return None  # another process has just taken it: the last one to begin has the key
                try:
                    upload.go_on(ledger)
                except HeadraceError:
                    upload.leave()
                    raise
                return upload
        return None

    def _afresh(self, key: str, final: Path, plan: PartPlan | OpenPlan) -> PartedUpload:
        self._end_all(key)
        partial = self._parts / key / _file_name(uuid.uuid4().hex)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        return self._in_folder(partial.parent, lambda: self._opened(partial, final, plan, flags))

    def _end_all(self, key: str) -> None:
        for stale in self._files(key):
            stale.unlink(missing_ok=True)

    def _in_folder(self, folder: Path, act: Callable[[], T]) -> T:
        """What `act` does there; the folder is made for it."""
        for tries_left in reversed(range(_TRIES)):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                return act()
            except FileNotFoundError:
                # Another has just taken the folder away as empty.
                if not tries_left:
                    raise
        raise AssertionError("unreachable")

    def _opened(self, partial: Path, final: Path, plan: PartPlan | OpenPlan, flags: int) -> PartedUpload:
        descriptor = os.open(partial, flags | os.O_CLOEXEC, 0o640)
        return PartedUpload(self._disk, self._flushers, self._top, partial, final, plan, descriptor)

    def _files(self, key: str) -> list[Path]:
        try:
            return [path for path in (self._parts / key).iterdir() if path.is_file()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def open_uploads(self, prefix: str) -> Iterator[OpenUpload]:
        """As `ObjectStore.open_uploads`, of those that can be gone on with: the others end with their process."""
        for folder, _, names in os.walk(self._parts / prefix):
            key = Path(folder).relative_to(self._parts).as_posix()
            # One of parts in any order has two files.
            for upload_id, paths in itertools.groupby(
                (Path(folder, name) for name in sorted(names)), key=_upload_id
            ):
                with suppress(FileNotFoundError):
                    begun = datetime.fromtimestamp(next(paths).stat().st_mtime, UTC)
                    yield OpenUpload(key, upload_id, begun)

    def end(self, key: str, upload_id: str) -> None:
        with translated():
            for path in self._files(key):
                if _upload_id(path) == upload_id:
                    path.unlink(missing_ok=True)
            _prune(self._parts / key)

    def close(self) -> None:
        self._open.close()


def _lock(descriptor: int) -> None:
    """Lock an open file (flock(2)) against all others that have it open, in this process too."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unavailable(
                    "another process stands still while it writes to this upload",
                    remedy="end that process, or let it go on, then try again",
                ) from None
        time.sleep(_BETWEEN_TRIES)


def flush_names(disk: Disk, folder: Path, top: Path) -> None:
    """Make the names of what is in a folder durable, and the folder's own, and so on up to `top`."""
    while True:
        disk.flush_folder(folder)
        if folder == top:
            return
        folder = folder.parent


def _file_name(upload_id: str) -> str:
    return f"{upload_id}.{uuid.uuid4().hex}"


def _upload_id(path: Path) -> str:
    return path.name.partition(".")[0]


def _has(path: Path, ledger: PartLedger, plan: PartPlan | OpenPlan) -> bool:
    """Whether a file is long enough for the parts before the checkpoint. Nobody else writes to it, and each part was
    flushed before it was acknowledged, so what is there need not be read again."""
    size = path.stat().st_size if path.exists() else 0
    seen = [
        SeenPart(part.number, part.size, etag=part.xxh3)
        for part in ledger.parts
        if (part.number - 1) * ledger.part_size + part.size <= size
    ]
    return agreed(ledger, seen) and plan.is_border(ledger.offset)


def _prune(folder: Path) -> None:
    """Take away folders of keys that are empty. Nothing depends on their being there or not."""
    with suppress(OSError):
        while folder.name != PARTIAL:
            folder.rmdir()
            folder = folder.parent
