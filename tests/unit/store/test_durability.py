"""Durability is a matter of order: nothing is said to be kept before the disk was told to keep it.

A killed process keeps the page cache, so killing shows nothing; the calls are recorded instead, and power is lost
at every rename in turn, from which the next attempt has to recover.
"""

from __future__ import annotations

import errno
import itertools
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.errors import Unavailable
from pipeline.ingest.custody import CustodyTerms, Unit, take_unit
from pipeline.ingest.eicar import EicarScanner
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.model import FileState, PartLedger, PlannedFile
from pipeline.services import Services
from pipeline.settings import ScannerLocation, SourceLocation, StoreLocation
from pipeline.stewardship import preservation
from pipeline.store import layout
from pipeline.store.disk import Disk
from pipeline.store.local import LocalStore
from pipeline.store.transfer import MIB, PartPlan
from tests.instance import Instance, open_instance, write_record
from tests.ocfl_root import objects, problems
from tests.recording_disk import FailingDisk, PowerLoss, RecordingDisk, Step

PART = 5 * MIB
FILES = {"a.csv": b"1,2\n", "sub/b.csv": b"1,2\n", "sub/deep/c.bin": b"\0" * 70_000, "empty": b""}


@pytest.mark.parametrize("count", [9, 200])
def test_put_many_answers_when_everything_is_safe(tmp_path: Path, count: int) -> None:
    """Bytes before names, and names before the answer; of a small group file by file, of a large one all at once."""
    disk = RecordingDisk()
    with closing(LocalStore(tmp_path, disk)) as store:
        store.put_many({f"a/{number % 3}/{number}": b"x" for number in range(count)})
    assert [fault for path in disk.renames() for fault in disk.unsafe(path, tmp_path)] == []
    assert len(disk.renames()) == count


class _MeetingDisk(Disk):
    """Flushes no folder before all that it waits for are to be flushed."""

    def __init__(self, folders: int) -> None:
        self._all = threading.Barrier(folders, timeout=30)

    def flush_folder(self, folder: Path) -> None:
        self._all.wait()
        super().flush_folder(folder)


def test_the_folders_of_one_object_are_flushed_at_once(tmp_path: Path) -> None:
    """Whoever deposits a file waits for the disk once, not for each folder on the way to it."""
    with closing(LocalStore(tmp_path, _MeetingDisk(4))) as store:
        upload = store.begin("a/b/c/file", 1)
        upload.write(b"x")
        upload.commit()
        store.settle(["a/b/c/file"])


def test_a_folder_that_cannot_be_flushed_is_told_once_the_others_are(tmp_path: Path) -> None:
    flushed: list[Path] = []

    class _Refusing(Disk):
        def flush_folder(self, folder: Path) -> None:
            if folder.name == "b":
                raise OSError(errno.EIO, "Input/output error")
            time.sleep(0.05)
            flushed.append(folder)

    with closing(LocalStore(tmp_path, _Refusing())) as store:
        upload = store.begin("a/b/c/file", 1)
        upload.write(b"x")
        upload.commit()
        with pytest.raises(Unavailable, match="Input/output error"):
            store.settle(["a/b/c/file"])
        assert set(flushed) == {tmp_path, tmp_path / "a", tmp_path / "a/b/c"}


def test_a_move_is_safe_when_it_answers(tmp_path: Path) -> None:
    """The new name's folders are flushed, and the old name's."""
    disk = RecordingDisk()
    with closing(LocalStore(tmp_path, disk)) as store:
        store.put_many({"old/place/a": b"x", "old/b": b"x"})
        disk.steps.clear()
        store.move_many({"old/place/a": "new/place/a"})
    assert disk.unsafe(tmp_path / "new/place/a", tmp_path) == []
    assert tmp_path / "old" in [step.path for step in disk.steps if step.call == "flush-folder"]


def test_files_are_in_custody_only_once_they_are_safe(tmp_path: Path) -> None:
    """A worker's report comes after write, flush, rename, and the flush of every folder up to the store's own."""
    disk = RecordingDisk()
    source = tmp_path / "source"
    contents = {f"{number % 4}/{number}": b"%d" % number * 1000 for number in range(20)}
    contents["large"] = b"large" * 4_000_000
    for name, body in contents.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(body)
    terms = CustodyTerms(
        "a1", SourceLocation(str(source)), StoreLocation(""), ScannerLocation("eicar:"), "sha256", ("md5",)
    )
    files = tuple(
        PlannedFile(
            number, 1, 2, "record", name, name, len(body), "", {}, layout.place(layout.staged(2), name)
        )
        for number, (name, body) in enumerate(contents.items())
    )
    with closing(LocalStore(tmp_path / "store", disk)) as store:
        reports = take_unit(
            store, EicarScanner(), LocalTree(terms.source), Unit(terms, files), lambda note: None
        )
    assert {report.outcome.state for report in reports} == {FileState.IN_CUSTODY}
    staged = tmp_path / "store" / layout.staged(2) / "content"
    for report in reports:
        assert disk.unsafe(staged / report.outcome.content, tmp_path / "store") == []


