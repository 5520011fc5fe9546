"""Use case: an accession, from its plan to its end.

    plan.make → units → (workers) → note, settle → seal → finish

Every function is one step that may be killed and run again: what it wrote in a transaction stays, the rest is
found anew. The flow calls them in this order; `retry` and `cancel` come from the command line.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pipeline import codec
from pipeline.catalogue import (
    Transaction,
    accessions,
    clearance,
    deposit_files,
    deposits,
    events,
    ledger,
    quarantine,
    records,
)
from pipeline.catalogue.accessions import Stage
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.ledger import Noted
from pipeline.catalogue.quarantine import QuarantinedFile
from pipeline.display import shown
from pipeline.errors import Conflict, HeadraceError, Interrupted, Misconfigured, Unavailable
from pipeline.ingest.absence import no_files
from pipeline.ingest.custody import FileReport, Unit
from pipeline.lifecycle import DepositEvent
from pipeline.model import (
    AGENT,
    AccessionState,
    DepositAction,
    DepositState,
    Event,
    EventType,
    FileOutcome,
    FileState,
    JsonObject,
)
from pipeline.running.beside import renewing
from pipeline.services import Services, lease_owner
from pipeline.store import layout

LEASE = accessions.LEASE
_BATCH = 500  # deposits, of those that are given up or moved out of the root
# Fewer, for each takes statements of its own, and on SQLite all others who write wait meanwhile.
_JUDGED = 100
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


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
    trust_dois: bool = False

    def __post_init__(self) -> None:
        """Raises `Misconfigured`."""
        object.__setattr__(self, "owner", self.owner.strip().lower())
        object.__setattr__(self, "community", slug(self.community) if self.community.strip() else "")

    def to_json(self) -> JsonObject:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Run:
    """One run on an accession: `id` tells it from all others, and holds the lease. `flow_run` is the
    orchestrator's name for it. `retry` names the accession whose held records are to be tried again, `plan` the plan
    that is applied."""

    id: str
    collection: str
    source: str
    options: IngestOptions
    flow_run: str = ""
    retry: str = ""
    plan: str = ""


# ---------------------------------------------------------------- taking in


def note(services: Services, run: Run, accession_id: str, noted: Sequence[Noted]) -> None:
    """Write into the part ledger what attempts at large files told. Raises `Interrupted` as `settle` does."""
    with services.catalogue.write() as tx:
        hold_on(tx, services, run, accession_id)
        ledger.note(tx, noted, now=services.now())


def settle(services: Services, run: Run, unit: Unit, reports: Sequence[FileReport]) -> None:
    """Write what became of a unit's files, once however often it is called. Raises `Interrupted` where the accession
    was cancelled or the lease on it lost."""
    accession_id = unit.terms.accession_id
    deposit_of, now = {file.id: file.deposit_id for file in unit.files}, services.now()
    with services.catalogue.write() as tx:
        hold_on(tx, services, run, accession_id)
        settled = deposit_files.settle(tx, [one.outcome for one in reports], taken_at=now)
        apart = _quarantined(unit, [one.outcome for one in reports if one.outcome.id in settled], now)
        quarantine.add(tx, apart)
        events.add(tx, [event_of_quarantine(services, one) for one in apart], accession_id=accession_id)
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
        accessions.add_bytes_read(
            tx, accession_id, sum(one.bytes_read for one in reports if one.outcome.id in settled)
        )
    # Last: whose the accession is was seen above, and what a crash leaves is a leftover that the next run ends.
    end_leftovers(services, of=list(deposit_of))


def end_leftovers(
    services: Services, *, of: Collection[int] | None = None, before: datetime | None = None
) -> None:
    """Have the store end every upload that nobody will go on with, and forget it: of these files only, or begun before
    a time, where so asked."""
    with services.catalogue.read() as tx:
        found = ledger.leftovers(tx, of)
    left = {id_: one for id_, one in found.items() if before is None or one.begun < before}
    for one in left.values():
        services.store.end_upload(one)
    if left:
        with services.catalogue.write() as tx:
            ledger.forget_uploads(tx, left)


def _quarantined(unit: Unit, outcomes: Sequence[FileOutcome], now: datetime) -> list[QuarantinedFile]:
    file_of = {file.id: file for file in unit.files}
    return [
        QuarantinedFile(
            accession_id=unit.terms.accession_id,
            deposit_id=file_of[one.id].deposit_id,
            file_id=one.id,
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


def event_of_quarantine(services: Services, one: QuarantinedFile) -> Event:
    return Event(
        id=f"urn:uuid:{uuid.uuid4()}",
        type=EventType.QUARANTINE,
        at=one.at,
        agent=AGENT,
        outcome="success",
        objects=(f"{services.root_digest}:{one.digests[services.root_digest]}",),
        detail={"record": one.record, "path": shown(one.path), "signature": one.signature},
    )


def lease(tx: Transaction, services: Services, run: Run, accession_id: str) -> None:
    owner = lease_owner(services, run.id)
    accessions.lease(tx, accession_id, owner=owner, now=services.now(), length=LEASE)


def hold_on(tx: Transaction, services: Services, run: Run, accession_id: str) -> None:
    """Prolong the run's lease. Raises `Interrupted` where the accession was cancelled or another run has it."""
    accessions.hold_on(tx, accession_id, owner=lease_owner(services, run.id), now=services.now())


