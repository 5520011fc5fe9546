"""`kill -9` at every stage of an ingest: the same command again ends where an undisturbed run ends."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.model import JsonObject
from tests.command import Ended, Instance, wait_until
from tests.eicar import EICAR
from tests.faults import HOLD, Fault, Trap
from tests.final_state import final_state
from tests.instance import write_record

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("ends")]

LARGE = 80_000_000
DONE_BUT_HELD = 3
STOPPED = 4
AT_ONCE = 2
STAGES = {
    "survey",
    "plan",
    "intake",
    "settle",
    "seal",
    "publish",
    "preserve",
    "register",
    "index",
    "announce",
    "finish",
}


@dataclass(frozen=True)
class Point:
    """Where a process dies: in a stage of the first ingest, or of the second, which brings versions and revisions.
    `left` says what the kill leaves behind."""

    stage: str
    left: str
    fault: Fault
    second: bool = False

    def __str__(self) -> str:
        return f"{self.stage}: {self.left}"


RENAME = "pipeline.store.local:Disk.rename"
OBJECT = r"/staging/\S+ PosixPath\('\S+/root/[0-9a-f/]+'\)"
VERSION = r"/staging/\S+ PosixPath\('\S+/root/[0-9a-f/]+/v2'\)"
ROOT_INVENTORY = r"PosixPath\('\S+/root/[0-9a-f/]+/inventory\.json'\)"
ROOT_SIDECAR = r"PosixPath\('\S+/root/[0-9a-f/]+/inventory\.json\.sha\d+'\)"

IN_FLOW = [
    Point("survey", "nothing", Fault("pipeline.ingest.manifest:write_survey", after=True)),
    Point("plan", "no line", Fault("pipeline.catalogue.deposits:add", after=True)),
    Point("plan", "lines without files", Fault("pipeline.catalogue.deposit_files:note_found")),
    Point(
        "plan",
        "a later accession's files",
        Fault("pipeline.catalogue.deposit_files:carry_over", after=True),
        second=True,
    ),
    Point("intake", "files in the store only", Fault("pipeline.ingest.custody:take_unit", 2, after=True)),
    Point("settle", "one unit in custody", Fault("pipeline.catalogue.deposit_files:settle", 2, after=True)),
    Point("seal", "all sealed", Fault("pipeline.ingest.accession:seal", after=True)),
    Point("seal", "none sealed", Fault("pipeline.catalogue.deposits:move", 5), second=True),
    Point("publish", "none published", Fault("pipeline.catalogue.outbox:want", after=True)),
    Point(
        "publish",
        "versions and revisions published",
        Fault("pipeline.publication:publish_sealed", after=True),
        second=True,
    ),
    Point("preserve", "half of the objects", Fault(RENAME, 4, having=OBJECT)),
    Point("preserve", "objects nobody noted", Fault("pipeline.catalogue.records:note_preserved")),
    Point("preserve", "one version's folder", Fault(RENAME, 2, having=VERSION), second=True),
    Point(
        "preserve", "folders before their inventories", Fault(RENAME, 2, having=ROOT_INVENTORY), second=True
    ),
    Point(
        "preserve", "inventories before their sidecars", Fault(RENAME, 2, having=ROOT_SIDECAR), second=True
    ),
    Point("register", "DOIs nobody noted", Fault("pipeline.pid.local:LocalRegistry.put_many", after=True)),
    Point(
        "index",
        "documents nobody noted",
        Fault("pipeline.index.embedded:EmbeddedIndex.write", after=True),
        second=True,
    ),
    Point("announce", "an open stamper", Fault("pipeline.catalogue.harvest:stamp")),
    Point("finish", "all but the end", Fault("pipeline.ingest.accession:finish")),
]
IN_WORKER = [
    Point("intake", "half of a unit", Fault("pipeline.store.partial:WholeUpload.commit", 7)),
    Point(
        "intake",
        "a large file under no name",
        Fault("pipeline.ingest.intake:take", having=f", {LARGE}, ", after=True),
    ),
]


@dataclass(frozen=True)
class Sources:
    """A collection as it is first, and as it is later: with new, changed, mended and untouched records."""

    first: Path
    second: Path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    first = tmp_path_factory.mktemp("first") / "tides"
    for number in range(10):
        files = {f"{one}.csv": f"{number},{one}\n".encode() * 50 * (one + 1) for one in range(5)}
        write_record(first / f"pier-{number:02}", files, title=f"Tide at pier {number}", keywords=["harbour"])
    (first / "pier-03" / "recording.bin").write_bytes(os.urandom(1 << 20) * (LARGE >> 20) + b"end")
    os.truncate(first / "pier-03" / "recording.bin", LARGE)
    (first / "pier-04" / "twice.csv").write_bytes((first / "pier-04" / "4.csv").read_bytes())
    write_record(first / "pier-10", {"good.csv": b"1\n", "bad.csv": EICAR}, title="Tide with a virus")
    write_record(first / "pier-11", {"lost.csv": b"1\n"}, title="", publication_date="in spring")
    second = tmp_path_factory.mktemp("second") / "tides"
    shutil.copytree(first, second)
    for number in (2, 5, 6):
        (second / f"pier-{number:02}" / "4.csv").write_bytes(b"corrected\n" * number)
    write_record(second / "pier-07", {}, title="Tide at pier 7, revised", keywords=["harbour"])
    (second / "pier-10" / "bad.csv").write_bytes(b"clean\n")
    write_record(second / "pier-20", {"a.csv": b"new\n"}, title="Tide at a new pier")
    return Sources(first, second)


@dataclass(frozen=True)
class Undisturbed:
    """Instances that nobody killed, after the first ingest and after the second."""

    first: Path
    first_state: JsonObject
    second_state: JsonObject


@pytest.fixture(scope="module")
def undisturbed(
    sources: Sources, prefect: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert ingest(Instance(folder / "first", prefect), sources.first).code == DONE_BUT_HELD
    shutil.copytree(folder / "first", folder / "second")
    assert ingest(Instance(folder / "second", prefect), sources.second).code == DONE_BUT_HELD
    return Undisturbed(folder / "first", final_state(folder / "first"), final_state(folder / "second"))


@pytest.fixture
def instance(tmp_path: Path, prefect: dict[str, str]) -> Instance:
    """An instance that has nothing yet."""
    return Instance(tmp_path / "home", prefect)


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest,
    sources: Sources,
    undisturbed: Undisturbed,
    prefect: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[Point, Future[Path]]]:
    """HOME of the instance of each point in the flow that is to be tested, after the kill and the second run. This goes
    on beside all other tests of the module, two points at a time: a command keeps one core busy, most of the time with
    being loaded."""
    asked = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    points = [one["point"] for one in asked if one.get("point") in IN_FLOW]
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {
            point: pool.submit(
                kill_and_repeat, point, tmp_path_factory.mktemp("point"), prefect, sources, undisturbed
            )
            for point in points
        }
    finally:
        pool.shutdown(cancel_futures=True)


def kill_and_repeat(
    point: Point, folder: Path, prefect: dict[str, str], sources: Sources, undisturbed: Undisturbed
) -> Path:
    instance = Instance(folder / "home", prefect)
    if point.second:
        shutil.copytree(undisturbed.first, instance.home)
    source = sources.second if point.second else sources.first
    trap = Trap(folder / "trap", point.fault)
    killed = ingest(instance, source, **trap.environment)
    sprung = trap.sprung()
    assert sprung is not None, f"the point was never reached: {point.fault.place}\n{killed.err}"
    assert sprung.is_flow
    assert killed.code == -signal.SIGKILL
    again = ingest(instance, source)
    assert again.code == DONE_BUT_HELD, again.err
    return instance.home


def ingest(instance: Instance, source: Path, **environment: str) -> Ended:
    return instance.run(*arguments(source), env=environment)


def arguments(source: Path) -> list[str]:
    return ["ingest", str(source), "--collection", "tides", "--community", "coast", "--json"]


def accessions(home: Path) -> list[tuple[str, str]]:
    """(id, state) of all accessions, the oldest first."""
    with closing(sqlite3.connect(home / "catalogue.sqlite")) as database:
        return database.execute("SELECT id, state FROM accession ORDER BY started").fetchall()


# ------------------------------------------------------------ one process, at one point


def test_the_points_are_in_every_stage() -> None:
    """There is a point in every stage of an ingest."""
    assert {point.stage for point in [*IN_FLOW, *IN_WORKER]} == STAGES


@pytest.mark.parametrize("point", IN_WORKER, ids=str)
def test_the_death_of_a_worker_changes_nothing(
    point: Point, instance: Instance, sources: Sources, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """`kill -9` of a worker while it takes files in: the same run goes on, and ends as if undisturbed."""
    trap = Trap(tmp_path / "trap", point.fault)
    ended = ingest(instance, sources.first, HEADRACE_COMPUTE="local:2", **trap.environment)
    sprung = trap.sprung()
    assert sprung is not None, f"the point was never reached: {point.fault.place}\n{ended.err}"
    assert not sprung.is_flow
    assert ended.code == DONE_BUT_HELD, ended.err
    assert final_state(instance.home) == undisturbed.first_state


def test_what_is_in_custody_is_not_read_again(
    instance: Instance, sources: Sources, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """After a kill the files that were settled before it are not opened again: it does not matter that the source
    has other bytes in them by now, of the same size and time."""
    source = tmp_path / "copy" / "tides"
    shutil.copytree(sources.first, source)
    trap = Trap(tmp_path / "trap", Fault("pipeline.catalogue.deposit_files:settle", call=2))
    assert ingest(instance, source, **trap.environment).code == -signal.SIGKILL
    large = source / "pier-03" / "recording.bin"
    times = large.stat()
    large.write_bytes(bytes(LARGE))
    os.utime(large, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = ingest(instance, source)
    assert again.code == DONE_BUT_HELD, again.err
    assert final_state(instance.home)["root"] == undisturbed.first_state["root"]


def test_a_source_that_changed_after_the_kill(
    instance: Instance, sources: Sources, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Where records were published before the kill and have changed in the source since, the next ingest publishes
    the change as well: there are the same versions and revisions as after two ingests that nobody disturbed."""
    # Publishing goes on while files are taken in; by the time of preserving all of it is done.
    trap = Trap(tmp_path / "trap", Fault("pipeline.catalogue.records:note_preserved"))
    assert ingest(instance, sources.first, **trap.environment).code == -signal.SIGKILL
    again = ingest(instance, sources.second)
    assert again.code == DONE_BUT_HELD, again.err
    assert published(final_state(instance.home)) == published(undisturbed.second_state)


