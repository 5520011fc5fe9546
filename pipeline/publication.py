"""Use case: publishing. One transaction makes records public together with the effects that follow; nothing that
can fail outside is part of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from pipeline.access import purged_again
from pipeline.catalogue import (
    Transaction,
    accessions,
    clearance,
    communities,
    deposit_files,
    deposits,
    dois,
    fixity,
    outbox,
    purges,
    quarantine,
    records,
    scans,
)
from pipeline.catalogue.accessions import Stage
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.dois import WantedDoi
from pipeline.catalogue.purges import Refused
from pipeline.catalogue.scans import KnownInfected
from pipeline.display import shown
from pipeline.lifecycle import DepositEvent, RecordEvent, step_record
from pipeline.model import (
    AGENT,
    DepositAction,
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
from pipeline.store import layout

BATCH = 500


def publish_sealed(
    services: Services, accession_id: str, *, run_id: str = "", owner: str = "", community: str = ""
) -> int:
    """Publish up to `BATCH` sealed deposits of an accession. How many are sealed no more. Without an `owner` new
    versions belong to whom their works belong to. With the scan gate `publish`, those with a file that no scanner
    called clean stay sealed. Those with bytes that were purged from their work since they were read, or found infected
    in a record that has them as well, are held. Raises `Interrupted` where the run `run_id` may not work on the
    accession any more; where no run is named, nobody else may be at work on it."""
    now = services.now()
    with services.catalogue.write() as tx:
        if run_id:
            accessions.hold_on(tx, accession_id, owner=lease_owner(services, run_id), now=now)
        must_be_clean = services.settings.scan_gate == "publish"
        chosen = deposits.sealed(tx, accession_id, BATCH, must_be_clean=must_be_clean)
        whole, refused = _without_purged_bytes(tx, chosen)
        clean, infected = _without_infected(tx, whole, accession_id)
        publishable = _without_taken_dois(tx, _without_wrong_revisions(tx, clean))
        fresh = [one for one in publishable if one.action is not DepositAction.REVISION]
        revised = [one for one in publishable if one.action is DepositAction.REVISION]
        _add_versions(tx, fresh, owner=owner, now=now)
        for one in revised:
            _revise(tx, one, now=now)
        _name(tx, services, fresh)
        _join_communities(tx, publishable, community)
        records.add_events(tx, [_event(one, now) for one in publishable], accession_id=accession_id)
        _report_duplicates(tx, fresh)
        _want_effects(tx, fresh, revised, accession_id, now=now)
        deposits.move(tx, publishable, DepositEvent.PUBLISH)
        deposit_files.forget(tx, [one.id for one in publishable])
    for place in (*(again.place for again in refused), *infected):
        # What a crash leaves of them is rejected all the same.
        services.store.delete(place)
    return len(chosen)


def withdraw(services: Services, record_id: int, *, reason: str, note: str, by: str) -> None:
    """Take a record out of service: its tombstone stays. Raises `Missing`, or `Conflict` where it is gone already."""
    now = services.now()
    with services.catalogue.write() as tx:
        record = records.get(tx, record_id)
        _, effects = step_record(record.state, RecordEvent.WITHDRAW)
        was_newest = records.newest_published(tx, record.concept_id) == record_id
        records.withdraw(tx, record_id, Tombstone(reason, note, by, now))
        names = [one for one in dois.of_concepts(tx, [record.concept_id]) if one.record_id == record_id]
        hidden = [
            WantedDoi(one.name, one.concept_id, record_id, DoiState.REGISTERED)
            for one in names
            if not one.external
        ]
        dois.want(tx, hidden)
        event = Event(
            id=f"urn:uuid:{uuid.uuid4()}",
            type=EventType.DEACCESSION,
            at=now,
            agent=by,
            outcome="success",
            record_id=record_id,
            detail={"reason": reason, "note": note},
        )
        records.add_events(tx, [event])
        outbox.want(tx, [(kind, record_id) for kind in effects], now=now)
        if was_newest:
            _succeed(tx, record.concept_id, now=now)


def _succeed(tx: Transaction, concept_id: int, *, now: datetime) -> None:
    """Have search and the work's DOI lead to the version that is the newest now, if one is still published."""
    heir = records.get(tx, records.newest_published(tx, concept_id))
    if heir.state is RecordState.PUBLISHED:
        records.touch(tx, heir.id)
        # To outputs it is the same whether the versions beside it become more or fewer.
        _, effects = step_record(heir.state, RecordEvent.GAIN_VERSION)
        outbox.want(tx, [(kind, heir.id) for kind in effects], now=now)


