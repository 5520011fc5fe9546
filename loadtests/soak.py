"""An hour of users: what grows that should not.

    python -m loadtests.soak [--minutes 60] [--records 5000] [--users 30] [--rate 0] [--folder DIR] [--keep]

A new instance, run by `headrace up`, has readers, searchers, harvesters and depositors, who think as people do, and a
bulk operator, who ingests one collection after the other. With `--rate 5` users begin five things a second in all, and
an ingest a minute after the last, so that other work can go on beside them. Every ten seconds, or forty times in all,
the memory, file handles and number of its processes are noted, and the size of its catalogue. The last quarter is
compared with the second: what is filled once, in the first, is no growth. `--keep` writes docs/performance.json and
docs/performance.md with a picture.
"""

from __future__ import annotations

import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.gateway import instance
from infra.local.service import launched
from loadtests import figures, plots, users
from loadtests.depositing import depositor_token
from loadtests.figures import Figure
from loadtests.filling import fill
from loadtests.options import options, tell, work_folder
from loadtests.users import Asked
from loadtests.watching import Sample, Watch
from pipeline import wiring
from pipeline.catalogue import fixity, records
from pipeline.settings import Settings

_MARK = "HEADRACE_LOAD_RUN"
_EVERY = 10.0
_MOMENTS = 40
"""At least, in however short a time."""
_CLASSES = ("Reader", "Searcher", "Harvester", "Depositor", "BulkOperator")
_FLAT = 1.1
_TOLD = 20_000
"""Characters of what users said in the end, where some of what they asked failed."""


@dataclass(slots=True)
class Catalogue:
    """Bytes of the catalogue for each record and each file in it, at times of the monotonic clock: with bulk ingest the
    share of records with many files grows, which is no growth of what either takes."""

    home: Path
    every: float = _EVERY
    sizes: list[tuple[float, float]] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note the size for as long as the block lasts."""
        is_over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(is_over,))
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join()

    def _watch(self, is_over: threading.Event) -> None:
        with wiring.open_services(Settings(home=self.home)) as services:
            while not is_over.wait(self.every):
                with services.catalogue.read() as tx:
                    held = records.count(tx) + fixity.holdings(tx).files
                # With what is only in its log yet.
                size = sum(file.stat().st_size for file in self.home.glob("catalogue.sqlite*"))
                self.sizes.append((time.monotonic(), size / max(1, held)))


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of it: samples of the processes, sizes of the catalogue, requests by name."""

    samples: Sequence[Sample]
    sizes: Sequence[tuple[float, float]]
    asked: dict[str, Asked]

    def line(self, of: Callable[[Sample], float]) -> list[tuple[float, float]]:
        """What samples say, over time."""
        return [(one.at, of(one)) for one in self.samples]


def soak(home: Path, *, minutes: float, number: int, count: int, rate: float = 0.0) -> Soaked:
    """Let so many users loose on a new instance with `number` records, for so long; with a `rate` they begin so many
    things a second. Raises `SystemExit` where Locust fails."""
    every = min(_EVERY, minutes * 60 / _MOMENTS)
    settings, mark = Settings(home=home), uuid.uuid4().hex
    token = depositor_token(settings)
    with wiring.open_services(settings) as services:
        fill(services, number)
    up, watch, catalogue = (
        instance(home, {_MARK: mark}),
        Watch(_MARK, mark, every=every),
        Catalogue(home, every),
    )
    with ExitStack() as stack:
        stack.enter_context(launched(up, home / "up.log", start_seconds=180, stop_seconds=120))
        stack.enter_context(watch.watching())
        stack.enter_context(catalogue.watching())
        asked = users.run(
            up.url,
            _CLASSES,
            users=count,
            seconds=minutes * 60,
            think=1.0,
            rate=rate,
            token=token,
            environment={"HEADRACE_HOME": str(home)},
            log=home / "users.log",
        )
    if users.failures(asked):
        print((home / "users.log").read_text(errors="replace")[-_TOLD:])
    return Soaked(watch.samples, catalogue.sizes, asked)


def growth(line: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """(the last quarter's median ÷ the second's, the second's, the last's). Raises `SystemExit` for fewer than eight
    values."""
    if len(line) < 8:
        raise SystemExit("a soak of so few moments shows nothing")
    quarter, values = len(line) // 4, [value for _, value in line]
    second, last = statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])
    return last / second, second, last


def measured(soaked: Soaked, how: str) -> Iterator[Figure]:
    for name, unit, line in _lines(soaked):
        ratio, second, last = growth(line)
        beside = {"second quarter": f"{second:,.1f} {unit}", "last quarter": f"{last:,.1f} {unit}"}
        yield Figure(f"soak: {name}, growth", ratio, "ratio", _FLAT, "lower", how, cache="any", beside=beside)
    told = {name: str(one) for name, one in sorted(soaked.asked.items())}
    failed = users.failures(soaked.asked)
    yield Figure("soak: errors", failed, "requests", 0, "lower", how, cache="any", beside=told)


def _lines(soaked: Soaked) -> list[tuple[str, str, list[tuple[float, float]]]]:
    return [
        ("memory", "MiB", soaked.line(lambda one: one.memory)),
        ("file handles", "handles", soaked.line(lambda one: one.handles)),
        ("processes", "processes", soaked.line(lambda one: one.processes)),
        ("catalogue for each record and file", "bytes", list(soaked.sizes)),
    ]


def _draw(soaked: Soaked) -> None:
    """Each over its own first value: they have different units."""
    lines = {
        name: [((at - line[0][0]) / 60, value / (line[0][1] or 1)) for at, value in line]
        for name, _, line in _lines(soaked)
    }
    path = figures.DOCS / "images" / "performance-soak.svg"
    plots.draw(path, "An hour of users", "minutes", "÷ the first value", lines)


def main() -> None:
    """Soak, print and keep."""
    parser = options("loadtests.soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--records", type=int, default=5_000)
    parser.add_argument("--users", type=int, default=30)
    parser.add_argument("--rate", type=float, default=0.0, help="what users begin a second; 0: as they think")
    chosen = parser.parse_args()
    with work_folder(chosen) as folder:
        soaked = soak(
            folder / "home",
            minutes=chosen.minutes,
            number=chosen.records,
            count=chosen.users,
            rate=chosen.rate,
        )
    pace = f", {chosen.rate:g} things a second," if chosen.rate else ""
    how = (
        f"{chosen.users} users of all kinds{pace} and a bulk operator for {chosen.minutes:g} minutes against"
        f" `headrace up` with {chosen.records:,} records at first; median of the last quarter ÷ that of the second"
    )
    taken = list(measured(soaked, how))
    if chosen.keep:
        # The document of the figures shows it.
        _draw(soaked)
    tell(taken, chosen)


if __name__ == "__main__":
    main()
