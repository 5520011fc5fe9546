"""Units out on workers: what is heard of them, what goes out again, and what waits for a catalogue that is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from pipeline.catalogue import Catalogue, Transaction, accessions, deposit_files, ledger
from pipeline.catalogue.deposit_files import FoundFile
from pipeline.errors import Interrupted, OutOfSpace, Unavailable, WorkersKilled
from pipeline.ingest import accession, units
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.ingest.assignments import Assignments
from pipeline.ingest.custody import CustodyTerms, FileReport, PartNote, Unit
from pipeline.ingest.patience import Patience
from pipeline.model import FileOutcome, FileState, Part, PartLedger
from pipeline.ports import Note
from pipeline.services import Services, lease_owner
from pipeline.settings import ScannerLocation, SourceLocation, StoreLocation
from pipeline.store.transfer import IN_PARTS_FROM
from tests.contracts import rows
from tests.contracts.rows import outcome
from tests.instance import Instance

MIB = 1 << 20
LARGE = 64 * MIB
TERMS = CustodyTerms(
    "a1", SourceLocation("/source"), StoreLocation(""), ScannerLocation("eicar:"), "sha256", ("md5",)
)
RUN = Run("run", "tides", "/source", IngestOptions())


class AwayNowAndThen(Catalogue):
    """Another's transactions, of which the next `failures` are refused."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(catalogue._engine)
        self.failures = 0
        self.written = 0

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the database does not answer")
        self.written += 1
        with super().write() as tx:
            yield tx


@dataclass
class Desk:
    """Assignments of an accession with one large and three small files; time passes while somebody waits."""

    services: Services
    catalogue: AwayNowAndThen
    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def assignments(self, patience: float = 60) -> Assignments:
        return Assignments(
            self.services, RUN, TERMS, Patience(patience, self._wait, self._clock), clock=self._clock
        )

    def _clock(self) -> float:
        return self.now

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def noted(self, unit: Unit) -> list[int]:
        """Numbers of the parts that the ledger has of the unit's file."""
        with self.catalogue.read() as tx:
            found = ledger.ledgers(tx, unit.files).get(unit.files[0].id)
        return [part.number for part in found.parts] if found else []

    def left(self) -> int:
        with self.catalogue.read() as tx:
            return deposit_files.left_to_read(tx, "a1")[0]


@pytest.fixture
def desk(instance: Instance) -> Desk:
    catalogue = AwayNowAndThen(instance.services.catalogue)
    services = replace(instance.services, catalogue=catalogue)
    with catalogue.write() as tx:
        rows.add_accession(tx)
        deposit_id = rows.add_deposit(tx)
        sizes = {"large": LARGE, "a": 1, "b": 2, "c": 3}
        found = [FoundFile(deposit_id, key, key, size, 5, "5", {}) for key, size in sizes.items()]
        deposit_files.note_found(tx, found, run="run")
        deposit_files.count(tx, [deposit_id])
    return Desk(services, catalogue)


def told(unit: Unit, *numbers: int) -> Note:
    """That these parts of a large file are durable, and all before the last of them was digested."""
    parts = tuple(Part(number, 16 * MIB, f"e{number}", f"x{number}") for number in numbers)
    offset = max(numbers, default=0) * 16 * MIB
    note = PartNote(unit.files[0].id, unit.attempt, "u1", 16 * MIB, parts, offset, {"states": {}})
    return note.to_json()


def begun_in_store(desk: Desk, unit: Unit) -> str:
    """Begin an upload of a large file, and note it; its id."""
    file = unit.files[0]
    upload = desk.services.store.begin(file.place, file.size)
    upload.leave()
    begun = PartLedger(upload.id, upload.part_size)
    accession.note(desk.services, RUN, "a1", [ledger.Noted(file, unit.attempt, begun)])
    return upload.id


def take_over(desk: Desk) -> None:
    """Another run has the accession from now on."""
    with desk.catalogue.write() as tx:
        accessions.unlease(tx, "a1", owner=lease_owner(desk.services, RUN.id))
        accessions.lease(tx, "a1", owner="another", now=desk.services.now(), length=accessions.LEASE)


