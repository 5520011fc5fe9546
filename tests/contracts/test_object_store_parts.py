"""One suite for objects in parts, for every `ObjectStore`: whatever becomes of the process that writes one, another
goes on where ledger and store agree, and nothing but the whole object is ever seen."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import xxhash

from pipeline.errors import Conflict, Missing, Rejected, SourceChanged, Unavailable
from pipeline.model import Part, PartLedger
from pipeline.ports import ObjectStore, OpenUpload, Upload
from pipeline.store.direct import WORTH
from pipeline.store.disk import Disk
from pipeline.store.local import LocalStore
from pipeline.store.transfer import MIB
from tests.contracts.stores import SMALLEST_PART, Opener

PART = SMALLEST_PART
BODY = os.urandom(4 * PART + 3 * MIB + 11)
PARTS = 5
KEY = "large/object"


def content(store: ObjectStore, key: str = KEY) -> bytes:
    return b"".join(store.read(key))


def open_keys(store: ObjectStore) -> list[str]:
    return [one.key for one in store.open_uploads()]


def acknowledged(upload: Upload, count: int) -> Sequence[Part]:
    """The parts, once the store has acknowledged `count`."""
    deadline = time.monotonic() + 60
    while len(parts := upload.parts()) < count:
        assert time.monotonic() < deadline, f"{len(parts)} parts are durable, not {count}"
        time.sleep(0.002)
    return parts


def cut_off(store: ObjectStore, written: int, *, resume: PartLedger | None = None) -> PartLedger:
    """The ledger of an upload that was left when `written` bytes had come, with its checkpoint at its last part."""
    upload = store.begin(KEY, len(BODY), resume)
    upload.write(BODY[upload.offset : written])
    parts = acknowledged(upload, PARTS if written == len(BODY) else written // PART)
    upload.leave()
    return at_border(PartLedger(upload.id, upload.part_size, parts=tuple(parts)), len(parts))


def finish(upload: Upload, rest: bytes) -> None:
    upload.write(rest)
    upload.commit()


def at_border(ledger: PartLedger, border: int) -> PartLedger:
    """The ledger with its checkpoint at the end of a part."""
    return replace(ledger, offset=min(border * PART, len(BODY)))


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("block", [MIB, 3 * MIB + 1, PART, len(BODY)])
def test_an_object_in_parts_is_what_was_written(store: ObjectStore, block: int) -> None:
    """Whatever the blocks that it came in; each part is told with its size and its xxh3."""
    upload = store.begin(KEY, len(BODY))
    buffer = bytearray(block)
    for at in range(0, len(BODY), block):
        piece = BODY[at : at + block]
        buffer[: len(piece)] = piece
        upload.write(memoryview(buffer)[: len(piece)])
    parts = acknowledged(upload, PARTS)
    upload.commit()
    assert (upload.part_size, upload.offset) == (PART, 0)
    cut = [BODY[at : at + PART] for at in range(0, len(BODY), PART)]
    assert [(one.number, one.size, one.xxh3) for one in parts] == [
        (number, len(piece), xxhash.xxh3_128_hexdigest(piece)) for number, piece in enumerate(cut, 1)
    ]
    assert (content(store), store.size(KEY), open_keys(store)) == (BODY, len(BODY), [])


def test_nothing_is_seen_before_the_commit_and_everything_after(store: ObjectStore) -> None:
    """The object that was there is there until then, with all parts of the new one durable."""
    store.put_many({KEY: b"old"})
    upload = store.begin(KEY, len(BODY))
    upload.write(BODY)
    acknowledged(upload, PARTS)
    assert [(one.key, one.size) for one in store.list("large")] == [(KEY, 3)]
    assert content(store) == b"old"
    upload.commit()
    assert content(store) == BODY


def test_an_aborted_upload_leaves_nothing(store: ObjectStore) -> None:
    """Neither an object nor parts; however often it is aborted."""
    upload = store.begin(KEY, len(BODY))
    upload.write(BODY[: 2 * PART])
    upload.abort()
    upload.abort()
    upload.leave()
    assert (list(store.list("large")), open_keys(store)) == ([], [])


def test_after_the_commit_nothing_harms(store: ObjectStore) -> None:
    """Callers may abort and leave in `finally`."""
    upload = store.begin(KEY, len(BODY))
    finish(upload, BODY)
    upload.abort()
    upload.leave()
    assert content(store) == BODY


@pytest.mark.parametrize("came", [PART, len(BODY) - 1, len(BODY) + 1])
def test_an_object_of_another_size_than_announced_is_not_committed(store: ObjectStore, came: int) -> None:
    """Fewer bytes or more: it stays unseen."""
    upload = store.begin(KEY, len(BODY))
    upload.write((BODY + b"x")[:came])
    with pytest.raises(Rejected):
        upload.commit()
    upload.abort()
    assert (list(store.list("large")), open_keys(store)) == ([], [])


def test_a_small_object_goes_in_one_piece(store: ObjectStore) -> None:
    """There is nothing of it to go on with: whoever leaves it has given it up."""
    upload = store.begin(KEY, 3)
    upload.write(b"abc")
    assert (upload.id, upload.part_size, upload.offset, list(upload.parts())) == ("", 0, 0, [])
    assert open_keys(store) == []
    upload.leave()
    with pytest.raises(Missing):
        store.size(KEY)


# ---------------------------------------------------------------- going on


@pytest.mark.parametrize("border", range(PARTS + 1))
def test_an_upload_goes_on_at_any_border(store: ObjectStore, opener: Opener, border: int) -> None:
    """In another process, which opened the store with a plan of its own; parts behind the checkpoint come again."""
    ledger = at_border(cut_off(store, len(BODY)), border)
    with closing(opener(part_size=7 * MIB)) as other:
        upload = other.begin(KEY, len(BODY), ledger)
        assert (upload.offset, upload.part_size) == (ledger.offset, PART)
        assert {one.number for one in upload.parts()} >= set(range(1, border + 1))
        finish(upload, BODY[upload.offset :])
    assert (content(store), open_keys(store)) == (BODY, [])


def test_an_upload_may_be_cut_off_again_and_again(store: ObjectStore) -> None:
    """Each time it has come a part further, and the part begun is lost."""
    ledger = None
    for number in range(1, PARTS):
        ledger = cut_off(store, number * PART + 1000, resume=ledger)
        assert ledger.offset == number * PART
        assert len(open_keys(store)) == 1
    upload = store.begin(KEY, len(BODY), ledger)
    finish(upload, BODY[upload.offset :])
    assert content(store) == BODY


def _other_etag(ledger: PartLedger) -> PartLedger:
    return replace(
        ledger, parts=(ledger.parts[0], replace(ledger.parts[1], etag="f" * 32), *ledger.parts[2:])
    )


def _other_size(ledger: PartLedger) -> PartLedger:
    return replace(
        ledger, parts=(ledger.parts[0], replace(ledger.parts[1], size=PART - 1), *ledger.parts[2:])
    )


def _a_part_too_few(ledger: PartLedger) -> PartLedger:
    return replace(ledger, parts=(ledger.parts[0], *ledger.parts[2:]))


def _a_part_too_many(ledger: PartLedger) -> PartLedger:
    further = replace(ledger.parts[0], number=len(ledger.parts) + 1)
    return replace(ledger, offset=ledger.offset + PART, parts=(*ledger.parts, further))


def _checkpoint_in_a_part(ledger: PartLedger) -> PartLedger:
    return replace(ledger, offset=ledger.offset - 1)


def _another_upload(ledger: PartLedger) -> PartLedger:
    last = "0" if ledger.upload_id[-1] != "0" else "1"
    return replace(ledger, upload_id=ledger.upload_id[:-1] + last)


@pytest.mark.parametrize(
    "change",
    [
        _other_etag,
        _other_size,
        _a_part_too_few,
        _a_part_too_many,
        _checkpoint_in_a_part,
        _another_upload,
    ],
)
def test_where_ledger_and_store_disagree_it_begins_afresh(
    store: ObjectStore, change: Callable[[PartLedger], PartLedger]
) -> None:
    """At its first byte, and nothing of the earlier upload is left."""
    ledger = change(cut_off(store, 3 * PART))
    upload = store.begin(KEY, len(BODY), ledger)
    assert (upload.offset, list(upload.parts())) == (0, [])
    assert len(open_keys(store)) == 1
    finish(upload, BODY)
    assert (content(store), open_keys(store)) == (BODY, [])


def test_a_part_that_comes_out_another_is_noticed(store: ObjectStore) -> None:
    """The source has changed since the part was written first; nothing is committed."""
    ledger = at_border(cut_off(store, 4 * PART), 1)
    changed = bytearray(BODY)
    changed[2 * PART + 17] ^= 1
    upload = store.begin(KEY, len(BODY), ledger)
    with pytest.raises(SourceChanged):
        finish(upload, bytes(changed[upload.offset :]))
    upload.abort()
    assert (list(store.list("large")), open_keys(store)) == ([], [])


def test_what_was_left_is_not_aborted_by_who_left_it(store: ObjectStore) -> None:
    """It may be another's already."""
    upload = store.begin(KEY, len(BODY))
    upload.write(BODY[: 2 * PART])
    parts = acknowledged(upload, 2)
    upload.leave()
    upload.abort()
    ledger = PartLedger(upload.id, PART, offset=2 * PART, parts=tuple(parts))
    again = store.begin(KEY, len(BODY), ledger)
    assert again.offset == 2 * PART
    again.abort()


