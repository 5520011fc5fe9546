"""What is decided of a survey's records, batch by batch, and the sum of it: the same for a plan that is only shown, one
that is made at once, and one that was made before and is applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import TypeVar

from pipeline.catalogue import Transaction, deposits
from pipeline.catalogue.deposits import PublishedWork
from pipeline.ingest.absence import gone
from pipeline.ingest.accession import Run
from pipeline.ingest.lines import Decided, described
from pipeline.ingest.manifest import SurveyedRecord
from pipeline.ingest.planning import Step, abide, decide, outdated, refusals, resolve
from pipeline.model import DepositAction, DepositState, Problem

Item = TypeVar("Item")

BATCH, FILE_BATCH = 250, 1000
"""Records that are decided on, and files that are noted, in one transaction, for which everybody else who writes waits
on SQLite."""
LISTED = 10_000
"""Lines of a report that are shown one by one."""


@dataclass(slots=True)
class Plan:
    """What planning decided. `accession_id` is None where there was nothing to do. Records that are held as they were
    are `held_still` in the accession, or `held_before` by another, as these deposits. Of what is `gone` or `outdated`
    all are counted, and as many as a report lists are named."""

    accession_id: str | None = None
    records: int = 0
    unchanged: int = 0
    new: int = 0
    versions: int = 0
    revisions: int = 0
    invalid: int = 0
    held_still: int = 0
    files_to_ingest: int = 0
    bytes_to_ingest: int = 0
    held_before: list[int] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    gone: list[Problem] = field(default_factory=list)
    gone_total: int = 0
    outdated: list[Problem] = field(default_factory=list)
    outdated_total: int = 0

    def note(self, decided: Decided) -> None:
        """Count a record."""
        surveyed, decision, known = decided
        self.records += 1
        if decision.step is Step.LEAVE:
            self.outdated_total += 1
            self.outdated += [outdated(surveyed.key)] if len(self.outdated) < LISTED else []
        elif decision.step in (Step.UNCHANGED, Step.GIVE_UP):
            self.unchanged += 1
        elif decision.step is Step.KEEP and decision.state is DepositState.HELD and known and known.pending:
            if known.pending.accession_id == self.accession_id:
                self.held_still += 1
            else:
                self.held_before.append(known.pending.id)
        elif decision.state is DepositState.HELD:
            self.invalid += 1
            self.refused += refusals(surveyed)
        else:
            self.new += decision.action is DepositAction.NEW
            self.versions += decision.action is DepositAction.VERSION
            self.revisions += decision.action is DepositAction.REVISION

    def note_gone(self, works: Sequence[PublishedWork]) -> None:
        """Count published records that the source has no more."""
        self.gone_total += len(works)
        self.gone += [gone(one.key) for one in works[: LISTED - len(self.gone)]]


def decide_batch(
    tx: Transaction, batch: Sequence[SurveyedRecord], run: Run, accession_id: str | None, *, today: date
) -> list[Decided]:
    """What to do with some records. `accession_id` names the unfinished accession that the run goes on with."""
    keys = [surveyed.key for surveyed in batch]
    known = deposits.known(tx, run.collection, keys)
    done = deposits.done_by(tx, run.plan, keys) if run.plan else set()
    decided: list[Decided] = []
    for unresolved in batch:
        of_it = known.get(unresolved.key)
        surveyed = resolve(unresolved, of_it, today=today)
        decision = decide(
            surveyed,
            described(surveyed),
            of_it,
            accession_id=accession_id,
            checksum=run.options.checksum,
            allow_partial=run.options.allow_partial,
            retry_held=bool(run.retry),
        )
        if run.plan:
            decision = abide(surveyed, decision, of_it, is_done=surveyed.key in done)
        decided.append((surveyed, decision, of_it))
    return decided


def batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size` at most."""
    while batch := list(islice(items, size)):
        yield batch
