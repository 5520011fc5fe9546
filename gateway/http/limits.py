"""Counting requests against rates, in slices (`pipeline.slices`) and bounded memory; no clock of its own."""

import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.settings import Rate
from pipeline.slices import SLICES, end_of, slice_of

MOST_COUNTS = 20_000
"""Counts that are kept; those that were used longest ago are forgotten first, which takes 20,000 clients at once."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How a client stands with the rate that leaves it the least room. `reset` is the time, in Unix seconds, from which
    on it has more; `refused` says that there was none for the request."""

    rate: Rate
    remaining: int
    reset: int
    refused: bool


class Limiter:
    """The counts of all clients of one process. To be used by one thread."""

    def __init__(self, most: int = MOST_COUNTS) -> None:
        self._most = most
        self._counts: OrderedDict[tuple[str, Rate], _Count] = OrderedDict()

    def admit(self, wanted: Sequence[tuple[str, Rate]], *, now: float) -> Allowance | None:
        """Count a request at the time `now` (Unix seconds) with each of (client, rate), but with none of them where one
        has no room for it. None where nothing is wanted."""
        counts = [(rate, self._count(client, rate, now)) for client, rate in wanted]
        full = [
            _allowance(rate, count, refused=True) for rate, count in counts if count.total >= rate.requests
        ]
        if full:
            return max(full, key=lambda one: one.reset)
        for rate, count in counts:
            count.add(rate, now)
        allowances = (_allowance(rate, count, refused=False) for rate, count in counts)
        return min(allowances, key=lambda one: one.remaining, default=None)

    def __len__(self) -> int:
        return len(self._counts)

    def _count(self, client: str, rate: Rate, now: float) -> "_Count":
        count = self._counts.setdefault((client, rate), _Count())
        self._counts.move_to_end((client, rate))
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        count.forget(rate, now)
        return count


class _Count:
    """Requests of a client in the last period of a rate: (slice, number), the oldest first."""

    __slots__ = ("slices", "total")

    def __init__(self) -> None:
        self.slices: deque[tuple[int, int]] = deque()
        self.total = 0

    def forget(self, rate: Rate, now: float) -> None:
        current = slice_of(rate.seconds, now)
        while self.slices and self.slices[0][0] < current - SLICES:
            self.total -= self.slices.popleft()[1]

    def add(self, rate: Rate, now: float) -> None:
        current = slice_of(rate.seconds, now)
        # A clock that was set back goes on with the slice that there is.
        if self.slices and self.slices[-1][0] >= current:
            last, number = self.slices.pop()
            self.slices.append((last, number + 1))
        else:
            self.slices.append((current, 1))
        self.total += 1


def _allowance(rate: Rate, count: _Count, *, refused: bool) -> Allowance:
    reset = math.ceil(end_of(rate.seconds, count.slices[0][0]))
    return Allowance(rate, rate.requests - count.total, reset, refused)


def headers(allowance: Allowance) -> dict[str, str]:
    """Of every answer that is counted (Zenodo's REST API, rate limits)."""
    return {
        "X-RateLimit-Limit": str(allowance.rate.requests),
        "X-RateLimit-Remaining": str(allowance.remaining),
        "X-RateLimit-Reset": str(allowance.reset),
    }