def _without_purged_bytes(tx: Transaction, chosen: Sequence[Deposit]) -> tuple[list[Deposit], list[Refused]]:
    """Hold deposits with bytes that were purged from their work since they were read; the rest, and the files that were
    rejected."""
    refused = purges.refuse(tx, [one.id for one in chosen])
    deposit_of = {one.id: one for one in chosen}
    held = {again.deposit_id for again in refused}
    deposits.move(tx, [one for one in chosen if one.id in held], DepositEvent.HOLD)
    for again in refused:
        one, fault = deposit_of[again.deposit_id], purged_again(again.decision)
        problem = Problem(
            shown(again.path), one.key, Outcome.REJECTED, fault.code, fault.message, remedy=fault.remedy
        )
        accessions.report(tx, one.accession_id, Stage.INTAKE, [(one.id, problem)])
    return [one for one in chosen if one.id not in held], refused


def _without_infected(
    tx: Transaction, chosen: Sequence[Deposit], accession_id: str
) -> tuple[list[Deposit], list[str]]:
    """Hold those with a file that is known to be infected by now, though it was not when it was read or carried over;
    the rest, and the keys in the store of what nobody refers to any more."""
    found = scans.known_infected(tx, [one.id for one in chosen])
    clearance.hold_without(tx, found)
    problems = [(one.deposit_id, _infected(one)) for one in found]
    accessions.report(tx, accession_id, Stage.INTAKE, problems)
    held = {one.deposit_id for one in found}
    left = [*(one.place for one in found), *_put_apart(tx, found, accession_id)]
    return [one for one in chosen if one.id not in held], left


def _put_apart(tx: Transaction, found: Sequence[KnownInfected], accession_id: str) -> set[str]:
    """Where a rescan that was cut off may have put them, and no person knows of it."""
    apart = {layout.quarantined(accession_id, one.id) for one in found}
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


def _without_taken_dois(tx: Transaction, chosen: Sequence[Deposit]) -> list[Deposit]:
    """Hold new versions whose external DOI is a record's already, be it of the same work; the rest."""
    wanted = {one.id: _external_doi(one) for one in chosen if one.action is not DepositAction.REVISION}
    taken = set(dois.taken(tx, [name for name in wanted.values() if name]))
    free: list[Deposit] = []
    for one in chosen:
        name = wanted.get(one.id, "")
        if name in taken:
            deposits.move(tx, [one], DepositEvent.HOLD)
            accessions.report(tx, one.accession_id, Stage.INTAKE, [(one.id, _taken(one, name))])
        else:
            taken.update([name] if name else [])
            free.append(one)
    return free


def _without_wrong_revisions(tx: Transaction, chosen: Sequence[Deposit]) -> list[Deposit]:
    """Hold new descriptions that a record cannot be given; the rest."""
    kept: list[Deposit] = []
    for one in chosen:
        fault = _fault_of_revision(one, records.get(tx, one.record_id)) if _revises(one) else None
        if fault is None:
            kept.append(one)
            continue
        deposits.move(tx, [one], DepositEvent.HOLD)
        accessions.report(tx, one.accession_id, Stage.INTAKE, [(one.id, fault)])
    return kept


def _revises(one: Deposit) -> bool:
    return one.action is DepositAction.REVISION


def _fault_of_revision(one: Deposit, base: Record) -> Problem | None:
    if base.state is RecordState.WITHDRAWN:
        return _withdrawn(one)
    # A DOI is what the record is known and cited by: it stays for as long as the version does.
    return _doi_changed(one) if (base.description.doi or "").lower() != _external_doi(one) else None


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


def _external_doi(one: Deposit) -> str:
    return str((one.description or {}).get("doi") or "").lower()


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