def keep(services: Services, run: Run, accession_id: str) -> None:
    """`hold_on`, for a run that has nothing to write for a while."""
    with services.catalogue.write() as tx:
        hold_on(tx, services, run, accession_id)


def keeping(services: Services, run: Run, accession_id: str) -> AbstractContextManager[None]:
    """`keep`, again and again for as long as the block lasts: a large file takes longer than the lease does."""
    return renewing(accessions.RENEWAL, partial(keep, services, run, accession_id))


def give_up_lease(services: Services, run: Run, accession_id: str) -> None:
    with services.catalogue.write() as tx:
        accessions.unlease(tx, accession_id, owner=lease_owner(services, run.id))


# ---------------------------------------------------------------- sealing


def seal(services: Services, run: Run, accession_id: str) -> int:
    """Judge up to `_JUDGED` deposits whose files have all been read: seal, hold, or find unchanged. How many."""
    with services.catalogue.write() as tx:
        hold_on(tx, services, run, accession_id)
        chosen = deposits.complete(tx, accession_id, _JUDGED)
        needless = [one for one in chosen if not _judge(tx, run, accession_id, one)]
    sweep(services, needless)
    return len(chosen)


def _judge(tx: Transaction, run: Run, accession_id: str, one: Deposit) -> bool:
    """Whether the deposit's staged files are still needed."""
    kept = one.files_total - one.files_bad
    if one.action is not DepositAction.REVISION and kept == 0:
        deposits.move(tx, [one], DepositEvent.HOLD)
        if one.files_total == 0:
            accessions.report(tx, accession_id, Stage.INTAKE, [(one.id, no_files(one.key))])
        return True
    if one.files_bad + one.faults > 0 and not run.options.allow_partial:
        deposits.move(tx, [one], DepositEvent.HOLD)
        return True
    if one.action is not DepositAction.VERSION or deposits.differs_from_base(tx, one):
        deposits.move(tx, [one], DepositEvent.SEAL)
        return True
    base = records.get(tx, one.base_record_id or 0)
    records.refresh_times(tx, base.id, one.id, one.fingerprint)
    deposit_files.forget(tx, [one.id])
    if codec.to_text(codec.description_to_json(base.description)) == codec.to_text(one.description):
        deposits.move(tx, [one], DepositEvent.FIND_UNCHANGED)
    else:
        deposits.change(tx, one.id, action=DepositAction.REVISION, record_id=base.id)
        deposits.move(tx, [one], DepositEvent.SEAL)
    return False


def sweep(services: Services, given_up: Sequence[Deposit]) -> None:
    """Remove the bytes of versions that will not be; a revision has none."""
    for one in given_up:
        if one.action is not DepositAction.REVISION:
            services.store.delete(one.home)
            services.store.delete(layout.staged(one.record_id))  # where a move out of the root was cut off


