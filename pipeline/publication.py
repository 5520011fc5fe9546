"""Use case: publishing. One transaction makes records public together with the effects that follow; nothing that
can fail outside is part of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import accumulate

from pipeline import gates
from pipeline.catalogue import (
    Transaction,
    accessions,
    adoption,
    communities,
    deposit_files,
    deposits,
    dois,
    draft_files,
    drafts,
    events,
    examinations,
    fixity,
    outbox,
    record_files,
    records,
    works,
)
from pipeline.catalogue.accessions import Stage
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.dois import WantedDoi
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.scans import InfectedFile
from pipeline.communities import curation
from pipeline.display import shown
from pipeline.errors import Conflict, FieldFault, HeadraceError, InvalidFields, Missing, Rejected
from pipeline.gates import Fault, external_doi
from pipeline.index.indexer import index
from pipeline.lifecycle import DepositEvent, RecordEvent, step_deposit, step_record
from pipeline.model import (
    AGENT,
    DepositAction,
    DepositState,
    DoiState,
    EffectKind,
    Event,
    EventType,
    JsonObject,
    Outcome,
    Problem,
    Record,
    RecordState,
    Tombstone,
)
from pipeline.pid.doi import concept_doi, version_doi
from pipeline.services import Services, lease_owner

BATCH, FILE_BATCH = 50, 500
"""Records, and files of them, that are published in one transaction (of a record with more, all): on SQLite everybody
else who writes waits meanwhile. Twenty milliseconds or so, with what a transaction costs besides a tenth of it."""
INFECTED = "infected"
"""The reason of a withdrawal that no person decided."""


def publish_sealed(
    services: Services, accession_id: str, *, run_id: str = "", owner: str = "", community: str = ""
) -> int:
    """Publish some of the sealed deposits of an accession, few at a time. How many are sealed no more. Without an
    `owner` new versions belong to whom their works belong to. With the scan gate `publish`, those with a file that no
    scanner called clean stay sealed. Those with bytes that were purged from their work since they were read, or found
    infected in a record that has them as well, are held. Raises `Interrupted` where the run `run_id` may not work on
    the accession any more; where no run is named, nobody else may be at work on it."""
    now = services.now()
    with services.catalogue.write() as tx:
        if run_id:
            accessions.hold_on(tx, accession_id, owner=lease_owner(services, run_id), now=now)
        must_be_clean = services.settings.scan_gate == "publish"
        chosen = _few(deposits.sealed(tx, accession_id, BATCH, must_be_clean=must_be_clean))
        judged = gates.judge(tx, chosen)
        deposits.move(tx, {one.id: one for one, _ in judged.faults}.values(), DepositEvent.HOLD)
        _bring_out(tx, services, judged.publishable, accession_id=accession_id, owner=owner, now=now)
        warnings = _include(tx, judged.publishable, community, now=now)
        warnings += _duplicates(tx, judged.publishable)
        told = [(one.id, problem) for one, problem in (*judged.faults, *warnings)]
        accessions.report(tx, accession_id, Stage.INTAKE, told)
    for place in judged.left:
        # What a crash leaves of them is rejected all the same.
        services.store.delete(place)
    return len(chosen)


def _few(some: Sequence[Deposit]) -> list[Deposit]:
    """The first of them that have no more than `FILE_BATCH` files together, and one at least."""
    files = accumulate(one.files_total for one in some)
    return [
        one
        for number, (one, sum_) in enumerate(zip(some, files, strict=True))
        if number == 0 or sum_ <= FILE_BATCH
    ]


def publish_draft(
    services: Services, deposit_id: int, check: Callable[[Transaction, Draft], Deposit]
) -> bool:
    """Publish one deposit that belongs to no accession, or change nothing; whether it is a record now. `check` looks at
    it first, in the same transaction, and answers what it is to be published as. One with a file that nobody has read
    yet, or, with the scan gate `publish`, that no scanner called clean yet, is sealed, and published once they all are
    (`publish_waiting`). Raises what `check` does, `Missing` where it is not open any more, `Denied` where it waits
    already, `InvalidFields` for all that keeps it from being published."""
    with services.catalogue.write() as tx:
        draft = drafts.locked_draft(tx, deposit_id)
        hold_communities(tx, draft.deposit)
        return publish_locked(tx, services, check(tx, draft))


def publish_locked(tx: Transaction, services: Services, one: Deposit) -> bool:
    """The same, of a draft that is locked and was looked at, with the communities that it names (`hold_communities`),
    together with what is done in the transaction besides."""
    if one.base_record_id is not None:
        draft_files.take_over_verdicts(tx, one.id)
    # Nobody sees it in this state unless it stays in it.
    sealed = replace(one, state=step_deposit(one.state, DepositEvent.SEAL))
    _require_publishable(tx, sealed)
    if sealed.home:
        # In this transaction: a verdict that is noted meanwhile comes too late to be seen here, be it by who would
        # publish what waits, or in the files that go over into the record.
        outbox.want(tx, [(EffectKind.EXAMINE, sealed.record_id)], now=services.now())
    if _must_wait(tx, services, sealed):
        deposits.move(tx, [one], DepositEvent.SEAL)
        examinations.ask_again(tx, one.id)
        return False
    _publish_sealed_draft(tx, services, sealed)
    return True


def publish_waiting(services: Services, record_id: int) -> None:
    """Publish the draft of a record that was sealed to wait for verdicts, now that all were given; where they keep it
    from being published it is open again, and tells why."""
    try:
        with services.catalogue.write() as tx:
            waiting = drafts.sealed(tx, record_id)
            # What came since the files were read asks for that once more.
            if waiting is not None and not deposit_files.are_unread(tx, waiting.id):
                hold_communities(tx, waiting)
                _require_publishable(tx, waiting)
                if _must_wait(tx, services, waiting):
                    raise InvalidFields((FieldFault("files", (_NOT_WHOLE,), remedy=_LOOK_AGAIN),))
                _publish_sealed_draft(tx, services, waiting)
    except InvalidFields as refused:
        with services.catalogue.write() as tx:
            if (still := drafts.sealed(tx, record_id)) is not None:
                _refuse(tx, still, refused.faults, now=services.now())


def refuse_draft(services: Services, record_id: int, faults: Sequence[FieldFault]) -> None:
    """Have the draft of a record tell what keeps it from being published; one that waits for that is open again."""
    with services.catalogue.write() as tx, suppress(Missing):
        draft = drafts.get(tx, record_id)
        _refuse(tx, drafts.locked(tx, draft.deposit.id, may_be_sealed=True), faults, now=services.now())


def _refuse(tx: Transaction, one: Deposit, faults: Sequence[FieldFault], *, now: datetime) -> None:
    if one.state is DepositState.SEALED:
        deposits.move(tx, [one], DepositEvent.REOPEN)
        if one.action is DepositAction.NEW:
            # Curators accepted what was to be published, which this is not.
            communities.forget_work(tx, one.concept_id)
    drafts.note_refusal(tx, one, faults, now=now)


_NOT_WHOLE = "The virus scanner could not go through all of the files."
_LOOK_AGAIN = "Publish once more, and it looks again; or leave out archives within archives."


def _require_publishable(tx: Transaction, sealed: Deposit) -> None:
    """Raises `InvalidFields`, and then nothing of what was judged may be committed."""
    faults = gates.judge(tx, [sealed]).faults
    if faults:
        raise InvalidFields(tuple(_told(faults)))


def _must_wait(tx: Transaction, services: Services, one: Deposit) -> bool:
    if deposit_files.are_unread(tx, one.id):
        return True
    return services.settings.scan_gate == "publish" and deposit_files.are_unclean(tx, one.id)


def _told(faults: Sequence[Fault]) -> Iterator[FieldFault]:
    for one, problem in faults:
        yield FieldFault(
            _FIELDS.get(problem.field, problem.field) or "files",
            (_reason(one, problem),),
            remedy=_REMEDIES.get(problem.code, problem.remedy),
        )


def _reason(one: Deposit, problem: Problem) -> str:
    if problem.code == "doi-taken":
        # In the words of InvenioRDM, which clients know.
        return f"doi:{(one.description or {}).get('doi')} already exists."
    return f"{problem.path}: {problem.reason}" if problem.path else problem.reason


# As InvenioRDM calls what a description calls otherwise.
_FIELDS = {"metadata.doi": "pids.doi"}
# Who deposits over HTTP has no source to mend.
_REMEDIES = {
    "doi-changed": "Put the DOI back as it was.",
    "infected": "Delete the file, or send one that is clean in its place.",
    "purged": "Delete the file: what was purged is not taken in again.",
    "withdrawn": "Discard the edit.",
}


def hold_communities(tx: Transaction, one: Deposit, *, besides: Collection[str] = ()) -> None:
    """Lock the communities that a draft names, and others (by id), before its requests and its work: see
    docs/architecture.md, Concurrency."""
    named = communities.by_slugs(tx, _named(one)).values()
    communities.lock(tx, {*besides, *(each.id for each in named)})


def _named(one: Deposit) -> set[str]:
    return {slug.lower() for slug in (one.description or {}).get("communities", ())}


def _publish_sealed_draft(tx: Transaction, services: Services, sealed: Deposit) -> None:
    now = services.now()
    # They are acted on once: what is asked of them stands in requests.
    named = _named(sealed)
    description = {key: value for key, value in (sealed.description or {}).items() if key != "communities"}
    _bring_out(tx, services, [replace(sealed, description=description)], accession_id=None, now=now)
    for one in communities.by_slugs(tx, named).values():
        depositor = drafts.depositor(tx, sealed.id)
        # As on Zenodo, what comes of nothing does not keep the record from being published.
        with suppress(Missing, Rejected):
            record = records.get(tx, sealed.record_id)
            curation.propose(tx, services.repository, record, one, depositor, now=now)


def _bring_out(
    tx: Transaction,
    services: Services,
    chosen: Sequence[Deposit],
    *,
    accession_id: str | None,
    owner: str = "",
    now: datetime,
) -> None:
    """Make sealed deposits records of, with all that follows for them and for other versions of their works."""
    fresh = [one for one in chosen if one.action is not DepositAction.REVISION]
    revised = [one for one in chosen if one.action is DepositAction.REVISION]
    _add_versions(tx, fresh, owner=owner, now=now)
    for one in revised:
        _revise(tx, one, accession_id, now=now)
        if one.home:
            _change_files(tx, one)
    _name(tx, services, fresh)
    events.add(tx, [_event(one, now) for one in chosen], accession_id=accession_id)
    _want_effects(tx, fresh, accession_id, now=now)
    deposits.move(tx, chosen, DepositEvent.PUBLISH)
    deposit_files.forget(tx, [one.id for one in chosen])


def withdraw(services: Services, record_id: int, *, reason: str, note: str, by: str) -> None:
    """Take a record out of service: its tombstone stays. Search has it no more when this returns. Raises `Missing`, or
    `Conflict` where it is gone already."""
    with services.catalogue.write() as tx:
        changed = withdraw_in(tx, record_id, Tombstone(reason, note, by, services.now()))
    show_at_once(services, changed)


def show_at_once(services: Services, record_ids: Collection[int]) -> None:
    """Have search tell of records what is so by now: who may see what takes hold of it as of every other door. The
    effect does the same soon, should this fail."""
    with suppress(HeadraceError):
        index(services, sorted(record_ids), at_once=True)


def withdraw_in(tx: Transaction, record_id: int, tombstone: Tombstone) -> set[int]:
    """The same, together with what is done in the transaction besides; the records that search tells of otherwise from
    then on (`show_at_once`). Raises as `withdraw`."""
    now = tombstone.removed_at
    concept_id = records.get(tx, record_id).concept_id
    # Which of its versions stands for the work is told by the last who changes that.
    works.lock(tx, [concept_id])
    record = records.get(tx, record_id)
    was_newest = records.newest_published(tx, record.concept_id) == record_id
    records.withdraw(tx, record_id, tombstone)
    _want_own_dois(tx, record_id, now=now)
    detail = {"reason": tombstone.reason, "note": tombstone.note}
    event = _event_of(record_id, EventType.DEACCESSION, tombstone.removed_by, now, detail)
    events.add(tx, [event])
    return {record_id, *(_succeed(tx, record.concept_id, now=now) if was_newest else ())}


def restore(services: Services, record_id: int, *, by: str) -> None:
    """Put a withdrawn record into service again, but for bytes that were purged. Raises `Missing`, or `Conflict` where
    it is in service, or was withdrawn for what was found in it."""
    now = services.now()
    with services.catalogue.write() as tx:
        concept_id = records.get(tx, record_id).concept_id
        works.lock(tx, [concept_id])
        record = records.get(tx, record_id)
        if record.tombstone is not None and record.tombstone.reason == INFECTED:
            raise Conflict("a record that was withdrawn for an infected file stays withdrawn")
        stood = records.get(tx, records.newest_published(tx, concept_id))
        records.restore(tx, record_id, now=now)
        _want_own_dois(tx, record_id, now=now)
        events.add(tx, [_event_of(record_id, EventType.ACCESSION, by, now, {})])
        if stood.id != record_id:
            # What stood for the work may do so no more.
            records.tell(tx, RecordEvent.GAIN_VERSION, [stood.id], now=now)
    show_at_once(services, {record_id, stood.id})


def _want_own_dois(tx: Transaction, record_id: int, *, now: datetime) -> None:
    """Have the DOIs that we gave a record and its work be found where there is something to be found, else hidden; and
    the versions beside it, and the work, say what is so now."""
    record = records.get(tx, record_id)
    standing = records.get(tx, records.newest_published(tx, record.concept_id))
    states = {record_id: _doi_state(record), None: _doi_state(standing)}
    names = [one for one in dois.of_concepts(tx, [record.concept_id]) if one.record_id in states]
    dois.want(tx, [replace(one, wanted=states[one.record_id]) for one in names if not one.external])
    beside = {*records.beside(tx, record), standing.id}
    outbox.want(tx, [(EffectKind.REGISTER, one) for one in sorted(beside)], now=now)


def _doi_state(record: Record) -> DoiState:
    return DoiState.FINDABLE if record.state is RecordState.PUBLISHED else DoiState.REGISTERED


def _event_of(record_id: int, kind: EventType, by: str, now: datetime, detail: JsonObject) -> Event:
    return Event(
        id=f"urn:uuid:{uuid.uuid4()}",
        type=kind,
        at=now,
        agent=by,
        outcome="success",
        record_id=record_id,
        detail=detail,
    )


def withdraw_infected(services: Services, found: InfectedFile) -> None:
    """Take the record out of service that has an infected file; where somebody else was faster, nothing."""
    note = f"{found.signature} was found in one of its files after it had been published."
    with suppress(Conflict):
        withdraw(services, found.record_id, reason=INFECTED, note=note, by=AGENT)


def _succeed(tx: Transaction, concept_id: int, *, now: datetime) -> set[int]:
    """Have search and the work's DOI lead to the version that is the newest now, if one is still published: which."""
    heir = records.get(tx, records.newest_published(tx, concept_id))
    if heir.state is not RecordState.PUBLISHED:
        return set()
    # To outputs it is the same whether the versions beside it become more or fewer.
    records.tell(tx, RecordEvent.GAIN_VERSION, [heir.id], now=now)
    return {heir.id}


