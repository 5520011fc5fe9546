"""However a registry is asked, no five minutes have more requests than the rate allows, and nobody waits for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pid.pace import PROBE, SLACK, WINDOW, Pace, after, granted, rests_until, room

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FRESH = Pace(EPOCH, EPOCH)


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
    """In the long run at least seven tenths of it."""
    pace, number = FRESH, 0
    for second in range(36_000):
        now = NOW + timedelta(seconds=second)
        allowed = room(pace, rate, now)
        pace, number = granted(pace, allowed, rate, now), number + allowed
    assert number >= 0.7 * rate * timedelta(seconds=36_000) / WINDOW


def test_a_registry_that_is_away_is_asked_less_and_less() -> None:
    """From a second up to five minutes, and then once; one answer, and it is asked as before."""
    pace, rests = FRESH, []
    for _ in range(12):
        pace = after(pace, NOW, answered=False)
        rests.append((pace.rests_until - NOW).total_seconds())
        assert room(pace, 500, pace.rests_until - timedelta(seconds=0.5)) == 0
        assert room(pace, 500, pace.rests_until) == 1
    assert rests[:4] == [1, 2, 4, 8]
    assert rests[-1] == 300
    there = after(pace, pace.rests_until, answered=True)
    assert room(there, 500, there.rests_until) == room(FRESH, 500, NOW)


def test_an_answer_slows_nobody_down() -> None:
    assert after(FRESH, NOW, answered=True) == FRESH


@pytest.mark.parametrize("answered", [True, False])
def test_the_registry_says_for_how_long_it_is_left_alone(answered: bool) -> None:
    pace = after(FRESH, NOW, answered=answered, wait=timedelta(minutes=7))
    assert room(pace, 500, NOW + timedelta(minutes=6)) == 0
    assert room(pace, 500, NOW + timedelta(minutes=7)) > 0


def test_a_wish_to_be_left_alone_outlives_the_answer_to_an_earlier_request() -> None:
    pace = after(after(FRESH, NOW, answered=False, wait=timedelta(minutes=7)), NOW, answered=True)
    assert room(pace, 500, NOW + timedelta(minutes=6)) == 0


@pytest.mark.parametrize("rate", [10, 500])
def test_a_clock_that_was_ahead_holds_nobody_up(rate: int) -> None:
    """What it wrote down of next month is believed no more; so many may have been asked just before, so that all but
    one request wait for five minutes."""
    month = timedelta(days=30)
    ahead = granted(after(FRESH, NOW + month, answered=True, wait=timedelta(days=1)), 8, rate, NOW + month)
    assert rests_until(ahead, NOW) <= NOW
    assert room(ahead, rate, NOW) == 1
    then = granted(ahead, 1, rate, NOW)
    assert room(then, rate, NOW + WINDOW - timedelta(seconds=31)) == 0
    assert room(then, rate, NOW + WINDOW + timedelta(minutes=2)) > 0
    resting = after(ahead, NOW, answered=False, wait=timedelta(minutes=7))
    assert rests_until(resting, NOW) == NOW + timedelta(minutes=7)


def test_one_at_a_time_tells_whether_a_registry_is_there_again() -> None:
    """However many ask; the next once it was answered, or whoever sent it is dead."""
    away = after(FRESH, NOW, answered=False)
    now = away.rests_until
    assert room(away, 600, now) == 1
    probing = granted(away, 1, 600, now)
    assert room(probing, 600, now + PROBE - timedelta(seconds=1)) == 0
    assert room(probing, 600, now + PROBE) == 1
    assert room(after(probing, now, answered=True), 600, now) > 1
    still = after(probing, now, answered=False)
    assert room(still, 600, still.rests_until) == 1