def _add_versions(tx: Transaction, fresh: Sequence[Deposit], *, owner: str, now: datetime) -> None:
    step_record(None, RecordEvent.PUBLISH)
    before = {
        one.id: records.get(tx, one.base_record_id).version for one in fresh if one.base_record_id is not None
    }
    owners = records.owners(tx, [one.concept_id for one in fresh])
    records.add_records(
        tx,
        [
            {
                "id": one.record_id,
                "concept_id": one.concept_id,
                "version": before.get(one.id, 0) + 1,
                "revision": 1,
                "is_latest": True,
                "state": RecordState.PUBLISHED,
                "description": one.description,
                "owner": owner or owners[one.concept_id],
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
    records.adopt_files(tx, [one.id for one in fresh])
    fixity.begin(tx, [one.id for one in fresh])
    records.measure(tx, [one.record_id for one in fresh])


def _missing(tx: Transaction, one: Deposit) -> list[str]:
    """What a partial record lacks, as its depositor named it."""
    if one.files_bad + one.faults == 0:
        return []
    found = accessions.problem_paths(tx, one.id)
    return sorted(path for path, outcome in found if outcome is not Outcome.WARNED and path)


def _revise(tx: Transaction, one: Deposit, *, now: datetime) -> None:
    values: JsonObject = {
        "description": one.description,
        "modified": now,
        "fingerprint": one.fingerprint,
        "accession_id": one.accession_id,
    }
    records.revise(tx, one.record_id, values)


def _name(tx: Transaction, services: Services, fresh: Sequence[Deposit]) -> None:
    """The DOIs that versions and their works shall have; an external DOI is noted, never registered by us."""
    wanted: list[WantedDoi] = []
    for one in fresh:
        external = _external_doi(one)
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


def _join_communities(tx: Transaction, published: Sequence[Deposit], community: str) -> None:
    known = {one.slug for one in communities.everyone(tx)}
    memberships: list[tuple[int, str]] = []
    for one in published:
        named = (one.description or {}).get("communities", [])
        memberships += [(one.concept_id, slug) for slug in {community, *named} if slug in known]
        unknown = [slug for slug in named if slug not in known]
        accessions.report(
            tx, one.accession_id, Stage.INTAKE, [(one.id, _no_community(one, slug)) for slug in unknown]
        )
    communities.include(tx, sorted(set(memberships)))


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


def _report_duplicates(tx: Transaction, fresh: Sequence[Deposit]) -> None:
    """Say which files of a record have the same bytes: both are kept, their bytes once."""
    line_of = {one.record_id: one for one in fresh}
    for again in records.duplicates(tx, list(line_of)):
        one = line_of[again.record_id]
        problem = Problem(
            path=shown(again.path or again.key),
            record=one.key,
            outcome=Outcome.WARNED,
            code="duplicate",
            reason=f"the same bytes as {again.first}: both are kept, their bytes are stored once",
        )
        accessions.report(tx, one.accession_id, Stage.INTAKE, [(one.id, problem)])


def _event(one: Deposit, now: datetime) -> Event:
    is_revision = one.action is DepositAction.REVISION
    return Event(
        id=f"urn:uuid:{uuid.uuid4()}",
        type=EventType.METADATA if is_revision else EventType.INGESTION,
        at=now,
        agent=AGENT,
        outcome="success",
        record_id=one.record_id,
        detail={"accession": one.accession_id, "record": one.key},
    )


def _want_effects(
    tx: Transaction, fresh: Sequence[Deposit], revised: Sequence[Deposit], accession_id: str, *, now: datetime
) -> None:
    effects: list[tuple[EffectKind, int]] = []
    for one in fresh:
        effects += [(kind, one.record_id) for kind in step_record(None, RecordEvent.PUBLISH)[1]]
        if one.base_record_id is not None:
            # Not the version before where that was withdrawn: the one that stood for the work until now.
            older = records.get(tx, records.newest_published(tx, one.concept_id, besides=one.record_id))
            records.touch(tx, older.id)
            effects += [(kind, older.id) for kind in step_record(older.state, RecordEvent.GAIN_VERSION)[1]]
    for one in revised:
        current = records.get(tx, one.record_id)
        effects += [(kind, one.record_id) for kind in step_record(current.state, RecordEvent.REVISE)[1]]
    outbox.want(tx, effects, now=now, accession_id=accession_id)