def _add_versions(tx: Transaction, fresh: Sequence[Deposit], *, owner: str, now: datetime) -> None:
    step_record(None, RecordEvent.PUBLISH)
    # A person and an accession may each have drafted a version of one work.
    works.lock(tx, {one.concept_id for one in fresh if one.action is DepositAction.VERSION})
    before = records.lineages(tx, [one.concept_id for one in fresh])
    records.add_records(
        tx,
        [
            {
                "id": one.record_id,
                "concept_id": one.concept_id,
                "version": before[one.concept_id].last_version + 1,
                "revision": 1,
                "is_latest": True,
                "state": RecordState.PUBLISHED,
                "description": one.description,
                "owner": owner or before[one.concept_id].owner,
                "created": now,
                "modified": now,
                "file_count": 0,
                "total_bytes": 0,
                "fingerprint": one.fingerprint,
                "accession_id": one.accession_id,
                "staged": one.home,
                "missing_files": _missing(tx, one),
            }
            for one in fresh
        ],
    )
    adoption.adopt_files(tx, [one.id for one in fresh])
    fixity.begin(tx, [one.id for one in fresh])
    records.measure(tx, [one.record_id for one in fresh])


def _missing(tx: Transaction, one: Deposit) -> list[str]:
    """What a partial record lacks, as its depositor named it."""
    if one.files_bad + one.faults == 0:
        return []
    found = accessions.problem_paths(tx, one.id)
    return sorted(path for path, outcome in found if outcome is not Outcome.WARNED and path)


