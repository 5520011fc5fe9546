"""Use case: compare the DOIs that the registry has with those that there shall be, and have what differs put again.

What the catalogue itself knows to differ (never put, put to something else, such as an address of an earlier base URL)
costs no request. Of the others the registry is asked for those that were compared longest ago, as many as a run may.
One that it has no answer for, and a record whose DOIs cannot be described, keep no other from its turn.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline import codec
from pipeline.catalogue import dois, outbox, records
from pipeline.catalogue.dois import DoiStatus, Shown
from pipeline.display import told
from pipeline.errors import AskedToWait, Misconfigured, Unavailable
from pipeline.ingest.patience import AT_ONCE, Patience
from pipeline.model import EffectKind, JsonObject
from pipeline.pid import asking
from pipeline.pid.doi import version_doi
from pipeline.pid.register import Registration, registrations
from pipeline.ports import DoiSeen
from pipeline.services import Services

_LOG = logging.getLogger(__name__)

_PAGE = 100
_PAUSE = 2.0  # seconds until it is seen again whether the registry may be asked
_LISTED = 10_000
_COST = 2  # requests for what the registry has of a DOI
_TRIES = 3
_MOST_UNANSWERED = 5


class Difference(StrEnum):
    """How a DOI is not what it shall be."""

    BEHIND = "behind"
    """It was not put yet as it shall be."""
    MISSING = "missing"
    """The registry does not know it."""
    STATE = "state"
    TARGET = "target"
    DESCRIPTION = "description"
    UNRESOLVED = "unresolved"
    """The registry has it, and the handle server was not told: it leads nowhere, or elsewhere."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A DOI that differs, and is put again; `wanted` and `seen` are states, targets or fields."""

    doi: str
    record_id: int
    what: Difference
    wanted: str
    seen: str


@dataclass(frozen=True, slots=True)
class Uncompared:
    """A DOI that could not be compared, and why."""

    doi: str
    record_id: int
    error: str


@dataclass(slots=True)
class Reconciled:
    """What a run did so far: how many DOIs there are, how many of them were `compared` with what the registry has, how
    many differ, and how many could not be compared. Of these the first 10,000 are listed."""

    dois: int = 0
    compared: int = 0
    differing: int = 0
    differences: list[Discrepancy] = field(default_factory=list)
    left: int = 0
    uncompared: list[Uncompared] = field(default_factory=list)

    def add(self, one: Discrepancy) -> None:
        """One more that differs."""
        self.differing += 1
        if len(self.differences) < _LISTED:
            self.differences.append(one)

    def leave(self, one: Uncompared) -> None:
        """One more that could not be compared."""
        self.left += 1
        if len(self.uncompared) < _LISTED:
            self.uncompared.append(one)


def reconcile(
    services: Services,
    limit: int,
    *,
    patience: Patience = AT_ONCE,
    wait: Callable[[float], None] = time.sleep,
    checkpoint: Callable[[Reconciled], None] = lambda _reconciled: None,
) -> Reconciled:
    """Have every DOI that differs put again; the registry is asked for `limit` of them, and the last one's work. What
    `checkpoint` and `wait` raise ends it, and the next run goes on. Raises `Unavailable` where the registry stays away
    for longer than `patience` lasts, is to be left alone for longer, or has no answer for one DOI after the other,
    `Misconfigured` where it does not let us in."""
    run = _Reconciliation(services, patience, wait, checkpoint)
    run.run(limit)
    return run.reconciled


def report(services: Services, done: Reconciled) -> JsonObject:
    """What a run did, and which DOIs are parked, as JSON."""
    with services.catalogue.read() as tx:
        parked = dois.statuses(tx, Shown.PARKED, limit=_LISTED)
        parked_total = dois.count(tx, Shown.PARKED)
    return {
        "dois": done.dois,
        "compared": done.compared,
        "differences": [
            {
                "doi": one.doi,
                "record": one.record_id,
                "what": one.what,
                "wanted": one.wanted,
                "seen": one.seen,
            }
            for one in done.differences
        ],
        "differences_total": done.differing,
        "uncompared": [
            {"doi": one.doi, "record": one.record_id, "error": one.error} for one in done.uncompared
        ],
        "uncompared_total": done.left,
        "parked": [status_json(one) for one in parked],
        "parked_total": parked_total,
    }


