"""Records that wait for a virus verdict: a rescan publishes what is clean at last and holds the rest, whatever cuts it
off or works beside it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from infra.local.clamd import CANARY
from pipeline import codec
from pipeline.catalogue import (
    Catalogue,
    Transaction,
    accessions,
    clearance,
    deposits,
    events,
    quarantine,
    records,
    tables,
)
from pipeline.errors import Conflict, Interrupted, Unavailable
from pipeline.ingest import accession
from pipeline.ingest.patience import Patience
from pipeline.model import AccessionState, DepositState, EventType, JsonObject, ScanStatus, ScanVerdict
from pipeline.ports import ObjectStore, Scanner, ScanResumption, ScanSession
from pipeline.running.loopback import free_port
from pipeline.services import Services
from pipeline.stewardship import rescanning
from pipeline.stewardship.rescanning import RescanPolicy, rescan
from pipeline.stewardship.stocktaking import compare
from pipeline.store import layout
from tests.contracts.scanners import Named
from tests.instance import Instance, open_instance, write_record
from tests.recording_disk import PowerLoss
from tests.stepping_store import SteppingStore

NOW = RescanPolicy(older_than=timedelta(0))


def open_unscanned(home: Path) -> AbstractContextManager[Instance]:
    """An instance whose scanner is away, and which takes files in all the same."""
    return open_instance(home, scanner=f"clamd://127.0.0.1:{free_port()}", scanner_away="go-on")


def report_of(services: Services, **how: Any) -> JsonObject:
    """The report of a rescan."""
    return rescanning.report(services, rescan(services, NOW, **how), 0)


def test_records_that_waited_are_published_or_held(tmp_path: Path, older_clamd: Scanner) -> None:
    """Taken in while no scanner answered, under the gate `publish`; from custody, the source is gone. What is infected
    is in quarantine, as if it had been found at the intake."""
    write_record(tmp_path / "survey" / "good", {"a.csv": b"1,2\n"})
    write_record(tmp_path / "survey" / "bad", {"a.csv": b"1,2\n", "b.com": b"harmless, but " + CANARY})
    with open_unscanned(tmp_path / "home") as instance:
        document = instance.ingest(tmp_path / "survey")
        assert (document["records_total"], document["state"]) == (0, "stopped")
        shutil.rmtree(tmp_path / "survey")
        instance.clock.move(minutes=1)
        services = replace(instance.services, scanner=older_clamd)
        report = report_of(services)
        assert (report["published"], report["put_off"]) == (1, [])
        [apart] = report["quarantined"]
        assert (apart["record"], apart["signature"].startswith("Test.Canary")) == ("bad", True)
        with instance.services.catalogue.read() as tx:
            [listed] = quarantine.listed(tx, everything=False)
            assert accessions.get(tx, listed.accession_id).state is AccessionState.COMPLETED
            tally = deposits.tally(tx, listed.accession_id)
        assert tally == {DepositState.PUBLISHED: 1, DepositState.HELD: 1}
        instance.drain()
        assert list(compare(instance.services)) == []
        assert report_of(services)["quarantined"] == []


def test_what_an_operator_stopped_is_not_published_by_a_rescan(tmp_path: Path, older_clamd: Scanner) -> None:
    """Records that were sealed by then wait for no verdict: they are for the next run, or for a cancellation."""
    write_record(tmp_path / "survey" / "good", {"a.csv": b"1,2\n"})
    with open_instance(tmp_path / "home") as instance:
        attempt = instance.attempt(tmp_path / "survey")
        attempt.take_in()
        accession.seal(instance.services, attempt.run, attempt.accession_id)
        accession.stop(instance.services, attempt.run, attempt.accession_id, Interrupted("cancelled"))
        services = replace(instance.services, scanner=older_clamd)
        assert report_of(services)["published"] == 0
        assert accession.cancel(instance.services, attempt.accession_id) == 1


def test_a_new_version_waits_no_longer_than_for_what_it_carries_over(
    tmp_path: Path, older_clamd: Scanner
) -> None:
    """The rescan that finds the file of the version before clean publishes the new one."""
    source = tmp_path / "survey"
    write_record(source / "good", {"a.csv": b"1,2\n"})
    with open_instance(tmp_path / "home") as instance:
        instance.ingest(source)
    write_record(source / "good", {"b.csv": b"3,4\n"})
    with open_unscanned(tmp_path / "home") as instance:
        instance.clock.move(minutes=1)
        assert instance.ingest(source)["records_total"] == 0
        instance.clock.move(minutes=1)
        services = replace(instance.services, scanner=older_clamd)
        report = report_of(services)
        assert (report["published"], report["verdicts"], report["put_off"]) == (1, {"clean": 1}, [])


def test_what_was_being_put_apart_comes_back_where_it_is_found_clean(
    tmp_path: Path, older_clamd: Scanner
) -> None:
    """A rescan that was killed when the bytes had moved and nobody had noted it; the signature is withdrawn by the time
    of the next."""
    write_record(tmp_path / "survey" / "good", {"a.csv": b"1,2\n", "b.csv": b"3,4\n"})
    with open_unscanned(tmp_path / "home") as instance:
        instance.ingest(tmp_path / "survey")
        instance.clock.move(minutes=1)
        with instance.services.catalogue.read() as tx:
            [accession_id] = clearance.waiting_accessions(tx)
            waiting = clearance.waiting_files(tx, accession_id, after=0, limit=10)
        moved = waiting[0]
        instance.services.store.move_many({moved.place: layout.quarantined(accession_id, moved.id)})
        services = replace(instance.services, scanner=older_clamd)
        report = report_of(services)
        assert (report["published"], report["quarantined"]) == (1, [])
        instance.drain()
        assert list(compare(instance.services)) == []
        with instance.services.catalogue.read() as tx:
            [record_id] = records.ids(tx, limit=2)
        assert instance.files(record_id) == {"a.csv": b"1,2\n", "b.csv": b"3,4\n"}


class Forgetful:
    """A catalogue that is away, once for each function that writes to it, when it has committed and not said so."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: set[str] = set()
        self.read = catalogue.read

    def write(self) -> AbstractContextManager[Transaction]:
        caller = sys._getframe(1).f_code.co_qualname
        is_known = caller in self._known
        self._known.add(caller)
        return self._catalogue.write() if is_known else self._write()

    @contextmanager
    def _write(self) -> Iterator[Transaction]:
        with self._catalogue.write() as tx:
            yield tx
        raise Unavailable("the catalogue is away")


