"""Handler of the *register* effect: bring the DOIs of records and their works to the wanted state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.access import as_of
from pipeline.catalogue import Transaction, dois, outbox, records
from pipeline.catalogue.dois import WantedDoi
from pipeline.dissemination import Dissemination
from pipeline.errors import HeadraceError, Misconfigured, Rejected, Unavailable
from pipeline.feeds import crosswalks
from pipeline.model import DoiState, EffectKind
from pipeline.pid import asking
from pipeline.ports import DoiFault, DoiOutcome, DoiRequest
from pipeline.services import Services


@dataclass(frozen=True, slots=True)
class Registration:
    """A DOI, of a record's work where it `is_concept`, that the record wants to be so. `digest` is of all of it
    and of the registry, `cost` the requests that it takes at most; where it `is_done` the registry has said so of just
    that. `seen` is the state in which it was then."""

    record_id: int
    concept_id: int
    is_concept: bool
    request: DoiRequest
    digest: str
    is_done: bool
    seen: str | None

    @property
    def cost(self) -> int:
        # DataCite is told to hide it; one that is new, then, to register it.
        return 2 if self.request.state is DoiState.REGISTERED else 1


def register(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError | None]:
    """Register or update the DOIs of records, and of a work with its newest version; those that are just so already
    are left alone. What failed, by record id; None for those that the registry was not asked for, since it is to be
    asked no more for now."""
    undone: dict[int, HeadraceError | None] = {}
    left: list[Registration] = []
    for one in registrations(services, record_ids):
        if one.is_done:
            continue
        if faults := crosswalks.datacite_faults(one.request.metadata, one.request.url):
            undone[one.record_id] = _unfit(one, faults)
        else:
            left.append(one)
    outcomes: Sequence[DoiOutcome] = ()
    put: list[Registration] = []
    while put or left:
        number = _settle_and_take(services, put, outcomes, left)
        put, left = left[:number], left[number:]
        if not put:
            undone |= {one.record_id: None for one in left if one.record_id not in undone}
            break
        outcomes = services.registry.put_many([one.request for one in put])
        for one, outcome in zip(put, outcomes, strict=True):
            if outcome.fault is not None:
                undone.setdefault(one.record_id, _failure(outcome))
    return undone


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
    # What another registry has is not done at this one.
    whole = [registry, request.state, request.url, request.metadata]
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    is_done = (known.seen, known.seen_digest) == (known.wanted, digest)
    is_concept = known.record_id is None
    return Registration(
        shown.record.id, shown.record.concept_id, is_concept, request, digest, is_done, known.seen
    )


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


def _settle_and_take(
    services: Services,
    put: Sequence[Registration],
    outcomes: Sequence[DoiOutcome],
    left: Sequence[Registration],
) -> int:
    """Note what came of a group, and have the next granted: how many of those that are left."""
    with services.catalogue.write() as tx:
        came_about = [one for one, outcome in zip(put, outcomes, strict=True) if outcome.seen is not None]
        seen = {one.request.doi.lower(): (str(one.request.state), one.digest) for one in came_about}
        dois.note_seen(tx, seen, now=services.now())
        _look_behind(tx, services, came_about)
        asking.heed(tx, services, outcomes)
        return asking.take(tx, services, [one.cost for one in left])


def _look_behind(tx: Transaction, services: Services, put: Sequence[Registration]) -> None:
    """Of two who describe a work at once the slower may not know of its newest version: then it is described again."""
    for one in put:
        if one.is_concept and (newest := records.newest_published(tx, one.concept_id)) != one.record_id:
            outbox.want(tx, [(EffectKind.REGISTER, newest)], now=services.now())


def _unfit(one: Registration, faults: Sequence[str]) -> Rejected:
    return Rejected(
        f"{one.request.doi}: {'; '.join(faults)}",
        remedy="correct what is named by an edit of the record, then: headrace dois retry",
    )


def _failure(outcome: DoiOutcome) -> HeadraceError:
    told = f"{outcome.doi}: {outcome.reason}"
    match outcome.fault:
        case DoiFault.REFUSED:
            return Rejected(told, remedy=outcome.remedy)
        case DoiFault.LOCKED_OUT:
            return Misconfigured(told, field="HEADRACE_DOIS", remedy=outcome.remedy)
    return Unavailable(told, remedy=outcome.remedy)
