"""What is away for a while costs an ingest time, not work: Prefect's server, the database, the workers."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest

from infra.local.postgres import postgres
from infra.local.service import Service, running
from infra.local.versitygw import versitygw
from pipeline.flows.server import standing_server
from pipeline.running.loopback import LOOPBACK, free_port
from tests.command import Ended, Instance, Running, wait_until
from tests.faults import HOLD, Fault, Trap
from tests.instance import codes, write_record

pytestmark = pytest.mark.timeout(600)

DONE, HELD, STOPPED = 0, 3, 4
KEY = "archive-of-tests"
AT_SETTLING = Fault("pipeline.catalogue.deposit_files:settle", signal=HOLD)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two sound records."""
    for name in ("harbour", "lighthouse"):
        write_record(tmp_path / "tides" / name, {"a.csv": name.encode(), "b.csv": b"1\n"})
    return tmp_path / "tides"


def own_server(instance: Instance) -> int:
    """The process of the Prefect server that the instance has itself."""
    pid: int = json.loads((instance.home / "run" / "prefect.json").read_bytes())["pid"]
    return pid


def only_run(instance: Instance) -> str:
    """How the instance's own Prefect has it that the one flow run ended. Its server has ended by then, and to start it
    takes longer than all else."""
    with closing(sqlite3.connect(instance.home / "prefect" / "prefect.db")) as database:
        [(state,)] = database.execute("SELECT state_name FROM flow_run").fetchall()
    return str(state)


def held(instance: Instance, source: Path, trap: Trap, stack: ExitStack, **environment: str) -> Running:
    """An ingest that is about to write what became of its first unit, and waits."""
    running_ = stack.enter_context(
        instance.start("ingest", str(source), "--json", env={**trap.environment, **environment})
    )
    wait_until(lambda: trap.sprung() is not None, "the first unit")
    return running_


def durable(instance: Instance) -> int:
    """Bytes up to which the catalogue knows that a file under way could be gone on with."""
    with closing(
        sqlite3.connect(f"file:{instance.home / 'catalogue.sqlite'}?mode=ro", uri=True)
    ) as catalogue:
        offset: int = catalogue.execute("SELECT coalesce(max(offset), 0) FROM upload").fetchone()[0]
    return offset


def published(ended: Ended) -> int:
    count: int = ended.report["records_total"]
    return count


# ------------------------------------------------------------ Prefect


def test_a_prefect_server_that_is_killed_comes_back(
    source: Path, home_with_prefect: Path, tmp_path: Path
) -> None:
    """The instance's own server is started again, the work goes on meanwhile, and the run's page says in the end that
    it was completed."""
    instance, trap = Instance(home_with_prefect), Trap(tmp_path / "trap", AT_SETTLING)
    with ExitStack() as stack:
        ingest = held(instance, source, trap, stack)
        killed = own_server(instance)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(killed), "the server's death")
        trap.let_go()
        ended = ingest.end()
    assert (ended.code, published(ended)) == (DONE, 2), ended.err
    assert "Traceback" not in ended.err
    assert only_run(instance) == "Completed"


def test_a_prefect_server_that_stays_away_keeps_nobody(
    source: Path, home_with_prefect: Path, tmp_path: Path
) -> None:
    """Where another's server is gone for good, all is published and reported all the same."""
    with ExitStack() as stack:
        server = stack.enter_context(standing_server(home_with_prefect))
        instance = Instance(
            tmp_path / "instance",
            {"PREFECT_API_URL": server.api_url, "PREFECT_HOME": str(tmp_path / "client"), "NO_PROXY": "*"},
        )
        trap = Trap(tmp_path / "trap", AT_SETTLING)
        in_no_hurry = {"HEADRACE_PATIENCE": "5", "PREFECT_CLIENT_MAX_RETRIES": "0"}
        ingest = held(instance, source, trap, stack, **in_no_hurry)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        trap.let_go()
        ended = ingest.end()
        assert (ended.code, published(ended)) == (DONE, 2), ended.err
        assert "the Prefect server does not answer; the work goes on" in ended.err
        assert "EventsWorker" not in ended.err  # which would tell of each event


# ------------------------------------------------------------ the database


def test_a_prefect_server_that_is_not_there_at_the_start_is_told(source: Path, tmp_path: Path) -> None:
    """Where the server that `PREFECT_API_URL` names is away when a run begins, it ends with exit code 4 and a
    remedy, as anything that may be run again."""
    away = {
        "PREFECT_API_URL": f"http://{LOOPBACK}:{free_port()}/api",
        "PREFECT_HOME": str(tmp_path / "prefect"),
    }
    ended = Instance(tmp_path / "home", away).run("ingest", str(source))
    assert ended.code == STOPPED, ended.err
    assert "PREFECT_API_URL" in ended.err


@pytest.fixture
def database(tmp_path: Path) -> tuple[Service, Path]:
    """A PostgreSQL that is not running yet, and its log."""
    folder = tmp_path / "postgres"
    folder.mkdir()
    return postgres(folder), folder / "log"