# ---------------------------------------------------------------- several who write, and those who end


def test_what_another_has_ended_is_not_committed(store: ObjectStore, opener: Opener) -> None:
    """It fails cleanly, and leaves nothing."""
    upload = store.begin(KEY, len(BODY))
    upload.write(BODY)
    acknowledged(upload, PARTS)
    with closing(opener()) as other:
        [seen] = other.open_uploads()
        other.end_upload(seen)
        other.end_upload(seen)
    with pytest.raises(Conflict):
        upload.commit()
    upload.abort()
    assert (list(store.list("large")), open_keys(store)) == ([], [])


def test_who_begins_afresh_last_is_the_one_to_commit(store: ObjectStore, opener: Opener) -> None:
    """A worker that was given up, and is not dead, cannot put its bytes in place of those of its successor."""
    stale = store.begin(KEY, len(BODY))
    stale.write(bytes(len(BODY)))
    acknowledged(stale, PARTS)
    with closing(opener()) as other:
        upload = other.begin(KEY, len(BODY))
        upload.write(BODY)
        with pytest.raises(Conflict):
            stale.commit()
        stale.abort()
        upload.commit()
    assert (content(store), open_keys(store)) == (BODY, [])


def test_an_upload_is_listed_until_it_ends(store: ObjectStore) -> None:
    """With its key, its id and when it was begun, by those prefixes that its key is below."""
    before = datetime.now(UTC) - timedelta(seconds=2)
    uploads = {key: store.begin(key, len(BODY)) for key in ("staging/1/a b/ü", "staging/10/x", "root/y")}
    seen = {one.key: one for one in store.open_uploads()}
    assert {key: one.upload_id for key, one in seen.items()} == {
        key: upload.id for key, upload in uploads.items()
    }
    assert all(before <= one.begun <= datetime.now(UTC) + timedelta(seconds=2) for one in seen.values())
    assert [one.key for one in store.open_uploads("staging/1")] == ["staging/1/a b/ü"]
    for upload in uploads.values():
        upload.leave()
    assert set(open_keys(store)) == set(uploads)
    for one in seen.values():
        store.end_upload(one)
    assert open_keys(store) == []


