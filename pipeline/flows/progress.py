"""How far a run has come, in numbers that a person understands."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """Files and bytes of the plan, and what is done of them; `under_way` are bytes of files that are not whole yet but
    durable; `fault` is said of those `rejected`."""

    files_total: int = 0
    bytes_total: int = 0
    files: int = 0
    bytes: int = 0
    under_way: int = 0
    rejected: int = 0
    fault: str = "rejected"
    started: float = field(default_factory=time.monotonic)

    def begin(self, files: int, size: int) -> None:
        self.files_total, self.bytes_total = files, size
        self.start_clock()

    def start_clock(self) -> None:
        """Work begins now, where none was done yet."""
        if not self.done:
            self.started = time.monotonic()

    def add(self, *, files: int, size: int, rejected: int) -> None:
        self.files += files
        self.bytes += size
        self.rejected += rejected

    @property
    def done(self) -> int:
        """Bytes."""
        return self.bytes + self.under_way

    def rate(self) -> float:
        """Bytes a second."""
        return self.done / max(time.monotonic() - self.started, 1e-3)

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
        return (
            f"{self.files:,} of {self.files_total:,} files · {human_size(self.done)} of"
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
