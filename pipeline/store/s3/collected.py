"""Objects whose bytes come over a network, at somebody else's pace: every part is collected before it is sent.

So no request to S3 waits for anybody, each can be tried again, and how many there are at once is bounded for the whole
process. S3 wants to know how long a part is before its first byte, too, which nobody may know.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait

from pipeline.errors import Rejected
from pipeline.model import Part
from pipeline.store.s3.bucket import Bucket
from pipeline.store.s3.buffers import Budget
from pipeline.store.s3.uploads import PARTS_AT_ONCE, Assembly, require_size
from pipeline.store.s3.wire import Target
from pipeline.store.transfer import MOST_PARTS, SMALLEST_PART

COLLECTED_PART = SMALLEST_PART
"""Bytes of every part but the last; what is smaller goes in one piece. Memory decides: S3 takes no smaller ones."""
LARGEST_COLLECTED = MOST_PARTS * COLLECTED_PART
"""Bytes; a larger object has to tell its size, and is streamed in larger parts."""


class _PartBuffer:
    """The bytes of one part, in memory that goes back to the system with it: what many threads allocate and give up,
    megabytes at a time, else stays with the process in pieces."""

    def __init__(self) -> None:
        self.size = 0
        self._memory: mmap.mmap | None = None

    def take(self, view: memoryview) -> int:
        """As many bytes as still have room; answers how many."""
        self._memory = self._memory or mmap.mmap(-1, COLLECTED_PART)
        taken = min(len(view), COLLECTED_PART - self.size)
        self._memory[self.size : self.size + taken] = view[:taken]
        self.size += taken
        return taken

    def content(self) -> memoryview:
        return memoryview(self._memory or b"")[: self.size]


class CollectedUpload:
    """An object of `size` bytes, or of as many as come where that is None. It goes in one piece where it turns out to
    be small, else in parts, of which `senders` send one after the other: `begin` begins those when the first is full;
    `under_way` is what was begun before and is gone on with. Memory for one part it always has; for more of them,
    while those before are being sent, only where the `budget` of all uploads together allows."""

    part_size = COLLECTED_PART

    def __init__(
        self,
        bucket: Bucket,
        name: str,
        size: int | None,
        senders: Executor,
        budget: Budget,
        begin: Callable[[], Assembly],
        under_way: Assembly | None,
    ) -> None:
        self.id = under_way.id if under_way else ""
        self.offset = self._position = under_way.offset if under_way else 0
        self._bucket = bucket
        self._name = name
        self._size = size
        self._senders = senders
        self._budget = budget
        self._begin = begin
        self._assembly = under_way
        self._part = _PartBuffer()
        self._sending: list[Future[None]] = []
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._held = 0
        self._is_over = False

    def write(self, block: bytes | memoryview) -> None:
        view = memoryview(block).cast("B")
        while view:
            self._raise_failure()
            if not self._part.size:
                self._hold()
            taken = self._part.take(view)
            self._position += taken
            view = view[taken:]
            if self._part.size == self.part_size:
                self._send_part()

    def _hold(self) -> None:
        """Have memory for one more part: at once where none is held, so that no upload waits for another."""
        with self._changed:
            self._changed.wait_for(self._holds_one_more)

    def _holds_one_more(self) -> bool:
        if not self._held:
            self._budget.overdraw(self.part_size)
        elif self._held == PARTS_AT_ONCE or not self._budget.take_at_once(self.part_size):
            return False
        self._held += 1
        return True

    def _let_go(self) -> None:
        with self._changed:
            self._held -= 1
            self._budget.give(self.part_size)
            self._changed.notify()

    def _send_part(self) -> None:
        if self._position > LARGEST_COLLECTED:
            raise Rejected(
                f"{LARGEST_COLLECTED:,} bytes came, and no end of them",
                remedy="send the file with its size as Content-Length",
            )
        if self._assembly is None:
            self._assembly = self._begin()
            self.id = self._assembly.id
        number = -(-self._position // self.part_size)
        part, self._part = self._part, _PartBuffer()
        self._sending = [one for one in self._sending if not one.done()]
        self._sending.append(self._senders.submit(self._send, self._assembly, number, part))

    def _send(self, assembly: Assembly, number: int, part: _PartBuffer) -> None:
        try:
            assembly.send(number, part.content())
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            self._let_go()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def parts(self) -> Sequence[Part]:
        return self._assembly.parts() if self._assembly else ()

    def commit(self) -> None:
        if self._size is not None:
            require_size(self._size, self._position)
        if self._assembly is None:
            self._senders.submit(self._put_whole).result()
        else:
            if self._part.size:
                self._send_part()
            wait(self._sending)
            self._raise_failure()
            self._assembly.complete(self._position)
        self.leave()

    def _put_whole(self) -> None:
        self._bucket.wire.put(Target(self._name), self._part.content(), self._bucket.abilities().checksum)

    def abort(self) -> None:
        if not self._is_over:
            for sending in self._sending:
                if sending.cancel():
                    self._let_go()
            self.leave()
            if self._assembly is not None:
                self._assembly.end()

    def leave(self) -> None:
        """What was not yet a part is lost; parts that have all their bytes still arrive."""
        if not self._is_over:
            self._is_over = True
            if self._part.size:
                self._part = _PartBuffer()
                self._let_go()
            wait(self._sending)
