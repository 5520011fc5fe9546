"""`/api/records/{id}/request-deletion`, `…/delete`, `…/restore`, `…/file-modification`, `…/quota-increase`,
`…/quota`, and `/api/users/{id}/quota`: records out of service, and back, their files, and how much they may hold
(Zenodo's REST API, life-cycle requests). What an owner may have at once is answered as a request that was accepted."""

import re

from fastapi import APIRouter, Request, Response

from gateway.collaboration.request_json import request_json
from gateway.http.admission import deletable_in, enlargeable_in, modifiable_in, require_admin
from gateway.http.answers import json_answer
from gateway.http.auth import ActorHere, ServicesHere
from gateway.http.bodies import JsonBody, OptionalJsonBody
from gateway.http.lookup import find_described, number_of
from gateway.reading.formats import negotiated
from pipeline import allowance, deletion, modification, publication
from pipeline.errors import Rejected
from pipeline.metadata.text import clean
from pipeline.model import Quota

router = APIRouter(prefix="/api")
_RECORD = "/records/{record_id}"
_LONGEST_COMMENT = 10_000
"""Characters."""
_WHOLE = re.compile("[0-9]{1,9}")
_MOST_BYTES = 10**18


@router.post(f"{_RECORD}/request-deletion")
def request_deletion(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """Carried out at once, while the record is young enough."""
    reason, comment = _text(body, "reason", required=True), _text(body, "comment")
    with services.catalogue.read() as tx:
        record = deletable_in(tx, number_of(record_id), viewer)
    accepted = deletion.delete_own(services, record, viewer, reason=reason, comment=comment)
    return json_answer(request, request_json(services.repository, accepted, ()))


@router.delete(f"{_RECORD}/delete")
def delete(record_id: str, services: ServicesHere, viewer: ActorHere, body: OptionalJsonBody) -> Response:
    """By an administrator, at any time, with a note that the tombstone shows."""
    require_admin(viewer)
    given = body.get("removal_reason") if isinstance(body, dict) else None
    reason = _text(given, "id", field="removal_reason") or "out-of-scope"
    deletion.require_reason(reason)
    note = _text(body, "note")
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
    comment = _text(body, "comment")
    with services.catalogue.read() as tx:
        draft = modifiable_in(tx, number_of(record_id), viewer)
    accepted = modification.reopen(services, draft, viewer, comment=comment)
    return json_answer(request, request_json(services.repository, accepted, ()))


@router.post(f"{_RECORD}/quota-increase")
def increase_quota(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """Of the work of an open draft, to so many gigabytes in all; carried out at once."""
    gigabytes = _gigabytes(body)
    with services.catalogue.read() as tx:
        draft = enlargeable_in(tx, number_of(record_id), viewer)
    accepted = allowance.raise_own(services, draft, viewer, gigabytes)
    return json_answer(request, request_json(services.repository, accepted, ()))


def _gigabytes(body: object) -> int:
    """Raises `Rejected`."""
    given = body.get("quota_size") if isinstance(body, dict) else None
    text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
    if given is None:
        raise Rejected("Missing data for required field.", field="quota_size")
    if not (_WHOLE.fullmatch(text) and int(text) > 0):
        raise Rejected('Not a valid number of gigabytes, in all, such as "60".', field="quota_size")
    return int(text)


@router.post(f"{_RECORD}/quota")
def set_quota(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """What a work may hold in bytes, by an administrator."""
    require_admin(viewer)
    allowance.set_of_work(services, number_of(record_id), _quota(body), _text(body, "notes"))
    return json_answer(request, {})


@router.post("/users/{user_id}/quota")
def set_quota_of_account(
    request: Request, user_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """What each work of an account may hold in bytes, by an administrator."""
    require_admin(viewer)
    allowance.set_of_account(services, number_of(user_id), _quota(body), _text(body, "notes"))
    return json_answer(request, {})


def _quota(body: object) -> Quota:
    return Quota(_bytes(body, "quota_size"), _bytes(body, "max_file_size"))


def _bytes(body: object, name: str) -> int:
    """Raises `Rejected`."""
    given = body.get(name) if isinstance(body, dict) else None
    if given is None:
        raise Rejected("Missing data for required field.", field=name)
    if not isinstance(given, int) or isinstance(given, bool):
        raise Rejected("Not a valid integer.", field=name)
    if not 1 <= given <= _MOST_BYTES:
        raise Rejected(
            f"Must be greater than or equal to 1 and less than or equal to {_MOST_BYTES}.", field=name
        )
    return given


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
