"""Store and catalogue are compared: nothing is told of a store at rest or at work, everything of one that was harmed;
and a sweep takes what nobody refers to, and nothing else."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from pipeline.catalogue import accounts, guesses, sessions
from pipeline.ingest import accession
from pipeline.model import JsonObject
from pipeline.ports import StoredObject
from pipeline.running.scratch import scratch_folder
from pipeline.settings import Rate, StoreLocation
from pipeline.stewardship import preservation
from pipeline.stewardship.stocktaking import FindingKind, compare
from pipeline.stewardship.upkeep import Leftover, sweep
from pipeline.store import layout
from pipeline.store.local import LocalStore
from pipeline.store.transfer import MIB
from tests.archive import open_archive
from tests.eicar import EICAR
from tests.instance import Attempt, Instance, open_instance, write_record
from tests.recording_disk import FailingDisk, PowerLoss

WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source and an instance that took it in, at rest: works with versions and revisions, a held
    record, a file in quarantine. To be copied: making it takes longer."""
    folder = tmp_path_factory.mktemp("prepared")
    source = folder / "source"
    write_record(source / "harbour", {"a.csv": b"1,2\n", "sub/b.csv": b"3,4\n", "same.csv": b"1,2\n"})
    write_record(source / "pier", {"name: odd?.bin": b"\0" * 70_000, "empty": b""})
    write_record(source / "wreck", {"good.csv": b"5,6\n", "virus.com": EICAR})
    with open_instance(folder / "home") as opened:
        opened.ingest(source)
        write_record(source / "harbour", {"a.csv": b"changed\n"})
        write_record(source / "pier", {}, title="Another title")
        opened.ingest(source)
    return folder


@pytest.fixture
def source(tmp_path: Path, prepared: Path) -> Path:
    """The source that the instance took in."""
    return shutil.copytree(prepared / "source", tmp_path / "source", copy_function=shutil.copy2)


@pytest.fixture
def instance(tmp_path: Path, prepared: Path) -> Iterator[Instance]:
    """The instance that was prepared, a copy of the test's own."""
    home = shutil.copytree(prepared / "home", tmp_path / "home", copy_function=shutil.copy2)
    with open_instance(home) as opened:
        yield opened


def found(instance: Instance) -> list[tuple[str, str]]:
    return [(one.kind, one.key) for one in compare(instance.services)]


def age(instance: Instance, key: str, days: float) -> None:
    """Have an object, or all below a key, be written so many days before the instance's time."""
    at = (instance.clock() - timedelta(days=days)).timestamp()
    top = instance.store / key
    for path in [top, *top.rglob("*")]:
        os.utime(path, (at, at))


def object_of(instance: Instance, record_id: int) -> Path:
    concept = layout.concept_object(instance.services.repository.id, instance.record(record_id).concept_id)
    return instance.store / layout.object_root(concept)


# ---------------------------------------------------------------- comparing


def test_a_store_at_rest_has_everything_and_nothing_else(instance: Instance) -> None:
    """Versions, revisions, bytes held once that stand twice, a held record's bytes and what is in quarantine."""
    assert any(instance.store.joinpath("quarantine").rglob("*"))
    assert any(instance.store.joinpath("staging").rglob("*"))
    assert found(instance) == []


@pytest.mark.parametrize("place", ["local", "seaweedfs"])
def test_withdrawn_records_keep_what_they_have(
    request: pytest.FixtureRequest, tmp_path: Path, place: str
) -> None:
    """Their bytes stay in the object, and are still accounted for."""
    location = None if place == "local" else request.getfixturevalue(f"{place}_location")
    with open_archive(tmp_path, location) as archive:
        first = archive.publish(files={"a": b"1", "b": b"2"})
        second = archive.publish(files={"a": b"3"}, version_of=first)
        archive.withdraw(second)
        archive.withdraw(first)
        assert list(compare(archive.services)) == []


