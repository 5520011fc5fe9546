"""What SQLite's commits leave on the disk when the power goes. A killed process keeps the page cache, so killing shows
nothing: what the disk has is what the database's files were when one of them was last flushed."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from pipeline.catalogue import Catalogue, flushing, secrets
from pipeline.catalogue.engine import open_catalogue
from pipeline.catalogue.flushing import SharedFlush
from pipeline.errors import HeadraceError, Misconfigured, OutOfSpace, Unavailable


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with closing(open_catalogue(f"sqlite:///{tmp_path}/catalogue.sqlite")) as opened:
        yield opened


class Disk:
    """What it has of a folder is what was there when anything was last flushed."""

    def __init__(self, folder: Path, has: Path) -> None:
        self._folder = folder
        self._has = has
        self._number = 0

    def flush(self, _descriptor: int) -> None:
        state = self._has / str(self._number + 1)
        state.mkdir(parents=True)
        for path in sorted(self._folder.glob("catalogue.sqlite*")):
            if not path.name.endswith("-shm"):
                shutil.copy(path, state)
        self._number += 1

    def secrets(self) -> set[str]:
        """The names of those that are there once the power is back."""
        with closing(sqlite3.connect(self._has / str(self._number) / "catalogue.sqlite")) as database:
            return {name for (name,) in database.execute("SELECT name FROM secret")}


def test_what_was_committed_survives_the_power(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of however many commit at once, each as soon as its transaction is over."""
    disk, looking = Disk(tmp_path, tmp_path / "disk"), threading.Lock()
    monkeypatch.setattr(flushing, "_flush_data", disk.flush)

    def commit(number: int) -> bool:
        with catalogue.write() as tx:
            secrets.obtain(tx, f"secret {number}")
        with looking:
            return f"secret {number}" in disk.secrets()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(commit, range(40)))


def test_nobody_waits_for_the_disk_to_write(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one who committed waits for it, others commit."""
    is_flushing, may_end = threading.Event(), threading.Event()

    def slowly(_descriptor: int) -> None:
        is_flushing.set()
        may_end.wait(30)

    monkeypatch.setattr(flushing, "_flush_data", slowly)

    def commit(name: str) -> None:
        with catalogue.write() as tx:
            secrets.obtain(tx, name)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(commit, "first")
        assert is_flushing.wait(30)
        second = pool.submit(commit, "second")
        try:
            assert _appears(catalogue, "second")
            assert not first.done()
            assert not second.done()
        finally:
            may_end.set()


def _appears(catalogue: Catalogue, name: str) -> bool:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with catalogue.read() as tx:
            if secrets.find(tx, name) is not None:
                return True
        time.sleep(0.01)
    return False


def test_who_waits_at_the_same_time_shares_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not the one that was under way before."""
    begun = threading.Semaphore(0)
    may_go_on = threading.Event()
    flushes: list[int] = []
    turn = _Turn()

    def flush(descriptor: int) -> None:
        flushes.append(descriptor)
        begun.release()
        may_go_on.wait(30)

    monkeypatch.setattr(flushing, "_flush_data", flush)
    file = tmp_path / "log"
    file.touch()
    with closing(SharedFlush(file)) as log, ThreadPoolExecutor(21) as pool:
        monkeypatch.setattr(log, "_turn", turn)
        first = pool.submit(log.wait)
        try:
            assert begun.acquire(timeout=30)
            others = [pool.submit(log.wait) for _ in range(20)]
            assert turn.waits_for(21)
        finally:
            may_go_on.set()
        for one in (first, *others):
            one.result(30)
    assert len(flushes) == 2


class _Turn:
    """A lock that knows how many have come to it, whether or not they got it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._came = 0

    def __enter__(self) -> None:
        with self._counting:
            self._came += 1
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def waits_for(self, number: int, *, or_for: Callable[[], bool] = lambda: False) -> bool:
        """Whether so many have come, before half a minute is over or something else is true."""
        until = time.monotonic() + 30
        while self._came < number and not or_for() and time.monotonic() < until:
            time.sleep(0.01)
        return self._came >= number


def test_no_file_is_closed_under_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another might be given its number, and be flushed in its place."""
    turn = _Turn()
    is_flushing, may_end = threading.Event(), threading.Event()

    def slowly(descriptor: int) -> None:
        is_flushing.set()
        may_end.wait(30)
        os.fstat(descriptor)

    monkeypatch.setattr(flushing, "_flush_data", slowly)
    file = tmp_path / "log"
    file.touch()
    log = SharedFlush(file)
    monkeypatch.setattr(log, "_turn", turn)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(log.wait)
        try:
            assert is_flushing.wait(30)
            closing_ = pool.submit(log.close)
            turn.waits_for(2, or_for=closing_.done)
        finally:
            may_end.set()
        waiting.result(30)
        closing_.result(30)


@pytest.mark.parametrize(
    ("number", "error", "told"),
    [(errno.EIO, Unavailable, "Input/output error"), (errno.EDQUOT, OutOfSpace, "no room left")],
)
def test_a_disk_that_refused_once_is_not_believed_again(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, number: int, error: type[HeadraceError], told: str
) -> None:
    """It says at the next flush that all is well, though what it was given before is not written. So nothing more is
    committed, which others would see."""

    def refuse(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(flushing, "_flush_data", refuse)
        with pytest.raises(error, match=told), catalogue.write() as tx:
            secrets.obtain(tx, "first")
    with pytest.raises(error, match=told), catalogue.write() as tx:
        secrets.obtain(tx, "second")
    with catalogue.read() as tx:
        assert secrets.find(tx, "second") is None


def test_nothing_stays_open_of_a_database_whose_log_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(flushing, "flush_folder", refuse)
    with pytest.raises(Unavailable, match="Input/output error"):
        open_catalogue(f"sqlite:///{tmp_path}/catalogue.sqlite")
    _require_closed(tmp_path)


def test_a_place_where_sqlite_cannot_keep_a_log_is_refused() -> None:
    """It says so, and goes on without one."""
    with pytest.raises(Misconfigured, match="WAL") as refused:
        open_catalogue("sqlite://")
    assert refused.value.field == "HEADRACE_DATABASE"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="disk of the database"):
        open_catalogue(f"sqlite:///{tmp_path}/file/catalogue.sqlite")


def _require_closed(folder: Path) -> None:
    assert not [one.path for one in psutil.Process().open_files() if Path(one.path).is_relative_to(folder)]
