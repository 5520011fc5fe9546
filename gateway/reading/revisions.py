"""`/api/records/{id}/revisions`: what a record's description was before, for administrators. The catalogue has the
newest whole, and knows of those before it when they were published; the storage root has them all."""

from collections.abc import Iterator

from fastapi import APIRouter, Request, Response

from gateway.http.admission import require_admin
from gateway.http.answers import json_answer
from gateway.http.auth import KnownHere, ServicesHere
from gateway.http.lookup import find_described, number_of
from gateway.http.methods import READ
from pipeline.access import Viewer
from pipeline.catalogue import events
from pipeline.errors import Missing
from pipeline.feeds import crosswalks
from pipeline.feeds.crosswalks import facts
from pipeline.model import EventType, JsonObject
from pipeline.services import Services

router = APIRouter(prefix="/api/records/{record_id}/revisions")
_DESCRIBED = (EventType.INGESTION, EventType.METADATA, EventType.MODIFICATION)


@router.api_route("", methods=READ)
def list_revisions(request: Request, record_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """The newest first."""
    found = list(_revisions(services, record_id, viewer))
    return json_answer(request, {"hits": {"hits": found[::-1], "total": len(found)}})


@router.api_route("/{number}", methods=READ)
def read_revision(
    request: Request, record_id: str, number: str, services: ServicesHere, viewer: KnownHere
) -> Response:
    for one in _revisions(services, record_id, viewer):
        if one["revision_id"] == number_of(number):
            return json_answer(request, one)
    raise Missing(f"The record has no revision {number}.")


def _revisions(services: Services, record_id: str, viewer: Viewer) -> Iterator[JsonObject]:
    """Oldest first, numbered from 1. Raises `Denied`, and as `find_described`."""
    require_admin(viewer)
    with services.catalogue.read() as tx:
        newest = find_described(services, tx, record_id)
        published = [one.at for one in events.of_records(tx, newest.record.id) if one.type in _DESCRIBED]
    for number, at in enumerate(published, 1):
        known = {
            "id": str(newest.record.id),
            "revision_id": number,
            "created": facts.timestamp(newest.record.created),
            "updated": facts.timestamp(at),
            "links": {"self": f"{facts.record_api(newest)}/revisions/{number}"},
        }
        whole = crosswalks.rdm_json(newest, files_open=True) if number == len(published) else {}
        yield {**whole, **known}