def _revise(tx: Transaction, one: Deposit, accession_id: str | None, *, now: datetime) -> None:
    values: JsonObject = {"description": one.description}
    if one.accession_id is not None:
        # Otherwise the source that the record came from goes on knowing it by what was found there last.
        values |= {"fingerprint": one.fingerprint, "accession_id": one.accession_id}
    records.revise(tx, one.record_id, values, now=now, accession_id=accession_id)


def _change_files(tx: Transaction, one: Deposit) -> None:
    """The record has the files of its edit. Bytes that it has no more stay in earlier versions of its object; those
    that the edit brought wait to be preserved."""
    works.lock(tx, [one.concept_id])
    record_files.remember_places(tx, one.record_id)
    if adoption.replace_files(tx, one):
        records.stage_again(tx, one.record_id, one.home)
    adoption.adopt_files(tx, [one.id])
    fixity.begin(tx, [one.id])
    records.measure(tx, [one.record_id])


def _name(tx: Transaction, services: Services, fresh: Sequence[Deposit]) -> None:
    """The DOIs that versions and their works shall have; an external DOI is noted, never registered by us."""
    wanted: list[WantedDoi] = []
    for one in fresh:
        external = external_doi(one)
        if external:
            wanted.append(
                WantedDoi(external, one.concept_id, one.record_id, DoiState.FINDABLE, external=True)
            )
            continue
        for name, record_id in (
            (version_doi(services.repository, one.record_id), one.record_id),
            (concept_doi(services.repository, one.concept_id), None),
        ):
            wanted.append(WantedDoi(name.lower(), one.concept_id, record_id, DoiState.FINDABLE))
    dois.want(tx, wanted)


