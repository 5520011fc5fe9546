"""How often the DOI registry may be asked now, and what its answers mean for that: for all processes together, and the
only place that knows whether it matters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pipeline.catalogue import Transaction, doi_rate
from pipeline.pid import pace
from pipeline.ports import DoiFault, DoiOutcome
from pipeline.services import Services

_GROUP = 8
"""Requests that are granted at once: what was granted is used within seconds."""
_NO_BOUND = 1_000_000


def room(tx: Transaction, services: Services) -> int:
    """Requests that could be granted now."""
    if not services.registry.is_rate_limited:
        return _NO_BOUND
    return pace.room(doi_rate.look(tx), services.settings.doi_rate, services.now())


def take(tx: Transaction, services: Services, costs: Sequence[int]) -> int:
    """Have the first of some errands granted, each of which costs so many requests; how many of them. They are to be
    done at once."""
    if not services.registry.is_rate_limited:
        return len(costs)
    rate, now = services.settings.doi_rate, services.now()
    kept = doi_rate.hold(tx)
    number, cost, allowed = 0, 0, pace.room(kept, rate, now)
    while number < min(len(costs), _GROUP) and cost < allowed:
        cost += costs[number]
        number += 1
    if number:
        doi_rate.keep(tx, pace.granted(kept, cost, rate, now))
    return number


def heed(tx: Transaction, services: Services, outcomes: Sequence[DoiOutcome]) -> None:
    """Note what came of errands that were done together. What is refused was answered, which tells that the registry is
    there."""
    if outcomes:
        is_there = any(one.fault in (None, DoiFault.REFUSED) for one in outcomes)
        waits = [one.wait for one in outcomes if one.wait is not None]
        heed_answer(tx, services, answered=is_there, wait=max(waits, default=None))


def heed_answer(
    tx: Transaction, services: Services, *, answered: bool, wait: timedelta | None = None
) -> None:
    """The same, of errands that were answered or not; `wait` is for how long the registry wants to be left alone."""
    if services.registry.is_rate_limited:
        kept = doi_rate.hold(tx)
        if (then := pace.after(kept, services.now(), answered=answered, wait=wait)) != kept:
            doi_rate.keep(tx, then)


def rests_until(tx: Transaction, services: Services) -> datetime | None:
    """When the registry is asked again, where it is left alone now."""
    if not services.registry.is_rate_limited:
        return None
    now = services.now()
    until = pace.rests_until(doi_rate.look(tx), now)
    return until if until > now else None
