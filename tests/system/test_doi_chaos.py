"""Thousands of DOIs through a DataCite on its worst day, by dispatchers that are killed: every one is findable, became
so once, and never was more asked than the rate allows."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.local.datacite import ACCOUNT, Control, registry_url
from loadtests import filling
from pipeline import wiring
from pipeline.catalogue import dois, outbox, records
from pipeline.catalogue.dois import Shown
from pipeline.model import EffectKind
from pipeline.pid.pace import WINDOW
from pipeline.services import Services
from pipeline.settings import Settings
from tests.doi_dispatcher import AHEAD, SPEED, clock
from tests.migrated import add_catalogue

BAD_DAY = [
    "429",
    "429-retry-after",
    "500",
    "502",
    "503",
    "504",
    "reset-before",
    "reset-after",
    "truncated",
    "latency",
]
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Size:
    """Records, kills, requests in five minutes of the dispatchers, seconds that all may take."""

    records: int
    kills: int
    rate: int
    patience: float


SHORT = Size(100, 6, 600, 200)
LONG = Size(10_000, 60, 3_000, 5400)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SHORT, id="short"),
        pytest.param(LONG, id="long", marks=[pytest.mark.chaos, pytest.mark.timeout(7200)]),
    ],
)
def test_every_doi_is_findable_once_whatever_happens(
    tmp_path: Path, datacite_url: str, datacite_control: Control, size: Size
) -> None:
    """30 % of the calls fail, a day of outage passes, dispatchers are killed at any point. What is published meanwhile
    is published at once, and nothing is parked."""
    settings = prepared(tmp_path, datacite_url, size)
    draw = random.Random(8)
    with wiring.open_services(settings, now=lambda: clock(tmp_path)) as services, ExitStack() as stack:
        slowest = published(services, size.records // 2)
        datacite_control.limit(size.rate, WINDOW.total_seconds() / SPEED)
        datacite_control.befall(rate=0.3, kinds=BAD_DAY, seed=3, latency=0.1)
        dispatchers = [stack.enter_context(dispatching(settings)) for _ in range(2)]
        for number in range(size.kills):
            time.sleep(draw.uniform(0.3, 1.5))
            dispatchers[number % 2]()
        datacite_control.befall(rate=1, kinds=["503", "reset-before"])
        slowest = max(slowest, published(services, size.records - size.records // 2))
        for hour in range(24):
            (tmp_path / AHEAD).write_text(str((hour + 1) * DAY / 24))
            time.sleep(0.1)
        most = datacite_control.counts()
        assert (most["refused"], most["peak"] <= size.rate) == (0, True)
        # Time went by faster than the double's, for as long as it was away.
        datacite_control.limit(size.rate, WINDOW.total_seconds() / SPEED)
        datacite_control.befall(rate=0.3, kinds=BAD_DAY, seed=5, latency=0.1)
        await_(lambda: not waiting(services), size.patience)
        counts, seen = datacite_control.counts(), datacite_control.dois()
        with services.catalogue.read() as tx:
            standing = dois.statuses(tx, Shown.ALL, limit=3 * size.records)
            assert records.count(tx) == size.records
    assert {state for state, _ in seen.values()} == {"findable"}
    assert len(seen) == len(standing) == 2 * size.records
    assert {one.seen for one in standing} == {"findable"}
    assert counts["published"] == dict.fromkeys(seen, 1)
    assert (counts["refused"], counts["peak"] <= size.rate) == (0, True)
    assert slowest < 30


def prepared(home: Path, url: str, size: Size) -> Settings:
    add_catalogue(home)
    (home / AHEAD).write_text("0")
    return Settings(
        home=home,
        base_url="https://archive.example.org",
        dois=registry_url(url),
        dois_password=SecretStr(ACCOUNT.password),
        doi_rate=size.rate,
    )


def published(services: Services, number: int) -> float:
    """Publish so many; the seconds that the slowest batch took."""
    times = [time.monotonic()]
    filling.publish(services, number, on_batch=lambda _: times.append(time.monotonic()))
    return max(after - before for before, after in pairwise(times))


def waiting(services: Services) -> int:
    """DOIs that are still to be put; none may be parked."""
    with services.catalogue.read() as tx:
        left = [one for one in outbox.waiting(tx) if one.kind is EffectKind.REGISTER]
    assert not sum(one.parked for one in left)
    return sum(one.due for one in left)


def await_(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.2)


@contextmanager
def dispatching(settings: Settings) -> Iterator[Callable[[], None]]:
    """A dispatcher of DOIs; what is yielded kills it, and starts another."""
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        environment = {
            "HEADRACE_HOME": str(settings.home),
            "HEADRACE_BASE_URL": settings.base_url,
            "HEADRACE_DOIS": settings.dois,
            "HEADRACE_DOIS_PASSWORD": settings.dois_password.get_secret_value(),
            "HEADRACE_DOI_RATE": str(settings.doi_rate),
        }
        command = [sys.executable, "-m", "tests.doi_dispatcher"]
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        running.append(process)

    def kill() -> None:
        process = running.pop()
        process.kill()
        process.communicate()

    def strike() -> None:
        kill()
        start()

    start()
    try:
        yield strike
    finally:
        kill()
