"""ONE read of a file, feeding digests, identification, scanner and store together.

A small file is handled in the caller's thread: its worker has many in hand. A large one is read into a ring of
buffers, and each heavy consumer works through them in a thread of its own; the slowest holds the reader back, so
memory stays at the ring's size whatever the file's. No buffer goes across the border of two parts: there, each thread
saves the states of what it feeds, and another worker can go on from them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from pipeline.ingest.checkpoints import Checkpoints
from pipeline.ingest.digests import Hash, StatefulHash, by_weight, saved
from pipeline.ingest.identify import Sample
from pipeline.model import Digests, JsonObject, ScanVerdict
from pipeline.ports import ScanSession, Upload
from pipeline.store.transfer import IN_PARTS_FROM

BLOCK = 1 << 20
RING_BLOCK = 2 << 20
"""Handing fewer, larger blocks from thread to thread costs less; much larger ones do not stay in the processor's
caches from one consumer to the next."""
RING_BYTES = 8 * RING_BLOCK

Consumer = Callable[[memoryview], None]


class Readable(Protocol):
    def readinto(self, buffer: memoryview, /) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Readers:
    """All that reads a file besides the store, as it stands at the upload's offset."""

    hashes: Mapping[str, Hash]
    scan: ScanSession
    sample: Sample


@dataclass(frozen=True, slots=True)
class Taken:
    """What one read of a file told of it."""

    size: int
    digests: Digests
    sample: Sample
    verdict: ScanVerdict


def take(source: Readable, size: int, readers: Readers, upload: Upload, checkpoints: Checkpoints) -> Taken:
    """Read `source`, which stands at the upload's offset, to its end, once, into everything; of one that is longer than
    `size`, no more than it takes to know that: it may grow as fast as it is read. The upload is neither committed nor
    aborted here. Raises what the source, the scanner or the store raise."""
    hashes, scan, sample = readers.hashes, readers.scan, readers.sample
    if size < IN_PARTS_FROM:
        updates = [one.update for one in hashes.values()]
        total = _read_here(source, size, [*updates, scan.feed, sample.feed, upload.write])
    else:
        heavy, light = by_weight(hashes)
        groups = [_hashing(name, one) for name, one in heavy.items()]
        updates = [one.update for one in light]
        groups.append(_Group([*updates, scan.feed, sample.feed], lambda: {"scan": scan.checkpoint()}))
        groups.append(_Group([upload.write]))
        # One hash without a state, and the file cannot be gone on with.
        has_states = all(isinstance(one, StatefulHash) for one in hashes.values())
        part_size = upload.part_size if has_states else 0
        total = _read_ring(source, _Span(upload.offset, size, part_size), groups, checkpoints)
    digests = {name: one.hexdigest() for name, one in hashes.items()}
    return Taken(total, digests, sample, scan.finish())


def _read_here(source: Readable, size: int, consumers: Sequence[Consumer]) -> int:
    buffer = memoryview(bytearray(min(BLOCK, size + 1)))
    total = 0
    while total <= size and (number := source.readinto(buffer) or 0):
        for consume in consumers:
            consume(buffer[: min(number, size - total)])
        total += number
    return total


# ---------------------------------------------------------------- the ring


@dataclass(frozen=True, slots=True)
class _Group:
    """What one thread feeds, and how it saves the states of that, by name; empty where it has none."""

    consumers: Sequence[Consumer]
    save: Callable[[], JsonObject] = dict


def _hashing(name: str, one: Hash) -> _Group:
    return _Group([one.update], lambda: {name: one.state()} if isinstance(one, StatefulHash) else {})


@dataclass(frozen=True, slots=True)
class _Span:
    """What is to be read, from `start` to `end`, in parts of `part_size` bytes; 0: the borders do not matter."""

    start: int
    end: int
    part_size: int

    def room(self, offset: int) -> int:
        """How much may be read at once at `offset`."""
        left = self.end - offset
        return min(left, self.part_size - offset % self.part_size) if self.part_size else left

    def is_border(self, offset: int) -> bool:
        return self.part_size > 0 and (offset % self.part_size == 0 or offset == self.end)


@dataclass(slots=True)
class _Slot:
    """A buffer; `border` is the offset of the part's end that its content ends with, else 0."""

    buffer: memoryview
    filled: int = 0
    readers: int = 0
    border: int = 0
    states: JsonObject = field(default_factory=dict)


class _Ring:
    """Buffers that go from the reader to every group of consumers and back."""

    def __init__(self, groups: Sequence[_Group], passed: Callable[[int, JsonObject], None]) -> None:
        self._passed = passed
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for _ in range(RING_BYTES // RING_BLOCK):
            self._free.put(_Slot(memoryview(bytearray(RING_BLOCK))))
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

    def _consume(self, group: _Group, inbox: queue.SimpleQueue[_Slot | None]) -> None:
        while (slot := inbox.get()) is not None:
            try:
                if self._failure is None:
                    for consume in group.consumers:
                        consume(slot.buffer[: slot.filled])
                    if slot.border:
                        slot.states.update(group.save())
            except BaseException as error:
                self._failure = error
            self._give_back(slot)

    def _give_back(self, slot: _Slot) -> None:
        with self._lock:
            slot.readers -= 1
            if slot.readers:
                return
            # Under the lock, so that borders are passed in order.
            if slot.border and self._failure is None:
                self._passed(slot.border, slot.states)
        slot.states = {}
        self._free.put(slot)


def _read_ring(source: Readable, span: _Span, groups: Sequence[_Group], checkpoints: Checkpoints) -> int:
    """Read the span; how far its file goes, or one byte further than the span where the file does."""
    ring = _Ring(groups, partial(_pass, checkpoints))
    offset = span.start
    try:
        while offset < span.end:
            checkpoints.report_in_time()
            slot = ring.slot()
            slot.filled = source.readinto(slot.buffer[: span.room(offset)]) or 0
            if slot.filled == 0:
                break
            offset += slot.filled
            slot.border = offset if span.is_border(offset) else 0
            ring.hand_out(slot)
        if offset == span.end:
            offset += source.readinto(memoryview(bytearray(1))) or 0
    except BaseException as error:
        ring.abandon(error)
        raise
    ring.close()
    return offset


def _pass(checkpoints: Checkpoints, border: int, states: JsonObject) -> None:
    scan = states.pop("scan")
    if scan is not None:
        checkpoints.passed(border, {"digests": saved(states), "scan": scan})
