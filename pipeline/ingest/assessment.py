"""Use case: a plan that is not carried out yet. What `plan.make` would do with a survey is decided and written down,
for people to look at, and for an application later; nothing else is written."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from pipeline import codec
from pipeline.catalogue import accessions, holdings
from pipeline.catalogue.holdings import FileOf, HeldFile
from pipeline.ingest import manifest
from pipeline.ingest.absence import absent_works, gone
from pipeline.ingest.accession import Run
from pipeline.ingest.decisions import BATCH, FILE_BATCH, Plan, batches, decide_batch
from pipeline.ingest.estimate import SCHEMA, Estimate, Estimator
from pipeline.ingest.lines import Decided, wants_files
from pipeline.ingest.manifest import SurveyedFile
from pipeline.ingest.planfile import FileFate, PlanHeader, PlanWriter, write_plan
from pipeline.ingest.planning import Step, basis, outcome
from pipeline.ingest.survey import Surveyed
from pipeline.running.scratch import scratch_database
from pipeline.services import Services

_NONE = -1


@dataclass(slots=True)
class _Lines:
    """What is to be known of records when their files come by, each in as few bytes as can be."""

    wants: bytearray = field(default_factory=bytearray)
    pending: array[int] = field(default_factory=lambda: array("q"))
    base: array[int] = field(default_factory=lambda: array("q"))

    def note(self, decided: Decided) -> None:
        _, decision, known = decided
        pending, latest = (known.pending, known.latest) if known else (None, None)
        base = latest.record_id if latest else None
        if decision.step is Step.KEEP and pending:
            base = pending.base_record_id
        self.wants.append(wants_files(decision))
        self.pending.append(pending.id if pending else _NONE)
        self.base.append(_NONE if base is None else base)


def assess(
    services: Services,
    surveyed: Surveyed,
    run: Run,
    path: Path,
    *,
    checkpoint: Callable[[], None] = lambda: None,
) -> tuple[Plan, Estimate]:
    """Write what `plan.make` would do into a plan at `path`; the sum of it. `checkpoint` is called between batches.
    Raises `Misconfigured` where the plan cannot be written."""
    with ExitStack() as stack:
        writer = stack.enter_context(write_plan(path))
        database = stack.enter_context(scratch_database(surveyed.folder, SCHEMA))
        work = _Assessment(services, surveyed, run, writer, Estimator(services, database), checkpoint)
        work.records()
        work.files()
        work.problems()
        return work.end()


@dataclass(slots=True)
class _Assessment:
    services: Services
    surveyed: Surveyed
    run: Run
    writer: PlanWriter
    estimator: Estimator
    checkpoint: Callable[[], None]
    plan: Plan = field(default_factory=Plan)
    lines: _Lines = field(default_factory=_Lines)
    met: array[int] = field(default_factory=lambda: array("q"))

    def records(self) -> None:
        today = self.services.now().date()
        with self.services.catalogue.read() as tx:
            unfinished = accessions.unfinished(tx, self.run.collection)
        self.plan.accession_id = unfinished.id if unfinished else None
        for batch in batches(manifest.read_records(self.surveyed.folder), BATCH):
            with self.services.catalogue.read() as tx:
                decided = decide_batch(tx, batch, self.run, self.plan.accession_id, today=today)
            for one in decided:
                surveyed, decision, known = one
                self.plan.note(one)
                self.lines.note(one)
                self.met.extend([known.concept_id] if known else [])
                planned = replace(surveyed, decision=outcome(decision), basis=basis(known))
                self.writer.add_record(planned)
            self.checkpoint()

    def files(self) -> None:
        for batch in manifest.read_files(self.surveyed.folder, FILE_BATCH):
            fates = self._fates(batch)
            to_be_read = [one for one, fate in zip(batch, fates, strict=True) if fate is FileFate.READ]
            self.plan.files_to_ingest += len(to_be_read)
            self.plan.bytes_to_ingest += sum(one.file.size for one in to_be_read)
            self.estimator.add([one for one in batch if one.file.problem is None], to_be_read)
            for one, fate in zip(batch, fates, strict=True):
                self.writer.add_file(one, fate)
            self.checkpoint()

    def problems(self) -> None:
        for problem in chain(manifest.read_problems(self.surveyed.folder), self.plan.refused):
            self.writer.add_problem(problem)
        for works in absent_works(self.services.catalogue, self.run.collection, sorted(self.met)):
            self.plan.note_gone(works)
            for work in works:
                self.writer.add_problem(gone(work.key))

    def end(self) -> tuple[Plan, Estimate]:
        self.writer.end(
            PlanHeader(
                repository=self.services.repository.id,
                collection=self.run.collection,
                source=self.run.source,
                options=self.run.options.to_json(),
                survey=self.surveyed.summary,
                made=codec.time_to_json(self.services.now()),
            )
        )
        to_be_read = (self.plan.files_to_ingest, self.plan.bytes_to_ingest)
        return self.plan, self.estimator.end(files=to_be_read[0], size=to_be_read[1])

    def _fates(self, batch: Sequence[SurveyedFile]) -> list[FileFate]:
        """What becomes of each file, as `deposit_files.note_found` and `carry_over` will have it."""
        wanted = [one for one in batch if self.lines.wants[one.ordinal] and one.file.problem is None]
        of_pending = _of(wanted, self.lines.pending)
        of_base = [] if self.run.options.checksum else _of(wanted, self.lines.base)
        with self.services.catalogue.read() as tx:
            pending = holdings.in_deposits(tx, of_pending)
            base = holdings.in_records(tx, of_base)
        return [self._fate(one, pending, base) for one in batch]

    def _fate(
        self, one: SurveyedFile, pending: dict[FileOf, HeldFile], base: dict[FileOf, HeldFile]
    ) -> FileFate:
        if one.file.problem is not None:
            return FileFate.REJECTED
        if not self.lines.wants[one.ordinal]:
            return FileFate.NOT_NEEDED
        held = (
            pending.get((self.lines.pending[one.ordinal], one.file.key)),
            base.get((self.lines.base[one.ordinal], one.file.key)),
        )
        return FileFate.KEPT if any(each and each.is_same(one.file) for each in held) else FileFate.READ


def _of(files: Sequence[SurveyedFile], ids: Sequence[int]) -> list[FileOf]:
    return [(ids[one.ordinal], one.file.key) for one in files if ids[one.ordinal] != _NONE]
