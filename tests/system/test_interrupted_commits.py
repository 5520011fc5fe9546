"""Commits of versions that are cut off, watched or overtaken at every single change of the store."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.access import Viewer
from pipeline.catalogue import accounts, tables
from pipeline.errors import Unavailable
from pipeline.ingest import arrival, deposit, modification
from pipeline.model import JsonObject, Record
from pipeline.ports import StoreTraits
from pipeline.settings import StoreLocation
from pipeline.stewardship import preservation
from pipeline.stewardship.preservation import preserve
from pipeline.stewardship.retrieval import read_file
from pipeline.store import layout
from pipeline.store.local import LocalStore
from tests import ocfl_root
from tests.archive import Archive, open_archive
from tests.recording_disk import PowerLoss
from tests.stepping_store import with_store, without_power

FILES = {"a.csv": b"1,2\n", "again/a.csv": b"1,2\n", "deep/b.bin": b"\0" * 5000, "empty": b""}


class FolderWithoutRenaming(LocalStore):
    """A folder treated as S3 is: what S3 is asked to do, without the time that it takes."""

    traits = StoreTraits(renames_trees=False)


class Unpreserved(Archive):
    """Publishes, and leaves all that follows waiting."""

    def _settle(self) -> None:
        self.clock.move(seconds=1)


@contextmanager
def opened(
    home: Path, location: StoreLocation | None = None, *, renames: bool = True
) -> Iterator[Unpreserved]:
    with open_archive(home, location) as archive:
        services = archive.services
        if not renames:
            services = replace(services, store=FolderWithoutRenaming(home / "store"))
        try:
            yield Unpreserved(services, archive.clock)
        finally:
            services.store.close()


@pytest.fixture(params=["moved", "copied"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Unpreserved]:
    """An archive on a store of each kind."""
    with checked(tmp_path, renames=request.param == "moved") as found:
        yield found


@contextmanager
def checked(
    folder: Path, location: StoreLocation | None = None, *, renames: bool = True
) -> Iterator[Unpreserved]:
    """An archive whose root is valid when the test ends, with nothing waiting beside it."""
    with opened(folder / "home", location, renames=renames) as found:
        yield found
        assert ocfl_root.problems(ocfl_root.fetched(found.services.store, folder / "fetched")) == []
        assert list(found.services.store.list("staging")) == []


# ---------------------------------------------------------------- what is waiting to be preserved


def new_work(archive: Unpreserved) -> Record:
    return archive.publish(files=FILES)


def work_that_was_held(archive: Unpreserved) -> Record:
    return archive.publish(files=FILES, was_held=True)


def further_version(archive: Unpreserved) -> Record:
    first = archive.publish(files=FILES)
    assert preserve(archive.services, [first.id]) == {}
    return archive.publish(
        files={**FILES, "a.csv": b"changed", "new": b"new", "same": b"1,2\n"}, version_of=first
    )


def withdrawn_early(archive: Unpreserved) -> Record:
    record = archive.publish(files=FILES)
    archive.withdraw(record)
    return record


def withdrawn_late(archive: Unpreserved) -> Record:
    record = archive.publish(files=FILES)
    assert preserve(archive.services, [record.id]) == {}
    archive.withdraw(record)
    return record


def changed_files(archive: Unpreserved) -> Record:
    """An edit brought bytes to a record that is preserved already: a file is replaced, one is new."""
    record, services = archive.publish(files=FILES), archive.services
    assert preserve(services, [record.id]) == {}
    archive.token(record.owner)
    with services.catalogue.read() as tx:
        owner = accounts.find_account(tx, record.owner)
    assert owner is not None
    draft = deposit.edit(services, record.id, owner)
    modification.reopen(services, draft, Viewer(owner.email, account_id=owner.id), comment="")
    draft = deposit.find(services, record.id)
    for key, content in (("a.csv", b"changed"), ("new", b"new")):
        arrival.receive(services, draft, key, [content], size=len(content), admitted=lambda _: None)
    deposit.publish(services, deposit.find(services, record.id))
    return archive.record(record.id)


waiting = pytest.mark.parametrize(
    "publish", [new_work, work_that_was_held, further_version, changed_files, withdrawn_early, withdrawn_late]
)


def files(archive: Archive, record: Record) -> dict[str, bytes]:
    """What readers get of the files that every record here has."""
    return {key: b"".join(read_file(archive.services, record.id, key)) for key in FILES}


def shape(archive: Archive, record: Record) -> JsonObject:
    """A work's object without what is another work's or another time's: paths, and which of them have equal bytes."""
    root = layout.object_root(layout.concept_object(archive.services.repository.id, record.concept_id))
    inventory = json.loads(b"".join(archive.services.store.read(f"{root}/inventory.json")))
    found = [_unnumbered(one.key.removeprefix(root)) for one in archive.services.store.list(root)]
    return {
        "manifest": sorted([_unnumbered(path) for path in paths] for paths in inventory["manifest"].values()),
        "versions": {name: sorted(one["state"].values()) for name, one in inventory["versions"].items()},
        "objects": sorted(found),
    }


