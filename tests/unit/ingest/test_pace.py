"""How fast is read where a bound is set."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest import units
from pipeline.ingest.custody import CustodyTerms, Unit
from pipeline.ingest.pace import Pace
from pipeline.model import FileState
from pipeline.settings import ScannerLocation, Settings, SourceLocation, StoreLocation
from pipeline.store.local import LocalStore
from tests.unit.ingest.desk import Desk


class _Time:
    """Passes by being waited for."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@given(
    content=st.binary(max_size=5000),
    rate=st.integers(min_value=1, max_value=10_000),
    block=st.integers(min_value=1, max_value=700),
)
def test_what_is_read_takes_its_time(content: bytes, rate: int, block: int) -> None:
    """All of it comes, unchanged, in just the time that the bound gives it, and no wait is longer than a second."""
    time = _Time()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time.wait(seconds)

    source = Pace(rate, wait, time).slowed(io.BytesIO(content))
    buffer = memoryview(bytearray(block))
    found = b""
    while number := source.readinto(buffer):
        found += buffer[:number]
    assert found == content
    assert abs(time.now - 50 - len(content) / rate) < 1e-6
    assert all(seconds <= 1.000_001 for seconds in waits)


def test_readers_share_a_pace() -> None:
    """Two of them have the bound together, and an idle hour is not made up for."""
    time = _Time()
    pace = Pace(100, time.wait, time)
    one, other = (pace.slowed(io.BytesIO(bytes(100))) for _ in range(2))
    time.now += 3600
    began = time.now
    buffer = memoryview(bytearray(50))
    for source in (one, other, one, other):
        source.readinto(buffer)
    assert time.now - began == 2


def test_without_a_bound_nobody_waits() -> None:
    """The source is read as it is."""
    source = io.BytesIO(b"1")
    assert Pace(0).slowed(source) is source


@pytest.mark.parametrize("size", [200_000, 9 << 20], ids=["small", "large"])
def test_a_worker_reads_at_its_pace(tmp_path: Path, size: int) -> None:
    """A small file and a large one, which is taken in no differently."""
    (tmp_path / "source").mkdir()
    with closing(LocalStore(tmp_path / "store")) as store:
        desk = Desk(tmp_path / "source", store)
        desk.plan("a.bin", bytes(size))
        [report] = desk.take(bytes_per_second=1 << 20)
    assert report.outcome.state is FileState.IN_CUSTODY
    # Nobody waits really, so that each wait is told from the beginning.
    assert max(desk.pauses) == pytest.approx(size / (1 << 20), rel=0.5)


@pytest.mark.parametrize(
    ("workers", "bulk_workers", "share"), [(4, 0, 250), (4, 2, 500), (1, 2, 1000), (0, 0, 1000), (3000, 0, 1)]
)
def test_workers_share_the_bound(workers: int, bulk_workers: int, share: int) -> None:
    """Those that a bulk ingest may keep busy; nobody is left without any."""
    settings = Settings(bulk_bytes_per_second=1000, bulk_workers=bulk_workers)
    terms = CustodyTerms(
        "a1", SourceLocation("/source"), StoreLocation(""), ScannerLocation("eicar:"), "sha256", ("md5",)
    )
    assert units.paced(settings, Unit(terms, ()), lambda: workers).terms.bytes_per_second == share
    assert units.paced(Settings(), Unit(terms, ()), lambda: workers).terms == terms