def test_a_catalogue_that_comes_back_in_time_costs_nothing(tmp_path: Path, older_clamd: Scanner) -> None:
    """Whatever transaction was committed without an answer while records were freed: it counts once."""
    write_record(tmp_path / "survey" / "good", {"a.csv": b"1,2\n"})
    write_record(tmp_path / "survey" / "bad", {"a.csv": b"1,2\n", "b.com": b"harmless, but " + CANARY})
    with open_unscanned(tmp_path / "home") as instance:
        accession_id = instance.ingest(tmp_path / "survey")["accession"]
        instance.clock.move(minutes=1)
        forgetful: Any = Forgetful(instance.services.catalogue)
        services = replace(instance.services, scanner=older_clamd, catalogue=forgetful)
        report = report_of(services, patience=Patience(60, lambda _: None))
        assert [one["path"] for one in report["quarantined"]] == ["bad/b.com"]
        with instance.services.catalogue.read() as tx:
            assert deposits.tally(tx, accession_id) == {DepositState.PUBLISHED: 1, DepositState.HELD: 1}
            [held] = deposits.in_state(tx, accession_id, DepositState.HELD, limit=2)
            told = [one.type for one in events.of_accession(tx, accession_id, limit=9)]
        assert (held.files_bad, told.count(EventType.QUARANTINE)) == (1, 1)