def test_a_part_in_its_slot_counts_only_once_it_is_safe(tmp_path: Path) -> None:
    """Its bytes are flushed before it is said to be there; before they are written again, that it is not. Whoever is
    told of the upload finds its files by their names after a crash."""
    disk = RecordingDisk()
    with closing(LocalStore(tmp_path, disk)) as store:
        upload = store.begin_parts("large/object", PartPlan(2 * PART, PART))
        folder = tmp_path / ".partial/parts/large/object"
        flushed = [step.path for step in disk.steps if step.call == "flush-folder"]
        assert flushed == [folder, *(one for one in folder.parents if one.is_relative_to(tmp_path))]
        disk.steps.clear()
        for _ in range(2):
            upload.write(1, [bytes(MIB)] * 5)
    steps = [(step.call, step.path.suffix) for step in disk.steps]
    told = [("write", ".there"), ("flush", ".there")]
    sent = [("write", ".slots"), ("flush", ".slots"), *told]
    assert [step for step, _ in itertools.groupby(steps)] == [*sent, *told, *sent]


class HeldDisk(RecordingDisk):
    """Every flush waits until it is let through."""

    def __init__(self) -> None:
        super().__init__()
        self._gate = threading.Semaphore(0)

    def let_through(self) -> None:
        """Let one flush through, and wait until it is done."""
        done = len(self.steps)
        self._gate.release()
        while len(self.steps) == done:
            time.sleep(0.001)

    def flush(self, descriptor: int) -> None:
        self._gate.acquire()
        super().flush(descriptor)

    def flush_folder(self, folder: Path) -> None:
        self._gate.acquire()
        super().flush_folder(folder)


def test_a_part_is_acknowledged_only_once_it_is_safe(tmp_path: Path) -> None:
    """Not while its bytes wait to be flushed, nor while the name does of the file that they are in: by that name
    another process finds them."""
    disk = HeldDisk()
    folders = [*(tmp_path / ".partial/parts/large/object").relative_to(tmp_path).parents]
    with closing(LocalStore(tmp_path, disk, part_size=PART)) as store:
        upload = store.begin("large/object", 2 * PART)
        upload.write(bytes(PART))
        for _ in range(len(folders) + 1):
            disk.let_through()
            assert list(upload.parts()) == []
        disk.let_through()
        while not upload.parts():
            time.sleep(0.001)
        upload.abort()
    calls = [step.call for step in disk.steps]
    writes = calls.count("write")
    assert calls == [*["write"] * writes, "flush", *["flush-folder"] * (len(folders) + 1)]
    assert disk.steps[-1].path == tmp_path


def test_an_object_in_parts_is_safe_before_it_is_named(tmp_path: Path) -> None:
    """All its parts are flushed when it takes its name, those too that were written by one that was cut off."""
    disk = RecordingDisk()
    size = 3 * PART + 100
    with closing(LocalStore(tmp_path, disk, part_size=PART)) as store:
        upload = store.begin("large/object", size)
        upload.write(bytes(2 * PART))
        while len(upload.parts()) < 2:
            time.sleep(0.001)
        upload.leave()
        known = PartLedger(upload.id, PART, 2 * PART, parts=tuple(upload.parts()))
        again = store.begin("large/object", size, known)
        again.write(bytes(size - again.offset))
        again.commit()
        store.settle(["large/object"])
    final = tmp_path / "large/object"
    [first, second] = [step.path for step in disk.steps if step.to is not None]
    assert disk.unsafe(final, tmp_path) == []
    for name in (first, second):
        written = [at for at, step in enumerate(disk.steps) if step == Step("write", name)]
        flushed = [at for at, step in enumerate(disk.steps) if step == Step("flush", name)]
        assert max(written) < max(flushed) < disk.steps.index(Step("rename", second, final))


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Instance]:
    """A record with two versions that are both published, of which the second waits to be preserved."""
    source = tmp_path / "source"
    write_record(source / "one", FILES)
    with open_instance(tmp_path / "home") as instance:
        instance.ingest(source)
        write_record(source / "one", {**FILES, "a.csv": b"changed", "new/d.csv": b"new"})
        attempt = instance.attempt(source)
        attempt.take_in()
        attempt.publish()
        yield instance


def with_disk(instance: Instance, disk: RecordingDisk | FailingDisk) -> Services:
    return replace(instance.services, store=LocalStore(instance.store, disk))


def test_a_first_version_appears_whole(tmp_path: Path) -> None:
    """A new object comes into the root by one rename, after which nothing of it is written."""
    write_record(tmp_path / "source" / "one", FILES)
    disk = RecordingDisk()
    with open_instance(tmp_path / "home") as instance:
        attempt = instance.attempt(tmp_path / "source")
        attempt.take_in()
        attempt.publish()
        services = with_disk(instance, disk)
        with closing(services.store):
            assert preservation.preserve(services, [2]) == {}
        in_root = [path for path in disk.renames() if path.is_relative_to(instance.root)]
        concept = layout.concept_object(services.repository.id, 1)
        assert in_root == [instance.store / layout.object_root(concept)]
        assert disk.renames()[-1] == in_root[0]
        assert [fault for path in disk.renames()[-1:] for fault in disk.unsafe(path, instance.store)] == []
        for path in disk.renames()[:-2]:
            assert disk.unsafe(path, instance.store) == []


