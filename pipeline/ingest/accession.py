"""Use case: an accession, from a survey to sealed deposits.

    plan → units → (workers) → settle → seal

Every function is one step that may be killed and run again: what it wrote in a transaction stays, the rest is
found anew. The flow calls them in this order; `retry` and `cancel` come from the command line.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pipeline import codec
from pipeline.catalogue import (
    Transaction,
    accessions,
    communities,
    deposits,
    quarantine,
    records,
)
from pipeline.catalogue.accessions import Stage
from pipeline.catalogue.deposits import Deposit, FoundFile, Known, PublishedWork
from pipeline.catalogue.quarantine import QuarantinedFile
from pipeline.errors import Conflict, Interrupted, Misconfigured, OutOfSpace
from pipeline.ingest import manifest
from pipeline.ingest.absence import absent_lines, absent_works, gone, no_files
from pipeline.ingest.custody import CustodyTerms, FileReport, Unit
from pipeline.ingest.lines import (
    Decided,
    NewWorks,
    changes,
    count_unchanged,
    described,
    given_up,
    write_lines,
)
from pipeline.ingest.manifest import SurveyedRecord
from pipeline.ingest.planning import Decision, Step, decide, refusals, resolve
from pipeline.lifecycle import DepositEvent
from pipeline.model import (
    Accession,
    AccessionState,
    DepositAction,
    DepositState,
    FileOutcome,
    FileState,
    JsonObject,
    PlannedFile,
    Problem,
)
from pipeline.services import Services, lease_owner
from pipeline.store import layout

Item = TypeVar("Item")

LEASE = accessions.LEASE
BATCH = 500
LISTED = 10_000
"""Lines of a report that are shown one by one."""
_FILE_BATCH = 5000
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_LARGE = 64 << 20
_UNIT_BYTES = 256 << 20
_UNIT_FILES = 256
_LEAST_FREE = 2_000_000_000


def slug(text: str) -> str:
    """A community's name as it stands in addresses and OAI-PMH sets. Raises `Misconfigured`."""
    name = text.strip().lower()
    if not _SLUG.fullmatch(name):
        raise Misconfigured(
            f"{text!r} cannot name a community",
            field="--community",
            remedy="use letters a-z, digits and hyphens, 100 at most, beginning with a letter or digit",
        )
    return name


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What the user asked for; kept with the accession, so that a retry asks for the same."""

    collection: str = ""
    owner: str = ""
    community: str = ""
    metadata: JsonObject | None = None
    checksum: bool = False
    allow_partial: bool = False

    def __post_init__(self) -> None:
        """Raises `Misconfigured`."""
        object.__setattr__(self, "owner", self.owner.strip().lower())
        object.__setattr__(self, "community", slug(self.community) if self.community.strip() else "")

    def to_json(self) -> JsonObject:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Run:
    """One run on an accession: `id` tells it from all others, and holds the lease. `flow_run` is the
    orchestrator's name for it. `retry` names the accession whose held records are to be tried again."""

    id: str
    collection: str
    source: str
    options: IngestOptions
    flow_run: str = ""
    retry: str = ""


@dataclass(slots=True)
class Plan:
    """What planning decided. `accession_id` is None where there was nothing to do."""

    accession_id: str | None = None
    records: int = 0
    unchanged: int = 0
    new: int = 0
    versions: int = 0
    revisions: int = 0
    invalid: int = 0
    files_to_ingest: int = 0
    bytes_to_ingest: int = 0
    held_before: list[int] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    gone: list[Problem] = field(default_factory=list)
    gone_total: int = 0

    def note_gone(self, works: Sequence[PublishedWork]) -> None:
        """All of them count; as many as a report lists are named."""
        self.gone_total += len(works)
        self.gone += [gone(one.key) for one in works[: LISTED - len(self.gone)]]


# ---------------------------------------------------------------- planning


def assess(services: Services, survey: Path, run: Run) -> Plan:
    """What `plan` would do, without writing anything (`--dry-run`)."""
    plan_, today = Plan(), services.now().date()
    with services.catalogue.read() as tx:
        unfinished = accessions.unfinished(tx, run.collection)
    plan_.accession_id = unfinished.id if unfinished else None
    met = array("q")
    for batch in _batches(manifest.read_records(survey), BATCH):
        with services.catalogue.read() as tx:
            for surveyed, decision, known in _decide(tx, batch, run, plan_.accession_id, today=today):
                _tally(plan_, surveyed, decision, known)
                met.extend([known.concept_id] if known else [])
    for works in absent_works(services.catalogue, run.collection, sorted(met)):
        plan_.note_gone(works)
    return plan_


