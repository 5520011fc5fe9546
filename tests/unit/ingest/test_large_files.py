"""One read of a large file survives whatever ends it: the file ends as if nothing had been, little is read twice."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import Interrupted, Unavailable
from pipeline.ingest.custody import FileReport, PartNote
from pipeline.ingest.identify import HEAD, TAIL
from pipeline.ingest.intake import RING_BYTES
from pipeline.model import FileOutcome, FileState, JsonObject, Outcome
from pipeline.store.disk import Disk
from pipeline.store.local import LocalStore
from pipeline.store.transfer import MIB
from tests.eicar import EICAR
from tests.unit.ingest.desk import Desk

PART = 2 * MIB
SIZE = 2 * RING_BYTES + 7 * MIB + 12_345
CONTENT = random.Random(4).randbytes(1 << 16) * (SIZE // (1 << 16) + 1)
CONTENT = CONTENT[:SIZE]
# Parts that the local store flushes while it writes the next, and what the digests may lag behind the store.
FLUSHING = 4 * PART
IN_FLIGHT = FLUSHING + RING_BYTES


class Killed(BaseException):
    """The process is gone."""


class Failing(Disk):
    """Fails with `fault()` once `room` bytes were written, each time that there is one in `faults`."""

    def __init__(self, *faults: tuple[int, Callable[[], BaseException]]) -> None:
        self._faults = list(faults)
        self._written = 0
        self._lock = threading.Lock()

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        with self._lock:
            self._written += len(block)
            if self._faults and self._written >= self._faults[0][0]:
                self._written = 0
                raise self._faults.pop(0)[1]()
        super().write(descriptor, block)


def reset() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "source").mkdir()
    with closing(LocalStore(tmp_path / "store", part_size=PART)) as store:
        yield Desk(tmp_path / "source", store)


def whole(report: FileReport) -> FileOutcome:
    """What became of a file, but for whether one attempt alone read it."""
    return replace(report.outcome, resumed=False)


def undisturbed(tmp_path: Path, content: bytes = CONTENT) -> FileReport:
    folder = tmp_path / "undisturbed"
    (folder / "source").mkdir(parents=True)
    with closing(LocalStore(folder / "store", part_size=PART)) as store:
        desk = Desk(folder / "source", store)
        desk.plan("a.dat", content)
        [report] = desk.take()
    return report


def kill_at(desk: Desk, tmp_path: Path, place: int) -> None:
    """Let the store die after so many bytes."""
    with closing(LocalStore(tmp_path / "store", Failing((place, Killed)), part_size=PART)) as store:
        dying = replace(desk, store=store)
        with pytest.raises(Killed):
            dying.take()


def begin(desk: Desk, tmp_path: Path, content: bytes = CONTENT, **declared: str) -> None:
    """Have a part of the file durable, and the worker killed."""
    desk.plan("a.dat", content, **declared)
    kill_at(desk, tmp_path, SIZE - 3 * MIB)
    [ledger] = desk.ledgers.values()
    assert ledger.parts


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.integers(SIZE // 2, SIZE) | st.integers(1, SIZE), max_size=2))
def test_a_file_ends_as_if_nobody_had_been_killed(
    tmp_path_factory: pytest.TempPathFactory, places: list[int]
) -> None:
    """Wherever the workers died, each as far as it got: the same outcome, the same bytes, and none are read again but
    those in flight."""
    tmp_path = tmp_path_factory.mktemp("killed")
    (tmp_path / "source").mkdir()
    with closing(LocalStore(tmp_path / "store", part_size=PART)) as store:
        desk = Desk(tmp_path / "source", store)
        desk.plan("a.dat", CONTENT)
        for place in places:
            offset = desk.ledgers[1].offset if desk.ledgers else 0
            if place + offset < SIZE:
                kill_at(desk, tmp_path, place)
                assert desk.ledgers[1].offset >= offset + place - IN_FLIGHT
        known = desk.ledgers[1].offset if desk.ledgers else 0
        [report] = desk.take()
        assert whole(report) == undisturbed(tmp_path).outcome
        assert report.problem is None
        assert SIZE - known <= report.bytes_read <= SIZE - known + HEAD + TAIL
        assert desk.staged() == {"a.dat": CONTENT}
        assert list(desk.store.open_uploads()) == []


class DyingAfterCommit(LocalStore):
    def settle(self, keys: Sequence[str]) -> None:
        raise Killed


def test_a_commit_that_nobody_heard_of_counts(desk: Desk, tmp_path: Path) -> None:
    """The object is there and the upload gone: as far as the ledger bears the object out nothing is read again, and the
    rest is compared with the source."""
    desk.plan("a.dat", CONTENT)
    with closing(DyingAfterCommit(tmp_path / "store", part_size=PART)) as store, pytest.raises(Killed):
        replace(desk, store=store).take()
    known = desk.ledgers[1].offset
    assert known >= SIZE - IN_FLIGHT
    [report] = desk.take()
    assert whole(report) == undisturbed(tmp_path).outcome
    assert report.bytes_read <= SIZE - known + HEAD + TAIL
    assert desk.staged() == {"a.dat": CONTENT}


@pytest.mark.parametrize("place", [5, SIZE - 1])
def test_an_object_that_the_ledger_does_not_bear_out_is_replaced(
    desk: Desk, tmp_path: Path, place: int
) -> None:
    """It is another run's, or damaged: before the checkpoint it is not believed, behind it the source tells."""
    desk.plan("a.dat", CONTENT)
    with closing(DyingAfterCommit(tmp_path / "store", part_size=PART)) as store, pytest.raises(Killed):
        replace(desk, store=store).take()
    [stored] = desk.store.list("staging")
    with (tmp_path / "store" / stored.key).open("r+b") as file:
        file.seek(place)
        file.write(bytes([CONTENT[place] ^ 1]))
    [report] = desk.take()
    assert report.outcome == undisturbed(tmp_path).outcome
    assert desk.staged() == {"a.dat": CONTENT}