def test_on_s3_what_was_given_up_in_the_root_is_swept(
    tmp_path: Path, source: Path, seaweedfs_location: StoreLocation
) -> None:
    """There a work's first version has its bytes in the root at once: they are the accession's as long as it may go
    on, and nobody's once it was cancelled. Held records and those that are published are left alone."""
    with open_instance(tmp_path / "s3", **_settings(seaweedfs_location)) as instance:
        instance.ingest(source)
        write_record(source / "harbour", {"a.csv": b"a third\n"})
        instance.ingest(source)
        write_record(source / "lighthouse", {"log.txt": b"all's well", "large.bin": b"5" * (9 * MIB)})
        attempt = instance.attempt(source)
        store = instance.services.store
        [small] = [unit for unit in attempt.units() if unit.size < MIB]
        [large] = [unit for unit in attempt.units() if unit.size > MIB]
        attempt.take_in([small])
        store.begin(large.files[0].place, large.size).leave()
        assert found(instance) == []
        accession.cancel(instance.services, attempt.accession_id)
        # A worker has not heard of it, and writes on.
        late = small.files[0].place
        store.put_many({late: b"x"})
        assert late.startswith(f"{layout.ROOT}/")
        assert swept(instance, days=7) == []
        instance.clock.move(days=1000)
        assert ("object", late) in swept(instance, days=7)
        assert found(instance) == []


def _settings(location: StoreLocation) -> dict[str, object]:
    return {"store" if name == "url" else name: value for name, value in asdict(location).items()}


@pytest.mark.parametrize("stage", ["planned", "half taken in", "taken in", "published"])
def test_a_store_at_work_has_nothing_to_tell(tmp_path: Path, source: Path, stage: str) -> None:
    """Whatever is still to be done, what lies in the store is the accession's."""
    with open_instance(tmp_path / "another") as instance:
        attempt = instance.attempt(source)
        if stage == "half taken in":
            [unit] = attempt.units()
            attempt.take_in([replace(unit, files=unit.files[:3])])
            # One that was taken in, and of which the catalogue did not hear.
            instance.services.store.put_many({unit.files[3].place: b"x"})
        elif stage != "planned":
            attempt.take_in()
        if stage == "published":
            attempt.publish()
        assert found(instance) == []


def test_bytes_on_their_way_into_the_root_are_not_missing(instance: Instance, source: Path) -> None:
    """Wherever the power went while a version was being preserved: new objects, and versions of old ones."""
    write_record(source / "harbour", {"a.csv": b"a third\n"})
    write_record(source / "lighthouse", {"log.txt": b"all's well"})
    attempt = instance.attempt(source)
    attempt.take_in()
    attempt.publish()
    waiting = [int(path.name) for path in (instance.store / "staging").iterdir()]
    published = sorted(set(waiting) & set(_published(instance)))
    assert len(published) == 2
    for survives in range(100):
        home = instance.services.settings.home.parent / f"copy {survives}"
        shutil.copytree(instance.services.settings.home, home, copy_function=shutil.copy2)
        with open_instance(home) as copy:
            store = LocalStore(copy.store, FailingDisk(survives))
            survived = False
            with closing(store), suppress(PowerLoss):
                survived = preservation.preserve(replace(copy.services, store=store), published) == {}
            assert found(copy) == [], survives
        if survived:
            break
    assert survives > 5


def test_bytes_on_their_way_out_of_the_root_are_neither_missing_nor_swept(instance: Instance) -> None:
    """A held record's bytes have been moved to staging, and the catalogue has not been told yet where they are."""
    with instance.services.catalogue.write() as tx:
        [held] = tx.exec_driver_sql("SELECT record_id FROM deposit WHERE state = 'held'").scalars()
        tx.exec_driver_sql(f"UPDATE deposit SET home = 'root/aaa/bbb/ccc/ddd/v1' WHERE record_id = {held}")
    age(instance, layout.staged(held), 4000)
    assert any((instance.store / layout.staged(held)).rglob("good.csv"))
    assert found(instance) == []
    assert swept(instance, days=0) == []


class InterruptedStore(LocalStore):
    """A store in which something happens in the middle: once it was listed for the first time."""

    def __init__(self, folder: Path, happens: Callable[[], object]) -> None:
        super().__init__(folder)
        self._happens = [happens]

    def list(self, prefix: str) -> Iterator[StoredObject]:
        yield from super().list(prefix)
        if prefix == "quarantine" and self._happens:
            self._happens.pop()()


