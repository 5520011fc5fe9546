"""Objects of the local store whose parts come in any order, each to its slot in one sparse file; of an upload there are

.partial/parts/<key>/<upload>.slots    the bytes
.partial/parts/<key>/<upload>.there    16 bytes a part: its md5 where it is durable, else zeros

Who writes a part holds a lock on its place there, who commits on all of it (fcntl, open file description locks: a
process that dies lets go). So of two that send the same part at once one is refused, and nobody who was slow to die
writes into an object that is committed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from pipeline.errors import Conflict
from pipeline.running.fan_out import FanOut
from pipeline.store.direct import DirectWriter
from pipeline.store.disk import Disk, rename_into_folder, translated
from pipeline.store.transfer import MIB, PartPlan, exactly, md5_of_parts, require_parts

_DIGEST = 16
_ABSENT = bytes(_DIGEST)
_UNFLUSHED = 64 * MIB
"""Bytes that wait to be written at most: memory of the system, which others need too."""
# struct flock of Linux on 64-bit machines (fcntl(2)): type, whence, start, length, pid.
_FLOCK = struct.Struct("@hhqqi")


class SlottedUpload:
    """The upload `id` of an object, whose files are in `folder`."""

    def __init__(self, disk: Disk, folder: Path, final: Path, plan: PartPlan, upload_id: str) -> None:
        self.id = upload_id
        self._disk = disk
        self._final = final
        self._plan = plan
        self._slots = folder / f"{upload_id}.slots"
        self._there = folder / f"{upload_id}.there"

    def begin(self) -> None:
        """Make its files, the folder's entries for them not durable yet. Raises `FileNotFoundError` where there is no
        such folder."""
        for path, size in ((self._slots, self._plan.size), (self._there, _DIGEST * self._plan.count)):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            try:
                os.ftruncate(descriptor, size)
                self._disk.flush(descriptor)
            finally:
                os.close(descriptor)

    def url(self, number: int, lifetime: timedelta) -> None:  # noqa: ARG002
        return None

    def write(self, number: int, blocks: Iterable[bytes]) -> None:
        place = _DIGEST * (number - 1)
        with translated(), self._locked(place, _DIGEST) as there, self._opened(self._slots) as slots:
            if os.pread(there, _DIGEST, place) != _ABSENT:
                self._note(there, place, _ABSENT)
            start = os.lseek(slots, (number - 1) * self._plan.part_size, os.SEEK_SET)
            self._note(there, place, self._written(slots, start, exactly(blocks, self._plan.length(number))))
            with self._over():
                # It may have been ended meanwhile.
                self._slots.stat()

    def _written(self, slots: int, start: int, blocks: Iterable[bytes]) -> bytes:
        """The md5 of what is durable from `start` on now, where the descriptor stands."""
        writer = DirectWriter(self._disk, slots, start)
        digest = hashlib.md5(usedforsecurity=False)
        digesting = FanOut([digest.update])
        unflushed = 0
        for block in blocks:
            digesting.feed(block)
            writer.write(memoryview(block))
            unflushed += len(block)
            if unflushed >= _UNFLUSHED:
                self._disk.flush(slots)
                unflushed = 0
            del block  # not to be held while the next one comes
        writer.end()
        self._disk.flush(slots)
        digesting.finish()
        return digest.digest()

    def _note(self, there: int, place: int, digest: bytes) -> None:
        os.lseek(there, place, os.SEEK_SET)
        self._disk.write(there, digest)
        self._disk.flush(there)

    def commit(self) -> str:
        with translated():
            if self._is_ended():
                return ""
            with self._locked(0, 0) as there, self._over():
                digests = self._digests(os.pread(there, _DIGEST * self._plan.count, 0))
                require_parts(self._plan, {number: self._plan.length(number) for number in digests})
                if not self._is_committed():
                    rename_into_folder(self._disk, self._slots, self._final)
        return md5_of_parts(digests.values())

    def _is_committed(self) -> bool:
        with suppress(FileNotFoundError):
            return not self._slots.exists() and self._final.stat().st_size == self._plan.size
        return False

    def _is_ended(self) -> bool:
        """Whether what is known of its parts was given up once it was committed."""
        return self._is_committed() and not self._there.exists()

    def _digests(self, noted: bytes) -> dict[int, bytes]:
        """Of the parts that are there, by number."""
        digests = {
            number: noted[_DIGEST * (number - 1) : _DIGEST * number]
            for number in range(1, self._plan.count + 1)
        }
        return {number: digest for number, digest in digests.items() if digest != _ABSENT}

    @contextmanager
    def _locked(self, start: int, length: int) -> Iterator[int]:
        """The file that tells of parts, with a lock on some bytes of it, on all where `length` is 0."""
        with self._opened(self._there) as there:
            lock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
            try:
                fcntl.fcntl(there, fcntl.F_OFD_SETLK, lock)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    raise Conflict("another request is sending this part, or one of them") from None
                raise
            yield there

    @contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        with self._over():
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _over(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise Conflict("the upload was committed or ended") from None
