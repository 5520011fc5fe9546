"""A worker takes files into custody: what becomes of each, by the table of docs/architecture.md."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import Misconfigured, OutOfSpace, Unavailable
from pipeline.ingest.custody import FileReport
from pipeline.ingest.eicar import EicarScanner, EicarSession
from pipeline.model import FileState, Outcome, PartLedger, Problem
from pipeline.ports import ScanResumption, Upload
from pipeline.store import layout
from pipeline.store.disk import Disk
from pipeline.store.local import LocalStore
from pipeline.store.s3.refusals import refusal
from tests.eicar import EICAR
from tests.unit.ingest.desk import Desk

LARGE = b"0123456789abcdef" * (9 << 16)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "source").mkdir()
    with closing(LocalStore(tmp_path / "store")) as store:
        yield Desk(tmp_path / "source", store)


def only_problem(reports: list[FileReport]) -> Problem:
    [problem] = [one.problem for one in reports if one.problem is not None]
    return problem


@pytest.mark.parametrize("content", [b"1,2\n", b"", LARGE], ids=["small", "empty", "large"])
def test_a_sound_file_is_in_custody(desk: Desk, content: bytes) -> None:
    """With its digests, those that were asked for and those declared; an empty one, too."""
    desk.plan("raw/readings.csv", content, sha1=hashlib.sha1(content).hexdigest())
    [report] = desk.take()
    outcome = report.outcome
    assert (outcome.state, report.problem, report.bytes_read) == (FileState.IN_CUSTODY, None, len(content))
    assert outcome.content == "data/raw/readings.csv"
    assert outcome.root_digest == hashlib.sha256(content).hexdigest()
    assert outcome.digests == {
        name: hashlib.new(name, content).hexdigest() for name in ("sha256", "md5", "sha1")
    }
    assert desk.staged() == {"raw/readings.csv": content}


@pytest.mark.parametrize("content", [b"1,2\n", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("algorithm", ["md5", "sha256", "sha512"])
def test_a_digest_that_differs_from_a_declared_one_rejects_the_file(
    desk: Desk, content: bytes, algorithm: str
) -> None:
    """Wrong bytes never get a key; both digests are told."""
    declared = hashlib.new(algorithm, b"other").hexdigest()
    desk.plan("a", content, **{algorithm: declared})
    [report] = desk.take()
    problem = only_problem([report])
    assert (report.outcome.state, problem.code) == (FileState.REJECTED, "digest-mismatch")
    assert problem.outcome is Outcome.REJECTED
    assert declared in problem.reason
    assert hashlib.new(algorithm, content).hexdigest() in problem.reason
    assert report.bytes_read == len(content)
    assert desk.staged() == {}


@pytest.mark.parametrize("filler", [b"", LARGE], ids=["small", "large"])
def test_an_infected_file_is_put_apart(desk: Desk, filler: bytes) -> None:
    """Where nothing serves it; its reason says so."""
    file = desk.plan("a.com", filler + EICAR)
    [report] = desk.take()
    problem = only_problem([report])
    assert (report.outcome.state, problem.outcome) == (FileState.QUARANTINED, Outcome.QUARANTINED)
    assert (problem.code, "infected" in problem.reason) == ("infected", True)
    assert desk.staged() == {}
    assert b"".join(desk.store.read(layout.quarantined("a1", file.id))) == filler + EICAR


def test_a_missing_file_is_rejected(desk: Desk) -> None:
    """Nothing is read."""
    desk.plan("gone", None)
    [report] = desk.take()
    assert (report.outcome.state, only_problem([report]).code) == (FileState.REJECTED, "missing")
    assert report.bytes_read == 0


@pytest.mark.parametrize("change", [b"longer than before", b"new"])
def test_a_file_that_changed_since_the_survey_is_rejected(desk: Desk, change: bytes) -> None:
    """In size, or in time alone."""
    desk.plan("a", b"old")
    (desk.source / "a").write_bytes(change)
    os.utime(desk.source / "a", ns=(1, 1))
    [report] = desk.take()
    assert (report.outcome.state, only_problem([report]).code) == (FileState.REJECTED, "changed")
    assert desk.staged() == {}


class Meddling(EicarScanner):
    """Writes to a file while it is being read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, size: int, resume: ScanResumption | None = None) -> EicarSession:
        path = self._path

        class Session(EicarSession):
            def feed(self, block: bytes | memoryview) -> None:
                with path.open("ab") as file:
                    file.write(b"more")
                super().feed(block)

        return Session()


@pytest.mark.parametrize("content", [b"a" * 3_000_000, LARGE], ids=["small", "large"])
def test_a_file_that_changes_while_it_is_read_is_rejected(desk: Desk, content: bytes) -> None:
    """What would be kept was never the whole file."""
    desk.plan("a", content)
    [report] = desk.take(Meddling(desk.source / "a"))
    assert (report.outcome.state, only_problem([report]).code) == (FileState.REJECTED, "changed")
    assert desk.staged() == {}


def test_a_link_is_not_followed(desk: Desk) -> None:
    """Though it appeared after the survey."""
    file = desk.plan("a", b"old")
    (desk.source / "secret").write_bytes(b"old")
    (desk.source / "a").unlink()
    (desk.source / "a").symlink_to(desk.source / "secret")
    desk.planned = [replace(file, stamp="")]
    [report] = desk.take()
    assert (report.outcome.state, only_problem([report]).code) == (FileState.REJECTED, "not-regular")