def clear_root(services: Services, accession_id: str) -> None:
    """Move the bytes of held deposits out of the storage root, where nothing of them may stay (architecture, fates).
    What a crash cut off is completed by the next call, which comes before anything else is done with a deposit."""
    while True:
        with services.catalogue.read() as tx:
            some = deposits.held_in_root(tx, accession_id, _BATCH)
        if not some:
            return
        homes = {one.id: layout.staged(one.record_id) for one in some}
        services.store.move_many({one.home: homes[one.id] for one in some if _has_bytes(services, one)})
        with services.catalogue.write() as tx:
            deposits.rehome(tx, homes)


def _has_bytes(services: Services, one: Deposit) -> bool:
    return next(iter(services.store.list(one.home)), None) is not None


# ---------------------------------------------------------------- ending


def finish(services: Services, run: Run, accession_id: str) -> None:
    """No record is open any more: the accession is completed. Where records wait for a clean verdict it is stopped: a
    rescan frees them (`clearance`). Raises `Interrupted` where files are still to be read."""
    keep(services, run, accession_id)  # first, for what follows changes the store
    clear_root(services, accession_id)
    end_leftovers(services)
    with services.catalogue.write() as tx:
        hold_on(tx, services, run, accession_id)
        tally = deposits.tally(tx, accession_id)
        if number := tally.get(DepositState.PLANNED):
            raise Interrupted(
                f"{number} records are not in custody yet", remedy="run the same command again to go on"
            )
        if waiting := tally.get(DepositState.SEALED):
            clearance.keep_waiting(tx, accession_id, waiting)
        else:
            ended = services.now()
            accessions.change(tx, accession_id, state=AccessionState.COMPLETED, finished=ended, reason="")
        accessions.unlease(tx, accession_id, owner=lease_owner(services, run.id))


def stop(services: Services, run: Run, accession_id: str, error: BaseException) -> None:
    """An error ends the run early; the next one goes on from here. Where that one has begun already nothing is changed,
    and where the catalogue is away the lease ends by time."""
    reason = error.message if isinstance(error, HeadraceError) else f"{type(error).__name__}: {error}"
    with suppress(Unavailable), services.catalogue.write() as tx:
        was_ours = accessions.unlease(tx, accession_id, owner=lease_owner(services, run.id))
        if was_ours and not accessions.is_cancelled(tx, accession_id):
            accessions.change(tx, accession_id, state=AccessionState.STOPPED, reason=reason)


def cancel(services: Services, accession_id: str) -> int:
    """End an accession for good: what is published stays, what is not is forgotten and its bytes are swept; ids stay
    used. What was cut off is completed by the next call. How many records were given up by this one. Raises `Missing`,
    or `Conflict` where all was given up before."""
    with services.catalogue.write() as tx:
        was_cancelled = accessions.get(tx, accession_id).state is AccessionState.CANCELLED
        if not was_cancelled:
            # Before anything else: a run that is about to publish waits for this, then finds it.
            accessions.change(tx, accession_id, state=AccessionState.CANCELLED, finished=services.now())
    number = 0
    while some := _left(services, accession_id):
        _give_up(services, some)
        number += len(some)
    end_leftovers(services)
    if was_cancelled and number == 0:
        raise Conflict(f"accession {accession_id} was cancelled before")
    return number


def _left(services: Services, accession_id: str) -> list[Deposit]:
    with services.catalogue.read() as tx:
        return deposits.pending(tx, accession_id, limit=_BATCH)


def _give_up(services: Services, some: Sequence[Deposit]) -> None:
    """In this order, for nobody misses bytes of files that are forgotten, and once no line is left the collection's
    next run may write to the same homes."""
    with services.catalogue.write() as tx:
        deposit_files.forget(tx, [one.id for one in some])
    sweep(services, some)
    with services.catalogue.write() as tx:
        deposits.move(tx, some, DepositEvent.CANCEL)