def test_a_further_version_comes_before_its_inventory_and_that_before_the_sidecar(
    published: Instance,
) -> None:
    """So that whatever the root's inventory speaks of is there, and a sidecar never vouches for what is not."""
    disk = RecordingDisk()
    services = with_disk(published, disk)
    with closing(services.store):
        assert preservation.preserve(services, [3]) == {}
    place = published.store / layout.object_root(layout.concept_object(services.repository.id, 1))
    sidecar = f"inventory.json.{services.root_digest}"
    in_root = [path for path in disk.renames() if path.is_relative_to(place)]
    assert in_root == [place / "v2", place / "inventory.json", place / sidecar]
    assert [fault for path in in_root for fault in disk.unsafe(path, published.store)] == []
    # Each is safe before the next one is begun.
    flushed = [at for at, step in enumerate(disk.steps) if step == Step("flush-folder", place)]
    renamed = [at for at, step in enumerate(disk.steps) if step.to in in_root]
    for earlier, later in pairwise(renamed):
        assert any(earlier < at < later for at in flushed)


def test_the_catalogue_says_preserved_only_afterwards(published: Instance) -> None:
    """As long as anything is still to be renamed, the record's bytes are looked for in staging."""
    said: list[str | None] = []
    disk = RecordingDisk(before_rename=lambda _source, _target: said.append(published.record(3).staged))
    services = with_disk(published, disk)
    with closing(services.store):
        preservation.preserve(services, [3])
    assert set(said) == {layout.staged(3)}
    assert (published.record(3).staged, published.record(3).ocfl_version) == (None, 2)


@pytest.mark.parametrize("version", [1, 2])
def test_files_can_be_read_at_every_moment(tmp_path: Path, version: int) -> None:
    """While their bytes go from staging to the root, readers find them."""
    source = tmp_path / "source"
    write_record(source / "one", FILES)
    with open_instance(tmp_path / "home") as instance:
        if version == 2:
            instance.ingest(source)
            write_record(source / "one", {**FILES, "a.csv": b"changed!"})
        attempt = instance.attempt(source)
        attempt.take_in()
        attempt.publish()
        record_id = 1 + version
        expected = instance.files(record_id)

        def read(_source: Path, _target: Path) -> None:
            assert instance.files(record_id) == expected

        class Watched(RecordingDisk):
            def rename(self, source: Path, target: Path) -> None:
                super().rename(source, target)
                read(source, target)

        services = with_disk(instance, Watched())
        with closing(services.store):
            assert preservation.preserve(services, [record_id]) == {}
        assert instance.files(record_id) == expected


@pytest.mark.parametrize("version", [1, 2])
def test_preserving_goes_on_from_wherever_the_power_went(tmp_path: Path, version: int) -> None:
    """Whichever rename it was: the next attempt ends in the same inventory, a valid root and an empty staging."""
    source = tmp_path / "source"
    write_record(source / "one", FILES)
    with open_instance(tmp_path / "home") as instance:
        if version == 2:
            instance.ingest(source)
            write_record(source / "one", {**FILES, "a.csv": b"changed!"})
        attempt = instance.attempt(source)
        attempt.take_in()
        attempt.publish()
    record_id = 1 + version
    results = []
    for survives in range(100):
        home = tmp_path / str(survives)
        shutil.copytree(tmp_path / "home", home, copy_function=shutil.copy2)
        with open_instance(home) as instance:
            failing = with_disk(instance, FailingDisk(survives))
            with closing(failing.store):
                survived = _preserve(failing, record_id)
            instance.clock.move(minutes=10)
            assert preservation.preserve(instance.services, [record_id]) == {}
            assert problems(instance.root) == [], survives
            assert list((instance.store / "staging").rglob("*")) == []
            assert instance.record(record_id).ocfl_version == version
            inventory = objects(instance.root)
            results.append({path.name: (path / "inventory.json").read_bytes() for path in inventory})
        if survived:
            break
    assert survives > 5
    assert all(result == results[-1] for result in results)


def _preserve(services: Services, record_id: int) -> bool:
    try:
        return preservation.preserve(services, [record_id]) == {}
    except PowerLoss:
        return False


def test_a_store_whose_own_folder_went_makes_another(tmp_path: Path) -> None:
    """What was being written in it is lost, and said to be; what comes then is not."""
    with closing(LocalStore(tmp_path)) as store:
        lost = store.begin("lost", 1)
        shutil.rmtree(tmp_path / ".partial" / "whole")
        lost.write(b"x")
        with pytest.raises(Unavailable) as told:
            lost.commit()
        assert "HEADRACE_STORE" in told.value.remedy
        lost.abort()
        store.put_many({"a": b"1"})
        assert b"".join(store.read("a")) == b"1"
    assert list((tmp_path / ".partial" / "whole").iterdir()) == []