def test_ending_what_is_not_there_is_done_already(store: ObjectStore) -> None:
    """And harms no other upload of the key."""
    upload = store.begin(KEY, len(BODY))
    store.end_upload(
        OpenUpload(KEY, _another_upload(PartLedger(upload.id, PART)).upload_id, datetime.now(UTC))
    )
    store.end_upload(OpenUpload("never/there", upload.id, datetime.now(UTC)))
    finish(upload, BODY)
    assert content(store) == BODY


# ---------------------------------------------------------------- memory


def test_memory_does_not_grow_with_the_parts(opener: Opener) -> None:
    """A part of 512 MiB goes through a process that stays below 300 MB, and by far below the part."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        before, peak = pool.submit(_write_generated, opener, 600 * MIB, 512 * MIB).result()
    assert peak < 300_000_000
    assert peak - before < 128 * MIB


def _write_generated(opener: Opener, size: int, part_size: int) -> tuple[int, int]:
    """Memory in bytes before an object was written, and at its peak."""
    block = os.urandom(MIB)
    with closing(opener(part_size=part_size)) as store:
        store.put_many({"small": b"x"})
        before = _peak()
        upload = store.begin(KEY, size)
        assert upload.part_size == part_size
        for _ in range(size // MIB):
            upload.write(block)
        upload.commit()
        assert store.size(KEY) == size
        store.delete(KEY)
        return before, _peak()


def _peak() -> int:
    [found] = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found) * 1024


# ---------------------------------------------------------------- on disk


def test_of_several_who_go_on_the_last_one_commits(tmp_path: Path) -> None:
    """The others write into a file that has another name by now, notice it at their next part, and name nothing."""
    with closing(LocalStore(tmp_path, part_size=PART)) as store:
        stale = store.begin(KEY, len(BODY))
        stale.write(BODY[: 2 * PART])
        ledger = PartLedger(stale.id, PART, offset=PART, parts=tuple(acknowledged(stale, 2)))
        upload = store.begin(KEY, len(BODY), ledger)
        assert (upload.id, upload.offset) == (stale.id, PART)
        with pytest.raises(Conflict):
            finish(stale, BODY[2 * PART :])
        stale.abort()
        finish(upload, BODY[upload.offset :])
        assert content(store) == BODY


@pytest.mark.parametrize("is_committed", [False, True])
def test_who_was_overtaken_writes_nothing_any_more(tmp_path: Path, is_committed: bool) -> None:
    """Not one byte, though it has the file still open: neither before the object is committed, nor after."""
    with closing(LocalStore(tmp_path, part_size=PART)) as store, closing(LocalStore(tmp_path)) as other:
        ledger = cut_off(store, 2 * PART)
        stale = store.begin(KEY, len(BODY), ledger)
        upload = other.begin(KEY, len(BODY), ledger)
        assert stale.offset == upload.offset == 2 * PART
        upload.write(BODY[2 * PART :])
        if is_committed:
            upload.commit()
        with pytest.raises(Conflict):
            stale.write(b"overtaken")
        stale.abort()
        if not is_committed:
            upload.commit()
        assert content(store) == BODY


def test_who_goes_on_waits_for_a_write_under_way(tmp_path: Path) -> None:
    """That write began before it was overtaken, and ends before anything else is done to the file."""
    disk = SlowDisk()
    with closing(LocalStore(tmp_path, disk, part_size=PART)) as store, closing(LocalStore(tmp_path)) as other:
        ledger = cut_off(store, 2 * PART)
        stale = store.begin(KEY, len(BODY), ledger)
        with ThreadPoolExecutor(2) as pool:
            disk.may_write.clear()
            slow = pool.submit(stale.write, b"overtaken" * WORTH)
            assert disk.is_writing.wait(60)
            going_on = pool.submit(other.begin, KEY, len(BODY), ledger)
            with pytest.raises(TimeoutError):
                going_on.result(timeout=0.1)
            disk.may_write.set()
            slow.result(timeout=60)
            finish(going_on.result(timeout=60), BODY[2 * PART :])
        stale.abort()
        assert content(store) == BODY


def test_who_goes_on_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the one before stands still in a write it says so; it is gone on with once that one is dead."""
    monkeypatch.setattr("pipeline.store.partial._PATIENCE", 0.05)
    with closing(LocalStore(tmp_path, part_size=PART)) as store:
        ledger = cut_off(store, 2 * PART)
        [file] = (tmp_path / ".partial/parts" / KEY).iterdir()
        with file.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(Unavailable):
                store.begin(KEY, len(BODY), ledger)
        finish(store.begin(KEY, len(BODY), ledger), BODY[2 * PART :])
        assert content(store) == BODY