def test_what_a_killed_process_told_is_enough_for_another(desk: Desk, tmp_path: Path) -> None:
    """With SIGKILL, and its notes all that is left of it."""
    file = desk.plan("a.dat", CONTENT)
    program = f"""
import json, time
from pathlib import Path
from pipeline.ingest.custody import CustodyTerms, Unit, take_unit
from pipeline.ingest.eicar import EicarScanner
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.model import PlannedFile
from pipeline.settings import ScannerLocation, SourceLocation, StoreLocation
from pipeline.store.disk import Disk
from pipeline.store.local import LocalStore

class Slow(Disk):
    def write(self, descriptor, block):
        time.sleep(len(block) / {SIZE} * 6)
        super().write(descriptor, block)

source, scanner = SourceLocation({str(desk.source)!r}), ScannerLocation("eicar:")
terms = CustodyTerms("a1", source, StoreLocation(""), scanner, "sha256", ("md5",))
store = LocalStore(Path({str(tmp_path / "store")!r}), Slow(), part_size={PART})
unit, tree = Unit(terms, ({file!r},)), LocalTree(terms.source)
take_unit(store, EicarScanner(), tree, unit, lambda note: note and print(json.dumps(note), flush=True))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            desk.hear(json.loads(line))
            if desk.ledgers[1].offset >= 3 * PART:
                worker.send_signal(signal.SIGKILL)
                break
    known = desk.ledgers[1].offset
    [report] = desk.take()
    assert whole(report) == undisturbed(tmp_path).outcome
    assert report.bytes_read <= SIZE - known + HEAD + TAIL
    assert desk.staged() == {"a.dat": CONTENT}


# ---------------------------------------------------------------- faults that pass


def test_a_store_that_fails_now_and_then_costs_time_only(desk: Desk, tmp_path: Path) -> None:
    """The worker goes on from what it knows itself, ever a little later."""
    with closing(
        LocalStore(tmp_path / "store", Failing((SIZE // 2, reset), (SIZE // 4, reset)), part_size=PART)
    ) as store:
        desk = replace(desk, store=store)
        desk.plan("a.dat", CONTENT)
        [report] = desk.take()
    assert whole(report) == undisturbed(tmp_path).outcome
    assert report.problem is None
    assert report.bytes_read <= SIZE + 2 * (IN_FLIGHT + HEAD + TAIL)
    assert [0.1 <= pause <= 0.2 for pause in desk.pauses] == [True, True]


@pytest.mark.parametrize("size", [1000, SIZE])
def test_a_store_that_stays_away_stops_the_work(desk: Desk, tmp_path: Path, size: int) -> None:
    """After six tries of which none got further, with ever longer pauses between; what is durable remains."""
    faults = [(size // 2, reset)] + [(1, reset)] * 20
    with closing(LocalStore(tmp_path / "store", Failing(*faults), part_size=PART)) as store:
        failing = replace(desk, store=store)
        failing.plan("a.dat", CONTENT[:size])
        with pytest.raises(Unavailable):
            failing.take()
    assert len(desk.pauses) == 5
    assert all(pause <= 0.2 * 2**number for number, pause in enumerate(desk.pauses))
    [report] = desk.take()
    assert report.outcome.state is FileState.IN_CUSTODY
    assert report.bytes_read <= size + HEAD + TAIL


# ---------------------------------------------------------------- nobody waits any more


@pytest.mark.parametrize("told", [1, 3])
def test_an_attempt_that_nobody_waits_for_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    """At its next question; what it wrote remains, with its upload, which another attempt may be going on with."""
    desk.plan("a.dat", CONTENT)

    def tell(note: JsonObject) -> None:
        if len(desk.notes) >= told:
            raise Interrupted("nobody waits")
        desk.hear(note)

    monkeypatch.setattr("pipeline.ingest.checkpoints._TELL_EVERY", 0)
    gone = replace(desk)
    gone.hear = tell  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        gone.take()
    assert desk.staged() == {}
    before = desk.ledgers[1]
    [report] = desk.take()
    assert report.outcome.state is FileState.IN_CUSTODY
    assert desk.ledgers[1].upload_id == before.upload_id
    assert report.bytes_read <= SIZE - before.offset + HEAD + TAIL


# ---------------------------------------------------------------- what may not be gone on with


def spoil_engine(checkpoint: JsonObject) -> None:
    checkpoint["digests"]["engine"] = "OpenSSL 1.1.1w  11 Sep 2023 | riscv64 little | md5:92"


def spoil_state(checkpoint: JsonObject) -> None:
    checkpoint["digests"]["states"]["md5"] = checkpoint["digests"]["states"]["sha256"]


@pytest.mark.parametrize("spoil", [spoil_engine, spoil_state])
def test_foreign_or_damaged_states_are_refused_and_the_file_read_again(
    desk: Desk, tmp_path: Path, spoil: Callable[[JsonObject], None]
) -> None:
    """From its start, with the right digests; nothing is wrong with the file."""
    begin(desk, tmp_path)
    checkpoint = json.loads(json.dumps(desk.ledgers[1].checkpoint))
    spoil(checkpoint)
    desk.ledgers[1] = replace(desk.ledgers[1], checkpoint=checkpoint)
    [report] = desk.take()
    assert report == undisturbed(tmp_path)


def test_a_file_that_changed_meanwhile_starts_afresh(desk: Desk, tmp_path: Path) -> None:
    """A survey has found it changed and planned it anew; what is durable is of another file, and the report says so."""
    begin(desk, tmp_path)
    other = CONTENT[::-1]
    (desk.source / "a.dat").write_bytes(other)
    desk.replan("a.dat")
    [report] = desk.take()
    assert report.outcome == undisturbed(tmp_path, other).outcome
    assert report.problem is not None
    assert (report.problem.outcome, report.problem.code) == (Outcome.WARNED, "restarted")
    assert desk.staged() == {"a.dat": other}
    assert list(desk.store.open_uploads()) == []


def test_a_part_that_changed_though_size_and_time_did_not_starts_the_file_afresh(
    desk: Desk, tmp_path: Path
) -> None:
    """Parts behind the checkpoint are written again, and come out other than they were."""
    begin(desk, tmp_path)
    ledger = desk.ledgers[1]
    # As if the digests had lagged behind the store.
    desk.ledgers[1] = replace(ledger, offset=0, checkpoint={})
    path = desk.source / "a.dat"
    mtime_ns = path.stat().st_mtime_ns
    with path.open("r+b") as file:
        file.seek(PART + 5)
        file.write(b"changed")
    os.utime(path, ns=(mtime_ns, mtime_ns))
    now = path.read_bytes()
    [report] = desk.take()
    assert report.outcome == undisturbed(tmp_path, now).outcome
    assert report.problem is not None
    assert (report.problem.outcome, report.problem.code) == (Outcome.WARNED, "restarted")
    assert SIZE < report.bytes_read <= SIZE + 3 * PART + RING_BYTES
    assert desk.staged() == {"a.dat": now}


def test_a_file_that_is_rejected_leaves_no_upload(desk: Desk, tmp_path: Path) -> None:
    """Gone from the source after parts of it were taken in."""
    begin(desk, tmp_path)
    (desk.source / "a.dat").unlink()
    [report] = desk.take()
    assert (report.outcome.state, report.problem and report.problem.code) == (FileState.REJECTED, "missing")
    assert list(desk.store.open_uploads()) == []


def test_a_declared_digest_without_state_is_computed_all_the_same(desk: Desk, tmp_path: Path) -> None:
    """From the file's start: it cannot be gone on with."""
    import xxhash

    begin(desk, tmp_path, xxh3_128=xxhash.xxh3_128(CONTENT).hexdigest())
    assert (desk.ledgers[1].offset, desk.ledgers[1].checkpoint) == (0, {})
    [report] = desk.take()
    assert report.outcome.digests is not None
    assert report.outcome.digests["xxh3-128"] == xxhash.xxh3_128(CONTENT).hexdigest()
    assert report.bytes_read == SIZE