def done(unit: Unit) -> list[FileReport]:
    return [FileReport(outcome(file.id), None, file.size) for file in unit.files]


def test_a_file_in_parts_goes_out_alone(desk: Desk) -> None:
    """From the smallest of them on: a worker takes in one of them at a time, and has something told of it alone."""
    deposit_id = next(units.left(desk.services, TERMS)).files[0].deposit_id
    border = {"below": IN_PARTS_FROM - 1, "at": IN_PARTS_FROM}
    with desk.catalogue.write() as tx:
        found = [FoundFile(deposit_id, key, key, size, 5, "5", {}) for key, size in border.items()]
        deposit_files.note_found(tx, found, run="run")
    out = [[file.key for file in unit.files] for unit in units.left(desk.services, TERMS)]
    assert out == [["large"], ["at"], ["a", "b", "c", "below"]]


# ---------------------------------------------------------------- notes


def test_notes_of_a_second_are_one_transaction(desk: Desk) -> None:
    """And are in the ledger then."""
    assignments = desk.assignments()
    large = next(assignments.hand_out())
    assignments.tick()
    before = desk.catalogue.written
    for number in (1, 2, 3):
        desk.now += 0.25
        assignments.hear(told(large, number))
        assignments.tick()
    assert desk.catalogue.written == before
    desk.now += 1
    assignments.tick()
    assignments.tick()
    assert desk.catalogue.written == before + 1
    assert desk.noted(large) == [1, 2, 3]


def test_what_is_durable_is_known_at_once(desk: Desk) -> None:
    """For people who watch, before it is in the ledger."""
    assignments = desk.assignments()
    large = next(assignments.hand_out())
    assignments.hear(told(large, 1, 2))
    assert assignments.durable == 32 * MIB
    assignments.settle(large, done(large))
    assert assignments.durable == 0


def test_a_unit_whose_worker_died_goes_on_from_the_ledger(desk: Desk) -> None:
    """With all that was heard, be it committed by then or not, under a new name."""
    assignments = desk.assignments()
    large = next(assignments.hand_out())
    assert large.resume is None
    assignments.hear(told(large, 1))
    renewed = assignments.renew(large)
    assert renewed.attempt != large.attempt
    assert renewed.resume is not None
    assert (renewed.resume.offset, len(renewed.resume.parts)) == (16 * MIB, 1)


def test_another_run_goes_on_from_the_ledger_too(desk: Desk) -> None:
    """As far as it was committed."""
    first = desk.assignments()
    large = next(first.hand_out())
    first.hear(told(large, 1, 2))
    desk.now += 2
    first.tick()
    again = next(desk.assignments().hand_out())
    assert again.resume is not None
    assert again.resume.offset == 32 * MIB


def test_what_an_attempt_tells_that_is_not_the_last_is_not_heeded(desk: Desk) -> None:
    """It may be alive somewhere, and behind."""
    assignments = desk.assignments()
    large = next(assignments.hand_out())
    renewed = assignments.renew(large)
    assignments.hear(told(large, 1))
    desk.now += 2
    assignments.tick()
    assert desk.noted(renewed) == []
    assert assignments.durable == 0


def test_a_file_that_is_settled_has_no_ledger(desk: Desk) -> None:
    """Whatever is told of it late."""
    assignments = desk.assignments()
    large = next(assignments.hand_out())
    assignments.hear(told(large, 1))
    desk.now += 2
    assignments.tick()
    assignments.settle(large, done(large))
    assignments.hear(told(large, 2))
    desk.now += 2
    assignments.tick()
    assert desk.noted(large) == []
    with desk.catalogue.read() as tx:
        assert ledger.leftovers(tx) == {}


# ---------------------------------------------------------------- again


