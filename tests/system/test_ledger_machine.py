"""Whatever happens to workers, flow, notes and source, and in whatever order: every state has a way out, nothing is
left that nobody refers to, and what is published is what the source has."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline.catalogue import accessions, deposit_files, deposits, ledger
from pipeline.catalogue.accessions import LEASE
from pipeline.errors import Interrupted
from pipeline.ingest import accession, units
from pipeline.ingest.assignments import Assignments
from pipeline.ingest.custody import FileReport, Unit, take_unit
from pipeline.ingest.eicar import EicarScanner
from pipeline.ingest.patience import Patience
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.model import DepositState, PartLedger
from pipeline.ports import Note
from pipeline.stewardship import stocktaking, upkeep
from pipeline.stewardship.stocktaking import FindingKind
from pipeline.store.disk import Disk
from pipeline.store.local import LocalStore
from pipeline.store.transfer import IN_PARTS_FROM, MIB
from tests.instance import Attempt, Instance, open_instance, write_record
from tests.ocfl_root import problems

SIZE = IN_PARTS_FROM + MIB // 2
PIECE = random.Random(4).randbytes(1 << 16)
OPEN = {DepositState.PLANNED, DepositState.SEALED}


class Killed(BaseException):
    """The process is gone."""


class Mortal(Disk):
    """Dies when `bytes_left` are written, and does nothing from then on."""

    def __init__(self, bytes_left: int) -> None:
        self._bytes_left = bytes_left
        self._lock = threading.Lock()

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        with self._lock:
            self._bytes_left -= len(block)
        self._require_life()
        super().write(descriptor, block)

    def flush(self, descriptor: int) -> None:
        self._require_life()
        super().flush(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._require_life()
        super().rename(source, target)

    def _require_life(self) -> None:
        if self._bytes_left < 0:
            raise Killed


@dataclass
class Flow:
    """A run at work: `unit` is what a worker has just now, `reports` what came of it and is not written yet."""

    attempt: Attempt
    assignments: Assignments
    handed_out: Iterator[Unit]
    unit: Unit | None = None
    reports: list[FileReport] | None = None


class Ingests(RuleBasedStateMachine):
    """One collection of a record with a large file and one with a small one."""

    flow: Flow | None = None

    @initialize()
    def make(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.opened = open_instance(self.folder / "home")
        self.instance: Instance = self.opened.__enter__()
        self.services = self.instance.services
        self.instance.clock.now = datetime.now(UTC)
        self.source = self.folder / "tides"
        self.edits = 0
        self.told: list[Note] = []
        write_record(self.source / "large", {"notes.txt": b"calm\n"})
        write_record(self.source / "small", {"a.csv": b"0\n"})
        self._write("large", "big.bin")
        self._begin(retry="")

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            self._run_to_the_end()
            self.opened.__exit__(None, None, None)
            shutil.rmtree(self.folder)

    # ------------------------------------------------------------ the source

    def _write(self, record: str, name: str) -> None:
        self.edits += 1
        content = bytearray(PIECE * (SIZE // len(PIECE)) if name == "big.bin" else b"level\n")
        content[self.edits * 997 % len(content)] ^= 1
        (self.source / record / name).write_bytes(content + str(self.edits).encode())

    @rule(change=st.sampled_from(["bytes", "bytes", "small bytes", "time", "declare", "mend"]))
    def the_source_changes(self, change: str) -> None:
        declared = self.source / "large" / "SHA256SUMS"
        match change:
            case "bytes":
                self._write("large", "big.bin")
            case "small bytes":
                self._write("small", "a.csv")
            case "time":
                (self.source / "large" / "big.bin").touch()
            case "declare":
                declared.write_text(f"{'0' * 64}  big.bin\n")
            case "mend":
                declared.unlink(missing_ok=True)

    # ------------------------------------------------------------ the flow

    @precondition(lambda self: self.flow is None)
    @rule(retries=st.booleans())
    def a_run_begins(self, retries: bool) -> None:
        self._begin(retry=self._held_accession() if retries else "")

    def _begin(self, *, retry: str) -> None:
        # The lease of a flow that was killed has ended.
        self.instance.clock.move(seconds=LEASE.total_seconds() + 1)
        attempt = self.instance.attempt(self.source, retry=retry)
        if attempt.plan.accession_id is None:
            return
        terms = units.terms(self.services, attempt.accession_id, attempt.surveyed.location)
        patience = Patience(0, wait=lambda _: None)
        assignments = Assignments(
            self.services, attempt.run, terms, patience, clock=lambda: self.instance.clock.now.timestamp()
        )
        self.flow = Flow(attempt, assignments, assignments.hand_out())

    def _held_accession(self) -> str:
        """The newest accession, where `retry` may be asked of it."""
        with self.services.catalogue.read() as tx:
            newest = accessions.latest(tx, "tides")
            unfinished = accessions.unfinished(tx, "tides")
        if newest is None or newest.state == "cancelled":
            return ""
        return newest.id if unfinished is None else unfinished.id

    @precondition(lambda self: self.flow is not None)
    @rule()
    def the_flow_is_killed(self) -> None:
        self.flow = None

    @contextmanager
    def _working(self) -> Iterator[Flow]:
        assert self.flow is not None
        try:
            yield self.flow
        except Interrupted:
            self.flow = None

    @precondition(lambda self: self.flow is not None and self.flow.reports is None)
    @rule(deaths=st.lists(st.integers(0, SIZE), max_size=2), is_heard=st.booleans(), ends=st.booleans())
    def workers_take_a_unit(
        self,
        deaths: list[int],
        is_heard: bool,
        ends: bool,
    ) -> None:
        """Some die on it, after so many bytes; one may bring it to its end."""
        with self._working() as flow:
            flow.unit = flow.unit or next(flow.handed_out, None)
            for lives_for in deaths:
                if flow.unit is not None and flow.reports is None:
                    self._try(flow, flow.unit, lives_for, is_heard=is_heard)
            if flow.unit is not None and flow.reports is None and ends:
                self._try(flow, flow.unit, None, is_heard=is_heard)

    def _try(self, flow: Flow, unit: Unit, lives_for: int | None, *, is_heard: bool) -> None:
        try:
            flow.reports = self._take(flow, unit, lives_for, is_heard=is_heard)
        except Killed:
            flow.unit = flow.assignments.renew(unit)
            # Whatever is told of an attempt that is over changes nothing.
            before = self._ledgers()
            for note in self.told:
                if note["attempt"] != flow.unit.attempt:
                    flow.assignments.hear(note)
            self.instance.clock.move(seconds=2)
            flow.assignments.tick()
            assert self._ledgers() == before

    def _take(self, flow: Flow, unit: Unit, lives_for: int | None, *, is_heard: bool) -> list[FileReport]:
        disk = Disk() if lives_for is None else Mortal(lives_for)

        def tell(note: Note) -> None:
            if not note:
                return
            self.told.append(note)
            if is_heard:
                flow.assignments.hear(note)

        with closing(LocalStore(self.instance.store, disk, part_size=MIB)) as store:
            return take_unit(
                store, EicarScanner(), LocalTree(unit.terms.source), unit, tell, pause=lambda _: None
            )

    @precondition(lambda self: self.flow is not None and self.flow.reports is not None)
    @rule()
    def what_came_of_it_is_written(self) -> None:
        with self._working() as flow:
            self._settle(flow)

    def _settle(self, flow: Flow) -> None:
        if flow.unit is not None and flow.reports is not None:
            flow.assignments.settle(flow.unit, flow.reports)
            flow.unit = flow.reports = None

    @precondition(lambda self: self.flow is not None)
    @rule()
    def notes_are_committed(self) -> None:
        self.instance.clock.move(seconds=2)
        with self._working() as flow:
            flow.assignments.tick()

    def _ledgers(self) -> dict[int, PartLedger]:
        with self.services.catalogue.read() as tx:
            found = [
                one
                for newest in accessions.everything(tx)
                for one in deposit_files.planned(tx, newest[0].id, below=1 << 40, after=0, limit=100)
            ]
            return ledger.ledgers(tx, found)

    @precondition(lambda self: self.flow is not None)
    @rule()
    def what_is_whole_is_published(self) -> None:
        with self._working() as flow:
            flow.attempt.publish()

    @rule(what=st.sampled_from(["drain", "sweep", "cancel"]))
    def somebody_else(self, what: str) -> None:
        """The dispatcher delivers, an operator sweeps, or gives everything up."""
        match what:
            case "drain":
                self.instance.drain()
            case "sweep":
                self._sweep()
            case "cancel":
                with self.services.catalogue.read() as tx:
                    unfinished = accessions.unfinished(tx, "tides")
                if unfinished is not None:
                    accession.cancel(self.services, unfinished.id)

    def _sweep(self) -> None:
        for _ in upkeep.sweep(self.services, timedelta(0)):
            pass

    # ------------------------------------------------------------ what holds

    @invariant()
    def nothing_is_missing(self) -> None:
        """All that the catalogue says is in custody or published is in the store."""
        if hasattr(self, "services"):
            found = stocktaking.compare(self.services)
            assert [one for one in found if one.kind is FindingKind.MISSING] == []

    def _run_to_the_end(self) -> None:
        self.flow = None
        self._begin(retry=self._held_accession())
        if self.flow is not None:
            self._finish(self.flow)
        self._sweep()
        self._check()

    def _finish(self, flow: Flow) -> None:
        for unit in flow.handed_out:
            flow.assignments.settle(unit, self._take(flow, unit, None, is_heard=True))
        flow.attempt.publish()
        flow.attempt.finish()
        with self.services.catalogue.read() as tx:
            assert not OPEN & set(deposits.tally(tx, flow.attempt.accession_id))
            assert ledger.leftovers(tx) == {}

    def _check(self) -> None:
        assert self._ledgers() == {}
        assert list(self.services.store.open_uploads()) == []
        assert list(stocktaking.compare(self.services)) == []
        assert problems(self.instance.root) == []
        for key, record_id in self._published().items():
            assert self.instance.files(record_id) == self._source_files(key)

    def _published(self) -> dict[str, int]:
        """Key → newest version of each record of which nothing is held back now."""
        with self.services.catalogue.read() as tx:
            known = deposits.known(tx, "tides", ["large", "small"])
        return {key: one.latest.record_id for key, one in known.items() if one.latest and one.pending is None}

    def _source_files(self, key: str) -> dict[str, bytes]:
        aside = ("record.json", "SHA256SUMS")
        return {
            path.name: path.read_bytes() for path in (self.source / key).iterdir() if path.name not in aside
        }


def test_every_state_has_a_way_out() -> None:
    """After any order of kills, lost and late notes, changes of the source, retries, cancellations and sweeps, one
    undisturbed run leaves every record published, held or cancelled, no upload open and no ledger kept, and the bytes
    that are published are the source's."""
    run_state_machine_as_test(
        Ingests,
        settings=settings(
            max_examples=8,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
