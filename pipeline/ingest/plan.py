"""Use case: the plan of an accession, made or renewed from a survey.

Every batch is a transaction; what was written stays, and the next run begins the planning anew and finds it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from pipeline.catalogue import Transaction, accessions, communities, deposit_files, deposits
from pipeline.catalogue.accessions import Stage
from pipeline.catalogue.deposit_files import FoundFile
from pipeline.catalogue.deposits import PublishedWork
from pipeline.errors import Conflict
from pipeline.ingest import accession, manifest
from pipeline.ingest.absence import absent_lines, absent_works, gone
from pipeline.ingest.accession import Run
from pipeline.ingest.decisions import BATCH, FILE_BATCH, Plan, batches, decide_batch
from pipeline.ingest.lines import (
    Decided,
    NewWorks,
    changes,
    count_unchanged,
    given_up,
    write_lines,
)
from pipeline.ingest.manifest import SurveyedRecord
from pipeline.ingest.patience import AT_ONCE, Patience
from pipeline.ingest.planning import Step, outdated
from pipeline.model import Accession, AccessionState, Problem
from pipeline.services import Services

T = TypeVar("T")

_LEFT_OUT = -2


@dataclass(slots=True)
class _Writer:
    """Writes of one planning, each a transaction that holds on to the accession once there is one. Where the catalogue
    is away they are tried again, so that an answer which was lost, or an outage, costs no more than one of them."""

    services: Services
    run: Run
    patience: Patience
    accession_id: str | None
    started: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.services.now()

    @property
    def number(self) -> str:
        """The id of the accession that this run begins, should there be none."""
        return self.started.strftime("%Y%m%d") + "-" + self.run.id[:8]

    def write(self, action: Callable[[Transaction], T]) -> T:
        """Carry `action` out, which must bear to be done twice."""

        def once() -> T:
            with self.services.catalogue.write() as tx:
                if self.accession_id is not None:
                    accession.hold_on(tx, self.services, self.run, self.accession_id)
                return action(tx)

        return self.patience.insist(once)


def make(
    services: Services,
    survey: Path,
    run: Run,
    *,
    patience: Patience = AT_ONCE,
    checkpoint: Callable[[], None] = lambda: None,
) -> Plan:
    """Make or renew the plan of the collection's accession from a survey. Where nothing is new, nothing is
    written. `checkpoint` is called between batches; what it raises ends the planning: the accession is stopped, and the
    next run begins the planning anew. Catalogue and store may be away for as long as `patience` lasts, each time.
    Raises `Conflict` while another run works on the collection, `Interrupted` where the accession was cancelled or
    another run has taken it over."""
    work = _Writer(services, run, patience, patience.insist(partial(_resume, services, run)))
    try:
        return _make(work, survey, checkpoint)
    except BaseException as error:
        # One that was begun, too, though the answer to that was lost.
        accession.stop(services, run, work.accession_id or work.number, error)
        raise


def _make(work: _Writer, survey: Path, checkpoint: Callable[[], None]) -> Plan:
    services, patience = work.services, work.patience
    if work.accession_id is not None:
        patience.insist(partial(accession.clear_root, services, work.accession_id))
    plan_ = Plan(accession_id=work.accession_id)
    # The deposit of each of the survey's records; where its files are not needed, or a plan is outdated, none.
    deposit_of = array("q")
    met = array("q")  # the work of each
    unchanged = 0
    for batch in batches(manifest.read_records(survey), BATCH):
        written = work.write(partial(_write_batch, work, batch))
        plan_.accession_id = work.accession_id = written.accession_id
        for (concept_id, deposit_id), (_, decision, _) in zip(written.lines, written.decided, strict=True):
            met.append(concept_id)
            deposit_of.append(_LEFT_OUT if decision.step is Step.LEAVE else deposit_id)
        unchanged += written.unchanged
        patience.insist(partial(accession.sweep, services, given_up(written.decided)))
        for one in written.decided:
            plan_.note(one)
        checkpoint()
    met = array("q", sorted(met))
    if work.accession_id is None:
        for works in _absent_works(work, met):
            plan_.note_gone(works)
        return plan_
    _give_up_absent(work, work.accession_id, met)
    _plan_files(work, survey, deposit_of, checkpoint)
    patience.insist(partial(accession.end_leftovers, services))
    # Begun anew where it is cut off, for no line of a report may be there twice.
    at_once = replace(work, patience=AT_ONCE)
    patience.insist(partial(_report_survey, at_once, work.accession_id, survey, met, deposit_of))
    # The lines kept from a run before this one included, and without what needs no reading after all.
    left = work.write(partial(_end, accession_id=work.accession_id, unchanged=unchanged))
    plan_.files_to_ingest, plan_.bytes_to_ingest = left
    return plan_


def _end(tx: Transaction, *, accession_id: str, unchanged: int) -> tuple[int, int]:
    """The plan is made; (files, bytes) that are left to be read."""
    accessions.change(tx, accession_id, state=AccessionState.INGESTING, unchanged=unchanged)
    return deposit_files.left_to_read(tx, accession_id)


@dataclass(frozen=True, slots=True)
class _Written:
    """A batch of the plan as it was written: `lines` are (work, deposit that wants its files or -1)."""

    accession_id: str | None
    decided: list[Decided]
    lines: list[tuple[int, int]]
    unchanged: int


def _write_batch(work: _Writer, batch: Sequence[SurveyedRecord], tx: Transaction) -> _Written:
    services, run = work.services, work.run
    accession_id = work.accession_id or _begun(tx, work)
    decided = decide_batch(tx, batch, run, accession_id, today=work.started.date())
    if accession_id is None and any(changes(decision) for _, decision, _ in decided):
        accession_id = _begin(tx, work)
    new_works = NewWorks(
        run.collection,
        run.options.owner,
        work.started,
        services.repository.id,
        services.store.traits.renames_trees,
    )
    lines = write_lines(tx, new_works, accession_id or "", decided)
    return _Written(accession_id, decided, lines, count_unchanged(tx, accession_id or "", decided))


def _resume(services: Services, run: Run) -> str | None:
    with services.catalogue.write() as tx:
        resumed = accessions.unfinished(tx, run.collection)
        if run.plan and resumed is not None and resumed.plan != run.plan:
            raise Conflict(
                f"accession {resumed.id} of the same collection is not finished, and it is not of this plan",
                remedy=f"headrace retry {resumed.id} (or cancel it), then plan again",
            )
        if run.retry and (resumed is None or resumed.id != run.retry):
            resumed = _reopened(tx, run.retry, resumed)
        if resumed is None:
            return None
        _enter(tx, services, run, resumed.id)
        accessions.change(
            tx,
            resumed.id,
            state=AccessionState.SURVEYING,
            reason="",
            source=run.source,
            options=run.options.to_json(),
            flow_run=run.flow_run,
            plan=run.plan,
        )
        return resumed.id


def _reopened(tx: Transaction, accession_id: str, other: Accession | None) -> Accession:
    """A completed accession may be gone on with. Raises `Missing`, or `Conflict` where it may not."""
    found = accessions.get(tx, accession_id)
    if found.state is AccessionState.CANCELLED:
        raise Conflict(
            f"accession {accession_id} was cancelled, which is final", remedy="ingest the source again"
        )
    if other is not None:
        raise Conflict(
            f"accession {other.id} of the same collection is not finished",
            remedy=f"headrace retry {other.id}",
        )
    return found


def _begun(tx: Transaction, work: _Writer) -> str | None:
    """The accession that this run has begun, where the answer to that was lost."""
    found = accessions.unfinished(tx, work.run.collection)
    return found.id if found is not None and found.id == work.number else None


def _begin(tx: Transaction, work: _Writer) -> str:
    services, run = work.services, work.run
    begun = Accession(
        id=work.number,
        collection=run.collection,
        source=run.source,
        state=AccessionState.SURVEYING,
        started=work.started,
        options=run.options.to_json(),
        flow_run=run.flow_run,
        plan=run.plan,
    )
    accessions.create(tx, begun)
    _enter(tx, services, run, begun.id)
    return begun.id


def _enter(tx: Transaction, services: Services, run: Run, accession_id: str) -> None:
    """The run may work on the accession from now on. Raises `Conflict` where another does, or where an accession of
    the collection is still being cancelled: what it gives up is not to be taken over, nor written to."""
    accession.lease(tx, services, run, accession_id)
    accession.hold_on(tx, services, run, accession_id)  # it may have been cancelled before the lease was had
    if half := accessions.half_cancelled(tx, run.collection):
        raise Conflict(
            f"accession {half} of the same collection was cancelled, and not all of it is given up yet",
            remedy=f"headrace cancel {half}",
        )
    if run.options.community:
        communities.ensure(tx, run.options.community, title=run.options.community, now=services.now())


def _plan_files(
    work: _Writer, survey: Path, deposit_of: Sequence[int], checkpoint: Callable[[], None]
) -> None:
    for batch in manifest.read_files(survey, FILE_BATCH):
        found = [
            FoundFile(
                deposit_id=deposit_of[one.ordinal],
                key=one.file.key,
                path=one.file.path,
                size=one.file.size,
                mtime_ns=one.file.mtime_ns,
                stamp=one.file.stamp,
                declared=one.file.declared,
            )
            for one in batch
            if deposit_of[one.ordinal] >= 0 and one.file.problem is None
        ]
        work.write(partial(deposit_files.note_found, files=found, run=work.run.id))
        checkpoint()
    wanting = sorted({deposit_id for deposit_id in deposit_of if deposit_id >= 0})
    for some in batches(iter(wanting), BATCH):
        work.write(partial(_complete_files, work.run, some))
        checkpoint()


def _complete_files(run: Run, deposit_ids: Sequence[int], tx: Transaction) -> None:
    """All files of these deposits are found."""
    deposit_files.prune(tx, deposit_ids, run=run.id)
    if not run.options.checksum:
        deposit_files.carry_over(tx, deposit_ids)
    deposit_files.count(tx, deposit_ids)


def _give_up_absent(work: _Writer, accession_id: str, met: Sequence[int]) -> None:
    """What was planned by an earlier run and is gone from the source cannot be read."""
    for lines in absent_lines(work.services.catalogue, accession_id, met, work.patience):
        work.write(partial(deposits.give_up, chosen=lines))
        work.patience.insist(partial(accession.sweep, work.services, lines))


def _report_survey(
    work: _Writer, accession_id: str, survey: Path, met: Sequence[int], deposit_of: Sequence[int]
) -> None:
    """Put what the survey found wrong into the accession's report, with the deposit that it is about, the records that
    an outdated plan leaves out, and the published records that are gone from the source."""

    def report(batch: Sequence[Problem], tx: Transaction) -> None:
        lines = deposits.by_key(tx, accession_id, sorted({one.record for one in batch}))
        about = [(lines.get(one.record), one) for one in batch]
        accessions.report(tx, accession_id, Stage.SURVEY, about)

    def report_apart(some: Sequence[Problem], tx: Transaction) -> None:
        accessions.report(tx, accession_id, Stage.SURVEY, [(None, one) for one in some])

    work.write(lambda tx: accessions.retract(tx, accession_id, Stage.SURVEY))
    for batch in batches(manifest.read_problems(survey), BATCH):
        work.write(partial(report, batch))
    for works in _absent_works(work, met):
        work.write(partial(report_apart, [gone(one.key) for one in works]))
    if _LEFT_OUT in deposit_of:
        left_out = (one for one in manifest.read_records(survey) if deposit_of[one.ordinal] == _LEFT_OUT)
        for some in batches(left_out, BATCH):
            work.write(partial(report_apart, [outdated(one.key) for one in some]))


def _absent_works(work: _Writer, met: Sequence[int]) -> Iterator[list[PublishedWork]]:
    """Published works that the survey did not meet. A plan has told of them when it was made."""
    if not work.run.plan:
        yield from absent_works(work.services.catalogue, work.run.collection, met, work.patience)
