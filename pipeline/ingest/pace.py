"""How fast a bulk ingest reads, where it is to leave bandwidth to others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.ingest.intake import Readable


class Pace:
    """Holds all that read at it back to so many bytes a second together; 0 holds nobody back. What was not read in time
    is not caught up with."""

    def __init__(
        self,
        bytes_per_second: int,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = bytes_per_second
        self._wait = wait
        self._clock = clock
        self._free_at = 0.0
        self._lock = threading.Lock()

    def slowed(self, source: Readable) -> Readable:
        """The source, read at this pace."""
        return _Slowed(source, self) if self._rate else source

    def most(self) -> int:
        """Bytes to be read at once, so that nobody waits much longer than a second and hears of nothing meanwhile."""
        return self._rate

    def keep(self, number: int) -> None:
        """Wait after so many bytes were read."""
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now) + number / self._rate
            pause = self._free_at - now
        self._wait(pause)


class _Slowed:
    def __init__(self, source: Readable, pace: Pace) -> None:
        self._source = source
        self._pace = pace

    def readinto(self, buffer: memoryview, /) -> int | None:
        number = self._source.readinto(buffer[: self._pace.most()])
        self._pace.keep(number or 0)
        return number