def _unnumbered(path: str) -> str:
    """Without the number of the transfer in which it came."""
    return re.sub("/deposited/[0-9]+/", "/deposited/", path)


# ---------------------------------------------------------------- cut off


@waiting
def test_preserving_goes_on_from_wherever_it_was_cut_off(
    tmp_path: Path, publish: Callable[[Unpreserved], Record]
) -> None:
    """The next attempt ends in the very object that an undisturbed one makes, and no attempt loses a byte."""
    with checked(tmp_path, renames=False) as archive:
        cut_everywhere(archive, publish)


@pytest.mark.parametrize("publish", [new_work, further_version])
def test_the_order_within_a_group_does_not_matter(
    tmp_path: Path, publish: Callable[[Unpreserved], Record]
) -> None:
    """For a store may write it in any: here each is gone through backwards."""
    with checked(tmp_path, renames=False) as archive:
        cut_everywhere(archive, publish, backwards=True)


@pytest.mark.parametrize("publish", [new_work, further_version])
def test_preserving_on_s3_goes_on_from_wherever_it_was_cut_off(
    s3_location: StoreLocation, tmp_path: Path, publish: Callable[[Unpreserved], Record]
) -> None:
    """As in a folder. Where trees are renamed, tests of durability lose the power at every rename instead."""
    with checked(tmp_path, s3_location) as archive:
        cut_everywhere(archive, publish)


def cut_everywhere(
    archive: Unpreserved, publish: Callable[[Unpreserved], Record], *, backwards: bool = False
) -> None:
    shapes = []
    for survives in range(100):
        record = publish(archive)
        expected = files(archive, record)
        is_cut = True
        with suppress(PowerLoss):
            preserve(without_power(archive.services, survives, backwards=backwards), [record.id])
            is_cut = False
        assert files(archive, record) == expected
        assert preserve(archive.services, [record.id]) == {}
        assert files(archive, record) == expected
        shapes.append(shape(archive, record))
        if not is_cut:
            break
    assert survives > 2
    assert all(one == shapes[-1] for one in shapes)


@pytest.mark.parametrize("survives", [1, 4, 6, 8])
def test_what_a_cut_off_version_left_is_not_taken_for_another_s(archive: Unpreserved, survives: int) -> None:
    """A tombstone that comes first takes the number, and none of the bytes that were copied there; the version itself
    comes after it, with files of the same names and sizes as those left behind."""
    first = archive.publish(files={"a": b"first"})
    assert preserve(archive.services, [first.id]) == {}
    second = archive.publish(files={"a": b"other"}, version_of=first)
    with suppress(PowerLoss):
        preserve(without_power(archive.services, survives), [second.id])
    archive.withdraw(first)
    assert preserve(archive.services, [first.id]) == {}
    assert preserve(archive.services, [second.id]) == {}
    assert b"".join(read_file(archive.services, second.id, "a")) == b"other"


# ---------------------------------------------------------------- watched


@waiting
def test_files_can_be_read_at_every_moment(tmp_path: Path, publish: Callable[[Unpreserved], Record]) -> None:
    """While their bytes go to where they shall stay."""
    with checked(tmp_path, renames=False) as archive:
        record = publish(archive)
        expected = files(archive, record)
        seen: list[bool] = []
        watched = with_store(archive.services, lambda _: seen.append(files(archive, record) == expected))
        assert preserve(watched, [record.id]) == {}
    assert len(seen) > 2
    assert all(seen)


def test_readers_who_hear_late_get_the_bytes_of_their_record(archive: Unpreserved) -> None:
    """One who asked the catalogue before a version was preserved, and the store when the next one is under way, which
    has a file of the same name."""
    records = [archive.publish(files={"a": b"first"})]
    for content in (b"other", b"third"):
        assert preserve(archive.services, [records[-1].id]) == {}
        records.append(archive.publish(files={"a": content}, version_of=records[-1]))
    second, third = records[1:]
    seen = []

    def read(_done: int) -> None:
        with catalogue_of_before(archive, second):
            seen.append(b"".join(read_file(archive.services, second.id, "a")))

    assert preserve(with_store(archive.services, read), [third.id]) == {}
    assert set(seen) == {b"other"}


