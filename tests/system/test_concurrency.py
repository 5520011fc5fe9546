"""Several commands on one instance at once."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from pipeline.model import JsonObject
from pipeline.running.loopback import free_port
from tests import ocfl_root
from tests.command import Instance, Running, wait_until
from tests.faults import HOLD, Fault, Trap
from tests.instance import write_record

pytestmark = pytest.mark.timeout(600)

DONE, USAGE, STOPPED, INTERRUPTED = 0, 2, 4, 130
BEFORE_SETTLING = Fault("pipeline.ingest.accession:settle", signal=HOLD)


@pytest.fixture
def instance(tmp_path: Path, prefect: dict[str, str]) -> Instance:
    """An instance that has nothing yet."""
    return Instance(tmp_path / "home", prefect)


def collection(folder: Path, records: int = 5, files: int = 20) -> Path:
    for number in range(records):
        write_record(
            folder / f"pier-{number}",
            {f"{one}.csv": f"{folder.name},{number},{one}\n".encode() for one in range(files)},
            title=f"Tide at pier {number}",
        )
    return folder


def ids(report: JsonObject) -> set[int]:
    """Every number that the report's records and works were given."""
    return {one[name] for one in report["records"] for name in ("id", "concept_id")}


def invalid(instance: Instance) -> list[str]:
    """What is wrong with the storage root."""
    return ocfl_root.problems(instance.home / "store" / "root")


def the_accession(instance: Instance) -> tuple[str, str]:
    """(state, flow run) of the only accession."""
    with closing(sqlite3.connect(instance.home / "catalogue.sqlite")) as database:
        [(state, flow_run)] = database.execute("SELECT state, flow_run FROM accession").fetchall()
    return state, flow_run


@contextmanager
def held_ingest(instance: Instance, source: Path, folder: Path) -> Iterator[tuple[Running, Trap]]:
    """An ingest that has read its first unit, and waits."""
    trap = Trap(folder / "trap", BEFORE_SETTLING)
    with instance.start("ingest", str(source), "--json", env=trap.environment) as running:
        wait_until(lambda: trap.sprung() is not None or running.process.poll() is not None, "the first unit")
        assert trap.sprung() is not None, running.said("err")
        yield running, trap


# ------------------------------------------------------------ two ingests


def test_two_collections_at_once(instance: Instance, tmp_path: Path) -> None:
    """Two collections go in at once; both are complete, no number was given twice, every object is valid."""
    one, other = collection(tmp_path / "tides"), collection(tmp_path / "winds")
    with (
        instance.start("ingest", str(one), "--json") as first,
        instance.start("ingest", str(other), "--json") as second,
    ):
        ended = [first.end(), second.end()]
    assert [each.code for each in ended] == [DONE, DONE], [each.err for each in ended]
    assert [each.report["records_total"] for each in ended] == [5, 5]
    assert len(ids(ended[0].report) | ids(ended[1].report)) == 20
    assert invalid(instance) == []


def test_the_same_collection_at_once(instance: Instance, prefect: dict[str, str], tmp_path: Path) -> None:
    """While one ingest of a collection runs, a second says so and leaves; the first is not disturbed, not even in
    what Prefect says of it."""
    source = collection(tmp_path / "tides")
    with held_ingest(instance, source, tmp_path) as (first, trap):
        second = instance.run("ingest", str(source))
        assert second.code == STOPPED, second.err
        assert "being worked on by another process" in second.err
        assert "Traceback" not in second.err
        trap.let_go()
        ended = first.end()
    assert ended.code == DONE, ended.err
    assert ended.report["records_total"] == 5
    state, flow_run = the_accession(instance)
    assert state == "completed"
    assert run_state(prefect, flow_run) == "COMPLETED"
    assert instance.run("ingest", str(source), "--json").report["unchanged"] == 5
    assert invalid(instance) == []


# ------------------------------------------------------------ cancelled in Prefect's pages


def test_cancelled_in_prefect(instance: Instance, prefect: dict[str, str], tmp_path: Path) -> None:
    """A run that is cancelled in Prefect stops in order and says how to go on; the next ingest completes it."""
    source = collection(tmp_path / "tides")
    with held_ingest(instance, source, tmp_path) as (running, trap):
        _, flow_run = the_accession(instance)
        cancelled = httpx.post(
            f"{prefect['PREFECT_API_URL']}/flow_runs/{flow_run}/set_state",
            json={"state": {"type": "CANCELLING"}},
            timeout=60,
            trust_env=False,
        )
        assert cancelled.json()["status"] == "ACCEPT"
        trap.let_go()
        stopped = running.end()
    assert stopped.code == STOPPED, stopped.err
    assert "cancelled" in stopped.err
    assert "Traceback" not in stopped.err
    assert the_accession(instance)[0] == "stopped"
    assert run_state(prefect, flow_run) == "CANCELLED"
    again = instance.run("ingest", str(source), "--json")
    assert again.code == DONE, again.err
    assert again.report["records_total"] == 5
    assert the_accession(instance)[0] == "completed"
    assert invalid(instance) == []