def test_what_moves_while_it_is_compared_is_not_told(instance: Instance, source: Path) -> None:
    """Bytes that were listed in staging are in the root by the time that the catalogue is read."""
    write_record(source / "lighthouse", {"log.txt": b"all's well"})
    attempt = instance.attempt(source)
    attempt.take_in()
    attempt.publish()
    happens = partial(instance.drain, attempt.accession_id)
    with closing(InterruptedStore(instance.store, happens)) as store:
        assert list(compare(replace(instance.services, store=store))) == []
    assert instance.record(max(_published(instance))).staged is None


def _published(instance: Instance) -> list[int]:
    with instance.services.catalogue.read() as tx:
        return list(tx.exec_driver_sql("SELECT id FROM record").scalars())


def _lose_a_file(instance: Instance) -> tuple[str, str]:
    [path] = object_of(instance, 2).glob("v1/content/data/sub/b.csv")
    path.unlink()
    return "missing", _key(instance, path)


def _lose_a_description(instance: Instance) -> tuple[str, str]:
    path = object_of(instance, 2) / "v1/content/metadata/record.json"
    path.unlink()
    return "missing", _key(instance, path)


def _lose_an_inventory(instance: Instance) -> tuple[str, str]:
    path = object_of(instance, 2) / "inventory.json"
    path.unlink()
    return "missing", _key(instance, path)


def _lose_the_declaration(instance: Instance) -> tuple[str, str]:
    path = instance.root / "0=ocfl_1.1"
    path.unlink()
    return "missing", _key(instance, path)


def _lose_a_held_file(instance: Instance) -> tuple[str, str]:
    [path] = (instance.store / "staging").rglob("good.csv")
    path.unlink()
    return "missing", _key(instance, path)


def _lose_a_quarantined_file(instance: Instance) -> tuple[str, str]:
    path = next(path for path in (instance.store / "quarantine").rglob("*") if path.is_file())
    path.unlink()
    return "missing", _key(instance, path)


def _cut_a_file(instance: Instance) -> tuple[str, str]:
    [path] = object_of(instance, 2).glob("v1/content/data/sub/b.csv")
    path.write_bytes(b"3")
    return "differs", _key(instance, path)


def _spoil_an_inventory(instance: Instance) -> tuple[str, str]:
    path = object_of(instance, 2) / "inventory.json"
    path.write_bytes(b"{")
    return "differs", _key(instance, path)


def _leave_a_file_in_an_object(instance: Instance) -> tuple[str, str]:
    path = object_of(instance, 2) / "v1/content/data/stray"
    path.write_bytes(b"x")
    return "orphan", _key(instance, path)


def _leave_an_object(instance: Instance) -> tuple[str, str]:
    key = f"{layout.object_root(layout.concept_object('another.example.org', 1))}/inventory.json"
    instance.services.store.put_many({key: b"{}"})
    return "orphan", key


def _leave_staged_bytes(instance: Instance) -> tuple[str, str]:
    instance.services.store.put_many({"staging/999999/content/data/x": b"x"})
    return "orphan", "staging/999999/content/data/x"


def _leave_a_quarantined_file(instance: Instance) -> tuple[str, str]:
    instance.services.store.put_many({"quarantine/never/1": b"x"})
    return "orphan", "quarantine/never/1"


def _leave_an_upload(instance: Instance) -> tuple[str, str]:
    instance.services.store.begin("staging/999999/content/data/x", 9 * MIB).leave()
    return "open-upload", "staging/999999/content/data/x"


def _key(instance: Instance, path: Path) -> str:
    return path.relative_to(instance.store).as_posix()


HARM: list[Callable[[Instance], tuple[str, str]]] = [
    _lose_a_file,
    _lose_a_description,
    _lose_an_inventory,
    _lose_the_declaration,
    _lose_a_held_file,
    _lose_a_quarantined_file,
    _cut_a_file,
    _spoil_an_inventory,
    _leave_a_file_in_an_object,
    _leave_an_object,
    _leave_staged_bytes,
    _leave_a_quarantined_file,
    _leave_an_upload,
]


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__.strip("_"))
def test_each_harm_is_told(instance: Instance, harm: Callable[[Instance], tuple[str, str]]) -> None:
    """What is missing, what is another, and what nothing refers to; by its key, and nothing besides."""
    expected = harm(instance)
    assert found(instance) == [expected]