@contextmanager
def catalogue_of_before(archive: Unpreserved, published: Record) -> Iterator[None]:
    """The catalogue as it was when a record had just been published."""
    now = archive.record(published.id)
    say_where(archive, published)
    yield
    say_where(archive, now)


def say_where(archive: Unpreserved, record: Record) -> None:
    values = {"ocfl_version": record.ocfl_version, "staged": record.staged}
    with archive.services.catalogue.write() as tx:
        tx.execute(sa.update(tables.record).where(tables.record.c.id == record.id).values(**values))


# ---------------------------------------------------------------- overtaken


def test_one_who_lost_the_lease_harms_nothing(archive: Unpreserved) -> None:
    """A slow process is about to write a tombstone when another takes over, at each moment in turn, and writes the
    work's next version under that number: the slow one gives up, and all it wrote is the other's to overwrite."""
    for taken_at in range(100):
        first = archive.publish(files=FILES)
        assert preserve(archive.services, [first.id]) == {}
        second = archive.publish(files={**FILES, "a.csv": b"changed"}, version_of=first)
        archive.withdraw(first)
        expected = files(archive, second)

        def take_over(done: int, second: Record = second, taken_at: int = taken_at) -> None:
            if done == taken_at:
                archive.clock.move(minutes=10)
                assert preserve(archive.services, [second.id]) == {}

        is_overtaken = True
        with suppress(Unavailable):
            preserve(with_store(archive.services, take_over), [first.id])
            is_overtaken = archive.record(second.id).ocfl_version is not None
        assert preserve(archive.services, [first.id, second.id]) == {}
        assert files(archive, second) == expected
        if not is_overtaken:
            break
    assert taken_at > 2


def test_the_lease_is_kept_however_long_a_step_takes(
    archive: Unpreserved, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of terabytes takes hours: all the while nobody else may write to the object."""
    monkeypatch.setattr(preservation, "_MINUTE", timedelta(milliseconds=5))
    record = archive.publish(files=FILES, was_held=True)
    renewals: list[None] = []
    refused = []

    def take_long(done: int) -> None:
        if done == 2:
            for _ in range(4):
                archive.clock.move(minutes=4)
                # The next one may have read the clock before.
                seen = len(renewals)
                while len(renewals) < seen + 2:
                    time.sleep(0.005)
            refused.append(preserve(archive.services, [record.id]))

    slow = with_store(archive.services, take_long)
    assert preserve(slow, [record.id], on_round=lambda: renewals.append(None)) == {}
    assert [one[record.id].retryable for one in refused] == [True]


# ---------------------------------------------------------------- the same everywhere


def test_the_root_is_the_same_wherever_it_is(s3_location: StoreLocation, tmp_path: Path) -> None:
    """Works published in the same order on S3 and in a folder: the same objects, file by file."""
    roots = []
    for name, location in (("local", None), ("s3", s3_location)):
        with opened(tmp_path / name, location) as archive:
            for publish in (new_work, work_that_was_held, further_version, withdrawn_early, withdrawn_late):
                record = publish(archive)
                assert preserve(archive.services, [record.id]) == {}
            roots.append(comparable(ocfl_root.fetched(archive.services.store, tmp_path / f"{name} fetched")))
    assert roots[0] == roots[1]


_UUID = re.compile(rb"urn:uuid:[0-9a-f-]{36}")


def comparable(root: Path) -> dict[str, bytes]:
    """Path → content of a root's files, without what is named by chance: events, and so the digests of what tells of
    them. Sidecars, which an OCFL validator compares, have no content here."""
    found = {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
    events = [content for path, content in found.items() if path.endswith("/premis.jsonl")]
    names = {
        hashlib.new(name, one).hexdigest().encode(): _UUID.sub(b"", one)
        for one in events
        for name in ("sha256", "sha512")
    }
    for path, content in found.items():
        if path.endswith("/inventory.json"):
            for digest, name in names.items():
                content = content.replace(digest, hashlib.sha256(name).hexdigest().encode())
        found[path] = b"" if ".json.sha" in path else _UUID.sub(b"", content)
    return found
