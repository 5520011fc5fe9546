"""Use case: what an operator decides of files in quarantine.

The catalogue is told of a decision first, then the store is changed, then the catalogue is told that it was: a
decision that is cut off stands there as `releasing` or `destroying`, and the same call completes it. Where the bytes
lie meanwhile is either place, and nobody misses them in the other.

No run may be at work on the file's accession: it might read the file anew and put it apart in the same place.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.catalogue import Transaction, accessions, events, quarantine
from pipeline.catalogue.quarantine import QuarantinedFile, Waiting
from pipeline.display import shown
from pipeline.errors import Conflict, Corrupt, Missing
from pipeline.lifecycle import QuarantineEvent
from pipeline.model import Decision, Event, EventType, QuarantineState
from pipeline.ports import ObjectStore
from pipeline.running.beside import renewing
from pipeline.services import Services, lease_owner


def release(services: Services, id_: int, *, reason: str, by: str) -> QuarantinedFile:
    """A false alarm: the file goes back to its record-to-be, in custody, which the next run completes; the same bytes
    are not put apart for the same signature again. One that was released before stays as it is. Raises `Missing`;
    `Conflict` where no record waits for the file, it was destroyed, or a run is at work; `Corrupt` where its bytes are
    gone."""
    with _alone(services, id_) as hold_on:
        with services.catalogue.write() as tx:
            found = quarantine.get(tx, id_)
            if found.state is QuarantineState.RELEASED:
                return found
            decision = Decision(by, reason, services.now())
            quarantine.decide(tx, found, QuarantineEvent.RELEASE, decision)
            to = _waiting(tx, found)
        _bring_back(services.store, found, to)
        with services.catalogue.write() as tx:
            hold_on(tx)
            if _waiting(tx, found) != to:
                raise _not_wanted(found)
            done = quarantine.complete(tx, id_, QuarantineEvent.RETURN)
            quarantine.give_back(tx, found.file_id, to)
            accessions.soften(
                tx,
                to.deposit_id,
                shown(found.path),
                code="released",
                reason=f"the scanner found {found.signature}, which {by} released as a false alarm: {reason}",
                remedy=f"The record is completed by the next run: headrace retry {to.accession_id}",
            )
            event = _event(services, done, EventType.UNQUARANTINE, to.record_id)
            events.add(tx, [event], accession_id=found.accession_id)
    return done


def destroy(services: Services, id_: int, *, reason: str, by: str) -> QuarantinedFile:
    """The bytes go, what is known of them stays. One that was destroyed before stays as it is. Raises `Missing`;
    `Conflict` where the file was released, or a run is at work."""
    with _alone(services, id_) as hold_on:
        with services.catalogue.write() as tx:
            found = quarantine.get(tx, id_)
            if found.state is QuarantineState.DESTROYED:
                return found
            if found.state is QuarantineState.RELEASING and quarantine.waiting(tx, found.file_id):
                raise Conflict(
                    f"file {id_} is on its way back to its record",
                    remedy=f"headrace quarantine release {id_} completes that",
                )
            decision = Decision(by, reason, services.now())
            quarantine.decide(tx, found, QuarantineEvent.DESTROY, decision)
        services.store.delete(found.key)
        with services.catalogue.write() as tx:
            hold_on(tx)
            done = quarantine.complete(tx, id_, QuarantineEvent.DELETE)
            event = _event(services, done, EventType.DELETION)
            events.add(tx, [event], accession_id=found.accession_id)
    return done


@contextmanager
def _alone(services: Services, id_: int) -> Iterator[Callable[[Transaction], None]]:
    """No run works on the file's accession, nor on what has taken over its records, however long the store takes. What
    is yielded makes sure of that for a transaction: it raises `Conflict` where the right to it was lost. Raises
    `Missing`, `Conflict`."""
    owner = lease_owner(services)

    def hold_on(tx: Transaction) -> None:
        for accession_id in sorted(ids):
            accessions.lease(tx, accession_id, owner=owner, now=services.now(), length=accessions.LEASE)

    def renew() -> None:
        with services.catalogue.write() as tx:
            hold_on(tx)

    with services.catalogue.write() as tx:
        of_file = accessions.get(tx, quarantine.get(tx, id_).accession_id)
        unfinished = accessions.unfinished(tx, of_file.collection)
        ids = {of_file.id, *([unfinished.id] if unfinished else [])}
        hold_on(tx)
    try:
        with renewing(accessions.RENEWAL, renew):
            yield hold_on
    finally:
        with services.catalogue.write() as tx:
            for accession_id in ids:
                accessions.unlease(tx, accession_id, owner=owner)


def _waiting(tx: Transaction, found: QuarantinedFile) -> Waiting:
    to = quarantine.waiting(tx, found.file_id)
    if to is None:
        raise _not_wanted(found)
    return to


def _not_wanted(found: QuarantinedFile) -> Conflict:
    return Conflict(
        f"no record waits for {shown(found.path)}: it was published without the file, given up, or is to be taken in"
        " anew",
        remedy="ingest its source again with --checksum, and release what is put apart then;"
        f" headrace quarantine destroy {found.id} takes this one away",
    )


def _bring_back(store: ObjectStore, found: QuarantinedFile, to: Waiting) -> None:
    """Move the bytes, from wherever an earlier attempt left them."""
    try:
        size = store.size(found.key)
    except Missing:
        size = None
    else:
        store.delete(to.place)  # what a move that was cut off has left there, or a read that nobody heard of
    try:
        store.move_many({found.key: to.place})
        is_whole = size in (None, found.size) and store.size(to.place) == found.size
    except Missing:
        is_whole = False
    if not is_whole:
        raise Corrupt(
            f"the bytes of {shown(found.path)} in quarantine are gone, or are not what was put there",
            remedy="ingest its source again; `headrace check --storage` lists what else is wrong",
        )
    store.settle([to.place])


def _event(services: Services, one: QuarantinedFile, type_: EventType, record_id: int | None = None) -> Event:
    """What a decision, carried out now, came to."""
    detail = {"quarantine": one.id, "record": one.record, "path": shown(one.path), "signature": one.signature}
    if one.decision is not None:
        detail |= {"reason": one.decision.reason}
    return Event(
        id=f"urn:uuid:{uuid.uuid4()}",
        type=type_,
        at=services.now(),
        agent=one.decision.by if one.decision else "",
        outcome="success",
        record_id=record_id,
        objects=(f"{services.root_digest}:{one.digests[services.root_digest]}",),
        detail=detail,
    )