def test_a_finding_tells_whose_it_is(instance: Instance) -> None:
    """The record, and the size that was expected."""
    _lose_a_file(instance)
    [one] = compare(instance.services)
    assert (one.kind, one.owner, one.expected, one.size) == (FindingKind.MISSING, "record 2", 4, None)


# ---------------------------------------------------------------- sweeping


def swept(instance: Instance, days: float, *, dry_run: bool = False) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in sweep(instance.services, timedelta(days=days), dry_run=dry_run)]


def test_a_sweep_takes_what_nobody_refers_to_once_it_is_old(instance: Instance) -> None:
    """Staged bytes and uploads; younger ones wait."""
    store = instance.services.store
    store.put_many({f"staging/{name}/content/data/x": b"12" for name in ("997", "998")})
    for name in ("997", "998"):
        store.begin(f"staging/{name}/content/data/y", 9 * MIB).leave()
        age(instance, f".partial/parts/staging/{name}", 8 if name == "997" else 6)
        age(instance, f"staging/{name}", 8 if name == "997" else 6)
    left = {one.key for one in compare(instance.services)}
    assert len(left) == 4
    told = list(sweep(instance.services, WEEK))
    assert [(one.kind, one.name, one.size) for one in told] == [
        ("upload", "staging/997/content/data/y", None),
        ("object", "staging/997/content/data/x", 2),
    ]
    assert {one.key for one in compare(instance.services)} == {key for key in left if "/998/" in key}
    assert swept(instance, days=5) == [
        ("upload", "staging/998/content/data/y"),
        ("object", "staging/998/content/data/x"),
    ]
    assert found(instance) == []
    assert swept(instance, days=0) == []


def test_a_dry_run_takes_nothing(instance: Instance) -> None:
    """It tells the same as the sweep that follows."""
    instance.services.store.put_many({"staging/999/content/data/x": b"x"})
    instance.services.store.begin("staging/999/content/data/y", 9 * MIB).leave()
    age(instance, "staging/999", 8)
    age(instance, ".partial/parts", 8)
    (instance.services.settings.home / "scratch/run-dead").mkdir(parents=True)
    told = swept(instance, days=7, dry_run=True)
    assert len(told) == 3
    assert swept(instance, days=7) == told
    assert swept(instance, days=7) == []


def test_a_sweep_takes_nothing_that_is_referred_to(instance: Instance, source: Path) -> None:
    """However old it is: held and preserved records, what is in quarantine, and all of an accession under way."""
    write_record(source / "lighthouse", {"log.txt": b"all's well", "large.bin": b"5" * (9 * MIB)})
    attempt = instance.attempt(source)
    _take_in_all_but_the_large(attempt)
    large = next(file for unit in attempt.units() for file in unit.files if file.size > MIB)
    instance.services.store.begin(large.place, large.size).leave()
    for top in ("root", "staging", "quarantine", ".partial/parts"):
        age(instance, top, 4000)
    before = instance.stored()
    assert swept(instance, days=0) == []
    assert instance.stored() == before
    attempt.take_in()
    attempt.publish()
    attempt.finish()
    assert found(instance) == []


def _take_in_all_but_the_large(attempt: Attempt) -> None:
    attempt.take_in([unit for unit in attempt.units() if unit.size < MIB])


def test_what_the_root_has_is_never_swept(instance: Instance) -> None:
    """Nor what is in quarantine: it is told, and a person's to judge."""
    _leave_a_file_in_an_object(instance)
    _leave_an_object(instance)
    _leave_a_quarantined_file(instance)
    for top in ("root", "quarantine"):
        age(instance, top, 4000)
    assert len(found(instance)) == 3
    assert swept(instance, days=0) == []
    assert len(found(instance)) == 3


