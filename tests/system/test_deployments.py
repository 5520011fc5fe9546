"""What an operator does in Prefect's pages, on runs begun there and on the command line, through the API that the pages
use themselves."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from pipeline.flows import run_files
from pipeline.model import JsonObject
from tests.command import Instance, wait_until
from tests.faults import HOLD, Fault, Trap
from tests.instance import write_record

pytestmark = pytest.mark.timeout(600)

STOPPED = 4
FILES = 1000
SIZE = 6
"""Bytes of each file of a collection."""


@dataclass(frozen=True)
class Pages:
    """Prefect's API, as its pages use it."""

    client: httpx.Client
    repository: str

    def deployment(self, flow: str, verb: str) -> JsonObject:
        return self._json("GET", f"/deployments/name/{flow}/{verb}@{self.repository}")

    def begin(self, flow: str, verb: str, **parameters: object) -> str:
        """Fill in the form of a deployment and send it: the run's id."""
        deployment = self.deployment(flow, verb)["id"]
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self._json("POST", f"/deployments/{deployment}/create_flow_run", json=body)["id"])

    def pause(self, run: str) -> None:
        self._set(run, {"type": "PAUSED", "name": "Paused"})

    def suspend(self, run: str) -> None:
        details = {"pause_reschedule": True, "pause_timeout": "2099-01-01T00:00:00Z"}
        self._set(run, {"type": "PAUSED", "name": "Suspended", "state_details": details}, force=True)

    def resume(self, run: str) -> None:
        assert self._json("POST", f"/flow_runs/{run}/resume")["status"] == "ACCEPT"

    def cancel(self, run: str) -> None:
        self._set(run, {"type": "CANCELLING", "name": "Cancelling"}, force=True)

    def retry(self, run: str) -> None:
        self._set(run, {"type": "SCHEDULED", "name": "AwaitingRetry"})

    def state(self, run: str) -> str:
        return str(self._json("GET", f"/flow_runs/{run}")["state_name"])

    def name(self, run: str) -> str:
        return str(self._json("GET", f"/flow_runs/{run}")["name"])

    def run_count(self, run: str) -> int:
        return int(self._json("GET", f"/flow_runs/{run}")["run_count"])

    def message(self, run: str) -> str:
        return str(self._json("GET", f"/flow_runs/{run}")["state"]["message"])

    def await_state(self, run: str, name: str) -> None:
        wait_until(lambda: self.state(run) in (name, "Failed", "Crashed"), f"{name} of a run")
        assert self.state(run) == name, self.message(run)

    def artifact(self, run: str, key: str) -> JsonObject | None:
        """The newest artifact of a run that has this key."""
        chosen = {"flow_run_id": {"any_": [run]}, "key": {"any_": [key]}}
        body = {"artifacts": chosen, "sort": "UPDATED_DESC", "limit": 1}
        found = self._json("POST", "/artifacts/filter", json=body)
        return next(iter(found), None)  # type: ignore[arg-type]

    def rows(self, run: str, key: str) -> list[JsonObject]:
        found = self.artifact(run, key)
        assert found is not None
        rows: list[JsonObject] = json.loads(found["data"])
        return rows

    def await_line(self, run: str, words: str) -> None:
        """Wait until the run's progress says so."""
        wait_until(
            lambda: words in (self.artifact(run, "progress") or {"description": ""})["description"], words
        )

    def _set(self, run: str, state: JsonObject, *, force: bool = False) -> None:
        answer = self._json("POST", f"/flow_runs/{run}/set_state", json={"state": state, "force": force})
        assert answer["status"] == "ACCEPT", answer

    def _json(self, method: str, path: str, **request: object) -> JsonObject:
        answer = self.client.request(method, path, **request)  # type: ignore[arg-type]
        while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # it is busy; the pages try again, too
            answer = self.client.request(method, path, **request)  # type: ignore[arg-type]
        answer.raise_for_status()
        document: JsonObject = answer.json()
        return document


@dataclass(frozen=True)
class Served:
    """An instance whose runner runs; runs of collections whose names are in `HELD` wait before units settle."""

    instance: Instance
    pages: Pages
    trap: Trap
    runner: int

    def await_hold(self, number: int) -> None:
        wait_until(lambda: self.trap.sprung(number) is not None, f"hold {number}")

    def custody(self, collection: str) -> int:
        """Files of the collection that are in custody, or published."""
        return int(self._one("SELECT bytes_read FROM accession WHERE collection = ?", collection)) // SIZE

    def accession(self, collection: str) -> JsonObject:
        row = self._one(
            "SELECT json_object('state', state, 'id', id, 'lease', lease_until, 'run', flow_run)"
            " FROM accession WHERE collection = ?",
            collection,
        )
        document: JsonObject = json.loads(str(row))
        return document

    def _one(self, question: str, *arguments: object) -> object:
        with closing(sqlite3.connect(self.instance.home / "catalogue.sqlite")) as database:
            [(value,)] = database.execute(question, arguments).fetchall()
        return value


