"""What to do with each record of a survey, given what the catalogue knows of it (pure).

Unchanged is told from the fingerprint of sizes, times and declared digests; a record that was held and has not
changed since is still held, for the same reasons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

import xxhash

from pipeline import codec
from pipeline.catalogue.deposits import Deposit, Known
from pipeline.ingest.manifest import SurveyedRecord
from pipeline.metadata.problems import EMBARGO_OVER
from pipeline.model import (
    DepositAction,
    DepositState,
    Description,
    FilesAccess,
    JsonObject,
    Outcome,
    Problem,
)

_DATE = "publication_date"


def without_date(description: Description) -> Description:
    """A description whose date of publication nobody wrote: `resolve` gives it one."""
    kept = {key: value for key, value in description.metadata.items() if key != _DATE}
    return replace(description, metadata=kept)


def resolve(surveyed: SurveyedRecord, known: Known | None, *, today: date) -> SurveyedRecord:
    """The record with what a survey leaves open, so that a source that stays as it is means the same every day.

    A missing date of publication is that of the version before, else the day on which the record was first met. An
    embargo that is over is refused, unless the version before has the same: then it simply ended."""
    description = surveyed.description
    if description is None:
        return surveyed
    before = _descriptions(known)
    if _is_over(description, before, today):
        problems = (*surveyed.problems, _embargo_over(surveyed.key, today))
        return replace(surveyed, description=None, problems=problems, rejected=surveyed.rejected + 1)
    if _DATE in description.metadata:
        return surveyed
    dates = [one["metadata"][_DATE] for one in before]
    metadata = {**description.metadata, _DATE: next(iter(dates), today.isoformat())}
    return replace(surveyed, description=replace(description, metadata=metadata))


def refusals(surveyed: SurveyedRecord) -> list[Problem]:
    """What `resolve` found wrong with the record."""
    return [problem for problem in surveyed.problems if problem.code == EMBARGO_OVER]


def _descriptions(known: Known | None) -> list[JsonObject]:
    """Those that were good once: the published one first."""
    found = [known.latest, known.pending] if known else []
    return [one.description for one in found if one is not None and one.description is not None]


def _is_over(description: Description, before: list[JsonObject], today: date) -> bool:
    until = description.access.embargo_until
    if description.access.files is FilesAccess.PUBLIC or until is None or until > today:
        return False
    return until.isoformat() not in [one["access"]["embargo_until"] for one in before]


def _embargo_over(key: str, today: date) -> Problem:
    return Problem(
        path="",
        record=key,
        outcome=Outcome.REJECTED,
        code=EMBARGO_OVER,
        reason="Embargo end date must be set to a future date.",
        field="metadata.embargo_date",
        remedy=f"Give a date after {today}.",
    )


class Step(StrEnum):
    """`begin` makes a line of the plan, `renew` begins one anew in place, `keep` goes on with one as it is, `give up`
    ends one: the record is as it is published again. `leave` does nothing with a record: the plan that is applied is
    outdated."""

    BEGIN = "begin"
    RENEW = "renew"
    KEEP = "keep"
    GIVE_UP = "give up"
    UNCHANGED = "unchanged"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a record. `state` is what a line begins in; `reads` tells whether its files are needed."""

    step: Step
    action: DepositAction = DepositAction.NEW
    state: DepositState = DepositState.PLANNED
    reads: bool = True