def test_the_same_bytes_twice_are_both_kept(desk: Desk) -> None:
    """Each under its key."""
    desk.plan("a", b"same")
    desk.plan("copies/b", b"same")
    assert [one.outcome.state for one in desk.take()] == [FileState.IN_CUSTODY] * 2
    assert desk.staged() == {"a": b"same", "copies/b": b"same"}


def test_names_that_differ_in_case_or_normal_form_are_both_kept(desk: Desk) -> None:
    """As given; their content paths differ as well."""
    for key in ("a", "A", "é", "e\u0301", "é "):
        desk.plan(key, key.encode())
    reports = desk.take()
    assert {one.outcome.state for one in reports} == {FileState.IN_CUSTODY}
    assert sorted(desk.staged().values()) == sorted(key.encode() for key in ("a", "A", "é", "e\u0301", "é "))


def test_bad_files_do_not_keep_good_ones_out(desk: Desk) -> None:
    """Every file of a unit has its own fate, in the order of the unit."""
    for number in range(30):
        desk.plan(f"{number}", None if number % 3 == 0 else b"%d" % number)
    reports = desk.take()
    assert [one.outcome.id for one in reports] == list(range(1, 31))
    assert len(desk.staged()) == 20


def test_a_unit_taken_twice_ends_the_same(desk: Desk) -> None:
    """Same outcomes, same objects."""
    desk.plan("good", b"good")
    desk.plan("bad.com", EICAR)
    desk.plan("wrong", b"x", md5="0" * 32)
    assert desk.take() == desk.take()
    assert desk.staged() == {"good": b"good"}


# ---------------------------------------------------------------- what stops the work


class FullDisk(Disk):
    """Has room for so many bytes."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        with self._lock:
            self._room -= len(block)
            if self._room < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(descriptor, block)


@pytest.mark.parametrize("content", [b"x" * 2_000_000, LARGE], ids=["small", "large"])
def test_a_full_disk_stops_the_work_and_leaves_nothing(desk: Desk, tmp_path: Path, content: bytes) -> None:
    """Neither under the file's key nor beside it; the source's file is not to blame."""
    desk.plan("a", content)
    with closing(LocalStore(tmp_path / "full", FullDisk(1 << 20))) as store:
        desk.store = store
        with pytest.raises(OutOfSpace) as stopped:
            desk.take()
        assert stopped.value.retryable
        assert "room" in stopped.value.remedy
        assert [path for path in (tmp_path / "full").rglob("*") if path.is_file()] == []


def test_of_a_unit_that_met_a_full_disk_whole_files_remain_at_most(desk: Desk, tmp_path: Path) -> None:
    """They are taken again by the next run, which ends as if nothing had been."""
    for number in range(40):
        desk.plan(f"{number}", b"%d" % number * 1000)
    with closing(LocalStore(tmp_path / "full", FullDisk(30_000))) as store:
        desk.store = store
        with pytest.raises(OutOfSpace):
            desk.take()
        assert all(content == key.encode() * 1000 for key, content in desk.staged().items())
    with closing(LocalStore(tmp_path / "full")) as store:
        desk.store = store
        assert {one.outcome.state for one in desk.take()} == {FileState.IN_CUSTODY}
        assert len(desk.staged()) == 40


class KeysEnded(LocalStore):
    """Answers as S3 does once a session's keys have ended."""

    def begin(self, key: str, size: int, resume: PartLedger | None = None) -> Upload:
        raise refusal("ExpiredToken", f"write {key}")


class AwayAtOnce(EicarScanner):
    def begin(self, size: int, resume: ScanResumption | None = None) -> EicarSession:
        raise Unavailable("the scanner is away")


class AwayAtTheEnd(EicarScanner):
    def begin(self, size: int, resume: ScanResumption | None = None) -> EicarSession:
        class Session(EicarSession):
            def finish(self) -> object:  # type: ignore[override]
                raise Unavailable("the scanner is away")

        return Session()


@pytest.mark.parametrize("scanner", [AwayAtOnce(), AwayAtTheEnd()])
def test_a_scanner_that_is_away_stops_the_work_and_leaves_nothing(
    desk: Desk, tmp_path: Path, scanner: EicarScanner
) -> None:
    """No file is taken in unscanned, none is blamed."""
    desk.plan("a", b"a")
    with pytest.raises(Unavailable):
        desk.take(scanner)
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("content", [b"1,2\n", LARGE], ids=["small", "large"])
def test_what_the_operator_has_to_mend_stops_the_work(desk: Desk, tmp_path: Path, content: bytes) -> None:
    """Keys that ended reject no file, and nobody waits for them; with good ones the file is taken in."""
    desk.plan("a", content)
    with closing(KeysEnded(tmp_path / "store")) as store, pytest.raises(Misconfigured, match="ExpiredToken"):
        replace(desk, store=store).take()
    assert desk.pauses == []
    assert [one.outcome.state for one in desk.take()] == [FileState.IN_CUSTODY]


def test_a_source_that_is_away_stops_the_work(desk: Desk) -> None:
    """Its files are not missing: nobody can see them."""
    desk.plan("a", b"a")
    desk.source = desk.source / "unmounted"
    with pytest.raises(Unavailable):
        desk.take()


def test_an_unreadable_file_is_rejected(desk: Desk) -> None:
    """Something lies there that cannot be read as a file; root may read everything else."""
    file = desk.plan("folder/a", b"x")
    desk.planned = [replace(file, path="folder", size=(desk.source / "folder").stat().st_size, stamp="")]
    [report] = desk.take()
    assert (report.outcome.state, only_problem([report]).code) == (FileState.REJECTED, "not-regular")