def published(state: JsonObject) -> list[tuple[int, int, int]]:
    """(id, version, revision) of every record."""
    return sorted((one["id"], one["version"], one["revision"]) for one in state["catalogue"]["record"])


# ------------------------------------------------------------ more than one process


def test_after_the_death_of_everything_the_same_command_goes_on(
    home_with_prefect: Path, tmp_path: Path, sources: Sources, undisturbed: Undisturbed
) -> None:
    """`kill -9` of the flow, its workers and its own Prefect server at once, while files are taken in; `retry`
    ends as if undisturbed."""
    instance = Instance(home_with_prefect, {"HEADRACE_COMPUTE": "local:2"})
    trap = Trap(tmp_path / "trap", Fault("pipeline.catalogue.deposit_files:settle", signal=HOLD))
    with instance.start(*arguments(sources.first), env=trap.environment) as running:
        wait_until(lambda: trap.sprung() is not None, "the first unit")
        assert len(running.family()) >= 5, "flow, Prefect server, scheduler and two workers"
        running.kill_family()
        assert running.end().code == -signal.SIGKILL
    [(accession_id, _)] = accessions(instance.home)
    again = instance.run("retry", accession_id, "--json")
    assert again.code == DONE_BUT_HELD, again.err
    assert final_state(instance.home) == undisturbed.first_state


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, STOPPED), (signal.SIGINT, 130)])
def test_a_signal_stops_in_order(
    number: signal.Signals,
    code: int,
    instance: Instance,
    sources: Sources,
    undisturbed: Undisturbed,
    tmp_path: Path,
) -> None:
    """SIGTERM and Ctrl-C end a run with an exit code of their own, leave the accession stopped, and the same
    command again completes it."""
    trap = Trap(tmp_path / "trap", Fault("pipeline.catalogue.deposit_files:settle", signal=number))
    stopped = ingest(instance, sources.first, **trap.environment)
    assert trap.sprung() is not None
    assert stopped.code == code, stopped.err
    assert "Traceback" not in stopped.err
    assert [state for _, state in accessions(instance.home)] == ["stopped"]
    again = ingest(instance, sources.first)
    assert again.code == DONE_BUT_HELD, again.err
    assert final_state(instance.home) == undisturbed.first_state


# ------------------------------------------------------------ the flow, at every point


@pytest.mark.parametrize("point", IN_FLOW, ids=str)
def test_after_a_kill_the_same_command_ends_as_if_undisturbed(
    point: Point, ends: Mapping[Point, Future[Path]], undisturbed: Undisturbed
) -> None:
    """`kill -9` of the flow's process at any point, then the same ingest: catalogue, storage root, DOIs, search
    index and staging are those of a run that nobody killed."""
    home = ends[point].result()
    assert final_state(home) == (undisturbed.second_state if point.second else undisturbed.first_state)
