"""How often a DOI registry is asked by all processes together (pure).

Requests are granted one after the other, evenly spread, with a few at once where none was for a while (the generic cell
rate algorithm). No five minutes have more than the rate allows, also where one arrives later than it was granted by up
to `SLACK`, and where one more was granted than there was room for, which a request that takes two needs: the rate is
ten at least.

What a clock that was ahead has left behind holds nobody up: a rest that is longer than any is none, and where the next
request is due later than any could be one is granted, and no other for five minutes, in which so many may have been.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
"""The period that DataCite counts in."""
SLACK = timedelta(seconds=30)
LONGEST_WISH = timedelta(days=1)
"""A registry is left alone for no longer because it asks for that."""
_BURST = timedelta(seconds=30)
_FIRST_REST = timedelta(seconds=1)
_LONGEST_REST = timedelta(minutes=5)
_DOUBLED = 12
PROBE = timedelta(minutes=2)
"""For so long one request is waited for that tells whether a registry is there again; whoever sent it may be dead."""
_NO_BOUND = 1_000_000
# No request was ever due later, whatever the rate.
_FARTHEST = 2 * WINDOW


@dataclass(frozen=True, slots=True)
class Pace:
    """`due` is when the next request would be, were all so far evenly spread; nothing is asked before `rests_until`.
    `failures` counts the groups of requests, one after the other, of which none was answered; the one that tells
    whether the registry is there again is under way until `probing_until` at most."""

    due: datetime
    rests_until: datetime
    failures: int = 0
    probing_until: datetime | None = None


def room(pace: Pace, rate: int, now: datetime) -> int:
    """Requests that may be made now, of so many in five minutes; 0: no bound. Of a registry that failed the last time
    one, which tells whether it is there again, and no other before that is answered."""
    if now < rests_until(pace, now) or _is_probed(pace, now):
        return 0
    return min(_room(pace, rate, now), 1 if pace.failures else _NO_BOUND)


def _room(pace: Pace, rate: int, now: datetime) -> int:
    if not rate:
        return _NO_BOUND
    if _is_ahead(pace, now):
        return 1
    step = _step(rate)
    return max(0, int((now + max(_BURST, step) - max(pace.due, now)) / step))


def granted(pace: Pace, requests: int, rate: int, now: datetime) -> Pace:
    """As it is once so many are made."""
    if pace.failures:
        pace = replace(pace, probing_until=now + PROBE)
    if not rate:
        return pace
    due = now + WINDOW if _is_ahead(pace, now) else max(pace.due, now)
    return replace(pace, due=due + requests * _step(rate))


def after(pace: Pace, now: datetime, *, answered: bool, wait: timedelta | None = None) -> Pace:
    """As it is once a group of requests ended so. Where none was answered the registry is left alone, each time for
    longer; where it says for how long, for as long."""
    failures = 0 if answered else pace.failures + 1
    rest = min(_FIRST_REST * 2 ** min(failures - 1, _DOUBLED), _LONGEST_REST) if failures else timedelta()
    if wait is not None:
        rest = max(rest, wait)
    until = rests_until(pace, now)
    until = max(until, now + rest) if rest else until
    return replace(pace, failures=failures, rests_until=until, probing_until=None)


def rests_until(pace: Pace, now: datetime) -> datetime:
    """Until when the registry is left alone; a time that is not in the future where it is not."""
    return now if pace.rests_until > now + LONGEST_WISH else pace.rests_until


def _is_ahead(pace: Pace, now: datetime) -> bool:
    return pace.due > now + _FARTHEST


def _is_probed(pace: Pace, now: datetime) -> bool:
    return pace.probing_until is not None and now < pace.probing_until <= now + 2 * PROBE


def _step(rate: int) -> timedelta:
    return (WINDOW + SLACK + _BURST) / (rate - 1)
