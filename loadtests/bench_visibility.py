"""How soon search shows a record after it was published over HTTP.

    python -m loadtests.bench_visibility [--records 100] [--folder DIR] [--keep]

Against `headrace up` on a new instance: `--records` are published one after the other, then as many by four
depositors at once; from each one's answer on, search is asked for it until it is there. `--keep` writes
docs/performance.json and docs/performance.md. Nothing else should run meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx

from infra.local.gateway import instance
from infra.local.service import launched
from loadtests.depositing import client, depositor_token, draft, p95, spread
from loadtests.figures import Figure
from loadtests.options import options, tell, work_folder
from pipeline.settings import Settings

_GOAL = 3.0
_AT_ONCE = 4
_POLL = 0.02
_PATIENCE = 60.0


def measure(home: Path, records: int) -> tuple[list[float], list[float]]:
    """Seconds from the answer to a publication until search shows it: of so many one after the other, and of as many
    by four at once. Raises `httpx.HTTPError` where something is refused, `SystemExit` where one is not shown at all."""
    token = depositor_token(Settings(home=home))
    up = instance(home)
    with launched(up, home / "up.log", start_seconds=180, stop_seconds=120), client(up.url, token) as asking:
        visible = partial(_until_visible, asking)
        # The first one waits until all parts of the instance are there.
        visible(f"warm{0:06}")
        alone = [visible(f"alone{number:06}") for number in range(records)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            together = list(pool.map(visible, (f"together{number:06}" for number in range(records))))
        return alone, together


def _until_visible(asking: httpx.Client, word: str) -> float:
    """`word` is of this record's title alone."""
    links = draft(asking, f"Tides {word}")["links"]
    asking.put(f"{links['bucket']}/tides.csv", content=b"t,h\n1,2\n").raise_for_status()
    asking.post(links["publish"]).raise_for_status()
    began = time.perf_counter()
    while not _found(asking, word):
        if time.perf_counter() - began > _PATIENCE:
            raise SystemExit(f"search did not show a record within {_PATIENCE:g} s")
        time.sleep(_POLL)
    return time.perf_counter() - began


def _found(asking: httpx.Client, word: str) -> bool:
    answer = asking.get("/api/records", params={"q": word}).raise_for_status()
    return bool(answer.json()["hits"]["total"])


def figures(alone: Sequence[float], together: Sequence[float]) -> list[Figure]:
    how = f"p95 of {len(alone)} publications over HTTP, {{}}, against `headrace up`: from the answer to the first hit"
    return [
        Figure(
            name=f"a published record in search, {which}",
            value=p95(times),
            unit="s",
            goal=_GOAL,
            better="lower",
            how=how.format(which),
            cache="warm",
            beside={"times": spread(times)},
        )
        for which, times in (("one after the other", alone), (f"{_AT_ONCE} at once", together))
    ]


def main() -> None:
    """Measure, print and keep."""
    parser = options("loadtests.bench_visibility")
    parser.add_argument("--records", type=int, default=100)
    chosen = parser.parse_args()
    with work_folder(chosen) as folder:
        taken = figures(*measure(folder / "home", chosen.records))
    tell(taken, chosen)


if __name__ == "__main__":
    main()
