"""Handler of the *register* effect: bring the DOIs of records and their works to the wanted state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.access import as_of
from pipeline.catalogue import dois, records
from pipeline.dissemination import Dissemination
from pipeline.errors import HeadraceError, Misconfigured, Rejected, Unavailable
from pipeline.feeds import crosswalks
from pipeline.model import DoiState
from pipeline.ports import DoiFault, DoiOutcome, DoiRequest
from pipeline.services import Services


def register(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError]:
    """Register or update the DOIs of records, and of a work with its newest version; what failed, by record id."""
    with services.catalogue.read() as tx:
        shown = records.disseminate(tx, services.repository, record_ids)
        concept_ids = list({one.record.concept_id for one in shown.values()})
        wanted = {one.name: one for one in dois.of_concepts(tx, concept_ids) if not one.external}
    requests: list[DoiRequest] = []
    wanting: dict[str, int] = {}
    today = services.now().date()
    for one in (as_of(each, today=today) for each in shown.values()):
        for request in _requests(one, {name: doi.wanted for name, doi in wanted.items()}):
            requests.append(request)
            wanting[request.doi.lower()] = one.record.id
    outcomes = services.registry.put_many(requests)
    seen = {one.doi.lower(): str(one.seen) for one in outcomes if one.seen is not None}
    with services.catalogue.write() as tx:
        dois.note_seen(tx, seen, now=services.now())
    return {wanting[one.doi.lower()]: _failure(one) for one in outcomes if one.seen is None}


def _requests(shown: Dissemination, wanted: Mapping[str, str]) -> list[DoiRequest]:
    requests: list[DoiRequest] = []
    if shown.doi.lower() in wanted:
        requests.append(
            DoiRequest(
                shown.doi, DoiState(wanted[shown.doi.lower()]), shown.url, crosswalks.datacite_json(shown)
            )
        )
    if shown.concept_doi and shown.record.is_latest:
        requests.append(
            DoiRequest(
                shown.concept_doi,
                DoiState(wanted[shown.concept_doi.lower()]),
                f"{shown.repository.base_url}/records/{shown.record.concept_id}",
                crosswalks.concept_datacite_json(shown),
            )
        )
    return requests


def _failure(outcome: DoiOutcome) -> HeadraceError:
    told = f"{outcome.doi}: {outcome.reason}"
    match outcome.fault:
        case DoiFault.REFUSED:
            return Rejected(told, remedy=outcome.remedy)
        case DoiFault.LOCKED_OUT:
            return Misconfigured(told, field="HEADRACE_DOIS", remedy=outcome.remedy)
    return Unavailable(told, remedy=outcome.remedy)
