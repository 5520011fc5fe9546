"""`/api/records/{id}/quota-increase`, `…/quota`, and `/api/users/{id}/quota`: how much works may hold (Zenodo's REST
API, life-cycle requests). What an owner may have at once is answered as a request that was accepted."""

import re

from fastapi import APIRouter, Request, Response

from gateway.collaboration.lifecycle import text_of
from gateway.collaboration.request_json import request_json
from gateway.http.admission import enlargeable_in, require_admin
from gateway.http.answers import json_answer
from gateway.http.auth import ActorHere, ServicesHere
from gateway.http.bodies import JsonBody
from gateway.http.lookup import number_of
from pipeline.errors import Rejected
from pipeline.ingest import quotas
from pipeline.model import Quota

router = APIRouter(prefix="/api")
_RECORD = "/records/{record_id}"
_WHOLE = re.compile("[0-9]{1,9}")
_MOST_BYTES = 10**18


@router.post(f"{_RECORD}/quota-increase")
def increase_quota(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """Of the work of an open draft, to so many gigabytes in all; carried out at once."""
    gigabytes = _gigabytes(body)
    with services.catalogue.read() as tx:
        draft = enlargeable_in(tx, number_of(record_id), viewer)
    accepted = quotas.raise_own(services, draft, viewer, gigabytes)
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
    quotas.set_of_work(services, number_of(record_id), _quota(body), text_of(body, "notes"))
    return json_answer(request, {})


@router.post("/users/{user_id}/quota")
def set_quota_of_account(
    request: Request, user_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """What each work of an account may hold in bytes, by an administrator."""
    require_admin(viewer)
    quotas.set_of_account(services, number_of(user_id), _quota(body), text_of(body, "notes"))
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
