"""How long a run goes on where nothing moves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.errors import Interrupted, OutOfSpace, Unavailable
from pipeline.ingest.patience import Patience

AWAY = Unavailable("away")


class Time:
    """Passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def away_for(tries: int, error: Unavailable = AWAY) -> Callable[[], int]:
    """An action that fails so many times, then answers how often it was tried."""
    tried = 0

    def action() -> int:
        nonlocal tried
        tried += 1
        if tried <= tries:
            raise error
        return tried

    return action


def test_what_comes_back_in_time_costs_time_only() -> None:
    """The waits between tries grow, up to a bound."""
    time = Time()
    assert Patience(600, time.wait, time).insist(away_for(8)) == 9
    assert time.waits == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_patience_ends() -> None:
    """After so many seconds without anything moving, what is away is told."""
    time = Time()
    with pytest.raises(Unavailable, match="away"):
        Patience(60, time.wait, time).insist(away_for(1000))
    assert 60 <= time.now < 76


def test_patience_is_whole_again_when_something_moves() -> None:
    """However long all of it takes."""
    time = Time()
    patience = Patience(10, time.wait, time)
    for _ in range(20):
        patience.endure(AWAY)
        time.now += 8
        patience.moved()
    assert set(time.waits) == {0.5}


@pytest.mark.parametrize("error", [OutOfSpace("full"), Interrupted("stopped")])
def test_what_waiting_does_not_mend_is_told_at_once(error: Unavailable) -> None:
    """No room comes from waiting, and who asks to stop means it."""
    time = Time()
    with pytest.raises(type(error)):
        Patience(600, time.wait, time).insist(away_for(1, error))
    assert time.waits == []


def test_waiting_can_be_ended() -> None:
    """By whoever is told how long to wait."""

    def wait(_: float) -> None:
        raise Interrupted("Ctrl-C")

    with pytest.raises(Interrupted):
        Patience(600, wait).insist(away_for(1))


def test_what_is_insisted_on_has_a_clock_of_its_own() -> None:
    """What was away an hour ago and came back does not count."""
    time = Time()
    patience = Patience(10, time.wait, time)
    for _ in range(3):
        assert patience.insist(away_for(2)) == 3
        time.now += 3600
    assert time.waits == [0.5, 1] * 3
