"""However a registry is asked, no five minutes have more requests than the rate allows, and nobody waits for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pid.pace import SLACK, WINDOW, Pace, after, granted, room
from pipeline.ports import DoiFault, DoiOutcome

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FRESH = Pace(EPOCH, EPOCH)
DONE = DoiOutcome("10.5072/a", None)
AWAY = DoiOutcome("10.5072/a", None, DoiFault.AWAY)
UNTRIED = DoiOutcome("10.5072/a", None, DoiFault.UNTRIED)


@settings(max_examples=200, deadline=None)
@given(
    rate=st.integers(10, 600),
    asked=st.lists(
        st.tuples(st.floats(0, 90), st.integers(1, 40), st.floats(0, SLACK.total_seconds())), max_size=60
    ),
    costs=st.lists(st.integers(1, 2), min_size=1, max_size=7),
)
def test_no_five_minutes_have_more_than_the_rate(
    rate: int, asked: list[tuple[float, int, float]], costs: list[int]
) -> None:
    """Whatever is asked for and when, also where what was granted arrives late and some requests take two."""
    pace, now, arrivals, number = FRESH, NOW, [], 0
    for pause, wanted, delay in asked:
        now += timedelta(seconds=pause)
        allowed, cost = room(pace, rate, now), 0
        while cost < min(allowed, wanted):
            cost += costs[number % len(costs)]
            number += 1
        pace = granted(pace, cost, rate, now)
        arrivals += [now + timedelta(seconds=delay)] * cost
    for first in arrivals:
        assert sum(first <= one < first + WINDOW for one in arrivals) <= rate


@pytest.mark.parametrize("rate", [10, 11, 13, 50, 500, 3000])
def test_what_is_granted_comes_close_to_the_rate(rate: int) -> None:
    """In the long run four fifths of it."""
    pace, number = FRESH, 0
    for second in range(36_000):
        now = NOW + timedelta(seconds=second)
        allowed = room(pace, rate, now)
        pace, number = granted(pace, allowed, rate, now), number + allowed
    assert number >= 0.7 * rate * timedelta(seconds=36_000) / WINDOW


def test_a_registry_that_is_away_is_asked_less_and_less() -> None:
    """From a second up to five minutes; one answer, and it is asked as before."""
    pace, rests = FRESH, []
    for _ in range(12):
        pace = after(pace, [AWAY, AWAY, UNTRIED], NOW)
        rests.append((pace.rests_until - NOW).total_seconds())
        assert room(pace, 500, pace.rests_until - timedelta(seconds=0.5)) == 0
        assert room(pace, 500, pace.rests_until) > 0
    assert rests[:4] == [1, 2, 4, 8]
    assert rests[-1] == 300
    assert after(pace, [AWAY, DONE], NOW).failures == 0


def test_some_failures_among_others_do_not_slow_it_down() -> None:
    assert room(after(FRESH, [AWAY, DONE, AWAY], NOW), 500, NOW) == room(FRESH, 500, NOW)


def test_a_refusal_is_an_answer() -> None:
    assert after(FRESH, [DoiOutcome("10.5072/a", None, DoiFault.REFUSED)], NOW).failures == 0


def test_who_was_not_asked_is_not_away() -> None:
    assert after(FRESH, [UNTRIED], NOW) == FRESH


def test_the_registry_says_for_how_long_it_is_left_alone() -> None:
    """The longest wait that it named counts, also where others came about."""
    busy = DoiOutcome("10.5072/a", None, DoiFault.BUSY, wait=timedelta(minutes=7))
    pace = after(FRESH, [DONE, busy], NOW)
    assert room(pace, 500, NOW + timedelta(minutes=6)) == 0
    assert room(pace, 500, NOW + timedelta(minutes=7)) > 0