class SlowDisk(Disk):
    """Writes wait until they may."""

    def __init__(self) -> None:
        self.is_writing = threading.Event()
        self.may_write = threading.Event()
        self.may_write.set()

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        if not self.may_write.is_set():
            self.is_writing.set()
            assert self.may_write.wait(60)
        super().write(descriptor, block)


def test_a_killed_process_leaves_only_what_can_be_gone_on_with(tmp_path: Path) -> None:
    """Objects in one piece that it was writing go when the store is opened next; those of the living stay."""
    with closing(LocalStore(tmp_path, part_size=PART)) as living:
        going = living.begin("small/going", 3)
        going.write(b"ab")
        killed = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(tmp_path,))
        killed.start()
        killed.join()
        with closing(LocalStore(tmp_path, part_size=PART)) as store:
            assert open_keys(store) == [KEY]
            assert len([path for path in (tmp_path / ".partial").rglob("*") if path.is_file()]) == 2
        going.write(b"c")
        going.commit()
        assert content(living, "small/going") == b"abc"
    assert [path.name for path in (tmp_path / ".partial/whole").iterdir()] == []


def _write_and_die(folder: Path) -> None:
    store = LocalStore(folder, part_size=PART)
    store.begin("small/lost", 3).write(b"ab")
    store.begin(KEY, len(BODY)).write(BODY[:MIB])
    os.kill(os.getpid(), 9)