def test_a_scanner_that_gives_up_takes_nothing_from_records_that_wait(tmp_path: Path) -> None:
    """Though it would let every file pass: what was scanned in part stays so, with its ranges, and the rescan ends."""
    partial = ScanVerdict(ScanStatus.PARTIAL, "named", method="windows", scanned=((0, 2),))
    write_record(tmp_path / "survey" / "good", {"a.csv": b"1,2\n"})
    with open_unscanned(tmp_path / "home") as instance:
        accession_id = instance.ingest(tmp_path / "survey")["accession"]
        instance.clock.move(minutes=1)
        with instance.services.catalogue.write() as tx:
            tx.execute(sa.update(tables.deposit_file).values(scan=codec.verdict_to_json(partial)))
        scanner: Any = Named("7", asked=1)
        with pytest.raises(Unavailable, match="the scanner is away"):
            rescan(replace(instance.services, scanner=scanner), NOW)
        with instance.services.catalogue.read() as tx:
            [waiting] = clearance.waiting_files(tx, accession_id, after=0, limit=9)
            assert clearance.waiting_accessions(tx) == [accession_id]
        assert waiting.verdict == partial


class CutAtMove(SteppingStore):
    """The power goes when bytes are moved: before that, or when the store has done it and nobody else knows."""

    def __init__(self, store: ObjectStore, *, moves: bool) -> None:
        super().__init__(store, lambda _: None)
        self._moves = moves

    def move_many(self, moves: Mapping[str, str]) -> None:
        if self._moves:
            super().move_many(moves)
        raise PowerLoss


@pytest.mark.parametrize("goes_on", ["ingest", "rescan", "a lesser scanner"])
@pytest.mark.parametrize("moves", [False, True])
def test_a_record_is_not_published_without_what_was_being_put_apart(
    tmp_path: Path, older_clamd: Scanner, goes_on: str, *, moves: bool
) -> None:
    """A rescan is cut off before or after the infected bytes moved. Though there is no scan gate by then, neither a run
    nor another rescan publishes the record, with the file or without it; the rescan finishes what was begun. A good one
    is published by both, and no bytes are left that nothing refers to."""
    write_record(tmp_path / "survey" / "bad", {"a.csv": b"1,2\n", "b.com": b"harmless, but " + CANARY})
    write_record(tmp_path / "survey" / "good", {"a.csv": b"3,4\n"})
    with open_unscanned(tmp_path / "home") as instance:
        accession_id = instance.ingest(tmp_path / "survey")["accession"]
        store = CutAtMove(instance.services.store, moves=moves)
        with pytest.raises(PowerLoss):
            rescan(replace(instance.services, scanner=older_clamd, store=store), NOW)  # type: ignore[arg-type]
    with open_instance(tmp_path / "home", scan_gate="none") as instance:
        instance.clock.move(hours=1)
        if goes_on == "ingest":
            document = instance.ingest(tmp_path / "survey")
            assert (document["records_total"], document["held"]) == (1, 1)
            assert [one["code"] for one in document["problems"] if one["outcome"] != "warned"] == ["infected"]
        else:
            scanner = older_clamd if goes_on == "rescan" else instance.services.scanner
            services = replace(instance.services, scanner=scanner)
            report = report_of(services)
            assert (report["published"], len(report["quarantined"])) == (1, 1)
        with instance.services.catalogue.read() as tx:
            tally = deposits.tally(tx, accession_id)
        assert tally == {DepositState.PUBLISHED: 1, DepositState.HELD: 1}
        instance.drain()
        assert list(compare(instance.services)) == []


def test_an_accession_that_is_cancelled_meanwhile_does_not_end_the_rescan(
    tmp_path: Path, older_clamd: Scanner
) -> None:
    """What it kept waiting is given up; what waits in others is published all the same."""
    with open_unscanned(tmp_path / "home") as instance:
        for name in ("one", "other"):
            write_record(tmp_path / name / "good", {"a.csv": name.encode()})
            instance.ingest(tmp_path / name)
        instance.clock.move(minutes=1)
        with instance.services.catalogue.read() as tx:
            first, _ = clearance.waiting_accessions(tx)

        class Cancelling:
            gives_clean = True
            signatures = older_clamd.signatures
            describe = older_clamd.describe

            def begin(self, size: int, resume: ScanResumption | None = None) -> ScanSession:
                with suppress(Conflict):
                    accession.cancel(instance.services, first)
                return older_clamd.begin(size, resume)

        services = replace(instance.services, scanner=Cancelling())
        assert report_of(services)["published"] == 1
        with instance.services.catalogue.read() as tx:
            assert accessions.get(tx, first).state is AccessionState.CANCELLED
