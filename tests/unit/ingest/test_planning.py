"""What to do with a record of a survey: docs/architecture.md, identity, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline import codec
from pipeline.catalogue.deposits import Deposit, Known, PublishedVersion
from pipeline.ingest.manifest import SurveyedRecord
from pipeline.ingest.planning import Decision, Step, abide, basis, decide, outcome
from pipeline.model import DepositAction, DepositState, Description

DESCRIPTION = Description({"title": "Tides"})
OTHER = Description({"title": "Tides, corrected"})
SURVEYED = SurveyedRecord(0, "harbour", DESCRIPTION, (), rejected=0, files=2, bytes=10, fingerprint="f1")
TOUCHED = replace(SURVEYED, fingerprint="f2")
DESCRIBED_ANEW = replace(SURVEYED, description=OTHER)
FAULTY = replace(SURVEYED, rejected=1)
INVALID = replace(SURVEYED, description=None, rejected=1)

PUBLISHED = Known(1, PublishedVersion(2, "f1", codec.description_to_json(DESCRIPTION)), None)
OURS, ANOTHERS = "a2", "a1"


def pending(
    state: DepositState,
    surveyed: SurveyedRecord = SURVEYED,
    *,
    accession_id: str = OURS,
    version: bool = False,
) -> Known:
    """A deposit that was planned from `surveyed`, of a new work or of a version of the published one."""
    described = None if surveyed.description is None else codec.description_to_json(surveyed.description)
    deposit = Deposit(
        id=7,
        accession_id=accession_id,
        position=0,
        key="harbour",
        concept_id=1,
        record_id=3,
        base_record_id=2 if version else None,
        home="staging/3",
        action=DepositAction.VERSION if version else DepositAction.NEW,
        state=state,
        description=described,
        fingerprint=surveyed.fingerprint,
        files_total=2,
        bytes_total=10,
        files_open=0,
        files_bad=0,
        faults=surveyed.rejected,
    )
    return Known(1, PUBLISHED.latest if version else None, deposit)


def decided(
    surveyed: SurveyedRecord,
    known: Known | None,
    *,
    checksum: bool = False,
    allow_partial: bool = False,
    retry_held: bool = False,
) -> Decision:
    described = None if surveyed.description is None else codec.description_to_json(surveyed.description)
    return decide(
        surveyed,
        described,
        known,
        accession_id=OURS,
        checksum=checksum,
        allow_partial=allow_partial,
        retry_held=retry_held,
    )


def begin(
    action: DepositAction, *, state: DepositState = DepositState.PLANNED, reads: bool = True
) -> Decision:
    return Decision(Step.BEGIN, action, state, reads)


@pytest.mark.parametrize("known", [None, Known(1, None, None)])
def test_a_key_never_published_is_a_new_record(known: Known | None) -> None:
    """Also where a work of that key has a number already, from an accession that was cancelled."""
    assert decided(SURVEYED, known) == begin(DepositAction.NEW)


def test_the_same_sizes_times_and_description_are_unchanged() -> None:
    """Nothing is read."""
    assert decided(SURVEYED, PUBLISHED).step is Step.UNCHANGED


def test_other_files_are_a_version_to_be_read() -> None:
    """Whether their bytes changed is seen when they are read."""
    assert decided(TOUCHED, PUBLISHED) == begin(DepositAction.VERSION)


def test_another_description_of_the_same_files_is_a_revision() -> None:
    """No file is read for it."""
    assert decided(DESCRIBED_ANEW, PUBLISHED) == begin(DepositAction.REVISION, reads=False)


def test_other_files_with_another_description_are_a_version() -> None:
    """One new version has both."""
    assert decided(replace(TOUCHED, description=OTHER), PUBLISHED) == begin(DepositAction.VERSION)


@pytest.mark.parametrize("surveyed", [SURVEYED, DESCRIBED_ANEW])
def test_checksum_reads_whatever_size_and_time_say(surveyed: SurveyedRecord) -> None:
    """What the bytes are decides."""
    assert decided(surveyed, PUBLISHED, checksum=True) == begin(DepositAction.VERSION)


def test_an_invalid_description_holds_the_record_unread() -> None:
    """A new one, and a change of one that is published."""
    held = begin(DepositAction.NEW, state=DepositState.HELD, reads=False)
    assert decided(INVALID, None) == decided(INVALID, None, allow_partial=True) == held
    assert decided(INVALID, PUBLISHED) == replace(held, action=DepositAction.VERSION)


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_being_read() -> None:
    """The record is held in the end, its good files in staging; so it is no mere revision either."""
    assert decided(FAULTY, None) == begin(DepositAction.NEW)
    assert decided(FAULTY, PUBLISHED) == begin(DepositAction.VERSION)


def test_a_faulty_record_that_was_published_in_part_is_unchanged_with_allow_partial() -> None:
    """The fault is part of what was published."""
    assert decided(FAULTY, PUBLISHED, allow_partial=True).step is Step.UNCHANGED


# ---------------------------------------------------------------- going on


@pytest.mark.parametrize("state", [DepositState.PLANNED, DepositState.SEALED, DepositState.HELD])
def test_the_accessions_own_line_is_gone_on_with(state: DepositState) -> None:
    """As it is, while the source is as it was."""
    assert decided(SURVEYED, pending(state)) == Decision(Step.KEEP, DepositAction.NEW, state, reads=False)


@pytest.mark.parametrize("state", [DepositState.PLANNED, DepositState.SEALED, DepositState.HELD])
@pytest.mark.parametrize("surveyed", [TOUCHED, DESCRIBED_ANEW, FAULTY])
def test_the_accessions_own_line_is_begun_anew_when_the_source_changed(
    state: DepositState, surveyed: SurveyedRecord
) -> None:
    """In its place, with the number it has."""
    assert decided(surveyed, pending(state)) == Decision(Step.RENEW, DepositAction.NEW)


def test_what_an_earlier_accession_holds_stays_held() -> None:
    """While nothing of it changed: it would be held for the same reasons."""
    held = pending(DepositState.HELD, FAULTY, accession_id=ANOTHERS)
    assert decided(FAULTY, held) == Decision(Step.KEEP, DepositAction.NEW, DepositState.HELD, reads=False)


@pytest.mark.parametrize("surveyed", [SURVEYED, TOUCHED, replace(FAULTY, description=OTHER)])
def test_a_mended_record_that_an_earlier_accession_holds_is_taken_up(surveyed: SurveyedRecord) -> None:
    """In a line of this accession."""
    held = pending(DepositState.HELD, FAULTY, accession_id=ANOTHERS)
    assert decided(surveyed, held) == begin(DepositAction.NEW)


def test_retry_tries_what_is_held_again() -> None:
    """Though nothing changed that a survey sees; what is not held goes on as it is."""
    assert decided(SURVEYED, pending(DepositState.HELD), retry_held=True).step is Step.RENEW
    assert (
        decided(SURVEYED, pending(DepositState.HELD, accession_id=ANOTHERS), retry_held=True).step
        is Step.BEGIN
    )
    assert decided(SURVEYED, pending(DepositState.SEALED), retry_held=True).step is Step.KEEP


def test_allow_partial_takes_up_what_is_held_for_its_files() -> None:
    """Not what is held for its description."""
    faulty = pending(DepositState.HELD, FAULTY, accession_id=ANOTHERS)
    invalid = pending(DepositState.HELD, INVALID, accession_id=ANOTHERS)
    assert decided(FAULTY, faulty, allow_partial=True).step is Step.BEGIN
    assert decided(INVALID, invalid, allow_partial=True).step is Step.KEEP


def test_a_held_version_is_taken_up_when_the_source_is_mended() -> None:
    """As a version of what is published."""
    held = pending(DepositState.HELD, replace(TOUCHED, rejected=1), accession_id=ANOTHERS, version=True)
    assert decided(TOUCHED, held) == begin(DepositAction.VERSION)
    assert decided(replace(TOUCHED, rejected=1), held).step is Step.KEEP


def test_a_source_that_went_back_to_what_is_published_is_unchanged() -> None:
    """Whatever version of it was held meanwhile is given up."""
    held = pending(DepositState.HELD, TOUCHED, accession_id=ANOTHERS, version=True)
    assert decided(SURVEYED, held).step is Step.GIVE_UP


# ---------------------------------------------------------------- plans that are applied later


def applied(
    surveyed: SurveyedRecord, planned_with: Known | None, now: Known | None, *, is_done: bool = False
) -> Decision:
    """What an application does with a record that was planned while the catalogue knew one thing of it, and now knows
    another."""
    then = decided(surveyed, planned_with)
    planned = replace(surveyed, decision=outcome(then), basis=basis(planned_with))
    return abide(planned, decided(planned, now), now, is_done=is_done)


@pytest.mark.parametrize(
    ("surveyed", "known"),
    [
        (SURVEYED, None),
        (TOUCHED, PUBLISHED),
        (DESCRIBED_ANEW, PUBLISHED),
        (SURVEYED, PUBLISHED),
        (INVALID, PUBLISHED),
        (TOUCHED, pending(DepositState.HELD, SURVEYED, version=True)),
        (SURVEYED, pending(DepositState.HELD, TOUCHED, version=True)),
    ],
)
def test_a_plan_is_followed_while_the_catalogue_knows_the_same(
    surveyed: SurveyedRecord, known: Known | None
) -> None:
    """Whatever it says."""
    assert applied(surveyed, known, known) == decided(surveyed, known)


@pytest.mark.parametrize(
    ("surveyed", "known"),
    [
        (SURVEYED, PUBLISHED),
        (SURVEYED, pending(DepositState.PLANNED)),
        (FAULTY, pending(DepositState.HELD, FAULTY)),
    ],
)
def test_what_is_just_as_planned_stays(surveyed: SurveyedRecord, known: Known) -> None:
    """Published, under way or held, by whomever: nothing is begun."""
    assert applied(surveyed, None, known).step in (Step.UNCHANGED, Step.KEEP)


ANOTHERS_VERSION = Known(1, PublishedVersion(5, "f9", codec.description_to_json(DESCRIPTION)), None)


@pytest.mark.parametrize(
    ("surveyed", "planned_with", "now"),
    [
        (TOUCHED, PUBLISHED, ANOTHERS_VERSION),
        (SURVEYED, None, ANOTHERS_VERSION),
        (SURVEYED, PUBLISHED, ANOTHERS_VERSION),
        (DESCRIBED_ANEW, PUBLISHED, None),
        (SURVEYED, None, pending(DepositState.HELD, TOUCHED)),
    ],
)
def test_what_would_be_decided_otherwise_is_left_out(
    surveyed: SurveyedRecord, planned_with: Known | None, now: Known | None
) -> None:
    """Though it would still be a version, should it be of another one."""
    assert applied(surveyed, planned_with, now).step is Step.LEAVE


def test_what_the_same_plan_has_done_is_done() -> None:
    """Also where others went on from there, or the record was held and would be tried again."""
    assert applied(TOUCHED, PUBLISHED, ANOTHERS_VERSION, is_done=True) == Decision(Step.UNCHANGED)
    held = pending(DepositState.HELD, TOUCHED, accession_id=ANOTHERS)
    kept = applied(SURVEYED, None, held, is_done=True)
    assert (kept.step, kept.state, kept.reads) == (Step.KEEP, DepositState.HELD, False)
