"""What keeps a record-to-be, whose files are all in custody, from being published.

Bulk ingests hold such a deposit and report why; whoever deposits over HTTP is told at once, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.access import purged_again
from pipeline.catalogue import Transaction, adoption, clearance, dois, purges, quarantine, records, scans
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.purges import Refused
from pipeline.catalogue.scans import KnownInfected
from pipeline.display import shown
from pipeline.model import DepositAction, Outcome, Problem, Record, RecordState
from pipeline.store import layout

Fault = tuple[Deposit, Problem]


@dataclass(frozen=True, slots=True)
class Judged:
    """Which of some deposits may be published, and what is wrong with each of the others. `left` are the keys in the
    store of bytes that nobody refers to any more once this is committed."""

    publishable: list[Deposit]
    faults: list[Fault] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def judge(tx: Transaction, chosen: Sequence[Deposit]) -> Judged:
    """Look at deposits, files that may not be published included: these are rejected as if they had been when they
    were read."""
    refused = purges.refuse(tx, [one.id for one in chosen])
    faults = [(_of(chosen, one.deposit_id), one) for one in refused]
    judged = Judged(list(chosen), left=[one.place for one in refused])
    _keep_back(judged, [(one, _purged(one, again)) for one, again in faults])
    found = scans.known_infected(tx, [one.id for one in judged.publishable])
    clearance.reject(tx, found)
    judged.left.extend([*(one.place for one in found), *_put_apart(tx, chosen, found)])
    _keep_back(judged, [(_of(chosen, one.deposit_id), _infected(one)) for one in found])
    _keep_back(judged, list(_wrong_revisions(tx, judged.publishable)))
    _keep_back(judged, list(_taken_dois(tx, judged.publishable)))
    return judged


def _of(chosen: Sequence[Deposit], deposit_id: int) -> Deposit:
    return next(one for one in chosen if one.id == deposit_id)


def _keep_back(judged: Judged, faults: Sequence[Fault]) -> None:
    kept_back = {one.id for one, _ in faults}
    judged.publishable[:] = [one for one in judged.publishable if one.id not in kept_back]
    judged.faults.extend(faults)


def external_doi(one: Deposit) -> str:
    """The DOI that the depositor brought, in lower case as DOIs are compared; `""` where we are to give it one."""
    return str((one.description or {}).get("doi") or "").lower()


# ---------------------------------------------------------------- files


def _purged(one: Deposit, again: Refused) -> Problem:
    fault = purged_again(again.decision)
    return Problem(
        shown(again.path), one.key, Outcome.REJECTED, fault.code, fault.message, remedy=fault.remedy
    )


def _put_apart(tx: Transaction, chosen: Sequence[Deposit], found: Sequence[KnownInfected]) -> set[str]:
    """Where a rescan that was cut off may have put them, and no person knows of it."""
    accession_of = {one.id: one.accession_id for one in chosen}
    apart = {
        layout.quarantined(accession_id, one.id)
        for one in found
        if (accession_id := accession_of[one.deposit_id]) is not None
    }
    return apart - {one.key for one in quarantine.listed(tx, everything=False)} if apart else apart


def _infected(one: KnownInfected) -> Problem:
    where = "it" if one.held_by is None else f"the same bytes, which record {one.held_by} has"
    return Problem(
        path=shown(one.path),
        record=one.record,
        outcome=Outcome.REJECTED,
        code="infected",
        reason=f"infected: {one.signature} was found in {where}",
        remedy="Take the file out of the source, or have it cleaned; then ingest again.",
    )


# ---------------------------------------------------------------- names and descriptions


def _taken_dois(tx: Transaction, chosen: Sequence[Deposit]) -> Iterable[Fault]:
    """New versions whose external DOI is a record's already, be it of the same work."""
    wanted = {one.id: external_doi(one) for one in chosen if one.action is not DepositAction.REVISION}
    taken = set(dois.taken(tx, [name for name in wanted.values() if name]))
    for one in chosen:
        name = wanted.get(one.id, "")
        if name in taken:
            yield one, _taken(one, name)
        taken.update([name] if name else [])


def _wrong_revisions(tx: Transaction, chosen: Sequence[Deposit]) -> Iterable[Fault]:
    """New descriptions that a record cannot be given."""
    for one in chosen:
        if one.action is DepositAction.REVISION:
            fault = _fault_of_revision(one, records.get(tx, one.record_id)) or _fault_of_files(tx, one)
            if fault is not None:
                yield one, fault


def _fault_of_files(tx: Transaction, one: Deposit) -> Problem | None:
    """Of an edit with files of its own: what its record cannot be given, or cannot be without."""
    if not one.home:
        return None
    if (key := adoption.purged_before(tx, one)) is not None:
        reason = "a file of this name was purged from the record, which goes on listing it"
        return _of_file(one, key, "purged", reason, "Give the file another name.")
    if (key := adoption.leaned_on(tx, one)) is not None:
        reason = "another version of the work has this file from here, so it cannot be taken out or replaced"
        return _of_file(
            one, key, "leaned-on", reason, "Discard the edit; put what is right into a new version."
        )
    return None


def _of_file(one: Deposit, key: str, code: str, reason: str, remedy: str) -> Problem:
    return Problem(shown(key), one.key, Outcome.REJECTED, code, reason, remedy=remedy)


def _fault_of_revision(one: Deposit, base: Record) -> Problem | None:
    if base.state is RecordState.WITHDRAWN:
        return _withdrawn(one)
    # A DOI is what the record is known and cited by: it stays for as long as the version does.
    return _doi_changed(one) if (base.description.doi or "").lower() != external_doi(one) else None


def _doi_changed(one: Deposit) -> Problem:
    return Problem(
        path="",
        record=one.key,
        outcome=Outcome.REJECTED,
        code="doi-changed",
        field="metadata.doi",
        reason=f"record {one.record_id} is published with another DOI, which it keeps",
        remedy="Put `doi` back as it was, or change the record's files to publish a new version.",
    )


def _withdrawn(one: Deposit) -> Problem:
    return Problem(
        path="",
        record=one.key,
        outcome=Outcome.REJECTED,
        code="withdrawn",
        reason=f"record {one.record_id} was withdrawn; its description is not changed any more",
        remedy="Take the record out of the source, or change its files to publish a new version.",
    )


def _taken(one: Deposit, name: str) -> Problem:
    return Problem(
        path="",
        record=one.key,
        outcome=Outcome.REJECTED,
        code="doi-taken",
        field="metadata.doi",
        reason=f"the DOI {name} belongs to another record here",
        remedy="Correct the DOI, or leave it out to be given one.",
    )
