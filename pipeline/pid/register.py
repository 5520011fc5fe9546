"""Handler of the *register* effect: bring the DOIs of records and their works to the wanted state."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline.access import as_of
from pipeline.catalogue import Transaction, dois, outbox, records
from pipeline.catalogue.dois import WantedDoi
from pipeline.dissemination import Dissemination
from pipeline.errors import AskedToWait, HeadraceError, Misconfigured, Rejected, Unavailable
from pipeline.feeds import crosswalks
from pipeline.model import DoiState, EffectKind
from pipeline.pid import asking, putting
from pipeline.pid.putting import Putting
from pipeline.ports import DoiFault, DoiOutcome, DoiRequest
from pipeline.services import Services


@dataclass(frozen=True, slots=True)
class Registration:
    """A DOI, of a record's work where it `is_concept`, that the record wants to be so. `digest` is of all of it
    and of the registry, `cost` the requests that it takes at most; where it `is_done` the registry has said so of just
    that. `seen` is the state in which it was then; it `may_be_findable` where that is said, or nothing is known of what
    came of it. Where it is put in two steps, `then` is the second."""

    record_id: int
    concept_id: int
    is_concept: bool
    request: DoiRequest
    digest: str
    is_done: bool
    seen: str | None
    may_be_findable: bool
    then: Registration | None = None

    @property
    def name(self) -> str:
        return self.request.doi.lower()

    @property
    def hides(self) -> bool:
        return self.request.state is DoiState.REGISTERED

    @property
    def cost(self) -> int:
        # DataCite is told to hide it; one that is new, then, to register it.
        return 2 if self.hides and not self.request.is_bare else 1


def register(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError | None]:
    """Register or update the DOIs of records, and of a work with its newest version; those that are just so already
    are left alone. What is withdrawn is hidden before anything else, and described after that: it is hidden also where
    its description is refused. What failed, by record id; None for those that the registry was not asked for, since it
    is to be asked no more for now."""
    run = _Run(services)
    for one in registrations(services, record_ids):
        run.consider(one)
    run.put()
    return run.undone


def registrations(services: Services, record_ids: Sequence[int]) -> list[Registration]:
    """What the DOIs of records shall be, and of their works with their newest versions. Withdrawn works are described
    as before, and hidden."""
    with services.catalogue.read() as tx:
        shown = records.disseminate(tx, services.repository, record_ids)
        concept_ids = list({one.record.concept_id for one in shown.values()})
        wanted = {one.name: one for one in dois.of_concepts(tx, concept_ids) if not one.external}
    today = services.now().date()
    return [
        _registration(services.registry.id, one, request, wanted[request.doi.lower()])
        for one in (as_of(each, today=today) for each in shown.values())
        for request in _requests(one, wanted)
    ]


def _registration(registry: str, shown: Dissemination, request: DoiRequest, known: WantedDoi) -> Registration:
    digest = _digest(registry, request)
    return Registration(
        shown.record.id,
        shown.record.concept_id,
        known.record_id is None,
        request,
        digest,
        _is_done(known, digest),
        known.seen,
        may_be_findable=known.seen == DoiState.FINDABLE
        or (known.seen is None and known.putting.digest is not None),
    )


def _digest(registry: str, request: DoiRequest) -> str:
    # What another registry has is not done at this one.
    whole = [registry, request.state, request.url, request.metadata]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _is_done(known: WantedDoi, digest: str) -> bool:
    return (known.seen, known.seen_digest) == (known.wanted, digest)


def _requests(shown: Dissemination, wanted: Mapping[str, WantedDoi]) -> Iterator[DoiRequest]:
    if own := wanted.get(shown.doi.lower()):
        yield DoiRequest(shown.doi, DoiState(own.wanted), shown.url, crosswalks.datacite_json(shown))
    if shown.concept_doi and shown.record.is_latest:
        yield DoiRequest(
            shown.concept_doi,
            DoiState(wanted[shown.concept_doi.lower()].wanted),
            f"{shown.repository.base_url}/records/{shown.record.concept_id}",
            crosswalks.concept_datacite_json(shown),
        )


class _Run:
    """Puts DOIs in groups. Each group is begun in the transaction that has it granted, and ended in the one that begins
    the next."""

    def __init__(self, services: Services) -> None:
        self.undone: dict[int, HeadraceError | None] = {}
        self._services = services
        self._putter = uuid.uuid4().hex
        self._left: list[Registration] = []

    def consider(self, one: Registration) -> None:
        """Put it in its turn, unless it is so already or cannot be."""
        if one.hides and one.may_be_findable:
            bare = replace(one.request, is_bare=True, url="", metadata={})
            digest = _digest(self._services.registry.id, bare)
            self._left.append(replace(one, request=bare, digest=digest, then=one))
        elif not one.is_done:
            self._describe(one)

    def _describe(self, one: Registration) -> None:
        if faults := crosswalks.datacite_faults(one.request.metadata, one.request.url):
            self._fail(one, _unfit(one, faults))
        else:
            self._left.append(one)

    def _fail(self, one: Registration, error: HeadraceError) -> None:
        """As long as anything of a record is worth another try it is not parked."""
        known = self.undone.get(one.record_id)
        if known is None or (error.retryable and not known.retryable):
            self.undone[one.record_id] = error

    def put(self) -> None:
        """Put all, as far as the registry may be asked."""
        outcomes: Sequence[DoiOutcome] = ()
        put: list[Registration] = []
        while put or self._left:
            # What is withdrawn is not to be found for as long as others are many.
            self._left.sort(key=lambda one: (one.then is None, not one.hides))
            put, number = self._step(put, outcomes)
            if not number:
                self.undone = {**{one.record_id: None for one in self._left}, **self.undone}
                break
            outcomes = self._services.registry.put_many([one.request for one in put]) if put else ()
            for one, outcome in zip(put, outcomes, strict=True):
                if one.then is not None and outcome.fault in (None, DoiFault.REFUSED):
                    self._describe(one.then)
                elif outcome.fault is not None:
                    self._fail(one, _failure(outcome))

    def _step(
        self, put: Sequence[Registration], outcomes: Sequence[DoiOutcome]
    ) -> tuple[list[Registration], int]:
        """End a group and begin the next: those of it that are still to be put, and how many were granted."""
        services = self._services
        with services.catalogue.write() as tx:
            asking.heed(tx, services, outcomes)
            number = asking.take(tx, services, [one.cost for one in self._left])
            chosen, self._left = self._left[:number], self._left[number:]
            held = dois.hold(tx, {one.name for one in (*put, *chosen)})
            ended = self._end(tx, put, outcomes, held)
            return self._begin(tx, chosen, held, ended), number

    def _begin(
        self,
        tx: Transaction,
        chosen: Sequence[Registration],
        held: Mapping[str, WantedDoi],
        ended: Mapping[str, Putting],
    ) -> list[Registration]:
        """What others have done meanwhile, or want otherwise by now, is theirs to see to."""
        fresh = [one for one in chosen if _is_fresh(tx, one, held[one.name])]
        before = {one.name: ended.get(one.name, held[one.name].putting) for one in fresh}
        now = self._services.now()
        dois.note_putting(
            tx, {one.name: putting.begun(before[one.name], self._putter, one.digest, now) for one in fresh}
        )
        return fresh

    def _end(
        self,
        tx: Transaction,
        put: Sequence[Registration],
        outcomes: Sequence[DoiOutcome],
        held: Mapping[str, WantedDoi],
    ) -> dict[str, Putting]:
        """Of two who put a DOI at once nobody knows who was the last; nor is anything sure as long as something else
        may arrive."""
        now = self._services.now()
        answered = [
            (one, outcome, held[one.name].putting)
            for one, outcome in zip(put, outcomes, strict=True)
            if outcome.fault is not DoiFault.AWAY
        ]
        ended = {one.name: putting.answered(before, self._putter) for one, _, before in answered}
        dois.note_putting(tx, ended)
        seen: dict[str, tuple[str, str | None]] = {}
        for one, outcome, before in answered:
            if before.putter != self._putter:
                newest = records.newest_published(tx, one.concept_id) if one.is_concept else one.record_id
                outbox.want(tx, [(EffectKind.REGISTER, newest)], now=now)
            elif outcome.seen is not None:
                unsure_until = putting.unsure_until(before, now)
                is_sure = unsure_until is None and not one.request.is_bare
                seen[one.name] = (outcome.seen, one.digest if is_sure else None)
                if unsure_until is not None:
                    self._fail(one, _once_more(one, unsure_until - now))
        dois.note_seen(tx, seen, now=now)
        return ended


def _is_fresh(tx: Transaction, one: Registration, known: WantedDoi) -> bool:
    """Whether nobody did it since it was looked up, and nobody wants it otherwise."""
    if known.wanted != one.request.state or _is_done(known, one.digest):
        return False
    return not one.is_concept or records.newest_published(tx, one.concept_id) == one.record_id


def _unfit(one: Registration, faults: Sequence[str]) -> Rejected:
    return Rejected(
        f"{one.request.doi}: {'; '.join(faults)}",
        remedy="correct what is named by an edit of the record, then: headrace dois retry",
    )


def _once_more(one: Registration, wait: timedelta) -> AskedToWait:
    return AskedToWait(
        f"{one.request.doi}: what was put before was not answered, and may still arrive",
        wait=wait,
        remedy="nothing is to be done: it is put once more when that cannot be any more",
    )


def _failure(outcome: DoiOutcome) -> HeadraceError:
    told = f"{outcome.doi}: {outcome.reason}"
    match outcome.fault:
        case DoiFault.REFUSED:
            return Rejected(told, remedy=outcome.remedy)
        case DoiFault.LOCKED_OUT:
            return Misconfigured(told, field="HEADRACE_DOIS", remedy=outcome.remedy)
    return Unavailable(told, remedy=outcome.remedy)