def _include(tx: Transaction, published: Sequence[Deposit], community: str, *, now: datetime) -> list[Fault]:
    """Have works join the communities that they name, and `community`: whoever runs an ingest says so. What is said of
    those that are not there."""
    wanted = {
        one.id: {*(one.description or {}).get("communities", []), *([community] if community else [])}
        for one in published
    }
    known = communities.by_slugs(tx, set().union(*wanted.values()))
    memberships = {
        (one.concept_id, known[slug].id) for one in published for slug in wanted[one.id] if slug in known
    }
    curation.join(tx, sorted(memberships), besides=[one.record_id for one in published], now=now)
    return [
        (one, _no_community(one, slug))
        for one in published
        for slug in sorted(wanted[one.id])
        if slug not in known
    ]


def _no_community(one: Deposit, slug: str) -> Problem:
    return Problem(
        path="",
        record=one.key,
        outcome=Outcome.WARNED,
        code="no-community",
        field="metadata.communities",
        reason=f"there is no community {slug}; the record is published without it",
        remedy=f"Ingest something with --community {slug}, which makes it; this record joins when it is next changed.",
    )


def _duplicates(tx: Transaction, published: Sequence[Deposit]) -> list[Fault]:
    """Which files of new versions have the same bytes: both are kept, their bytes once."""
    line_of = {one.record_id: one for one in published if one.action is not DepositAction.REVISION}
    return [
        (
            line_of[again.record_id],
            Problem(
                path=shown(again.path or again.key),
                record=line_of[again.record_id].key,
                outcome=Outcome.WARNED,
                code="duplicate",
                reason=f"the same bytes as {again.first}: both are kept, their bytes are stored once",
            ),
        )
        for again in record_files.duplicates(tx, list(line_of))
    ]


def _event(one: Deposit, now: datetime) -> Event:
    return Event(
        id=f"urn:uuid:{uuid.uuid4()}",
        type=_event_type(one),
        at=now,
        agent=AGENT,
        outcome="success",
        record_id=one.record_id,
        detail={"accession": one.accession_id, "record": one.key} if one.accession_id else {},
    )


def _event_type(one: Deposit) -> EventType:
    if one.action is not DepositAction.REVISION:
        return EventType.INGESTION
    return EventType.MODIFICATION if one.home else EventType.METADATA


def _want_effects(
    tx: Transaction,
    fresh: Sequence[Deposit],
    accession_id: str | None,
    *,
    now: datetime,
) -> None:
    effects: list[tuple[EffectKind, int]] = []
    for one in fresh:
        effects += [(kind, one.record_id) for kind in step_record(None, RecordEvent.PUBLISH)[1]]
        if one.base_record_id is not None:
            # Not the version before where that was withdrawn: the one that stood for the work until now.
            older = records.newest_published(tx, one.concept_id, besides=one.record_id)
            records.tell(tx, RecordEvent.GAIN_VERSION, [older], now=now, accession_id=accession_id)
    outbox.want(tx, effects, now=now, accession_id=accession_id)
