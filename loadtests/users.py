"""Users of `loadtests/locustfile.py` let loose on an instance, and what became of it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_BEGINNING = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of requests of one name: their number, those that failed, how many ended a second, and how many took
    how many ms."""

    number: int
    failures: int
    per_second: float
    times: Mapping[int, int]

    def within(self, share: float) -> float:
        """The ms that this share of the requests did not exceed (nearest rank)."""
        wanted, passed = math.ceil(self.number * share), 0
        for time, number in sorted(self.times.items()):
            passed += number
            if passed >= wanted:
                return float(time)
        return math.nan

    def __str__(self) -> str:
        failed = f", {self.failures} failed" if self.failures else ""
        return (
            f"{self.per_second:.1f}/s, p50 {self.within(0.5):.0f} ms, p95 {self.within(0.95):.0f} ms{failed}"
        )


def run(
    url: str,
    classes: Sequence[str],
    *,
    users: int,
    seconds: float,
    tags: Sequence[str] = (),
    think: float = 0.0,
    rate: float = 0.0,
    token: str = "",
    environment: Mapping[str, str] | None = None,
    log: Path,
) -> dict[str, Asked]:
    """Let so many users of these classes loose for so many seconds: what came of it, by the name of requests. With a
    `rate` they begin so many things a second. Raises `SystemExit` where Locust itself fails; what failed is in the
    log."""
    command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), *classes, "--host", url]
    command += ["--headless", "--json", "--users", str(users), "--spawn-rate", str(users)]
    command += ["--run-time", f"{seconds:g}s", "--stop-timeout", "60", "--think", str(think)]
    command += ["--rate", str(rate)]
    command += ["--exit-code-on-error", "0", *(["--tags", *tags] if tags else [])]
    with log.open("ab") as output:
        done = subprocess.run(
            command,
            env={**os.environ, **(environment or {}), "HEADRACE_LOAD_TOKEN": token},
            stdout=subprocess.PIPE,
            stderr=output,
            check=False,
        )
        output.write(done.stdout)
    if done.returncode != 0:
        raise SystemExit(f"locust ended with {done.returncode}; see {log}")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return {row["name"]: _asked(row) for row in rows}


def _asked(row: Mapping[str, Any]) -> Asked:
    times = Counter({round(float(time)): int(number) for time, number in row["response_times"].items()})
    ended = {int(second): int(number) for second, number in row["num_reqs_per_sec"].items()}
    return Asked(row["num_requests"], row["num_failures"], _pace(ended), times)


def _pace(ended: Mapping[int, int]) -> float:
    """Requests a second of a steady run: its beginning, when users come one by one, and its last second are left out,
    where it is long enough."""
    if not ended:
        return 0.0
    first, last = min(ended), max(ended)
    seconds = range(first + _BEGINNING, last) if last - first > 2 * _BEGINNING else range(first, last + 1)
    return sum(ended.get(second, 0) for second in seconds) / len(seconds)


def failures(found: Mapping[str, Asked]) -> int:
    """Of all requests."""
    return sum(one.failures for one in found.values())
