"""What may happen while an accession is planned: it is cancelled, others wait for it, the database is away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.catalogue import Catalogue, Transaction, accessions, deposits
from pipeline.errors import Conflict, Interrupted, Unavailable
from pipeline.ingest import accession, plan, report
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.ingest.patience import Patience
from pipeline.model import AccessionState, JsonObject
from tests.instance import Instance, write_record


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with two sound records, of two files and one."""
    write_record(tmp_path / "tides" / "harbour", {"readings.csv": b"0,1.2\n", "gauge.bin": bytes(256)})
    write_record(tmp_path / "tides" / "lighthouse", {"notes.txt": b"calm\n"})
    return tmp_path / "tides"


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of one record and one file, so that there is a between."""
    monkeypatch.setattr(plan, "BATCH", 1)
    monkeypatch.setattr(plan, "FILE_BATCH", 1)


def planned_while(instance: Instance, source: Path, meanwhile: Callable[[int, str], None]) -> str:
    """Plan a source; `meanwhile` is told between batches how many there were, and which accession is planned."""
    folder = instance.services.settings.home / "survey"
    surveyed = instance.survey(source, IngestOptions(), folder)
    run = Run("run", surveyed.collection, str(source), IngestOptions())
    batches = 0

    def checkpoint() -> None:
        nonlocal batches
        batches += 1
        with instance.services.catalogue.read() as tx:
            planned = accessions.latest(tx, surveyed.collection)
        assert planned is not None
        meanwhile(batches, planned.id)

    made = plan.make(instance.services, folder, run, checkpoint=checkpoint)
    assert made.accession_id is not None
    return made.accession_id


@pytest.mark.usefixtures("between")
@pytest.mark.parametrize("batch", [1, 2, 3, 5, 6, 7])
def test_an_accession_cancelled_while_it_is_planned_stays_cancelled(
    instance: Instance, source: Path, batch: int
) -> None:
    """Be it between its lines, between its files, between the counting of one record's files and the next one's, or
    after all of it."""
    cancelled: list[str] = []

    def cancel(number: int, accession_id: str) -> None:
        if number == batch:
            accession.cancel(instance.services, accession_id)
            cancelled.append(accession_id)

    with pytest.raises(Interrupted, match="cancelled"):
        planned_while(instance, source, cancel)
    with instance.services.catalogue.read() as tx:
        assert accessions.get(tx, cancelled[0]).state is AccessionState.CANCELLED
        assert set(deposits.tally(tx, cancelled[0])) == {"cancelled"}


@pytest.mark.usefixtures("between")
@pytest.mark.parametrize("is_begun", [False, True])
@pytest.mark.parametrize(
    ("batch", "error"),
    [(1, Interrupted("stopped by Ctrl-C")), (4, KeyboardInterrupt()), (7, ValueError("a bug"))],
)
def test_planning_that_is_cut_off_leaves_the_accession_stopped(
    instance: Instance, source: Path, batch: int, error: BaseException, *, is_begun: bool
) -> None:
    """With the reason, and free for the next run at once, whether this one began it or went on with it."""
    if is_begun:
        instance.attempt(source)
        instance.clock.move(minutes=1)

    def cut_off(number: int, _: str) -> None:
        if number == batch:
            raise error

    with pytest.raises(type(error)):
        planned_while(instance, source, cut_off)
    with instance.services.catalogue.read() as tx:
        stopped = accessions.unfinished(tx, "tides")
    assert stopped is not None
    assert stopped.state is AccessionState.STOPPED
    assert stopped.reason in ("stopped by Ctrl-C", "KeyboardInterrupt: ", "ValueError: a bug")
    assert instance.ingest(source)["records_total"] == 2


def test_an_accession_whose_run_was_killed_is_interrupted_in_both_outputs(
    instance: Instance, source: Path
) -> None:
    """In the list of all and in its own report: nobody holds the lease on it any more."""
    accession_id = instance.attempt(source).accession_id
    assert report.of_accession(instance.services, accession_id)["state"] == "ingesting"
    instance.clock.move(minutes=1)
    assert report.of_accession(instance.services, accession_id)["state"] == "interrupted"
    assert status(instance, accession_id)["state"] == "interrupted"
    [listed] = status(instance)["accessions"]
    assert listed["state"] == "interrupted"


def status(instance: Instance, *arguments: str) -> JsonObject:
    """What `headrace status --json` prints of the instance."""
    settings = instance.services.settings
    document: JsonObject = json.loads(
        subprocess.check_output(
            [sys.executable, "-m", "pipeline", "status", *arguments, "--json"],
            env={
                **os.environ,
                "HEADRACE_HOME": str(settings.home),
                "HEADRACE_DATABASE": settings.database,
            },
            timeout=120,
        )
    )
    return document


@pytest.mark.usefixtures("between")
def test_planning_keeps_its_lease_however_long_it_takes(instance: Instance, source: Path) -> None:
    """Each batch prolongs it, lines as well as files."""

    def another_comes(_: int, accession_id: str) -> None:
        instance.clock.move(seconds=20)
        with pytest.raises(Conflict), instance.services.catalogue.write() as tx:
            accessions.lease(
                tx, accession_id, owner="another", now=instance.clock.now, length=accessions.LEASE
            )

    assert planned_while(instance, source, another_comes)


class Forgetful(Catalogue):
    """Another's transactions: of five one is refused, and of one that was carried out the answer is lost."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(catalogue._engine)
        self._tries = 0

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        self._tries += 1
        if self._tries % 5 == 1:
            raise Unavailable("the database does not answer")
        with super().write() as tx:
            yield tx
        if self._tries % 5 == 3:
            raise Unavailable("the connection was lost")


@pytest.mark.usefixtures("between")
def test_planning_bears_a_database_that_is_away_again_and_again(instance: Instance, source: Path) -> None:
    """Each transaction is tried again by itself, with a patience of its own, and its lines are there once: those of
    the report, too."""
    instance.ingest(source)
    shutil.rmtree(source / "lighthouse")
    write_record(source / "harbour", {"readings.csv": b"other"})
    write_record(source / "pier", {"notes.txt": b"wet\n"})
    waits: list[float] = []
    services = replace(instance.services, catalogue=Forgetful(instance.services.catalogue))
    folder = services.settings.home / "survey"
    surveyed = instance.survey(source, IngestOptions(), folder)
    run = Run("run", surveyed.collection, str(source), IngestOptions())
    patience = Patience(2, waits.append, clock=lambda: sum(waits))
    made = plan.make(services, folder, run, patience=patience)
    assert made.accession_id is not None
    assert (made.new, made.versions, made.gone_total) == (1, 1, 0)
    assert sum(waits) > 2
    with instance.services.catalogue.read() as tx:
        assert deposits.tally(tx, made.accession_id) == {"planned": 2}
        assert accessions.get(tx, made.accession_id).state is AccessionState.INGESTING
        assert [one.code for one in accessions.problems(tx, made.accession_id)] == ["gone"]
