"""What networks and servers do on a bad day, by lot or for certain."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """What may befall a call of the REST API."""

    TOO_MANY = "429"
    TOO_MANY_FOR_A_WHILE = "429-retry-after"
    ERROR = "500"
    BAD_GATEWAY = "502"
    AWAY = "503"
    TIMEOUT = "504"
    RESET_BEFORE = "reset-before"
    """The connection is reset, and nothing was done."""
    RESET_AFTER = "reset-after"
    """It is reset once all was done: nobody hears of it."""
    TRUNCATED = "truncated"
    LATENCY = "latency"
    LATE_HANDLE = "late-handle"
    """The handle server did not answer: it sends whoever follows the DOI where it did before, and `registered` stays
    null where it is, until the DOI is written again."""
    REDIRECT = "redirect"
    ENDLESS = "endless"
    """The answer is larger than anybody should read."""


class Faults:
    """Draws the faults of calls in the order in which they come, and counts them. Settings are those of `set`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._certain: deque[Fault] = deque()
        self.met: Counter[Fault] = Counter()
        self.set({})

    def set(self, settings: Mapping[str, Any]) -> None:
        """`rate` is the share of calls that meet one of `kinds` (default: all but the last two), drawn with `seed`;
        `next` befall the next calls for certain, and that `of` a DOI every call for it. `retry_after` and `latency` are
        in seconds. What is left out is as at the start. Raises `ValueError`."""
        usual = [one for one in Fault if one not in (Fault.REDIRECT, Fault.ENDLESS)]
        with self._lock:
            self._random = random.Random(settings.get("seed", 0))
            self._rate = float(settings.get("rate", 0.0))
            self._kinds = [Fault(one) for one in settings.get("kinds", usual)]
            self._certain = deque(Fault(one) for one in settings.get("next", []))
            self._of = {doi: Fault(one) for doi, one in settings.get("of", {}).items()}
            self.retry_after: int | str = settings.get("retry_after", 1)
            self.latency = float(settings.get("latency", 0.2))
            self.met.clear()

    def draw(self, path: str) -> Fault | None:
        """What befalls the next call, of what lies at that path."""
        with self._lock:
            fault = next((one for doi, one in self._of.items() if f"/{doi}/" in f"{path}/"), None)
            fault = fault or self._drawn()
            if fault is not None:
                self.met[fault] += 1
            return fault

    def _drawn(self) -> Fault | None:
        if self._certain:
            return self._certain.popleft()
        if self._kinds and self._random.random() < self._rate:
            return self._random.choice(self._kinds)
        return None


class Turnstile:
    """Counts calls, and lets no more than `requests` in any `seconds` pass, where that is set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.set(0, 300.0)

    def set(self, requests: int, seconds: float) -> None:
        """No bound where `requests` is 0; counting begins anew."""
        with self._lock:
            self._requests, self._seconds = requests, seconds
            self._passed: deque[float] = deque()
            self.peak = self.refused = self.total = 0

    def passes(self) -> bool:
        """Count a call; whether it is not one too many. `peak` is the most that came in any such period."""
        now = time.monotonic()
        with self._lock:
            self.total += 1
            while self._passed and self._passed[0] <= now - self._seconds:
                self._passed.popleft()
            self._passed.append(now)
            self.peak = max(self.peak, len(self._passed))
            is_too_many = 0 < self._requests < len(self._passed)
            self.refused += is_too_many
            return not is_too_many