def test_what_was_put_back_goes_out_again(desk: Desk) -> None:
    """Not at once, but before all else is done; what failed last is left to the next round."""
    assignments = desk.assignments()
    handed_out = assignments.hand_out()
    large = next(handed_out)
    assignments.put_back(large, Unavailable("its worker died"))
    small = next(handed_out)
    assert len(small.files) == 3
    assignments.settle(small, done(small))
    assert list(handed_out) == []
    assert not assignments.is_done
    [again] = assignments.hand_out()
    assert again.files == large.files
    assignments.settle(again, done(again))
    assert assignments.is_done
    assert desk.left() == 0


def test_a_pack_that_workers_died_of_goes_out_file_by_file(desk: Desk) -> None:
    """So that all but the one that kills them are taken in."""
    assignments = desk.assignments()
    handed_out = assignments.hand_out()
    large, pack = next(handed_out), next(handed_out)
    assignments.settle(large, done(large))
    assignments.put_back(pack, WorkersKilled("every worker died"))
    desk.now += 2
    again = list(handed_out)
    assert [one.files for one in again] == [(file,) for file in pack.files]
    for one in again:
        assignments.settle(one, done(one))
    assert desk.left() == 0


def test_a_pack_that_workers_died_of_stays_apart(desk: Desk) -> None:
    """Also where it was the last unit, so that its files are left to the next round; others go out in packs."""
    assignments = desk.assignments()
    _, pack = assignments.hand_out()
    assignments.put_back(pack, WorkersKilled("every worker died"))
    with desk.catalogue.write() as tx:
        found = [FoundFile(pack.files[0].deposit_id, key, key, 1, 5, "5", {}) for key in ("d", "e")]
        deposit_files.note_found(tx, found, run="run")
    again = [[file.key for file in unit.files] for unit in assignments.hand_out()]
    assert again == [["large"], ["d", "e"], ["a"], ["b"], ["c"]]


def test_a_file_that_every_worker_dies_of_is_rejected(desk: Desk) -> None:
    """At the second time that they died of it alone; with a remedy, and its upload is ended."""
    assignments = desk.assignments()
    large = next(assignments.hand_out())
    begun_in_store(desk, large)
    assert assignments.put_back(large, WorkersKilled("every worker died")) == []
    [large, pack] = assignments.hand_out()
    [report] = assignments.put_back(large, WorkersKilled("every worker died"))
    assert report.problem is not None
    assert (report.problem.code, report.problem.path) == ("kills-workers", "large")
    assert "headrace retry" in report.problem.remedy
    assignments.settle(pack, done(pack))
    assert assignments.is_done
    assert desk.left() == 0
    assert uploads(desk) == []
    with desk.catalogue.read() as tx:
        assert [one.code for one in accessions.problems(tx, "a1")] == ["kills-workers"]


def test_a_file_of_a_fatal_pack_is_not_blamed_for_the_others(desk: Desk) -> None:
    """What workers died of in company counts for none of them."""
    assignments = desk.assignments()
    _, pack = assignments.hand_out()
    assignments.put_back(pack, WorkersKilled("every worker died"))
    for expected in (0, 1):
        single = next(unit for unit in assignments.hand_out() if unit.files == pack.files[:1])
        assert len(assignments.put_back(single, WorkersKilled("every worker died"))) == expected
    assert desk.left() == 3


def test_workers_that_die_of_everything_end_patience(desk: Desk) -> None:
    """That they had a file rejected is no movement: else all of a collection would be, where the fault is theirs."""
    assignments = desk.assignments(patience=20)
    for _ in range(2):
        large = next(assignments.hand_out())
        assignments.put_back(large, WorkersKilled("every worker died"))
    desk.now += 20
    with pytest.raises(WorkersKilled):
        assignments.put_back(next(assignments.hand_out()), WorkersKilled("every worker died"))


def test_nothing_waits_for_what_was_put_back(desk: Desk) -> None:
    """While other units are out, their results are taken at once."""
    assignments = desk.assignments()
    handed_out = assignments.hand_out()
    large, small = next(handed_out), next(handed_out)
    assignments.put_back(large, Unavailable("its worker died"))
    assert desk.waits == []
    assignments.put_back(small, Unavailable("its worker died"))
    assert desk.waits == [0.5]