def test_a_database_that_is_stopped_and_started_costs_time(
    source: Path, tmp_path: Path, prefect: dict[str, str], database: tuple[Service, Path]
) -> None:
    """A unit that came back meanwhile is written when it is there again."""
    service, log = database
    instance = Instance(tmp_path / "home", {**prefect, "HEADRACE_DATABASE": service.url})
    trap = Trap(tmp_path / "trap", AT_SETTLING)
    with ExitStack() as stack:
        with running(service, log):
            ingest = held(instance, source, trap, stack)
        trap.let_go()
        time.sleep(3)
        with running(service, log):
            ended = ingest.end()
    assert (ended.code, published(ended)) == (DONE, 2), ended.err


def test_a_database_that_stays_away_stops_the_run(
    source: Path, tmp_path: Path, prefect: dict[str, str], database: tuple[Service, Path]
) -> None:
    """When patience is over; with the exit code that says so, and the same command goes on from there."""
    service, log = database
    instance = Instance(
        tmp_path / "home", {**prefect, "HEADRACE_DATABASE": service.url, "HEADRACE_PATIENCE": "2"}
    )
    trap = Trap(tmp_path / "trap", AT_SETTLING)
    with ExitStack() as stack:
        with running(service, log):
            ingest = held(instance, source, trap, stack)
        trap.let_go()
        ended = ingest.end()
        assert ended.code == STOPPED, ended.err
        assert "Traceback" not in ended.err
    with running(service, log):
        again = instance.run("ingest", str(source), "--json")
    assert (again.code, published(again)) == (DONE, 2), again.err


def test_an_instance_waits_for_its_store(tmp_path: Path, prefect: dict[str, str]) -> None:
    """`headrace up` says that S3 does not answer, and goes on as soon as it does."""
    (tmp_path / "s3" / "data" / "archive").mkdir(parents=True)
    service = versitygw(tmp_path / "s3", KEY, KEY)
    settings = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "HEADRACE_STORE": "s3://archive/one",
        "HEADRACE_S3_ENDPOINT": service.url,
        "HEADRACE_S3_PATH_STYLE": "yes",
    }
    instance = Instance(tmp_path / "home", {**prefect, **settings})
    with instance.start("up", "--port", str(free_port())) as up:
        wait_until(lambda: "waiting for it" in up.said("err"), "the word that S3 is away")
        with running(service, tmp_path / "log"):
            wait_until(lambda: "ready" in up.said("out"), "the instance")


# ------------------------------------------------------------ workers


def test_a_scheduler_that_is_lost_is_opened_again(
    source: Path, tmp_path: Path, prefect: dict[str, str]
) -> None:
    """With new workers, who get what is not in custody yet."""
    instance = Instance(tmp_path / "home", {**prefect, "HEADRACE_COMPUTE": "local:2"})
    trap = Trap(tmp_path / "trap", Fault("pipeline.ingest.custody:take_unit", signal=HOLD))
    with ExitStack() as stack:
        ingest = held(instance, source, trap, stack)
        worker = psutil.Process(trap.sprung().pid)  # type: ignore[union-attr]
        cluster = next(one for one in worker.parents() if "pipeline.compute.local" in " ".join(one.cmdline()))
        for one in [*cluster.children(recursive=True), cluster]:
            one.kill()
        ended = ingest.end()
    assert (ended.code, published(ended)) == (DONE, 2), ended.err


def test_a_worker_that_dies_on_a_large_file_costs_what_was_in_flight(
    source: Path, tmp_path: Path, prefect: dict[str, str]
) -> None:
    """Another one goes on from the part ledger in the catalogue: of all that was durable nothing is read again."""
    size, part = 200 << 20, 64 << 20
    with (source / "harbour" / "large.bin").open("wb") as file:
        for number in range(size >> 20):
            file.write(number.to_bytes(2, "big") * (1 << 19))
    instance = Instance(tmp_path / "home", {**prefect, "HEADRACE_COMPUTE": "local:2"})
    trap = Trap(tmp_path / "trap", Fault("pipeline.store.partial:PartedUpload.commit", signal=HOLD))
    with ExitStack() as stack:
        ingest = held(instance, source, trap, stack)
        # All of it, but for the last two parts, which may still be on their way to the disk.
        wait_until(lambda: durable(instance) >= 2 * part, "what is durable to be noted")
        noted = durable(instance)
        os.kill(trap.sprung().pid, signal.SIGKILL)  # type: ignore[union-attr]
        ended = ingest.end()
    assert (ended.code, published(ended)) == (DONE, 2), ended.err
    assert ended.report["bytes_read"] < size - noted + (4 << 20)  # small files, and what tells the format


def test_a_file_that_kills_its_workers_holds_its_record_only(
    source: Path, tmp_path: Path, prefect: dict[str, str]
) -> None:
    """Though it came in one pack with all others, which was the last unit: the run ends by itself, the file is
    rejected, the other records are published."""
    write_record(source / "wreck", {"fatal.csv": b"1\n", "good.csv": b"2\n"})
    fatal = Fault("pipeline.ingest.sources.trees.local:LocalTree.open", having=r"fatal\.csv", lasts=True)
    trap = Trap(tmp_path / "trap", fatal)
    instance = Instance(tmp_path / "home", {**prefect, "HEADRACE_COMPUTE": "local:2"})
    ended = instance.run("ingest", str(source), "--json", env=trap.environment)
    assert (ended.code, published(ended)) == (HELD, 2), ended.err
    assert codes(ended.report) == [("wreck", "wreck/fatal.csv", "kills-workers")]
    assert ended.report["held"] == 1