def test_a_file_in_parts_has_the_digests_that_can_be_gone_on_with(desk: Desk) -> None:
    """Always, so that its record does not tell whether a worker died; one in one piece has all that were asked for."""
    desk.plan("large", CONTENT)
    desk.plan("small", b"small")
    large, small = desk.take(digests=("md5", "xxh3-128"))
    assert large.outcome.digests is not None
    assert small.outcome.digests is not None
    assert set(large.outcome.digests) == {"sha256", "md5"}
    assert set(small.outcome.digests) == {"sha256", "md5", "xxh3-128"}


# ---------------------------------------------------------------- what goes on besides


def test_a_scan_goes_on_too(desk: Desk, tmp_path: Path) -> None:
    """What one worker saw of a virus is not forgotten by the next."""
    content = EICAR + CONTENT[len(EICAR) :]
    begin(desk, tmp_path, content)
    [report] = desk.take()
    assert report.outcome.state is FileState.QUARANTINED
    assert whole(report) == undisturbed(tmp_path, content).outcome


def test_notes_tell_whose_they_are(desk: Desk) -> None:
    """The file, the attempt, and parts that are whole and in order; they survive being JSON."""
    file = desk.plan("a.dat", CONTENT)
    desk.take(attempt="third")
    assert {(note.file_id, note.attempt, note.part_size) for note in desk.notes} == {(file.id, "third", PART)}
    assert all(PartNote.from_json(json.loads(json.dumps(note.to_json()))) == note for note in desk.notes)