def plan(
    services: Services, survey: Path, run: Run, *, checkpoint: Callable[[], None] = lambda: None
) -> Plan:
    """Make or renew the plan of the collection's accession from a survey. Where nothing is new, nothing is
    written. `checkpoint` is called between batches; what it raises ends the planning, and the next run begins it
    anew. Raises `Conflict` while another run works on the collection."""
    plan_, today = Plan(accession_id=_resume(services, run)), services.now().date()
    deposit_of = array("q")  # the deposit of each of the survey's records, -1 where its files are not needed
    met = array("q")  # the work of each
    new_works = NewWorks(
        run.collection,
        run.options.owner,
        services.now(),
        services.repository.id,
        services.store.traits.renames_trees,
    )
    unchanged = 0
    for batch in _batches(manifest.read_records(survey), BATCH):
        with services.catalogue.write() as tx:
            decided = _decide(tx, batch, run, plan_.accession_id, today=today)
            if plan_.accession_id is None and any(changes(decision) for _, decision, _ in decided):
                plan_.accession_id = _begin(tx, services, run)
            for concept_id, deposit_id in write_lines(tx, new_works, plan_.accession_id or "", decided):
                met.append(concept_id)
                deposit_of.append(deposit_id)
            unchanged += count_unchanged(tx, plan_.accession_id or "", decided)
        _sweep(services, given_up(decided))
        for surveyed, decision, known in decided:
            _tally(plan_, surveyed, decision, known)
        checkpoint()
    met = array("q", sorted(met))
    if plan_.accession_id is not None:
        _give_up_absent(services, plan_.accession_id, met)
        _plan_files(services, survey, run, plan_.accession_id, deposit_of, checkpoint)
        _report_survey(services, survey, plan_.accession_id)
    _report_gone(services, run, plan_, met)
    if plan_.accession_id is not None:
        with services.catalogue.write() as tx:
            # The lines kept from a run before this one included, and without what needs no reading after all.
            plan_.files_to_ingest, plan_.bytes_to_ingest = deposits.left_to_read(tx, plan_.accession_id)
            accessions.change(tx, plan_.accession_id, state=AccessionState.INGESTING, unchanged=unchanged)
    return plan_


def _resume(services: Services, run: Run) -> str | None:
    with services.catalogue.write() as tx:
        resumed = accessions.unfinished(tx, run.collection)
        if run.retry and (resumed is None or resumed.id != run.retry):
            resumed = _reopened(tx, run.retry, resumed)
        if resumed is None:
            return None
        _lease(tx, services, run, resumed.id)
        _ensure_community(tx, services, run)
        accessions.change(
            tx,
            resumed.id,
            state=AccessionState.SURVEYING,
            reason="",
            source=run.source,
            options=run.options.to_json(),
            flow_run=run.flow_run,
        )
        return resumed.id


def _reopened(tx: Transaction, accession_id: str, other: Accession | None) -> Accession:
    """A completed accession may be gone on with. Raises `Missing`, or `Conflict` where it may not."""
    accession = accessions.get(tx, accession_id)
    if accession.state is AccessionState.CANCELLED:
        raise Conflict(
            f"accession {accession_id} was cancelled, which is final", remedy="ingest the source again"
        )
    if other is not None:
        raise Conflict(
            f"accession {other.id} of the same collection is not finished",
            remedy=f"headrace retry {other.id}",
        )
    return accession


def _begin(tx: Transaction, services: Services, run: Run) -> str:
    number = services.now().strftime("%Y%m%d") + "-" + run.id[:8]
    accession = Accession(
        id=number,
        collection=run.collection,
        source=run.source,
        state=AccessionState.SURVEYING,
        started=services.now(),
        options=run.options.to_json(),
        flow_run=run.flow_run,
    )
    accessions.create(tx, accession)
    _lease(tx, services, run, number)
    _ensure_community(tx, services, run)
    return number


def _ensure_community(tx: Transaction, services: Services, run: Run) -> None:
    if run.options.community:
        communities.ensure(tx, run.options.community, title=run.options.community, now=services.now())


