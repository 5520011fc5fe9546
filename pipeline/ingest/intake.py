"""ONE read of a file, feeding digests, identification, scanner and store together.

A small file is handled in the caller's thread: its worker has many in hand. A large one is read into a ring of
buffers, and each heavy consumer works through them in a thread of its own; the slowest holds the reader back, so
memory stays at the ring's size whatever the file's.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from pipeline.ingest.digests import is_heavy, new_hashes
from pipeline.ingest.identify import Sample
from pipeline.model import Digests, ScanVerdict
from pipeline.ports import ScanSession, Upload

BLOCK = 1 << 20
RING = 16
_THREADED_FROM = 8 << 20

Consumer = Callable[[memoryview], None]


class Readable(Protocol):
    def readinto(self, buffer: memoryview, /) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What one read of a file told of it."""

    size: int
    digests: Digests
    sample: Sample
    verdict: ScanVerdict


def take(source: Readable, size: int, algorithms: Sequence[str], scan: ScanSession, upload: Upload) -> Taken:
    """Read `source` to its end, once, into everything; of one that is longer than `size`, no more than it takes to
    know that: it may grow as fast as it is read. The upload is neither committed nor aborted here. Raises what the
    source, the scanner or the store raise."""
    hashes = new_hashes(algorithms)
    sample = Sample(size)
    light = [one.update for name, one in hashes.items() if not is_heavy(name)]
    heavy = [one.update for name, one in hashes.items() if is_heavy(name)]
    if size < _THREADED_FROM:
        total = _read_here(source, size, [*heavy, *light, scan.feed, sample.feed, upload.write])
    else:
        groups = [[one] for one in heavy] + [[*light, scan.feed, sample.feed], [upload.write]]
        total = _read_ring(source, size, groups)
    digests = {name: one.hexdigest() for name, one in hashes.items()}
    return Taken(total, digests, sample, scan.finish())


def _read_here(source: Readable, size: int, consumers: Sequence[Consumer]) -> int:
    buffer = memoryview(bytearray(min(BLOCK, size + 1)))
    total = 0
    while total <= size and (number := source.readinto(buffer) or 0):
        for consume in consumers:
            consume(buffer[:number])
        total += number
    return total


@dataclass(slots=True)
class _Slot:
    buffer: memoryview
    filled: int = 0
    readers: int = 0


class _Ring:
    """Buffers that go from the reader to every group of consumers and back."""

    def __init__(self, groups: Sequence[Sequence[Consumer]]) -> None:
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for _ in range(RING):
            self._free.put(_Slot(memoryview(bytearray(BLOCK))))
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._queues: list[queue.SimpleQueue[_Slot | None]] = [queue.SimpleQueue() for _ in groups]
        self._threads = [
            threading.Thread(target=self._consume, args=(group, inbox), name="intake", daemon=True)
            for group, inbox in zip(groups, self._queues, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def slot(self) -> _Slot:
        """The next free buffer. Raises what a consumer raised."""
        slot = self._free.get()
        if self._failure is not None:
            raise self._failure
        return slot

    def hand_out(self, slot: _Slot) -> None:
        slot.readers = len(self._queues)
        for inbox in self._queues:
            inbox.put(slot)

    def close(self) -> None:
        """Wait until every consumer has had everything. Raises what one of them raised."""
        for inbox in self._queues:
            inbox.put(None)
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def abandon(self, reason: BaseException) -> None:
        """End the consumers without letting them work through what is queued."""
        self._failure = self._failure or reason
        with suppress(BaseException):
            self.close()

    def _consume(self, group: Sequence[Consumer], inbox: queue.SimpleQueue[_Slot | None]) -> None:
        while (slot := inbox.get()) is not None:
            try:
                if self._failure is None:
                    for consume in group:
                        consume(slot.buffer[: slot.filled])
            except BaseException as error:
                self._failure = error
            self._give_back(slot)

    def _give_back(self, slot: _Slot) -> None:
        with self._lock:
            slot.readers -= 1
            is_free = slot.readers == 0
        if is_free:
            self._free.put(slot)


def _read_ring(source: Readable, size: int, groups: Sequence[Sequence[Consumer]]) -> int:
    ring = _Ring(groups)
    total = 0
    try:
        while total <= size:
            slot = ring.slot()
            slot.filled = source.readinto(slot.buffer) or 0
            if slot.filled == 0:
                break
            total += slot.filled
            ring.hand_out(slot)
    except BaseException as error:
        ring.abandon(error)
        raise
    ring.close()
    return total
