"""Counting requests against rates."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.limits import Limiter, headers
from gateway.http.rate_limits import network
from pipeline.settings import Rate
from pipeline.slices import SLICES

MINUTE, HOUR = Rate(3, 60), Rate(5, 3600)


@given(st.lists(st.floats(0, 50), max_size=120), st.floats(0, 1e10), st.integers(1, 6))
def test_no_period_has_more_requests_than_its_rate(pauses: list[float], start: float, allowed: int) -> None:
    """However requests come, and wherever the period begins. Whoever waits for as long as they are told is let in."""
    limiter, rate, admitted = Limiter(), Rate(allowed, 60), []
    for now in itertools.accumulate(pauses, initial=start):
        standing = limiter.admit([("ida", rate)], now=now)
        assert standing is not None
        assert standing.rate == rate
        assert now < standing.reset <= now + 60 + 60 / SLICES + 1
        if not standing.refused:
            admitted.append(now)
    for first, beyond in zip(admitted, admitted[allowed:], strict=False):
        assert beyond - first >= 60 * (1 - 1e-6)
    last = limiter.admit([("ida", rate)], now=now)
    assert last is not None
    again = limiter.admit([("ida", rate)], now=last.reset)
    assert again is not None
    assert not again.refused


def test_what_one_rate_refuses_counts_with_none() -> None:
    """The refusal is that of the rate that has to be waited for longest; else the one with the least room is told."""
    limiter = Limiter()
    wanted = [("ida", MINUTE), ("ida", HOUR)]
    told = [limiter.admit(wanted, now=1000 + second) for second in range(5)]
    assert [(one.rate, one.remaining, one.refused) for one in told if one] == [
        (MINUTE, 2, False),
        (MINUTE, 1, False),
        (MINUTE, 0, False),
        (MINUTE, 0, True),
        (MINUTE, 0, True),
    ]
    later = [limiter.admit(wanted, now=1200 + second) for second in range(3)]
    assert [(one.rate, one.remaining, one.refused) for one in later if one] == [
        (HOUR, 1, False),
        (HOUR, 0, False),
        (HOUR, 0, True),
    ]
    assert later[2] is not None
    assert later[2].reset > 1000 + 3600


def test_clients_are_counted_apart() -> None:
    """One that has used up its rate keeps no other from anything; without a rate there is no standing."""
    limiter = Limiter()
    for _ in range(4):
        limiter.admit([("ida", MINUTE)], now=0)
    bo = limiter.admit([("bo", MINUTE)], now=0)
    assert bo is not None
    assert headers(bo).keys() == {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
    assert (bo.remaining, bo.refused) == (2, False)
    assert limiter.admit([], now=0) is None


def test_a_clock_that_is_set_back_forgets_nothing() -> None:
    """Nor does it count twice."""
    limiter = Limiter()
    told = [limiter.admit([("ida", MINUTE)], now=now) for now in (1000, 900, 1000, 1001)]
    assert [one.refused for one in told if one] == [False, False, False, True]


def test_memory_is_bounded() -> None:
    """However many clients come; those that came last are remembered."""
    limiter = Limiter(most=10)
    for number in range(1000):
        limiter.admit([(str(number), Rate(1, 60))], now=number / 1000)
    assert len(limiter) == 10
    known = [limiter.admit([(str(number), Rate(1, 60))], now=1) for number in (999, 990, 0)]
    assert [one.refused for one in known if one] == [True, True, False]


@pytest.mark.parametrize(
    ("host", "known_by"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%" + "x" * 100, "fe80::/64"),
        ("_hidden", "unknown"),
        ("", "unknown"),
    ],
)
def test_guests_are_known_by_their_network(host: str, known_by: str) -> None:
    """Nobody has more addresses of IPv4 than are given to them; of IPv6 everybody has a network full."""
    assert network(host) == known_by