def _decide(
    tx: Transaction, batch: Sequence[SurveyedRecord], run: Run, accession_id: str | None, *, today: date
) -> list[Decided]:
    known = deposits.known(tx, run.collection, [surveyed.key for surveyed in batch])
    resolved = [resolve(surveyed, known.get(surveyed.key), today=today) for surveyed in batch]
    return [
        (
            surveyed,
            decide(
                surveyed,
                described(surveyed),
                known.get(surveyed.key),
                accession_id=accession_id,
                checksum=run.options.checksum,
                allow_partial=run.options.allow_partial,
                retry_held=bool(run.retry),
            ),
            known.get(surveyed.key),
        )
        for surveyed in resolved
    ]


def _tally(plan_: Plan, surveyed: SurveyedRecord, decision: Decision, known: Known | None) -> None:
    plan_.records += 1
    if decision.step in (Step.UNCHANGED, Step.GIVE_UP):
        plan_.unchanged += 1
        return
    if decision.step is Step.KEEP and decision.state is DepositState.HELD and known and known.pending:
        if known.pending.accession_id != plan_.accession_id:
            plan_.held_before.append(known.pending.id)
        return
    if decision.state is DepositState.HELD:
        plan_.invalid += 1
        plan_.refused += refusals(surveyed)
        return
    plan_.new += decision.action is DepositAction.NEW
    plan_.versions += decision.action is DepositAction.VERSION
    plan_.revisions += decision.action is DepositAction.REVISION
    if decision.reads:
        plan_.files_to_ingest += surveyed.files
        plan_.bytes_to_ingest += surveyed.bytes
    elif decision.step is Step.KEEP and known and known.pending and known.pending.files_open:
        plan_.files_to_ingest += known.pending.files_open
        plan_.bytes_to_ingest += known.pending.bytes_total


def _plan_files(
    services: Services,
    survey: Path,
    run: Run,
    accession_id: str,
    deposit_of: Sequence[int],
    checkpoint: Callable[[], None],
) -> None:
    for batch in manifest.read_files(survey, _FILE_BATCH):
        found = [
            FoundFile(
                deposit_id=deposit_of[one.ordinal],
                key=one.file.key,
                path=one.file.path,
                size=one.file.size,
                mtime_ns=one.file.mtime_ns,
                declared=one.file.declared,
            )
            for one in batch
            if deposit_of[one.ordinal] >= 0 and one.file.problem is None
        ]
        with services.catalogue.write() as tx:
            deposits.find_files(tx, found, run=run.id)
            _lease(tx, services, run, accession_id)
        checkpoint()
    wanting = sorted({deposit_id for deposit_id in deposit_of if deposit_id >= 0})
    with services.catalogue.write() as tx:
        for some in _batches(iter(wanting), BATCH):
            deposits.prune_files(tx, some, run=run.id)
        if not run.options.checksum:
            deposits.carry_over(tx, accession_id)
        deposits.count_files(tx, accession_id)


def _give_up_absent(services: Services, accession_id: str, met: Sequence[int]) -> None:
    """What was planned by an earlier run and is gone from the source cannot be read."""
    for lines in absent_lines(services.catalogue, accession_id, met):
        with services.catalogue.write() as tx:
            deposits.give_up(tx, lines)
        _sweep(services, lines)


def _report_gone(services: Services, run: Run, plan_: Plan, met: Sequence[int]) -> None:
    """Name the published records that are gone from the source; where nothing is written, in the plan alone."""
    for works in absent_works(services.catalogue, run.collection, met):
        if plan_.accession_id is None:
            plan_.note_gone(works)
            continue
        with services.catalogue.write() as tx:
            problems = [(None, gone(one.key)) for one in works]
            accessions.report(tx, plan_.accession_id, Stage.SURVEY, problems)


def _report_survey(services: Services, survey: Path, accession_id: str) -> None:
    """Put what the survey found wrong into the accession's report, with the deposit that it is about."""
    with services.catalogue.write() as tx:
        accessions.retract(tx, accession_id, Stage.SURVEY)
    for batch in _batches(manifest.read_problems(survey), BATCH):
        with services.catalogue.write() as tx:
            lines = deposits.by_key(tx, accession_id, sorted({one.record for one in batch}))
            about = [(lines.get(one.record), one) for one in batch]
            accessions.report(tx, accession_id, Stage.SURVEY, about)


# ---------------------------------------------------------------- taking in


def terms(services: Services, accession_id: str, source_root: str) -> CustodyTerms:
    settings = services.settings
    return CustodyTerms(
        accession_id=accession_id,
        source_root=source_root,
        store=settings.store_location(),
        scanner=settings.scanner,
        root_digest=services.root_digest,
        digests=settings.digests,
    )


