"""Large files go to the disk past the page cache; whatever the file system makes of that, they are what came."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import HeadraceError, OutOfSpace, Unavailable
from pipeline.ports import Upload
from pipeline.store.direct import ALIGNMENT, BUFFER, WORTH
from pipeline.store.disk import Disk
from pipeline.store.local import LocalStore
from pipeline.store.transfer import IN_PARTS_FROM, MIB, PartPlan
from tests.failing_disk import FailingDisk

PART = 5 * MIB
BODY = os.urandom(2 * PART + IN_PARTS_FROM)

AROUND = st.sampled_from([0, ALIGNMENT, WORTH, BUFFER, PART, IN_PARTS_FROM, 2 * PART])
LENGTHS = st.builds(lambda near, by: max(0, near + by), AROUND, st.integers(-1, 1))
BLOCKS = st.lists(LENGTHS.filter(bool) | st.integers(1, 3 * MIB), min_size=1, max_size=6)


def is_direct(descriptor: int) -> bool:
    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)


class Watched(Disk):
    """Notes how many bytes each write had, and whether it went past the cache."""

    def __init__(self) -> None:
        self.writes: list[tuple[int, bool]] = []

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        super().write(descriptor, block)
        self.writes.append((len(block), is_direct(descriptor)))


class Cached(Disk):
    """Has no such writes, as macOS."""

    def go_direct(self, descriptor: int, *, on: bool) -> bool:
        return False


class Refusing(Disk):
    """Takes the flag and then refuses such writes, behind the first few bytes, as some file systems do."""

    asked = 0

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        if is_direct(descriptor):
            self.asked += 1
            super().write(descriptor, memoryview(block)[:ALIGNMENT])
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        super().write(descriptor, block)


def write(upload: Upload, content: bytes, blocks: list[int]) -> None:
    """In blocks of these sizes, over and over."""
    at = turn = 0
    while at < len(content):
        size = blocks[turn % len(blocks)]
        upload.write(content[at : at + size])
        at, turn = at + size, turn + 1


@settings(max_examples=40, deadline=None)
@given(LENGTHS, BLOCKS, st.booleans(), st.sampled_from([Disk, Cached, Refusing]))
@example(IN_PARTS_FROM - 1, [MIB], True, Disk)
@example(IN_PARTS_FROM, [ALIGNMENT], True, Disk)
@example(IN_PARTS_FROM + 1, [MIB + 1], True, Disk)
@example(2 * PART + 1, [MIB - 1, 1], False, Disk)
def test_what_is_written_is_what_came(size: int, blocks: list[int], is_told: bool, disk: type[Disk]) -> None:
    """However long it is, and in whatever blocks it comes, be its size told or not."""
    with TemporaryDirectory() as folder, closing(LocalStore(Path(folder), disk(), part_size=PART)) as store:
        upload = store.begin("one", size if is_told else None)
        write(upload, BODY[:size], blocks if min(blocks) >= ALIGNMENT else [*blocks, MIB])
        upload.commit()
        assert (store.size("one"), b"".join(store.read("one")) == BODY[:size]) == (size, True)


@pytest.mark.parametrize("part_size", [PART, PART + 1, PART + ALIGNMENT - 1])
@pytest.mark.parametrize("disk", [Disk, Refusing])
def test_parts_in_any_order_do_not_touch_their_neighbours(
    tmp_path: Path, part_size: int, disk: type[Disk]
) -> None:
    """Also where two of them share a page."""
    plan = PartPlan(2 * part_size + 7, part_size)
    with closing(LocalStore(tmp_path, disk())) as store:
        upload = store.begin_parts("one", plan)
        for number in (2, 3, 1, 2):
            part = BODY[: plan.size][(number - 1) * part_size : number * part_size]
            upload.write(number, [part[at : at + MIB + 5] for at in range(0, len(part), MIB + 5)])
        upload.commit()
        assert b"".join(store.read("one")) == BODY[: plan.size]


def test_only_the_end_of_a_large_file_goes_through_the_cache(tmp_path: Path) -> None:
    disk = Watched()
    with closing(LocalStore(tmp_path, disk, part_size=PART)) as store:
        upload = store.begin("one", 2 * PART + 5)
        write(upload, BODY[: 2 * PART + 5], [MIB + 1])
        upload.commit()
        store.put_many({"small": b"small"})
    if not any(is_direct for _, is_direct in disk.writes):
        pytest.skip("this file system takes no direct writes")
    *large, end, small = disk.writes
    assert (end, small) == ((5, False), (5, False))
    assert {is_direct for _, is_direct in large} == {True}
    assert sum(size for size, _ in large) == 2 * PART


def test_a_file_system_that_refuses_is_asked_once_a_file(tmp_path: Path) -> None:
    disk = Refusing()
    with closing(LocalStore(tmp_path, disk, part_size=PART)) as store:
        upload = store.begin("one", len(BODY))
        upload.write(BODY)
        upload.commit()
        assert b"".join(store.read("one")) == BODY
    assert disk.asked == 1


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no tmpfs")
def test_a_store_in_memory_takes_large_files() -> None:
    with TemporaryDirectory(dir="/dev/shm") as folder, closing(LocalStore(Path(folder))) as store:
        upload = store.begin("one", len(BODY) - 1)
        upload.write(BODY[:-1])
        upload.commit()
        assert b"".join(store.read("one")) == BODY[:-1]


@pytest.mark.parametrize("room", [0, MIB, PART, PART + MIB])
@pytest.mark.parametrize(("number", "told"), [(errno.ENOSPC, OutOfSpace), (errno.EIO, Unavailable)])
def test_a_disk_that_fails_in_the_middle_is_told_and_nothing_stays(
    tmp_path: Path, room: int, number: int, told: type[HeadraceError]
) -> None:
    with closing(LocalStore(tmp_path, FailingDisk(room, number), part_size=PART)) as store:
        upload = store.begin("one", 2 * PART)
        with pytest.raises(told):
            write(upload, BODY[: 2 * PART], [MIB])
        upload.abort()
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        # Its buffers are free again.
        with closing(LocalStore(tmp_path)) as sound:
            again = sound.begin("one", None)
            again.write(BODY)
            again.commit()
            assert sound.size("one") == len(BODY)
