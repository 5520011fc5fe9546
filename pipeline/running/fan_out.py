"""Blocks of a stream fanned out to several consumers, which work beside each other and beside whoever brings them.

Consumers that let go of Python's lock (digests of large blocks) take as long together as the slowest of them alone.
Only as many streams of a process as there are cores have threads for it at a time: with more the cores have enough to
do, so the others are worked on by their own threads, and none of their blocks waits.

The ring of `pipeline.ingest.intake` reads one file into buffers of its own as fast as that goes, and its threads save
states at borders within it. Here blocks are made by others, whose streams may be many and mostly wait for a network: no
buffer is set aside for one, and no thread.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

Consumer = Callable[[bytes], object]

WORTH = 256 << 10
"""Bytes of a block from which on it is worth waking other threads."""
AHEAD = 4
"""Blocks that may be with a consumer: enough to smooth out what else the machine does meanwhile."""
STREAMS = os.cpu_count() or 1
"""How many have threads at a time."""
_ROOM = threading.BoundedSemaphore(STREAMS)
# For a few digests of each stream. Work that finds none waits in line, which is safe: none here waits for other work.
_THREADS = ThreadPoolExecutor(4 * STREAMS, thread_name_prefix="fan-out")


@dataclass(slots=True)
class _Lane:
    """A consumer, and the blocks that it is not done with; where there are any, some thread is at the first."""

    consume: Consumer
    waiting: deque[bytes] = field(default_factory=deque)


class FanOut:
    """Each of the `consumers` is given every block, in order, by one thread at a time. To be fed by one thread. What is
    neither finished nor abandoned ends by itself, after a few blocks."""

    def __init__(self, consumers: Sequence[Consumer]) -> None:
        self._lanes = [_Lane(one) for one in consumers]
        self._under_way = 0
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    def feed(self, block: bytes) -> None:
        """Consumers may still be at the block when this returns. Raises what one of them raised, of an earlier one
        too."""
        with self._changed:
            self._changed.wait_for(self._has_room)
            self._raise_failure()
            if self._under_way or self._is_admitted(block):
                self._hand_out(block)
                return
        for lane in self._lanes:
            lane.consume(block)

    def _has_room(self) -> bool:
        return all(len(lane.waiting) < AHEAD for lane in self._lanes)

    def _is_admitted(self, block: bytes) -> bool:
        """Whether this stream, of which nothing is under way, is one of those that have threads now."""
        return bool(self._lanes) and len(block) >= WORTH and _ROOM.acquire(blocking=False)

    def _hand_out(self, block: bytes) -> None:
        self._under_way += len(self._lanes)
        for lane in self._lanes:
            lane.waiting.append(block)
            if len(lane.waiting) == 1:
                self._wake_for(lane)

    def _wake_for(self, lane: _Lane) -> None:
        turn = threading.Lock()
        try:
            _THREADS.submit(self._work, lane, turn)
        except RuntimeError:
            # No thread can be started. One that there is may yet come to it, for it stands in line all the same.
            self._work(lane, turn)

    def _work(self, lane: _Lane, turn: threading.Lock) -> None:
        """Until nothing waits for the consumer any more; nothing where somebody else has taken the turn."""
        if not turn.acquire(blocking=False):
            return
        block: bytes | None = lane.waiting[0]
        while block is not None:
            try:
                if self._failure is None:
                    lane.consume(block)
            except BaseException as error:
                self._failure = error
            block = self._next(lane)

    def _next(self, lane: _Lane) -> bytes | None:
        """What the lane goes on with, now that it is done with the block before."""
        with self._changed:
            lane.waiting.popleft()
            self._under_way -= 1
            if not self._under_way:
                _ROOM.release()
            self._changed.notify()
            return lane.waiting[0] if lane.waiting else None

    def finish(self) -> None:
        """Wait until consumers are done with all that was fed. More may be fed then. Raises what one of them raised."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)
            self._raise_failure()

    def abandon(self) -> None:
        """Wait until no consumer is at anything any more; none is given what it was not yet given, or anything else."""
        with self._changed:
            self._failure = self._failure or RuntimeError("the stream was abandoned")
            self._changed.wait_for(lambda: not self._under_way)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