def require_room(services: Services, *, reserved: int = 0) -> None:
    """Raises `OutOfSpace` where the store, with `reserved` bytes more in it, has less room than must stay free."""
    room = services.store.room()
    if room is None:
        return
    free, total = room
    least = services.settings.min_free or min(total // 20, _LEAST_FREE)
    if free - reserved < least:
        wanted = f", {reserved:,} are to come" if reserved else ""
        raise OutOfSpace(
            f"only {free:,} bytes are free in the store{wanted}, {least:,} must stay free",
            remedy="make room on its disk (or lower HEADRACE_MIN_FREE), then run the same command again",
        )


def units(services: Services, terms_: CustodyTerms) -> Iterator[Unit]:
    """What is still to be read, in units bounded by bytes and by count: large files first, each alone, so that
    the small ones fill the cores at the end."""
    for file in _large_files(services, terms_.accession_id):
        yield Unit(terms_, (file,))
    pack: list[PlannedFile] = []
    size = 0
    for file in _small_files(services, terms_.accession_id):
        if pack and (size + file.size > _UNIT_BYTES or len(pack) >= _UNIT_FILES):
            yield Unit(terms_, tuple(pack))
            pack, size = [], 0
        pack.append(file)
        size += file.size
    if pack:
        yield Unit(terms_, tuple(pack))


def _large_files(services: Services, accession_id: str) -> Iterator[PlannedFile]:
    after: tuple[int, int] | None = None
    while True:
        with services.catalogue.read() as tx:
            some = deposits.planned_large_files(tx, accession_id, at_least=_LARGE, after=after, limit=BATCH)
        if not some:
            return
        yield from some
        after = (some[-1].size, some[-1].id)


def _small_files(services: Services, accession_id: str) -> Iterator[PlannedFile]:
    after = 0
    while True:
        with services.catalogue.read() as tx:
            some = deposits.planned_files(tx, accession_id, below=_LARGE, after=after, limit=_FILE_BATCH)
        if not some:
            return
        yield from some
        after = some[-1].id


def settle(services: Services, run: Run, unit: Unit, reports: Sequence[FileReport]) -> None:
    """Write what became of a unit's files. Raises `Interrupted` where the accession was cancelled or the lease on
    it lost."""
    accession_id = unit.terms.accession_id
    deposit_of, now = {file.id: file.deposit_id for file in unit.files}, services.now()
    with services.catalogue.write() as tx:
        hold_on(tx, services, run, accession_id)
        settled = deposits.settle_files(tx, [one.outcome for one in reports], taken_at=now)
        quarantine.add(
            tx, _quarantined(unit, [one.outcome for one in reports if one.outcome.id in settled], now)
        )
        accessions.report(
            tx,
            accession_id,
            Stage.INTAKE,
            [
                (deposit_of[one.outcome.id], one.problem)
                for one in reports
                if one.problem is not None and one.outcome.id in settled
            ],
        )
        accessions.add_bytes_read(tx, accession_id, sum(one.bytes_read for one in reports))


def _quarantined(unit: Unit, outcomes: Sequence[FileOutcome], now: datetime) -> list[QuarantinedFile]:
    file_of = {file.id: file for file in unit.files}
    return [
        QuarantinedFile(
            accession_id=unit.terms.accession_id,
            deposit_id=file_of[one.id].deposit_id,
            record=file_of[one.id].record,
            path=file_of[one.id].path,
            key=layout.quarantined(unit.terms.accession_id, one.id),
            signature=str((one.scan or {}).get("signature", "")),
            digests=one.digests or {},
            size=file_of[one.id].size,
            at=now,
        )
        for one in outcomes
        if one.state is FileState.QUARANTINED
    ]


def _lease(tx: Transaction, services: Services, run: Run, accession_id: str) -> None:
    owner = lease_owner(services, run.id)
    accessions.lease(tx, accession_id, owner=owner, now=services.now(), length=LEASE)


def hold_on(tx: Transaction, services: Services, run: Run, accession_id: str) -> None:
    """Prolong the run's lease. Raises `Interrupted` where the accession was cancelled or another run has it."""
    accessions.hold_on(tx, accession_id, owner=lease_owner(services, run.id), now=services.now())


def keep(services: Services, run: Run, accession_id: str) -> None:
    """`hold_on`, for a run that has nothing to write for a while."""
    with services.catalogue.write() as tx:
        hold_on(tx, services, run, accession_id)


# ---------------------------------------------------------------- sealing


def seal(services: Services, run: Run, accession_id: str) -> int:
    """Judge up to `BATCH` deposits whose files have all been read: seal, hold, or find unchanged. How many."""
    with services.catalogue.write() as tx:
        hold_on(tx, services, run, accession_id)
        chosen = deposits.complete(tx, accession_id, BATCH)
        needless = [one for one in chosen if not _judge(tx, run, one)]
    _sweep(services, needless)
    return len(chosen)


def _judge(tx: Transaction, run: Run, one: Deposit) -> bool:
    """Whether the deposit's staged files are still needed."""
    kept = one.files_total - one.files_bad
    if one.action is not DepositAction.REVISION and kept == 0:
        deposits.move(tx, [one], DepositEvent.HOLD)
        if one.files_total == 0:
            accessions.report(tx, one.accession_id, Stage.INTAKE, [(one.id, no_files(one.key))])
        return True
    if one.files_bad + one.faults > 0 and not run.options.allow_partial:
        deposits.move(tx, [one], DepositEvent.HOLD)
        return True
    if one.action is not DepositAction.VERSION or deposits.differs_from_base(tx, one):
        deposits.move(tx, [one], DepositEvent.SEAL)
        return True
    base = records.get(tx, one.base_record_id or 0)
    records.refresh_times(tx, base.id, one.id, one.fingerprint)
    deposits.forget_files(tx, [one.id])
    if codec.to_text(codec.description_to_json(base.description)) == codec.to_text(one.description):
        deposits.move(tx, [one], DepositEvent.FIND_UNCHANGED)
    else:
        deposits.change(tx, one.id, action=DepositAction.REVISION, record_id=base.id)
        deposits.move(tx, [one], DepositEvent.SEAL)
    return False


def _sweep(services: Services, given_up: Sequence[Deposit]) -> None:
    """Remove the bytes of versions that will not be; a revision has none."""
    for one in given_up:
        if one.action is not DepositAction.REVISION:
            services.store.delete(one.home)
            services.store.delete(layout.staged(one.record_id))  # where a move out of the root was cut off


# ---------------------------------------------------------------- ending


def finish(services: Services, run: Run, accession_id: str) -> None:
    """No record is open any more: the accession is completed. Where records wait for a virus verdict it is stopped,
    and the next run publishes what was given one. Raises `Interrupted` where files are still to be read."""
    with services.catalogue.write() as tx:
        hold_on(tx, services, run, accession_id)
        tally = deposits.tally(tx, accession_id)
        if number := tally.get(DepositState.PLANNED):
            raise Interrupted(
                f"{number} records are not in custody yet", remedy="run the same command again to go on"
            )
        if waiting := tally.get(DepositState.SEALED):
            reason = f"{waiting} records wait for a virus verdict"
            accessions.change(tx, accession_id, state=AccessionState.STOPPED, reason=reason)
        else:
            ended = services.now()
            accessions.change(tx, accession_id, state=AccessionState.COMPLETED, finished=ended, reason="")
        accessions.unlease(tx, accession_id, owner=lease_owner(services, run.id))


def stop(services: Services, run: Run, accession_id: str, reason: str) -> None:
    """The run ends early; the next one goes on from here. Where that one has begun already nothing is changed."""
    with services.catalogue.write() as tx:
        was_ours = accessions.unlease(tx, accession_id, owner=lease_owner(services, run.id))
        if was_ours and not accessions.is_cancelled(tx, accession_id):
            accessions.change(tx, accession_id, state=AccessionState.STOPPED, reason=reason)


def cancel(services: Services, accession_id: str) -> int:
    """End an accession for good: what is published stays, what is not is forgotten and its bytes are swept; ids stay
    used. How many records were given up. Raises `Missing`, or `Conflict` where it was cancelled before."""
    with services.catalogue.write() as tx:
        accession = accessions.get(tx, accession_id)
        if accession.state is AccessionState.CANCELLED:
            raise Conflict(f"accession {accession_id} was cancelled before")
        # Before anything else: a run that is about to publish waits for this, then finds it.
        accessions.change(tx, accession_id, state=AccessionState.CANCELLED, finished=services.now())
        given_up: list[Deposit] = []
        for state in (DepositState.PLANNED, DepositState.SEALED, DepositState.HELD):
            while some := deposits.in_state(tx, accession_id, state, limit=BATCH):
                deposits.move(tx, some, DepositEvent.CANCEL)
                deposits.forget_files(tx, [one.id for one in some])
                given_up += some
    _sweep(services, given_up)
    return len(given_up)


def _batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while batch := list(islice(items, size)):
        yield batch