def test_leftovers_of_a_cancelled_accession_are_swept(instance: Instance, source: Path) -> None:
    """A worker that did not hear of it wrote on; of its upload the ledger may know by now."""
    write_record(source / "lighthouse", {"log.txt": b"all's well", "large.bin": b"5" * (9 * MIB)})
    attempt = instance.attempt(source)
    [large] = [unit for unit in attempt.units() if unit.size > MIB]
    accession.cancel(instance.services, attempt.accession_id)
    store, place = instance.services.store, large.files[0].place
    upload = store.begin(place, large.size)
    upload.leave()
    store.put_many({f"{place}.log": b"x"})
    age(instance, "staging", 8)
    age(instance, ".partial/parts", 8)
    assert swept(instance, days=7) == [("upload", place), ("object", f"{place}.log")]
    assert found(instance) == []


def test_what_is_over_of_signing_in_is_forgotten(instance: Instance) -> None:
    """Sessions, mailed links and counted guesses, also where nobody signs in; never those that are not."""
    rate, hours = Rate(5, 60), timedelta(hours=100)

    def left() -> list[int]:
        with instance.services.catalogue.read() as tx:
            tables = ("session", "mailed_link", "guess")
            return [tx.exec_driver_sql(f"SELECT count(*) FROM {one}").scalar_one() for one in tables]

    with instance.services.catalogue.write() as tx:
        now = instance.clock()
        account = accounts.create_account(tx, "ida@pier.example", admin=False, now=now)
        sessions.begin(tx, account, proved=now, now=now, lifetime=hours)
        sessions.make_link(tx, "ida@pier.example", now=now, lifetime=hours)
        guesses.admit(tx, "nobody@pier.example", rate, now=now)
    list(sweep(instance.services, WEEK))
    assert left() == [1, 1, 1]
    instance.clock.move(hours=101)
    list(sweep(instance.services, WEEK, dry_run=True))
    assert left() == [1, 1, 1]
    list(sweep(instance.services, WEEK))
    assert left() == [0, 0, 0]


def test_folders_of_dead_runs_are_swept(instance: Instance) -> None:
    """A killed run's, of whatever age; a living one's never."""
    home = instance.services.settings.home
    killed = multiprocessing.get_context("spawn").Process(target=_make_folder_and_die, args=(home,))
    killed.start()
    killed.join()
    [dead] = (home / "scratch").glob("run-*")
    with scratch_folder(home) as living:
        assert list(sweep(instance.services, WEEK)) == [Leftover("folder", str(dead), None, None)]
        assert list((home / "scratch").iterdir()) == [living]
    assert list((home / "scratch").iterdir()) == []


def _make_folder_and_die(home: Path) -> None:
    with scratch_folder(home) as folder:
        (folder / "records.parquet").write_bytes(b"x")
        os.kill(os.getpid(), 9)


# ---------------------------------------------------------------- commands


def headrace(instance: Instance, *arguments: str) -> tuple[int, JsonObject]:
    """Run a command with `--json` on the instance's folder: (exit code, what it says)."""
    environment = {**os.environ, "HEADRACE_HOME": str(instance.services.settings.home)}
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments, "--json"],
        env=environment,
        capture_output=True,
        check=False,
        timeout=120,
    )
    document: JsonObject = json.loads(ended.stdout)
    return ended.returncode, document


def test_the_commands_tell_the_same_to_programs(instance: Instance) -> None:
    """`check --storage` by exit code 4 and a list; `sweep` by what it took, or would have taken."""
    key, expected = "staging/999/content/data/x", {"orphan": 1, "missing": 1}
    instance.services.store.put_many({key: b"12"})
    os.utime(instance.store / key, (0, 0))
    kind, lost = _lose_a_held_file(instance)
    code, told = headrace(instance, "check", "--storage")
    assert (code, told["ok"], told["counts"], told["findings_total"]) == (4, False, expected, 2)
    assert [(one["kind"], one["key"], one["size"]) for one in told["findings"]] == [
        (kind, lost, None),
        ("orphan", key, 2),
    ]
    for options, is_dry in ((["--dry-run"], True), ([], False)):
        code, told = headrace(instance, "sweep", "--days", "30", *options)
        assert (code, told["dry_run"], told["counts"]) == (0, is_dry, {"object": 1})
        assert [(one["kind"], one["name"]) for one in told["swept"]] == [("object", key)]
    assert found(instance) == [(kind, lost)]
