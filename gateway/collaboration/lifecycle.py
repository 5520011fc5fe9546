"""`/api/records/{id}/request-deletion`, `…/delete`, `…/restore`: records out of service, and back (Zenodo's REST API,
life-cycle requests). What an owner may have at once is answered as a request that was accepted."""

from fastapi import APIRouter, Request, Response

from gateway.collaboration.request_json import request_json
from gateway.http.admission import deletable_in, require_admin
from gateway.http.answers import json_answer
from gateway.http.auth import ActorHere, ServicesHere
from gateway.http.bodies import JsonBody, OptionalJsonBody
from gateway.http.lookup import find_described, number_of
from gateway.reading.formats import negotiated
from pipeline import deletion, publication
from pipeline.errors import Rejected
from pipeline.metadata.text import clean

router = APIRouter(prefix="/api/records/{record_id}")
_LONGEST_COMMENT = 10_000
"""Characters."""


@router.post("/request-deletion")
def request_deletion(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """Carried out at once, while the record is young enough."""
    reason, comment = _text(body, "reason", required=True), _text(body, "comment")
    with services.catalogue.read() as tx:
        record = deletable_in(tx, number_of(record_id), viewer)
    accepted = deletion.delete_own(services, record, viewer, reason=reason, comment=comment)
    return json_answer(request, request_json(services.repository, accepted, ()))


@router.delete("/delete")
def delete(record_id: str, services: ServicesHere, viewer: ActorHere, body: OptionalJsonBody) -> Response:
    """By an administrator, at any time, with a note that the tombstone shows."""
    require_admin(viewer)
    given = body.get("removal_reason") if isinstance(body, dict) else None
    reason = _text(given, "id", field="removal_reason") or "out-of-scope"
    deletion.require_reason(reason)
    note = _text(body, "note")
    publication.withdraw(services, number_of(record_id), reason=reason, note=note, by=viewer.email or "")
    return Response(status_code=204)


@router.post("/restore")
def restore(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    form = negotiated(request)
    require_admin(viewer)
    publication.restore(services, number_of(record_id), by=viewer.email or "")
    with services.catalogue.read() as tx:
        record = find_described(services, tx, record_id)
    return Response(form.render(record, files_open=True), media_type=form.served_as)


def _text(body: object, name: str, *, field: str = "", required: bool = False) -> str:
    """A member of a body. Raises `Rejected`."""
    value = body.get(name) if isinstance(body, dict) else None
    if value is None and not required:
        return ""
    if value is None:
        raise Rejected("Missing data for required field.", field=field or name)
    if not isinstance(value, str):
        raise Rejected("Not a valid string.", field=field or name)
    if len(value) > _LONGEST_COMMENT:
        raise Rejected(f"Longer than maximum length {_LONGEST_COMMENT}.", field=field or name)
    return clean(value)
