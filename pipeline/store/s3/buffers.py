"""Memory of what is on its way to S3: bounded for the whole process, whatever the size of objects and parts."""

from __future__ import annotations

import threading
from collections.abc import Generator
from queue import SimpleQueue

from pipeline.store.transfer import MIB

BUFFER = MIB


class BufferPool:
    """At most `count` buffers of 1 MiB, made when first needed."""

    def __init__(self, count: int) -> None:
        self._free: list[bytearray] = []
        self._permits = threading.Semaphore(count)

    def take(self) -> bytearray:
        """A buffer; waits until one is free."""
        self._permits.acquire()
        return self._free.pop() if self._free else bytearray(BUFFER)

    def give(self, buffer: bytearray) -> None:
        """Give a buffer back."""
        self._free.append(buffer)
        self._permits.release()


class Budget:
    """Bytes that may be held at once by all who ask for them."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait until there are as many bytes, and hold them."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= size)
            self._left -= size

    def take_at_once(self, size: int) -> bool:
        """Hold as many bytes if they are there; whether they were."""
        with self._changed:
            if self._left < size:
                return False
            self._left -= size
            return True

    def overdraw(self, size: int) -> None:
        """Hold as many bytes whether they are there or not. There are none for others until so many were given back."""
        with self._changed:
            self._left -= size

    def give(self, size: int) -> None:
        """Give bytes back."""
        with self._changed:
            self._left += size
            self._changed.notify_all()


class Cut(Exception):
    """The writer has given the part up."""


class PartPipe:
    """The bytes of one part on their way from the writer, who must not wait for the network as long as there are
    buffers, to the sender, who is there before the first byte: so buffers always come back.

    Every block is a full buffer but the last of the part.
    """

    def __init__(self, pool: BufferPool, size: int) -> None:
        self.size = size
        self._pool = pool
        self._fed = 0
        self._buffer: bytearray | None = None
        self._queue: SimpleQueue[tuple[bytearray, int] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self._is_cut = False

    @property
    def is_full(self) -> bool:
        """Whether the part has all its bytes."""
        return self._fed == self.size

    def feed(self, view: memoryview) -> int:
        """Take what goes into one buffer; answers how many bytes were taken."""
        if self._buffer is None:
            self._buffer = self._pool.take()
        at = self._fed % BUFFER
        taken = min(len(view), BUFFER - at, self.size - self._fed)
        self._buffer[at : at + taken] = view[:taken]
        self._fed += taken
        if self._fed % BUFFER == 0 or self.is_full:
            self._pass_on(self._buffer, at + taken)
            self._buffer = None
        return taken

    def _pass_on(self, buffer: bytearray, length: int) -> None:
        with self._lock:
            if not self._is_closed:
                self._queue.put((buffer, length))
                return
        self._pool.give(buffer)

    def cut(self) -> None:
        """Writer: the part will not be whole, or is not wanted any more."""
        self._is_cut = True
        if self._buffer is not None:
            self._pool.give(self._buffer)
            self._buffer = None
        self._queue.put(None)

    def blocks(self) -> Generator[memoryview]:
        """Sender: the part's bytes; a block is valid until the next is asked for. Raises `Cut`."""
        left = self.size
        while left:
            item = self._queue.get()
            if item is None:
                raise Cut
            buffer, length = item
            left -= length
            try:
                if self._is_cut:
                    raise Cut
                yield memoryview(buffer)[:length]
            finally:
                self._pool.give(buffer)

    def close(self) -> None:
        """Sender: nothing more is taken; what was not goes back to the pool."""
        with self._lock:
            self._is_closed = True
        while not self._queue.empty():
            item = self._queue.get()
            if item is not None:
                self._pool.give(item[0])
