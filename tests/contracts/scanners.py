"""The implementations of `Scanner` that pass the contract suite. A new one adds itself to `SCANNERS`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pipeline.errors import Unavailable
from pipeline.ingest.clamd import ClamdScanner
from pipeline.ingest.eicar import EicarScanner
from pipeline.model import ScanStatus, ScanVerdict
from pipeline.ports import Scanner
from pipeline.settings import LEAST_SCAN_WINDOW, ScannerLocation

WINDOW = LEAST_SCAN_WINDOW
"""As small as can be, so that files of a test need not be large to go in several."""

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def clamd_at(url: str, *, away: str = "wait", window: int = WINDOW) -> ClamdScanner:
    return ClamdScanner(ScannerLocation(url, away, window), lambda: NOON)  # type: ignore[arg-type]


def _over_tcp(request: pytest.FixtureRequest) -> Scanner:
    return clamd_at(request.getfixturevalue("clamd_urls")[0])


def _over_unix_socket(request: pytest.FixtureRequest) -> Scanner:
    return clamd_at(request.getfixturevalue("clamd_urls")[1])


SCANNERS: dict[str, Callable[[pytest.FixtureRequest], Scanner]] = {
    "eicar": lambda _: EicarScanner(),
    "clamd": _over_tcp,
    "clamd, Unix socket": _over_unix_socket,
}


class Named:
    """A scanner whose signatures have a name, that goes through no file as a whole, and is away once `asked` is used up
    though it lets files pass then. Keeps count of the files."""

    gives_clean = True

    def __init__(self, signatures: str, asked: int = 1000) -> None:
        self._signatures = signatures
        self._asked = asked
        self.files = 0

    def signatures(self) -> str:
        self._asked -= 1
        if self._asked < 0:
            raise Unavailable("the scanner is away")
        return self._signatures

    def describe(self) -> str:
        return "named"

    def begin(self, size: int, resume: object = None) -> Named:
        self.files += 1
        return self

    def feed(self, block: bytes | memoryview) -> None: ...

    def finish(self) -> ScanVerdict:
        return ScanVerdict(ScanStatus.UNSCANNED, "named", database=self._signatures, reason="no")

    def close(self) -> None: ...