def _hold(file: str) -> Fault:
    """Before the unit settles that has the file."""
    return Fault("pipeline.ingest.accession:settle", signal=HOLD, having=rf"/{file}\.csv")


HELD = ("ui-0001", "ui-0300", "ui-0700", "cli-0001", "cli-0300", "killed-0001", "ended-0001")
FIRST, SECOND, THIRD, ON_CLI, ON_CLI_AGAIN, KILLED, ENDED = range(len(HELD))


def collection(folder: Path, files: int = FILES) -> Path:
    """One record of many small files; what is to be read goes out in units of 256."""
    name = folder.name
    write_record(folder / "tides", {f"{name}-{one:04}.csv": f"{one:05}\n".encode() for one in range(files)})
    return folder


@pytest.fixture(scope="module")
def served(prefect: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("deployments")
    repository = f"tests-{uuid.uuid4().hex[:8]}.example.org"
    trap = Trap(folder / "trap", *map(_hold, HELD))
    environment = {**prefect, "HEADRACE_REPOSITORY_ID": repository, **trap.environment}
    instance = Instance(folder / "home", environment)
    with (
        # A connection that was kept may be one that the server has just closed for its silence.
        httpx.Client(
            base_url=prefect["PREFECT_API_URL"],
            timeout=60,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client,
        runner(instance, client, repository) as pid,
    ):
        yield Served(instance, Pages(client, repository), trap, pid)


@contextmanager
def runner(instance: Instance, client: httpx.Client, repository: str) -> Iterator[int]:
    """A runner, once its deployments are there; its process id."""
    last = f"/deployments/name/deliver/deliver@{repository}"
    with instance.start("runner") as running:
        wait_until(
            lambda: client.get(last).status_code == 200 or running.process.poll() is not None, "a runner"
        )
        assert running.process.poll() is None, running.said("err")
        yield running.process.pid
        running.signal(signal.SIGTERM)
        assert running.end().code == 0, running.said("err")
        assert running.family() == set()


def test_a_run_begun_in_the_pages_is_paused_suspended_cancelled_and_tried_again(
    served: Served, tmp_path: Path
) -> None:
    """Paused it hands out no further unit, keeps its lease and goes on in its place; suspended and cancelled its
    process ends, and what is resumed or tried again goes on in a new one. No byte is read twice."""
    pages, source = served.pages, collection(tmp_path / "ui")
    run = pages.begin("ingest-collection", "ingest", source=str(source))
    served.await_hold(FIRST)
    pages.pause(run)
    pages.await_line(run, "paused in Prefect")
    served.trap.let_go(FIRST)
    pages.await_line(run, "paused in Prefect · 256 of 1,000 files")
    accession = served.accession("ui")
    assert (accession["state"], accession["run"]) == ("ingesting", run)
    assert datetime.fromisoformat(accession["lease"]).replace(tzinfo=UTC) > datetime.now(UTC)
    assert pages.state(run) == "Paused"
    pages.resume(run)

    served.await_hold(SECOND)
    assert run_files.is_under_way(served.instance.home, run)
    pages.suspend(run)
    pages.await_line(run, "suspended in Prefect")
    served.trap.let_go(SECOND)
    wait_until(lambda: not run_files.is_under_way(served.instance.home, run), "the end of a process")
    assert (pages.state(run), served.accession("ui")["state"]) == ("Suspended", "stopped")
    pages.resume(run)

    served.await_hold(THIRD)
    pages.cancel(run)
    pages.await_line(run, "cancelled in Prefect")
    served.trap.let_go(THIRD)
    pages.await_state(run, "Cancelled")
    assert served.accession("ui")["state"] == "stopped"
    pages.retry(run)
    pages.await_state(run, "Completed")
    assert served.accession("ui")["state"] == "completed"
    assert served.custody("ui") == FILES
    stages = {one["stage"]: one for one in pages.rows(run, "stages")}
    assert {one["state"] for one in stages.values()} == {"completed"}
    assert stages["survey source"]["counts"] == "1 records, 1,000 files, 6.0 kB"
    assert stages["announce"]["counts"] == "1 records"


def test_a_run_begun_on_the_command_line_is_paused_cancelled_and_tried_again(
    served: Served, tmp_path: Path
) -> None:
    """It goes on in its place, on the command line; once cancelled, the runner goes on with it."""
    pages, source = served.pages, collection(tmp_path / "cli")
    with served.instance.start("ingest", str(source), "--json") as running:
        served.await_hold(ON_CLI)
        run = served.accession("cli")["run"]
        pages.pause(run)
        pages.await_line(run, "paused in Prefect")
        served.trap.let_go(ON_CLI)
        pages.await_line(run, "paused in Prefect · 256 of 1,000 files")
        pages.resume(run)
        served.await_hold(ON_CLI_AGAIN)
        pages.cancel(run)
        pages.await_line(run, "cancelled in Prefect")
        served.trap.let_go(ON_CLI_AGAIN)
        ended = running.end()
    assert ended.code == STOPPED, ended.err
    assert "Traceback" not in ended.err
    pages.await_state(run, "Cancelled")
    pages.retry(run)
    pages.await_state(run, "Completed")
    assert served.accession("cli")["state"] == "completed"
    assert served.custody("cli") == FILES


@pytest.mark.parametrize(
    ("name", "hold", "number"), [("killed", KILLED, signal.SIGKILL), ("ended", ENDED, signal.SIGTERM)]
)
def test_a_run_whose_process_ends_without_being_asked_in_the_pages_goes_on(
    served: Served, tmp_path: Path, name: str, hold: int, number: signal.Signals
) -> None:
    """By itself, in a new process: it was killed, or its instance is being stopped."""
    pages = served.pages
    run = pages.begin("ingest-collection", "ingest", source=str(collection(tmp_path / name, 300)))
    served.await_hold(hold)
    met = served.trap.sprung(hold)
    assert met is not None
    os.kill(met.pid, number)
    served.trap.let_go(hold)
    pages.await_state(run, "Completed")
    assert served.accession(name)["state"] == "completed"
    assert pages.run_count(run) == 2


def test_what_a_form_gives_is_checked(served: Served, tmp_path: Path) -> None:
    """As the command line checks it: a source that is none fails the run, in words and with a remedy; parameters of a
    wrong type begin none. A run is not called by what signs the URL of its source."""
    pages = served.pages
    lost, relative = (
        pages.begin("ingest-collection", "ingest", source=source) for source in ("/nowhere/at/all", "tides")
    )
    for run, words in ((lost, "/nowhere/at/all"), (relative, "not a whole path; begin with /")):
        wait_until(lambda run=run: pages.state(run) == "Failed", "a failure")  # type: ignore[misc]
        assert words in pages.message(run)
    signed = pages.begin(
        "ingest-collection", "ingest", source="http://127.0.0.1/list.csv?X-Amz-Signature=secret"
    )
    wait_until(lambda: pages.state(signed) == "Failed", "a failure")
    assert (pages.name(signed), "secret" in pages.message(signed)) == ("http://127.0.0.1/list.csv", False)
    with pytest.raises(httpx.HTTPStatusError, match=r"409|422"):
        pages.begin("ingest-collection", "ingest", source=str(tmp_path), checksum="sometimes")


@pytest.mark.parametrize(
    ("flow", "verb"),
    [
        ("ingest-collection", "ingest"),
        ("apply-plan", "apply"),
        ("retry-accession", "retry"),
        ("sweep", "sweep"),
        ("fixity-audit", "audit"),
        ("rescan", "rescan"),
        ("deliver", "deliver"),
    ],
)
def test_every_field_of_a_form_is_described(served: Served, flow: str, verb: str) -> None:
    """And so is the deployment; none asks for a secret."""
    deployment = served.pages.deployment(flow, verb)
    assert deployment["description"]
    for name, parameter in deployment["parameter_openapi_schema"]["properties"].items():
        assert parameter["description"], name
        assert not {"password", "secret", "token", "key"} & set(name.split("_"))


def test_a_sweep_is_run_from_its_form(served: Served) -> None:
    """It ends well, and begins by itself every night."""
    pages = served.pages
    run = pages.begin("sweep", "sweep", dry_run=True)
    pages.await_state(run, "Completed")
    [schedule] = pages.deployment("sweep", "sweep")["schedules"]
    assert schedule["active"] is True


def test_17_bad_files_of_2000_are_17_lines_and_retry_reads_17(served: Served, tmp_path: Path) -> None:
    """Each with its cause and its remedy; what was mended is read, and nothing else."""
    pages, source = served.pages, tmp_path / "bad"
    good, bad = b"right\n", b"wrong\n"
    assert len(good) == SIZE
    for number in range(20):
        write_record(source / f"pier-{number:02}", {f"{one:02}.csv": good for one in range(100)})
    spoilt = [source / f"pier-{number:02}" / "50.csv" for number in range(17)]
    for path in spoilt:
        path.write_bytes(bad)
        (path.parent / "checksums.md5").write_text(f"{hashlib.md5(good).hexdigest()}  50.csv\n")
    run = pages.begin("ingest-collection", "ingest", source=str(source))
    pages.await_state(run, "Completed")
    lines = pages.rows(run, "problems")
    assert {Path(source.parent, "bad", one["record"], "50.csv") for one in lines} == set(spoilt)
    assert len(lines) == 17
    assert all("md5 is" in one["reason"] and one["remedy"] for one in lines)
    read = served.custody("bad")
    for path in spoilt:
        path.write_bytes(good)
    again = pages.begin("retry-accession", "retry", accession=served.accession("bad")["id"])
    pages.await_state(again, "Completed")
    assert served.custody("bad") - read == 17
    assert served.accession("bad")["state"] == "completed"
