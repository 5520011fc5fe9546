"""How far a run has come, in numbers that a person understands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.model import JsonObject

LISTED = 500
"""How many problems a page shows."""


@dataclass(slots=True)
class Progress:
    """Files and bytes of the plan, and what is done of them; `under_way` are bytes of files that are not whole yet but
    durable; `fault` is said of those `rejected`. Time in which the run is paused counts for no rate."""

    files_total: int = 0
    bytes_total: int = 0
    files: int = 0
    bytes: int = 0
    under_way: int = 0
    rejected: int = 0
    fault: str = "rejected"
    started: float = field(default_factory=time.monotonic)
    asked: str = ""
    paused_at: float | None = None
    problems: list[JsonObject] = field(default_factory=list)

    def begin(self, files: int, size: int) -> None:
        self.files_total, self.bytes_total = files, size
        self.start_clock()

    def start_clock(self) -> None:
        """Work begins now, where none was done yet."""
        if not self.done:
            self.started = time.monotonic()

    def note_asked(self, asked: str, *, is_paused: bool) -> None:
        """What somebody asked of the run, in a word; empty where it is to go on."""
        self.asked = asked
        if is_paused and self.paused_at is None:
            self.paused_at = time.monotonic()
        elif not is_paused and self.paused_at is not None:
            self.started += time.monotonic() - self.paused_at
            self.paused_at = None

    def add(self, *, files: int, size: int, rejected: Sequence[JsonObject] = ()) -> None:
        """What was done; of what was rejected, why (as `codec.problem_to_json` has it)."""
        self.files += files
        self.bytes += size
        self.rejected += len(rejected)
        self.problems += rejected[: LISTED - len(self.problems)]

    @property
    def done(self) -> int:
        """Bytes."""
        return self.bytes + self.under_way

    def rate(self) -> float:
        """Bytes a second."""
        now = time.monotonic() if self.paused_at is None else self.paused_at
        return self.done / max(now - self.started, 1e-3)

    def seconds_left(self) -> float | None:
        if not self.done or self.bytes_total <= self.done:
            return None
        return (self.bytes_total - self.done) / self.rate()

    def percent(self) -> float:
        """By bytes, or by files where all are empty."""
        if self.bytes_total:
            return min(100.0, 100.0 * self.done / self.bytes_total)
        return 100.0 if not self.files_total else min(100.0, 100.0 * self.files / self.files_total)

    def line(self) -> str:
        left = self.seconds_left()
        eta = "" if left is None else f" · {human_time(left)} left"
        asked = f"{self.asked} in Prefect · " if self.asked else ""
        return (
            f"{asked}{self.files:,} of {self.files_total:,} files · {human_size(self.done)} of"
            f" {human_size(self.bytes_total)} · {human_size(self.rate())}/s{eta} · {self.rejected:,} {self.fault}"
        )


def human_size(number: float) -> str:
    """Bytes with a decimal unit: 1.5 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} PB"


def human_time(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03, or 2:03."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
