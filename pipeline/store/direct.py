"""Large files go to the disk past the page cache, where the file system lets them (O_DIRECT, open(2)).

Nobody reads them soon, and the cache costs much: memory for each page, work of the system for what becomes of it, and
flushes that stand still until all of it is written. Memory, place and length of such writes have to be aligned: bytes
are copied into buffers of a few for the whole process, each held only while it is written, so that nobody waits for one
whose client is slow. What is not aligned (the end of a file, mostly) goes through the cache, and so does all of it
where the file system refuses.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from queue import LifoQueue

from pipeline.store.disk import Disk
from pipeline.store.transfer import MIB

ALIGNMENT = 4096
"""What is aligned to these is so for any disk: the system asks for the disk's own block size, 512 or 4,096 bytes."""
WORTH = 256 << 10
"""Bytes from which on a write is worth waiting for the disk: less is held until more comes."""
BUFFER = 2 * MIB
_AT_ONCE = 4

_FREE: LifoQueue[memoryview | None] = LifoQueue()
for _ in range(_AT_ONCE):
    _FREE.put(None)  # made when first needed


@contextmanager
def _buffer() -> Iterator[memoryview]:
    """Of pages; waits while all are being written."""
    buffer = _FREE.get()
    try:
        if buffer is None:
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            buffer = memoryview(mmap.mmap(-1, BUFFER, flags=flags))
        yield buffer
    finally:
        _FREE.put(buffer)


class DirectWriter:
    """Writes to an open file, one block behind the other, from `position` on, where it stands. Less than `WORTH` bytes
    may be held until `end`. To be used by one thread at a time. Raises what the disk raises."""

    def __init__(self, disk: Disk, descriptor: int, position: int = 0) -> None:
        self._disk = disk
        self._descriptor = descriptor
        self._position = position
        """Of the first byte that was not written."""
        self._held = bytearray()
        """What comes there; nothing where that is not aligned."""
        self._is_direct = False
        self._is_refused = False

    def write(self, view: memoryview) -> None:
        if self._is_refused:
            self.end()
            self._write_cached(view)
            return
        before = -self._position % ALIGNMENT
        if before:
            self._write_cached(view[:before])
            view = view[before:]
        while len(self._held) + len(view) >= WORTH:
            view = self._write_pages(view)
        self._held += view

    def end(self) -> None:
        """Write what is held."""
        held, self._held = self._held, bytearray()
        with memoryview(held) as view:
            whole = len(view) // ALIGNMENT * ALIGNMENT
            if whole:
                with _buffer() as buffer:
                    buffer[:whole] = view[:whole]
                    self._write_direct(buffer[:whole])
            if view[whole:]:
                self._write_cached(view[whole:])

    def _write_pages(self, view: memoryview) -> memoryview:
        """Write what is held, and as many whole pages as go into a buffer; what is left of the view."""
        held = len(self._held)
        length = min(BUFFER, held + len(view)) // ALIGNMENT * ALIGNMENT
        with _buffer() as buffer:
            buffer[:held] = self._held
            buffer[held:length] = view[: length - held]
            self._write_direct(buffer[:length])
        self._held.clear()
        return view[length - held :]

    def _write_direct(self, pages: memoryview) -> None:
        if self._is_direct or (not self._is_refused and self._turn(on=True)):
            start = self._position
            try:
                self._write(pages)
                return
            except OSError as error:
                # Some take the flag, and refuse the writes.
                if error.errno != errno.EINVAL:
                    raise
            self._position = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            pages = pages[self._position - start :]
        self._is_refused = True
        self._write_cached(pages)

    def _write_cached(self, view: memoryview) -> None:
        if self._is_direct:
            self._turn(on=False)
        self._write(view)

    def _turn(self, *, on: bool) -> bool:
        self._is_direct = self._disk.go_direct(self._descriptor, on=on)
        return self._is_direct

    def _write(self, view: memoryview) -> None:
        self._disk.write(self._descriptor, view)
        self._position += len(view)
