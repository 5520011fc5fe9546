"""Writing the lines of a plan: what was decided of a batch of records, as deposits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline import codec
from pipeline.catalogue import Transaction, accessions, deposit_files, deposits, identifiers, records
from pipeline.catalogue.accessions import Stage
from pipeline.catalogue.deposits import Deposit, Known
from pipeline.ingest.manifest import SurveyedRecord
from pipeline.ingest.planning import Decision, Step, refusals
from pipeline.model import Concept, DepositAction, DepositState, JsonObject, Problem
from pipeline.store import layout

Decided = tuple[SurveyedRecord, Decision, Known | None]


@dataclass(frozen=True, slots=True)
class NewWorks:
    """What works have in common that are met for the first time, and their store."""

    collection: str
    owner: str
    now: datetime
    repository_id: str
    renames_trees: bool

    def home(self, concept_id: int, record_id: int, *, is_first: bool) -> str:
        return layout.home(
            self.repository_id, concept_id, record_id, is_first=is_first, renames_trees=self.renames_trees
        )


def write_lines(
    tx: Transaction, new_works: NewWorks, accession_id: str, decided: Sequence[Decided]
) -> list[tuple[int, int]]:
    """Write a batch of plan lines, ids in the plan's order; per record its work, or -1 where none is
    known, and the deposit that wants its files, or -1."""
    begun = [one for one in decided if one[1].step is Step.BEGIN]
    rows = _new_rows(tx, new_works, accession_id, begun)
    new_ids = dict(zip((surveyed.key for surveyed, _, _ in begun), deposits.add(tx, rows), strict=True))
    works = {row["key"]: row["concept_id"] for row in rows}
    written: list[tuple[int, int]] = []
    without_files: list[int] = []
    refused: list[tuple[int | None, Problem]] = []
    for surveyed, decision, known in decided:
        pending = known.pending if known else None
        deposit_id = new_ids.get(surveyed.key, pending.id if pending else -1)
        if decision.step is Step.BEGIN and pending:
            deposits.supersede(tx, pending, deposit_id)
        if decision.step is Step.RENEW and known:
            record_id = _record_id(decision, known) or identifiers.allot(tx, 1)[0]
            home = _home(new_works, decision, known, known.concept_id, record_id)
            values = {"record_id": record_id, "home": home, **_line(surveyed, decision, known)}
            deposits.renew(tx, deposit_id, values)
        concept_id = known.concept_id if known else works.get(surveyed.key, -1)
        written.append((concept_id, deposit_id if wants_files(decision) else -1))
        if writes(decision) and decision.action is DepositAction.REVISION:
            without_files.append(deposit_id)
        if writes(decision):
            refused += [(deposit_id, problem) for problem in refusals(surveyed)]
    accessions.retract(tx, accession_id, Stage.INTAKE, _renewed(decided))
    accessions.report(tx, accession_id, Stage.INTAKE, refused)
    deposit_files.forget(tx, without_files)
    deposits.give_up(tx, _reverted(decided))
    return written


def _new_rows(
    tx: Transaction, new_works: NewWorks, accession_id: str, begun: Sequence[Decided]
) -> list[JsonObject]:
    missing = sum((known is None) + (_record_id(decision, known) is None) for _, decision, known in begun)
    ids = iter(identifiers.allot(tx, missing))
    concepts: list[Concept] = []
    rows: list[JsonObject] = []
    for surveyed, decision, known in begun:
        # As on Zenodo, the concept has the number before its first version's.
        concept_id = known.concept_id if known else next(ids)
        record_id = _record_id(decision, known) or next(ids)
        if known is None:
            concepts.append(Concept(concept_id, new_works.collection, surveyed.key, new_works.owner))
        rows.append(
            {
                "accession_id": accession_id,
                "position": surveyed.ordinal,
                "key": surveyed.key,
                "concept_id": concept_id,
                "record_id": record_id,
                "home": _home(new_works, decision, known, concept_id, record_id),
                **_line(surveyed, decision, known),
            }
        )
    records.add_concepts(tx, concepts, now=new_works.now)
    return rows


def _record_id(decision: Decision, known: Known | None) -> int | None:
    """The number that a line's record has already: a revised version's own, or the one that was given to a version
    that is not out yet. None where it is to be given one."""
    latest = known.latest.record_id if known and known.latest else None
    if decision.action is DepositAction.REVISION:
        return latest
    pending = known.pending.record_id if known and known.pending else None
    return None if pending == latest else pending


def _home(
    new_works: NewWorks, decision: Decision, known: Known | None, concept_id: int, record_id: int
) -> str:
    """Where a line's bytes go: where those lie that the record-to-be has already, else where its kind has them."""
    if decision.action is DepositAction.REVISION:
        return ""
    pending = known.pending if known else None
    if pending and pending.record_id == record_id:
        return pending.home
    return new_works.home(concept_id, record_id, is_first=decision.action is DepositAction.NEW)


def _line(surveyed: SurveyedRecord, decision: Decision, known: Known | None) -> JsonObject:
    latest = known.latest if known else None
    # A revision brings no file.
    files, size = (0, 0) if decision.action is DepositAction.REVISION else (surveyed.files, surveyed.bytes)
    return {
        "base_record_id": latest.record_id if latest else None,
        "action": decision.action,
        "state": decision.state,
        "description": described(surveyed),
        "fingerprint": surveyed.fingerprint,
        "files_total": files,
        "bytes_total": size,
        "faults": surveyed.rejected,
    }


def _renewed(decided: Sequence[Decided]) -> list[int]:
    return [
        known.pending.id
        for _, decision, known in decided
        if decision.step is Step.RENEW and known and known.pending
    ]


def _reverted(decided: Sequence[Decided]) -> list[Deposit]:
    """Lines of records that are as they are published again."""
    return [
        known.pending
        for _, decision, known in decided
        if decision.step is Step.GIVE_UP and known and known.pending
    ]


def given_up(decided: Sequence[Decided]) -> list[Deposit]:
    """Planned versions that will not be: nothing of the published one is changed, or only its description."""
    return _reverted(decided) + [
        known.pending
        for _, decision, known in decided
        if writes(decision) and decision.action is DepositAction.REVISION and known and known.pending
    ]


def changes(decision: Decision) -> bool:
    return writes(decision) or decision.step is Step.GIVE_UP


def writes(decision: Decision) -> bool:
    return decision.step in (Step.BEGIN, Step.RENEW)


def wants_files(decision: Decision) -> bool:
    """Whether the record's files are to be in custody; those that are there already need no reading for it."""
    if writes(decision):
        return decision.reads
    return (
        decision.step is Step.KEEP
        and decision.state is DepositState.PLANNED
        and decision.action is not DepositAction.REVISION
    )


def described(surveyed: SurveyedRecord) -> JsonObject | None:
    return codec.description_to_json(surveyed.description) if surveyed.description else None


def count_unchanged(tx: Transaction, accession_id: str, decided: Sequence[Decided]) -> int:
    """How many records are as they were before the accession. Those that an earlier run of it dealt with are in its
    plan already, and count there."""
    as_before = (Step.UNCHANGED, Step.GIVE_UP)
    keys = [surveyed.key for surveyed, decision, _ in decided if decision.step in as_before]
    return len(keys) - len(deposits.by_key(tx, accession_id, keys))