def decide(
    surveyed: SurveyedRecord,
    description: JsonObject | None,
    known: Known | None,
    *,
    accession_id: str | None,
    checksum: bool,
    allow_partial: bool,
    retry_held: bool = False,
) -> Decision:
    """`description` is the record's canonical JSON, None where it is invalid; `accession_id` the unfinished
    accession that this run goes on with. With `checksum`, files are read even where size and time are the same;
    with `retry_held`, records that were held are tried again though nothing of them changed."""
    has_faults = description is None or (surveyed.rejected > 0 and not allow_partial)
    latest = known.latest if known else None
    action, reads = DepositAction.VERSION if latest else DepositAction.NEW, description is not None
    if latest and not has_faults and not checksum and latest.fingerprint == surveyed.fingerprint:
        if _equal(latest.description, description):
            return Decision(Step.GIVE_UP if known and known.pending else Step.UNCHANGED)
        action, reads = DepositAction.REVISION, False
    step = Step.BEGIN
    if known and known.pending:
        step = _go_on(
            surveyed,
            description,
            known.pending,
            accession_id,
            retry_held=retry_held or (allow_partial and description is not None),
        )
        if step is Step.KEEP:
            return Decision(step, known.pending.action, known.pending.state, reads=False)
    # Invalid metadata: the record is held at once, and its files are not read.
    state = DepositState.HELD if description is None else DepositState.PLANNED
    return Decision(step, action, state, reads)


# ---------------------------------------------------------------- plans that are applied later


def outcome(decision: Decision) -> str:
    """What becomes of a record, in a word: `unchanged`, `held`, or what is made of it: `new`, `version`, `revision`."""
    if decision.step in (Step.UNCHANGED, Step.GIVE_UP):
        return "unchanged"
    return "held" if decision.state is DepositState.HELD else decision.action.value


def basis(known: Known | None) -> str:
    """What a decision about a record rests on besides its survey, as a digest: another one means that the record was
    published or planned otherwise since. `""` for a record of which nothing is known."""
    if known is None or (known.latest is None and known.pending is None):
        return ""
    latest, pending = known.latest, known.pending
    facts = [
        latest and [latest.record_id, latest.fingerprint, latest.description],
        pending
        and [
            pending.id,
            pending.fingerprint,
            pending.faults,
            pending.description,
            pending.state is DepositState.HELD,
        ],
    ]
    return xxhash.xxh3_128_hexdigest(codec.to_text(facts).encode())


def abide(surveyed: SurveyedRecord, decision: Decision, known: Known | None, *, is_done: bool) -> Decision:
    """What to do with a record of a plan that was made before: what it says or, where `decision` is another by now,
    nothing. `is_done` tells that an earlier run of the same plan has dealt with the record."""
    if decision.step in (Step.UNCHANGED, Step.KEEP):
        return decision  # the catalogue has just what was planned
    if is_done:
        pending = known.pending if known else None
        if pending is None:
            return Decision(Step.UNCHANGED)
        return Decision(Step.KEEP, pending.action, pending.state, reads=False)
    is_as_planned = (surveyed.decision, surveyed.basis) == (outcome(decision), basis(known))
    return decision if is_as_planned else Decision(Step.LEAVE, reads=False)


def outdated(key: str) -> Problem:
    """What is said of a record that `abide` leaves out."""
    return Problem(
        path="",
        record=key,
        outcome=Outcome.REJECTED,
        code="plan-outdated",
        reason="the record is not what it was when the plan was made: it was published or held otherwise since, or its"
        " embargo has ended; nothing was done with it",
        remedy="Plan the source again, and apply the new plan.",
    )


# ---------------------------------------------------------------- lines that were begun before


def _go_on(
    surveyed: SurveyedRecord,
    description: JsonObject | None,
    pending: Deposit,
    accession_id: str | None,
    *,
    retry_held: bool,
) -> Step:
    """How to go on with a line that has not come to an end."""
    is_ours = pending.accession_id == accession_id
    is_same = (
        pending.fingerprint == surveyed.fingerprint
        and pending.faults == surveyed.rejected
        and _equal(pending.description, description)
    )
    is_held = pending.state is DepositState.HELD
    if is_same and (is_ours or is_held) and not (is_held and retry_held):
        return Step.KEEP
    return Step.RENEW if is_ours else Step.BEGIN


def _equal(one: JsonObject | None, other: JsonObject | None) -> bool:
    return codec.to_text(one) == codec.to_text(other)
