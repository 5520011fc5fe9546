"""What SQLite's commits leave on the disk when the power goes. A killed process keeps the page cache, so killing shows
nothing: what the disk has is what the database's files were when one of them was last flushed."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.catalogue import Catalogue, flushing, secrets
from pipeline.catalogue.engine import open_catalogue
from pipeline.catalogue.flushing import SharedFlush
from pipeline.errors import Unavailable


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

    def flush(descriptor: int) -> None:
        flushes.append(descriptor)
        begun.release()
        may_go_on.wait(30)

    monkeypatch.setattr(flushing, "_flush_data", flush)
    file = tmp_path / "log"
    file.touch()
    with closing(SharedFlush(file)) as log, ThreadPoolExecutor(21) as pool:
        first = pool.submit(log.wait)
        assert begun.acquire(timeout=30)
        others = [pool.submit(log.wait) for _ in range(20)]
        time.sleep(0.5)
        may_go_on.set()
        for one in (first, *others):
            one.result(30)
    # Whose thread was late may have needed one more.
    assert 2 <= len(flushes) <= 10


def test_a_disk_that_refused_once_is_not_believed_again(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says at the next flush that all is well, though what it was given before is not written."""

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(flushing, "_flush_data", refuse)
        with pytest.raises(Unavailable, match="Input/output error"), catalogue.write() as tx:
            secrets.obtain(tx, "first")
    with pytest.raises(Unavailable), catalogue.write() as tx:
        secrets.obtain(tx, "second")
