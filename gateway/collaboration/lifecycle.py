"""`/api/records/{id}/request-deletion`, `…/delete`, `…/restore` and `…/file-modification`: records out of service, and
back, and their files (Zenodo's REST API, life-cycle requests). What an owner may have at once is answered as a request
that was accepted."""

from fastapi import APIRouter, Request, Response

from gateway.collaboration.request_json import request_json
from gateway.http.admission import deletable_in, modifiable_in, require_admin
from gateway.http.answers import json_answer
from gateway.http.auth import ActorHere, ServicesHere
from gateway.http.bodies import JsonBody, OptionalJsonBody
from gateway.http.lookup import find_described, number_of
from gateway.reading.formats import negotiated
from pipeline import publication
from pipeline.errors import Rejected
from pipeline.ingest import modification
from pipeline.metadata.text import clean
from pipeline.stewardship import deletion

router = APIRouter(prefix="/api")
_RECORD = "/records/{record_id}"
_LONGEST_COMMENT = 10_000
"""Characters."""


@router.post(f"{_RECORD}/request-deletion")
def request_deletion(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """Carried out at once, while the record is young enough."""
    reason, comment = text_of(body, "reason", required=True), text_of(body, "comment")
    with services.catalogue.read() as tx:
        record = deletable_in(tx, number_of(record_id), viewer)
    accepted = deletion.delete_own(services, record, viewer, reason=reason, comment=comment)
    return json_answer(request, request_json(services.repository, accepted, ()))


@router.delete(f"{_RECORD}/delete")
def delete(record_id: str, services: ServicesHere, viewer: ActorHere, body: OptionalJsonBody) -> Response:
    """By an administrator, at any time, with a note that the tombstone shows."""
    require_admin(viewer)
    given = body.get("removal_reason") if isinstance(body, dict) else None
    reason = text_of(given, "id", field="removal_reason") or "out-of-scope"
    deletion.require_reason(reason)
    note = text_of(body, "note")
    publication.withdraw(services, number_of(record_id), reason=reason, note=note, by=viewer.email or "")
    return Response(status_code=204)


@router.post(f"{_RECORD}/restore")
def restore(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    form = negotiated(request)
    require_admin(viewer)
    publication.restore(services, number_of(record_id), by=viewer.email or "")
    with services.catalogue.read() as tx:
        record = find_described(services, tx, record_id)
    return Response(form.render(record, files_open=True), media_type=form.served_as)


@router.post(f"{_RECORD}/file-modification")
def modify_files(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: OptionalJsonBody
) -> Response:
    """The open edit of a young record may change its files from then on."""
    comment = text_of(body, "comment")
    with services.catalogue.read() as tx:
        draft = modifiable_in(tx, number_of(record_id), viewer)
    accepted = modification.reopen(services, draft, viewer, comment=comment)
    return json_answer(request, request_json(services.repository, accepted, ()))


def text_of(body: object, name: str, *, field: str = "", required: bool = False) -> str:
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
