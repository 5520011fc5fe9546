"""How long a run goes on where nothing moves: what is away for a while costs time, not work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import HeadraceError, Interrupted, OutOfSpace, Unavailable

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0  # seconds


class Patience:
    """Waits between tries, each twice as long as the one before, for `seconds` at most since something moved last.
    `wait` is told how long to wait, and ends everything by what it raises."""

    def __init__(
        self,
        seconds: float,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._wait = wait
        self._clock = clock
        self._since: float | None = None
        self._pause = _FIRST_PAUSE

    def moved(self) -> None:
        """Something went on: patience is whole again."""
        self._since, self._pause = None, _FIRST_PAUSE

    def bear(self, away: HeadraceError) -> None:
        """Something could not be done. Raises `away` where patience is over, or waiting does not help: no room comes
        from it, and who asks a run to stop means it."""
        now = self._clock()
        if self._since is None:
            self._since = now
        if isinstance(away, (OutOfSpace, Interrupted)) or now - self._since >= self._seconds:
            raise away

    def endure(self, away: HeadraceError) -> None:
        """Wait before the next try. Raises as `bear` does."""
        self.bear(away)
        self._wait(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def insist(self, action: Callable[[], T]) -> T:
        """Try until `action` succeeds, which must bear to be done twice. Raises as `endure` does, by a clock of its
        own: what was away before and came back does not count."""
        own = Patience(self._seconds, self._wait, self._clock)
        while True:
            try:
                return action()
            except Unavailable as away:
                own.endure(away)


AT_ONCE = Patience(0)
"""No patience: what is away is told at once."""
