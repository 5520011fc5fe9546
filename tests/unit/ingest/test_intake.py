"""ONE read of a file into digests, sample, scanner and store."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.ingest import intake
from pipeline.ingest.checkpoints import Checkpoints
from pipeline.ingest.digests import new_hashes
from pipeline.ingest.eicar import EicarScanner
from pipeline.ingest.identify import Sample
from pipeline.ingest.intake import BLOCK, Readable, Readers, Taken
from pipeline.model import JsonObject, Part, ScanStatus, ScanVerdict
from pipeline.ports import ScanSession, Upload
from pipeline.settings import DIGEST_ALGORITHMS
from pipeline.store.local import LocalStore
from tests.eicar import EICAR

THREADED = 8 << 20
"""From this size on, consumers have threads of their own."""

CONTENT = os.urandom(1 << 16) * 200


@dataclass
class Source:
    """Gives its content in pieces of `piece` bytes at most; fails once it gave `fails_at`."""

    content: memoryview
    piece: int = BLOCK
    fails_at: int = -1
    given: int = 0

    def readinto(self, buffer: memoryview, /) -> int:
        if self.given == self.fails_at:
            raise OSError("the disk is gone")
        number = min(len(buffer), self.piece, len(self.content) - self.given)
        buffer[:number] = self.content[self.given : self.given + number]
        self.given += number
        return number


@dataclass
class Sink:
    """An upload in one piece, or a scan, that fails once it took `fails_at` bytes."""

    fails_at: int = -1
    taken: int = 0
    id = ""
    part_size = 0
    offset = 0

    def write(self, block: bytes | memoryview) -> None:
        if 0 <= self.fails_at <= self.taken:
            raise RuntimeError("full")
        self.taken += len(block)

    feed = write

    def finish(self) -> ScanVerdict:
        return ScanVerdict(ScanStatus.UNSCANNED, "none")

    def checkpoint(self) -> JsonObject | None:
        return None

    def parts(self) -> Sequence[Part]:
        return ()

    def commit(self) -> None:
        raise AssertionError("whoever calls `take` commits")

    def leave(self) -> None:
        raise AssertionError("whoever calls `take` leaves")

    def abort(self) -> None:
        raise AssertionError("whoever calls `take` aborts")

    def close(self) -> None:
        raise AssertionError("whoever calls `take` closes")


def take(source: Source, upload: Upload, scan: ScanSession, size: int | None = None) -> Taken:
    return take_from(source, len(source.content) if size is None else size, upload, scan)


def take_from(source: Readable, size: int, upload: Upload, scan: ScanSession) -> Taken:
    readers = Readers(new_hashes(DIGEST_ALGORITHMS), scan, Sample(size))
    return intake.take(source, size, readers, upload, Checkpoints(upload, None, {}, lambda news: None))


def intake_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "intake" and thread.is_alive()]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with closing(LocalStore(tmp_path)) as opened:
        yield opened


borders = st.sampled_from([0, 1, BLOCK, 2 * BLOCK, THREADED - BLOCK, THREADED, THREADED + BLOCK])
sizes = st.builds(lambda border, by: max(0, border + by), borders, st.integers(-2, 2))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=sizes, piece=st.sampled_from([BLOCK, BLOCK - 1, 300_001]))
def test_what_is_stored_is_what_was_read(store: LocalStore, size: int, piece: int) -> None:
    """Byte for byte, with its digests, at every size around the borders of blocks and of threading."""
    content = memoryview(CONTENT)[:size]
    upload = store.begin("a", size)
    taken = take(Source(content, piece), upload, EicarScanner().begin(size))
    upload.commit()
    assert taken.size == size
    assert set(taken.digests) == set(DIGEST_ALGORITHMS)
    for name in ("md5", "sha1", "sha256", "sha512"):
        assert taken.digests[name] == hashlib.new(name, content).hexdigest()
    assert b"".join(store.read("a")) == content
    assert taken.verdict.status is ScanStatus.UNSCANNED
    assert bytes(taken.sample.head) == content[: len(taken.sample.head)]
    assert intake_threads() == []


@pytest.mark.parametrize("size", [BLOCK, THREADED + BLOCK])
def test_a_scanner_sees_every_byte_in_order(size: int) -> None:
    """What lies across a border of blocks is found."""
    content = bytearray(CONTENT[:size])
    content[BLOCK - 30 : BLOCK - 30 + len(EICAR)] = EICAR
    del content[size:]
    whole = memoryview(content + EICAR)
    assert take(Source(whole), Sink(), EicarScanner().begin(len(whole))).verdict.status is ScanStatus.INFECTED


@pytest.mark.parametrize("told", [1, 3 * BLOCK, THREADED, THREADED + BLOCK])
def test_a_file_that_shrank_is_told_by_its_size(told: int) -> None:
    """It is read to its end."""
    taken = take(Source(memoryview(CONTENT)[:told][:-1]), Sink(), Sink(), size=told)
    assert taken.size == told - 1
    assert taken.digests["md5"] == hashlib.md5(CONTENT[: told - 1]).hexdigest()


class Endless:
    """A file that grows as fast as it is read."""

    def readinto(self, buffer: memoryview, /) -> int:
        return len(buffer)


@pytest.mark.parametrize("told", [0, 1, BLOCK, THREADED, THREADED + 1])
def test_a_file_that_grows_is_read_no_further_than_to_know_it(told: int) -> None:
    """However fast it grows, it neither holds the worker up nor fills the store."""
    sink = Sink()
    taken = take_from(Endless(), told, sink, Sink())
    assert told < taken.size <= told + BLOCK
    assert sink.taken == told
    assert intake_threads() == []


@pytest.mark.parametrize("size", [2 * BLOCK, len(CONTENT)])
@pytest.mark.parametrize("at", [0, BLOCK])
@pytest.mark.parametrize("who", ["source", "store", "scanner"])
def test_what_fails_is_told_and_leaves_no_thread(size: int, at: int, who: str) -> None:
    """Whoever it is, in a small file or a large one, at once or later; nobody waits for ever."""
    source = Source(memoryview(CONTENT)[:size], fails_at=at if who == "source" else -1)
    upload = Sink(fails_at=at if who == "store" else -1)
    scan = Sink(fails_at=at if who == "scanner" else -1)
    with pytest.raises(OSError if who == "source" else RuntimeError):
        take(source, upload, scan)
    assert intake_threads() == []


def test_a_failure_at_the_last_block_is_told() -> None:
    """When the reader has come to the end already."""
    with pytest.raises(RuntimeError):
        take(Source(memoryview(CONTENT)), Sink(fails_at=(len(CONTENT) - 1) // BLOCK * BLOCK), Sink())
    assert intake_threads() == []


def test_memory_does_not_grow_with_the_file() -> None:
    """The slowest consumer holds the reader back: no more than the ring is ever filled."""

    class Slow(Sink):
        def write(self, block: bytes | memoryview) -> None:
            threading.Event().wait(0.001)
            super().write(block)

    tracemalloc.start()
    take_from(Endless(), 200 * BLOCK, Slow(), EicarScanner().begin(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 48 * BLOCK


def test_a_file_object_is_a_source() -> None:
    """Whatever can `readinto`."""
    taken = take_from(io.BytesIO(b"abc"), 3, Sink(), EicarScanner().begin(3))
    assert taken.digests["md5"] == hashlib.md5(b"abc").hexdigest()