def status_json(one: DoiStatus) -> JsonObject:
    """How a DOI stands, as JSON."""
    return {
        "doi": one.name,
        "record": one.record_id,
        "wanted": one.wanted,
        "seen": one.seen,
        "seen_at": None if one.seen_at is None else codec.time_to_json(one.seen_at),
        "since": None if one.since is None else codec.time_to_json(one.since),
        "attempts": one.attempts,
        "error": one.error,
        "remedy": one.remedy,
        "parked": one.is_parked,
    }


class _Reconciliation:
    def __init__(
        self,
        services: Services,
        patience: Patience,
        wait: Callable[[float], None],
        checkpoint: Callable[[Reconciled], None],
    ) -> None:
        self._services = services
        self._patience = patience
        self._wait = wait
        self._checkpoint = checkpoint
        self._asked_for = 0
        self._unanswered = 0  # one after the other
        self._indescribable: set[int] = set()
        self.reconciled = Reconciled()

    def run(self, limit: int) -> None:
        began, last = self._services.now(), 0
        while ids := self._following(last):
            last = ids[-1]
            self._want_late(ids)
            self._checkpoint(self.reconciled)
        while (left := limit - self._asked_for) > 0:
            with self._services.catalogue.read() as tx:
                chosen = dois.longest_unseen(tx, before=began, limit=min(_PAGE, left))
            if not chosen:
                return
            for record_id in chosen:
                if self._asked_for >= limit:
                    return
                if not (found := self._registrations([record_id])):
                    self._note_turn(record_id)
                for one in found:
                    self._compare(one)
                    self._checkpoint(self.reconciled)

    # ------------------------------------------------------------ what the catalogue knows

    def _following(self, last: int) -> list[int]:
        with self._services.catalogue.read() as tx:
            return records.ids(tx, after=last, limit=_PAGE)

    def _want_late(self, record_ids: list[int]) -> None:
        """Want what was not put yet as it shall be. What waits comes about; what is parked is for somebody to mend."""
        services, found = self._services, self._registrations(record_ids)
        self.reconciled.dois += len(found)
        late = [one for one in found if not one.is_done]
        if not late:
            return
        with services.catalogue.write() as tx:
            known = outbox.wanted(tx, EffectKind.REGISTER, {one.record_id for one in late})
            late = [one for one in late if one.record_id not in known]
            outbox.want(
                tx,
                [(EffectKind.REGISTER, id_) for id_ in {one.record_id for one in late}],
                now=services.now(),
            )
        for one in late:
            self.reconciled.add(
                Discrepancy(
                    one.request.doi, one.record_id, Difference.BEHIND, str(one.request.state), one.seen or ""
                )
            )

    def _registrations(self, record_ids: list[int]) -> list[Registration]:
        """Those of records that can be described: another is told of once."""
        try:
            return registrations(self._services, record_ids)
        except (Unavailable, Misconfigured):
            raise
        except Exception as error:
            if len(record_ids) > 1:
                return [found for one in record_ids for found in self._registrations([one])]
            self._leave_indescribable(record_ids[0], error)
            return []

    def _leave_indescribable(self, record_id: int, error: Exception) -> None:
        if record_id not in self._indescribable:
            self._indescribable.add(record_id)
            # A bug; the trace is for whoever mends it.
            _LOG.error("the DOIs of record %s cannot be described", record_id, exc_info=error)
            doi = version_doi(self._services.repository, record_id)
            said = told(f"cannot be described: {type(error).__name__}: {error}")
            self.reconciled.leave(Uncompared(doi, record_id, said))

    # ------------------------------------------------------------ what the registry has

    def _compare(self, one: Registration) -> None:
        if not one.is_done:
            self._note_turn(one.record_id)
            return
        self._asked_for += 1
        seen = self._asked(one.request.doi)
        if isinstance(seen, Unavailable):
            self._note_turn(one.record_id)
            self.reconciled.leave(Uncompared(one.request.doi, one.record_id, told(seen.message)))
            self._unanswered += 1
            if self._unanswered == _MOST_UNANSWERED:
                raise seen
            return
        self._unanswered = 0
        found = difference(one, seen)
        self.reconciled.compared += 1
        self._note(one, is_right=found is None)
        if found is not None:
            self.reconciled.add(Discrepancy(one.request.doi, one.record_id, *found))

    def _note_turn(self, record_id: int) -> None:
        with self._services.catalogue.write() as tx:
            dois.note_turn(tx, record_id, now=self._services.now())

    def _asked(self, doi: str) -> DoiSeen | Unavailable | None:
        """What the registry has; why it has no answer where it had none several times: others it may have."""
        tries = 0
        while True:
            self._await_turn()
            try:
                seen = self._services.registry.get(doi)
            except Unavailable as away:
                wait = away.wait if isinstance(away, AskedToWait) else None
                with self._services.catalogue.write() as tx:
                    asking.heed_answer(tx, self._services, answered=False, wait=wait)
                self._patience.bear(away)
                # It wants nobody to ask it for anything.
                tries += wait is None
                if tries == _TRIES:
                    return away
            else:
                self._patience.moved()
                return seen

    def _await_turn(self) -> None:
        while not self._is_granted():
            with self._services.catalogue.read() as tx:
                rests_until = asking.rests_until(tx, self._services)
            if rests_until is not None:
                self._patience.bear(
                    Unavailable(
                        f"the DOI registry is not to be asked before {rests_until:%Y-%m-%d %H:%M} UTC",
                        remedy="run it again then, or, where it was mended: headrace dois retry",
                    )
                )
            self._wait(_PAUSE)

    def _is_granted(self) -> bool:
        with self._services.catalogue.read() as tx:
            # Often there is no room, and who asks that in a transaction that writes keeps others from writing.
            if not asking.room(tx, self._services):
                return False
        with self._services.catalogue.write() as tx:
            return asking.take(tx, self._services, [_COST]) == 1

    def _note(self, one: Registration, *, is_right: bool) -> None:
        name, now = one.request.doi.lower(), self._services.now()
        with self._services.catalogue.write() as tx:
            asking.heed_answer(tx, self._services, answered=True)
            if is_right:
                dois.confirm(tx, name, now=now)
                return
            dois.doubt(tx, name, now=now)
            if not outbox.wanted(tx, EffectKind.REGISTER, [one.record_id], parked=True):
                outbox.want(tx, [(EffectKind.REGISTER, one.record_id)], now=now)


