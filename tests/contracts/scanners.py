"""The implementations of `Scanner` that pass the contract suite. A new one adds itself to `SCANNERS`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from pipeline.errors import Unavailable
from pipeline.ingest.clamd import ClamdScanner
from pipeline.ingest.eicar import EicarScanner
from pipeline.model import JsonObject, ScanStatus, ScanVerdict
from pipeline.ports import Scanner
from pipeline.settings import LEAST_SCAN_WINDOW, ScannerLocation
from tests.eicar import EICAR

WINDOW = LEAST_SCAN_WINDOW
"""As small as can be, so that files of a test need not be large to go in several."""

MIB = 1 << 20
SIZE = 2 * WINDOW + 3 * MIB + 12_345
NOISE = random.Random(7).randbytes(1 << 16) * (SIZE // (1 << 16) + 1)
NOISE = NOISE[:SIZE]

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def infected_at(place: int) -> bytes:
    """A file of several windows with the test string at an offset."""
    return NOISE[:place] + EICAR + NOISE[place + len(EICAR) :]


def cut(content: bytes, borders: Iterable[int]) -> list[bytes]:
    """Blocks with borders at the given offsets."""
    places = sorted({min(place, len(content)) for place in borders} | {0, len(content)})
    return [content[start:end] for start, end in pairwise(places)]


def verdict(scanner: Scanner, content: bytes, borders: Iterable[int] = ()) -> ScanVerdict:
    with closing(scanner.begin(len(content))) as session:
        for block in cut(content, borders):
            # As the reader does, which uses its buffer again.
            buffer = bytearray(block)
            session.feed(memoryview(buffer))
            buffer[:] = bytes(len(buffer))
        return session.finish()


def checkpoint_at(scanner: Scanner, content: bytes, border: int) -> JsonObject:
    """The state of a session that ended there, as the ledger keeps it."""
    with closing(scanner.begin(len(content))) as session:
        for block in cut(content[:border], range(0, border, MIB)):
            session.feed(block)
        state: JsonObject = json.loads(json.dumps(session.checkpoint()))
    return state


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
