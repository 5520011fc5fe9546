"""Use case: purge, for legal takedown and for what is infected: the only way in which bytes leave the storage root.

Bytes are taken out of a work's object as if they had never been in any of its versions, from all paths that they stand
under there, and the object keeps a log that says so. The catalogue is told first, from when on nobody is served them;
then the object is rewritten under the work's lease, inventories before bytes; then the catalogue is told again, with an
event of each record that lost files. Whatever is cut off in between is completed by the same call, or by the next purge
of the work.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from pipeline import codec
from pipeline.catalogue import (
    Transaction,
    events,
    extra_formats,
    purges,
    record_files,
    records,
    works,
)
from pipeline.catalogue.purges import Copy, Purge
from pipeline.errors import Conflict, Missing, Unavailable
from pipeline.lifecycle import RecordEvent
from pipeline.model import Decision, Event, EventType, JsonObject, RecordState
from pipeline.publication import withdraw
from pipeline.services import Services, lease_owner
from pipeline.stewardship.preservation import preserve
from pipeline.store import commit, layout, ocfl

LISTED = 10_000
_LEASE = timedelta(minutes=5)
# A reason for removal as InvenioRDM has them, by its id.
_WITHDRAWN_FOR = "take-down-request"


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did: the files that lost their bytes, of all versions of the work, and the first `LISTED` files of
    other works that have the same bytes still."""

    purge: Purge
    copies: tuple[Copy, ...]
    elsewhere: tuple[Copy, ...]


def purge(services: Services, record_id: int, *, key: str = "", reason: str, by: str) -> Purged:
    """Purge a file of a record, or with no `key` all its files and extra formats, and withdraw it. One
    that was purged before stays as it is. Raises `Missing`; `Conflict` where a further version of the work with the
    same bytes is under way; `Unavailable` where another process writes to the work's object; and what preserving a
    version that waits for that raises."""
    with services.catalogue.read() as tx:
        record = records.get(tx, record_id)
        if key:
            record_files.holding(tx, record_id, key)
    if not key and record.state is RecordState.PUBLISHED:
        withdraw(services, record_id, reason=_WITHDRAWN_FOR, note=reason, by=by)
    _preserve_all(services, record.concept_id)
    with _leased(services, record_id) as keep_lease:
        _complete(services, record.concept_id, keep_lease)
        _begin(services, record.concept_id, (record_id, key), Decision(by, reason, services.now()))
        _complete(services, record.concept_id, keep_lease)
    with services.catalogue.read() as tx:
        done = purges.latest(tx, record_id, key)
        if done is None:
            raise Missing(f"record {record_id} has no files that could be purged")
        return Purged(done, tuple(purges.copies(tx, done)), tuple(purges.elsewhere(tx, done, limit=LISTED)))


def _preserve_all(services: Services, concept_id: int) -> None:
    """What waits outside of the root goes there first: then the bytes are in one place, by their digest."""
    with services.catalogue.read() as tx:
        waiting = purges.unpreserved(tx, concept_id)
    for error in preserve(services, waiting).values():
        raise error


@contextmanager
def _leased(services: Services, record_id: int) -> Iterator[Callable[[], None]]:
    """The right to write to a work's object; what prolongs it raises `Unavailable` where it was lost."""
    owner = lease_owner(services)
    with services.catalogue.write() as tx:
        taken = works.lease(tx, [record_id], owner=owner, now=services.now(), length=_LEASE)
    if not taken:
        raise Unavailable(
            "another process writes to the same object",
            remedy="wait for it to end, or for five minutes if its machine was lost, then run the same command again",
        )

    def keep() -> None:
        with services.catalogue.write() as tx:
            if not works.renew(tx, owner=owner, until=services.now() + _LEASE):
                raise Unavailable("the lease of the object was lost to another process")

    try:
        yield keep
    finally:
        with services.catalogue.write() as tx:
            works.unlease(tx, owner=owner)


def _begin(services: Services, concept_id: int, asked: tuple[int, str], decision: Decision) -> None:
    """Tell the catalogue which bytes shall go, if any are left. Raises `Conflict`."""
    record_id, key = asked
    with services.catalogue.write() as tx:
        if not key:
            extra_formats.forget(tx, record_id)
        digests = purges.digests_left(tx, *asked)
        if not digests:
            return
        if accession_id := purges.waiting_for(tx, concept_id, digests):
            raise Conflict(
                f"a further version of the work, with the same bytes, is under way in accession {accession_id}",
                remedy=f"give it up first (headrace cancel {accession_id}), or let it be published",
            )
        purges.begin(tx, concept_id, asked, decision, digests)


def _complete(services: Services, concept_id: int, keep_lease: Callable[[], None]) -> None:
    """Carry out the purge of a work that was begun, if there is one. Raises `Conflict`."""
    object_id = layout.concept_object(services.repository.id, concept_id)
    raw = commit.settled_inventory(services.store, object_id)
    manifest = ocfl.parse(raw, object_id)["manifest"] if raw is not None else {}
    with services.catalogue.write() as tx:
        begun = purges.under_way(tx, concept_id)
        if begun is None:
            return
        if purges.unpreserved(tx, concept_id):
            raise Conflict(
                "a version of the work was published just now", remedy="run the same command again"
            )
        content = [path for digest in begun.digests for path in manifest.get(digest, [])]
        one = purges.extend(tx, begun, content)
        copies = purges.copies(tx, one)
    name = layout.purge_log(one.id, one.decision.at)
    log = {name: (codec.to_text(_log(services, object_id, one, copies)) + "\n").encode()}
    steps = commit.expunge(services.store, object_id, one.digests, one.content, log)
    commit.carry_out(services.store, [steps], before_step=keep_lease)
    with services.catalogue.write() as tx:
        purges.finish(tx, one.id, now=services.now())
        _tell(tx, services, one, copies)


def _tell(tx: Transaction, services: Services, one: Purge, copies: list[Copy]) -> None:
    """An event of each record that lost files, and the effects that bring all outputs to show it."""
    now = services.now()
    for record_id in sorted({copy.record_id for copy in copies}):
        lost = [copy for copy in copies if copy.record_id == record_id]
        event = Event(
            id=f"urn:uuid:{uuid.uuid4()}",
            type=EventType.DELETION,
            at=now,
            agent=one.decision.by,
            outcome="success",
            record_id=record_id,
            objects=tuple(sorted({f"{services.root_digest}:{copy.digest}" for copy in lost})),
            detail={"reason": one.decision.reason, "keys": [copy.key for copy in lost]},
        )
        events.add(tx, [event])
        records.tell(tx, RecordEvent.PURGE, [record_id], now=now)


def _log(services: Services, object_id: str, one: Purge, copies: list[Copy]) -> JsonObject:
    """What the object tells whoever wonders what became of its files, with Headrace or without."""
    return {
        "format": "headrace-purge/1",
        "note": "The content named here was deleted from every version of this object on purpose, and is no part of"
        " their manifests and states any more.",
        "object": object_id,
        "record": one.record_id,
        "decision": codec.decision_to_json(one.decision),
        "digestAlgorithm": services.root_digest,
        "digests": list(one.digests),
        "content": list(one.content),
        "files": [{"record": copy.record_id, "key": copy.key, "size": copy.size} for copy in copies],
    }
