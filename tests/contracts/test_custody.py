"""A large file is taken into every kind of store, and gone on with there, as if nobody had died."""

from __future__ import annotations

import os
import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Interrupted
from pipeline.ingest.custody import FileReport
from pipeline.ingest.identify import HEAD, TAIL
from pipeline.ingest.intake import RING_BYTES
from pipeline.model import FileState, PartLedger
from pipeline.ports import Note, ObjectStore, Upload
from pipeline.store.local import LocalStore
from pipeline.store.transfer import MIB
from tests.contracts.stores import SMALLEST_PART, Opener
from tests.unit.ingest.desk import Desk

CONTENT = random.Random(4).randbytes(1 << 16) * 16 * 60 + b"the end"
SIZE = len(CONTENT)
# Parts under way to the store at once, and what the digests may lag behind it.
IN_FLIGHT = 8 * SMALLEST_PART + RING_BYTES


class Killed(BaseException):
    """The process is gone."""


class DyingStore:
    """A store whose process dies when so many bytes of an object have been written, or once it is committed."""

    def __init__(self, store: ObjectStore, room: int) -> None:
        self._store = store
        self._room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def begin(self, key: str, size: int, resume: PartLedger | None = None) -> DyingUpload:
        return DyingUpload(self._store.begin(key, size, resume), self._room)


class DyingUpload:
    def __init__(self, upload: Upload, room: int) -> None:
        self._upload = upload
        self._room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(self._upload, name)

    def write(self, block: memoryview) -> None:
        self._room -= len(block)
        if self._room < 0:
            raise Killed
        self._upload.write(block)

    def commit(self) -> None:
        self._upload.commit()
        raise Killed


@pytest.fixture
def desk(store: ObjectStore, tmp_path: Path) -> Desk:
    (tmp_path / "source").mkdir()
    planned = Desk(tmp_path / "source", store)
    planned.plan("a.dat", CONTENT)
    return planned


def kill(desk: Desk, opener: Opener, room: int = 2 * SIZE) -> int:
    """How far the ledger has come when the worker has died."""
    with closing(opener()) as store, pytest.raises(Killed):
        replace(desk, store=DyingStore(store, room)).take()
    return desk.ledgers[1].offset


def undisturbed(desk: Desk, tmp_path: Path) -> FileReport:
    with closing(LocalStore(tmp_path / "undisturbed")) as store:
        [report] = replace(desk, store=store, ledgers={}, notes=[]).take()
    return report


def test_a_file_ends_as_if_nobody_had_been_killed(desk: Desk, opener: Opener, tmp_path: Path) -> None:
    """Twice, within a part; then the same outcome and the same bytes, and nothing read again but what was in flight.
    Only that it was gone on with is known of it."""
    first = kill(desk, opener, 50 * MIB)
    assert first >= 50 * MIB - IN_FLIGHT
    second = kill(desk, opener, 4 * MIB)
    assert second >= first
    [report] = desk.take()
    assert report.outcome == replace(undisturbed(desk, tmp_path).outcome, resumed=True)
    assert report.problem is None
    assert report.bytes_read <= SIZE - second + HEAD + TAIL
    assert desk.staged() == {"a.dat": CONTENT}
    assert list(desk.store.open_uploads()) == []


def test_a_commit_that_nobody_heard_of_counts(desk: Desk, opener: Opener, tmp_path: Path) -> None:
    """What is in the store is not read from the source again."""
    known = kill(desk, opener)
    assert known >= SIZE - IN_FLIGHT
    [report] = desk.take()
    assert report.outcome == replace(undisturbed(desk, tmp_path).outcome, resumed=True)
    assert report.bytes_read <= SIZE - known + HEAD + TAIL
    assert desk.staged() == {"a.dat": CONTENT}
    assert list(desk.store.open_uploads()) == []


def test_a_part_that_comes_out_another_starts_the_file_afresh(desk: Desk, opener: Opener) -> None:
    """Though size and time are as they were: parts behind the checkpoint are compared."""
    kill(desk, opener, 50 * MIB)
    desk.ledgers[1] = replace(desk.ledgers[1], offset=0, checkpoint={})
    path = desk.source / "a.dat"
    found = path.stat()
    with path.open("r+b") as file:
        file.write(b"changed")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    [report] = desk.take()
    assert report.outcome.state is FileState.IN_CUSTODY
    assert report.problem is not None
    assert report.problem.code == "restarted"
    assert desk.staged() == {"a.dat": b"changed" + CONTENT[7:]}
    assert list(desk.store.open_uploads()) == []


def test_a_file_that_is_gone_leaves_nothing(desk: Desk, opener: Opener) -> None:
    """Rejected after parts of it were taken in: no upload stays open."""
    kill(desk, opener, 50 * MIB)
    (desk.source / "a.dat").unlink()
    [report] = desk.take()
    assert report.outcome.state is FileState.REJECTED
    assert desk.staged() == {}
    assert list(desk.store.open_uploads()) == []


def test_an_upload_that_cannot_be_told_of_is_ended(desk: Desk) -> None:
    """Who would have gone on with it has gone by the time that it is begun: no ledger will ever have it."""

    def tell(note: Note) -> None:
        if note:
            raise Interrupted("nobody waits")

    gone = replace(desk)
    gone.hear = tell  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        gone.take()
    assert list(desk.store.open_uploads()) == []