def test_a_large_file_has_one_ring(desk: Desk) -> None:
    """It goes out alone: a worker's memory is one ring's, its threads are those that read from it."""
    rings = []

    class Watching(Disk):
        def write(self, descriptor: int, block: bytes | memoryview) -> None:
            rings.append(sum(thread.name == "intake" for thread in threading.enumerate()))
            super().write(descriptor, block)

    with closing(LocalStore(desk.source.parent / "watched", Watching(), part_size=PART)) as store:
        desk = replace(desk, store=store)
        desk.plan("a.dat", CONTENT)
        desk.take()
    # md5, sha256, the light ones, the store.
    assert max(rings) == 4


def test_of_two_workers_at_one_file_the_later_has_it(desk: Desk, tmp_path: Path) -> None:
    """One that was thought dead and was not gives up, without harm to what the other does; it may be tried again."""
    desk.plan("a.dat", CONTENT)
    earlier = replace(desk, ledgers={}, notes=[])

    class Overtaken(Disk):
        written = 0

        def write(self, descriptor: int, block: bytes | memoryview) -> None:
            self.written += len(block)
            if self.written > SIZE // 2 and not later:
                desk.hear(earlier.notes[0].to_json())
                before = partial_files()
                later.append(pool.submit(desk.take))
                # It has taken the file, and waits for this write.
                while partial_files() == before and not later[0].done():
                    time.sleep(0.001)
            super().write(descriptor, block)

    def partial_files() -> set[Path]:
        return set((tmp_path / "store/.partial/parts").rglob("*"))

    later: list[Future[list[FileReport]]] = []
    with (
        closing(LocalStore(tmp_path / "store", Overtaken(), part_size=PART)) as store,
        ThreadPoolExecutor(1) as pool,
    ):
        earlier.store = store
        with pytest.raises(Unavailable, match="elsewhere"):
            earlier.take()
        later[0].result(timeout=60)
    assert desk.staged() == {"a.dat": CONTENT}
    assert list(desk.store.open_uploads()) == []