# ---------------------------------------------------------------- comparing


def difference(wanted: Registration, seen: DoiSeen | None) -> tuple[Difference, str, str] | None:
    """What differs first, as it is wanted and as it was seen; None where nothing does. Of descriptions only that is
    compared which the registry does not put into a form of its own."""
    request = wanted.request
    if seen is None:
        return Difference.MISSING, str(request.state), ""
    if seen.state != request.state:
        return Difference.STATE, str(request.state), str(seen.state)
    if seen.url != request.url:
        return Difference.TARGET, request.url, seen.url
    there = _said(seen.metadata)
    for name, value in _said(request.metadata).items():
        if value != there[name]:
            return Difference.DESCRIPTION, name, name
    if seen.leads_to not in (None, request.url):
        return Difference.UNRESOLVED, request.url, seen.leads_to or ""
    return None


def _said(metadata: JsonObject) -> dict[str, Any]:
    return {
        "titles": [one.get("title") for one in _entries(metadata, "titles")],
        "creators": [one.get("name") for one in _entries(metadata, "creators")],
        "publicationYear": str(metadata.get("publicationYear")),
        "types": (metadata.get("types") or {}).get("resourceTypeGeneral"),
        "relatedIdentifiers": {
            (one.get("relationType"), str(one.get("relatedIdentifier")).lower())
            for one in _entries(metadata, "relatedIdentifiers")
        },
    }


def _entries(metadata: JsonObject, key: str) -> list[JsonObject]:
    found = metadata.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