def test_a_unit_that_cannot_be_done_ends_patience(desk: Desk) -> None:
    """Once nothing else moves."""
    assignments = desk.assignments(patience=20)
    with pytest.raises(Unavailable, match="kills every worker"):
        _fail_for_ever(assignments, lambda _: None)
    assert 20 <= desk.now < 60


def _fail_for_ever(assignments: Assignments, meanwhile: Callable[[Unit], None]) -> None:
    for _ in range(100):
        large = next(assignments.hand_out())
        meanwhile(large)
        assignments.put_back(large, Unavailable("it kills every worker"))


def test_a_full_store_is_not_waited_for(desk: Desk) -> None:
    """No room comes from waiting."""
    assignments = desk.assignments()
    large = next(assignments.hand_out())
    with pytest.raises(OutOfSpace):
        assignments.put_back(large, OutOfSpace("full"))
    assert desk.waits == []


# ---------------------------------------------------------------- the catalogue is away


def test_a_catalogue_that_is_away_for_a_while_loses_nothing(desk: Desk) -> None:
    """What is heard and settled is written when it is back."""
    assignments = desk.assignments()
    handed_out = assignments.hand_out()
    large, small = next(handed_out), next(handed_out)
    assignments.hear(told(large, 1))
    desk.now += 2
    desk.catalogue.failures = 3
    assignments.tick()
    assert desk.noted(large) == [1]
    desk.catalogue.failures = 3
    assignments.settle(small, done(small))
    assert desk.left() == 1
    assert desk.waits == [0.5, 1, 2, 0.5, 1, 2]


def test_an_attempt_that_comes_no_further_than_the_one_before_moves_nothing(desk: Desk) -> None:
    """Else a file that kills whoever reads it would be tried for ever."""
    assignments = desk.assignments(patience=20)
    with pytest.raises(Unavailable):
        _fail_for_ever(assignments, lambda large: assignments.hear(told(large, 1)))
    assert 20 <= desk.now < 60


def test_a_unit_that_is_written_twice_counts_once(desk: Desk) -> None:
    """The answer of a commit may be lost with the connection."""
    assignments = desk.assignments()
    handed_out = assignments.hand_out()
    next(handed_out)
    small = next(handed_out)
    for _ in range(2):
        accession.settle(desk.services, RUN, small, done(small))
    with desk.catalogue.read() as tx:
        assert accessions.counters(tx, "a1")[1] == small.size
    assert desk.left() == 1


def test_a_run_that_lost_its_accession_ends(desk: Desk) -> None:
    """However patient it is."""
    assignments = desk.assignments()
    large = next(assignments.hand_out())
    with desk.catalogue.write() as tx:
        accessions.lease(tx, "a1", owner="another", now=desk.services.now(), length=accessions.LEASE)
    with pytest.raises(Interrupted, match="took over"):
        assignments.settle(large, [FileReport(FileOutcome(large.files[0].id, FileState.REJECTED), None, 0)])
    assert desk.waits == []


def uploads(desk: Desk) -> list[str]:
    return [one.upload_id for one in desk.services.store.open_uploads()]


def test_a_run_that_lost_its_accession_ends_no_upload(desk: Desk) -> None:
    """Whoever took over may be going on with it: neither a result that comes late nor the end of the run touches it."""
    large = next(desk.assignments().hand_out())
    begun = begun_in_store(desk, large)
    take_over(desk)
    with pytest.raises(Interrupted, match="took over"):
        accession.settle(desk.services, RUN, large, done(large))
    with desk.catalogue.write() as tx:
        deposit_files.settle(tx, [outcome(large.files[0].id)])
    with pytest.raises(Interrupted, match="took over"):
        accession.finish(desk.services, RUN, "a1")
    assert uploads(desk) == [begun]


def test_an_upload_is_ended_with_its_file(desk: Desk) -> None:
    """Once that is written down, so that a crash in between leaves what says what to end."""
    large = next(desk.assignments().hand_out())
    begun_in_store(desk, large)
    accession.settle(desk.services, RUN, large, done(large))
    assert uploads(desk) == []
    with desk.catalogue.read() as tx:
        assert ledger.leftovers(tx) == {}