def run_state(prefect: dict[str, str], flow_run: str) -> str:
    """Which type of state Prefect says that a flow run is in."""
    answer = httpx.get(f"{prefect['PREFECT_API_URL']}/flow_runs/{flow_run}", timeout=60, trust_env=False)
    return str(answer.json()["state_type"])


# ------------------------------------------------------------ beside a running instance


@contextmanager
def up(instance: Instance) -> Iterator[tuple[Running, str]]:
    """`headrace up`, and where it answers."""
    with instance.start("up", "--port", str(free_port()), env={"HEADRACE_BASE_URL": ""}) as running:
        wait_until(lambda: running.said("out") != "" or running.process.poll() is not None, "the instance")
        said = running.said("out")
        assert said.startswith("ready "), running.said("err")
        yield running, said.split()[1]


def test_ingest_uses_what_is_up(home_with_prefect: Path, tmp_path: Path) -> None:
    """An ingest beside `headrace up` starts nothing: its units run on the instance's workers, and its run is on the
    instance's Prefect server. What it published is served at once."""
    instance = Instance(home_with_prefect, {"HEADRACE_COMPUTE": "local:2"})
    source = collection(tmp_path / "tides")
    with up(instance) as (_, url):
        server = json.loads((instance.home / "run" / "prefect.json").read_text())
        with held_ingest(instance, source, tmp_path) as (running, trap):
            assert running.family() == {running.process.pid}
            trap.let_go()
            ended = running.end()
        assert ended.code == DONE, ended.err
        assert ended.report["ui"].startswith(f"http://127.0.0.1:{server['port']}/")
        assert json.loads((instance.home / "run" / "prefect.json").read_text()) == server
        assert answers(f"{url}/records/{ended.report['records'][0]['id']}")
    assert invalid(instance) == []


def test_ctrl_c_leaves_nothing_and_all_goes_on(home_with_prefect: Path) -> None:
    """Ctrl-C ends `headrace up` and every process that it started; another one on the same data goes on serving, which
    does not start beside it."""
    instance = Instance(home_with_prefect, {"HEADRACE_COMPUTE": "local:2"})
    with up(instance) as (running, url):
        assert answers(f"{url}/healthz")
        assert len(running.family()) >= 6, "Prefect server, workers, gateway, dispatcher and their own"
        second = instance.run("up", "--port", str(free_port()), env={"HEADRACE_BASE_URL": ""})
        assert (second.code, second.out) == (USAGE, "")
        told = " ".join(second.err.split())
        assert "is up already, by" in told
        assert f"(process {running.process.pid}), at {url} " in told
        running.signal(signal.SIGINT)
        assert running.end().code == INTERRUPTED
        wait_until(lambda: running.family() == set(), "the last process", 30)
    with up(instance) as (_, url):
        assert answers(f"{url}/healthz")
        assert answers(f"{url}/oai2d?verb=Identify")


def answers(url: str) -> bool:
    return httpx.get(url, timeout=60, trust_env=False).status_code == 200


# ------------------------------------------------------------ a run and its effects


def test_what_is_published_is_found_while_the_run_goes_on(instance: Instance, tmp_path: Path) -> None:
    """A record that is whole early is in the storage root, registered, searchable and announced before the run has
    taken in its last file."""
    write_record(tmp_path / "tides" / "large", {"levels.bin": b"\0" * (9 << 20)}, title="Levels")
    write_record(tmp_path / "tides" / "small", {"a.csv": b"1\n"}, title="Notes")
    trap = Trap(tmp_path / "trap", replace(BEFORE_SETTLING, call=2))

    def found() -> int:
        return int(instance.run("search", "*", "--json").report["total"])

    with instance.start("ingest", str(tmp_path / "tides"), "--json", env=trap.environment) as running:
        wait_until(lambda: trap.sprung() is not None, "the second unit")
        wait_until(lambda: found() == 1, "the first record")
        wait_until(lambda: effects_left(instance) == 0, "its announcement")
        assert list((instance.home / "store" / "root").rglob("levels.bin"))
        trap.let_go()
        ended = running.end()
    assert ended.code == DONE, ended.err
    assert found() == 2
    assert not invalid(instance)


def effects_left(instance: Instance) -> int:
    with closing(sqlite3.connect(instance.home / "catalogue.sqlite")) as database:
        [(number,)] = database.execute("SELECT count(*) FROM outbox").fetchall()
    return int(number)
