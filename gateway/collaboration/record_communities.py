"""`/api/records/{id}/communities`: which communities a record's work belongs to (Zenodo's REST API, records and
communities)."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.collaboration.community_json import community_json
from gateway.collaboration.request_json import comment_in, request_json
from gateway.http import openapi
from gateway.http.admission import managed_record
from gateway.http.answers import json_answer
from gateway.http.auth import ActorHere, KnownHere, ServicesHere, WriterHere
from gateway.http.bodies import JsonBody
from gateway.http.lookup import find, number_of
from gateway.http.methods import READ
from gateway.reading import search as searching
from gateway.reading.search import Found, Question
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, communities, records, rights
from pipeline.communities import curation, requesting
from pipeline.communities.requests import actions
from pipeline.communities.roles import Power
from pipeline.errors import Denied, HeadraceError, Missing, Rejected
from pipeline.metadata.community_form import is_uuid
from pipeline.model import JsonObject, Right
from pipeline.services import Services

router = APIRouter(prefix="/api/records/{record_id}")
_MOST = 10
"""Communities in one request (Zenodo's REST API, records and communities)."""


@router.api_route("/communities", methods=READ, openapi_extra=openapi.PAGING)
def listed(request: Request, record_id: str, services: ServicesHere) -> Response:
    with services.catalogue.read() as tx:
        record = find(services, tx, record_id)
        return json_answer(request, _of_work(services, tx, record.concept_id))


def _of_work(services: Services, tx: Transaction, concept_id: int) -> JsonObject:
    belongs = communities.of_concepts(tx, [concept_id]).get(concept_id, ())
    found = communities.by_ids(tx, [one.id for one in belongs])
    hits = [community_json(services.repository, found[one.id]) for one in belongs]
    question = Question(sort="newest")
    return {
        "hits": {"hits": hits, "total": len(hits)},
        "aggregations": {},
        "sortBy": question.order,
        # As on Zenodo it is the address of all communities.
        "links": {"self": f"{services.repository.base_url}/api/communities?{question.query_string()}"},
    }


@router.post("/communities")
def include(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """Included at once, or asked for."""
    processed: list[JsonObject] = []
    errors: list[JsonObject] = []
    _own(services, record_id, viewer)
    for given in _named(body):
        name = str(given["id"])
        try:
            processed.append(_propose(services, number_of(record_id), name, given, viewer))
        except HeadraceError as error:
            text = "Community not found." if isinstance(error, Missing) else error.message
            errors.append({"community_id": name, "message": text})
    return _outcome(request, {"processed": processed}, errors, is_done=bool(processed))


def _propose(
    services: Services, record_id: int, name: str, given: Mapping[str, Any], viewer: Viewer
) -> JsonObject:
    comment = given.get("comment")
    said = comment_in(comment, required=False)
    reviewed = given.get("require_review", False)
    if not isinstance(reviewed, bool):
        raise Rejected("Not a valid boolean.", field="require_review")
    with services.catalogue.write() as tx:
        record = managed_record(services, tx, record_id, viewer)
        one = communities.get(tx, name)
        asked = curation.propose(
            tx,
            services.repository,
            record,
            one,
            viewer.account_id or 0,
            reviewed=reviewed,
            comment=said,
            now=services.now(),
        )
        [mine] = requesting.parties(tx, [asked], viewer, now=services.now())
    shown = request_json(services.repository, asked, actions(asked, mine, admin=viewer.admin))
    return {"community_id": one.id, "request_id": asked.id, "request": shown}


@router.delete("/communities")
def exclude(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """By the record's owner, or who curates the community."""
    errors: list[JsonObject] = []
    named = _named(body)
    for given in named:
        name = str(given["id"])
        try:
            _leave(services, number_of(record_id), name, viewer)
        except Denied:
            raise
        except HeadraceError as error:
            text = "Community not found." if isinstance(error, Missing) else error.message
            errors.append({"community": name, "message": text})
    return _outcome(request, {}, errors, is_done=len(errors) < len(named))


def _leave(services: Services, record_id: int, name: str, viewer: Viewer) -> None:
    with services.catalogue.read() as tx:
        record = records.get(tx, record_id)
        one = communities.get(tx, name)
        right = rights.to_work(tx, record.concept_id, viewer, now=services.now())
        if right < Right.MANAGE and not rights.has_power(tx, one.id, viewer, Power.CURATE):
            raise Denied("Permission denied.")
    with services.catalogue.write() as tx:
        if not curation.leave(tx, one.id, [record.concept_id], now=services.now()):
            raise Rejected("The record is not included in this community.")


@router.put("/communities")
def choose_default(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    """Which community stands for the work where there is room for one; null for none."""
    if not isinstance(body, dict) or "default" not in body:
        raise Rejected("Missing data for required field.", field="default")
    default = body["default"]
    if not (default is None or (isinstance(default, str) and is_uuid(default))):
        raise Rejected("Not a valid UUID.", field="default")
    with services.catalogue.read() as tx:
        record = managed_record(services, tx, number_of(record_id), viewer)
    with services.catalogue.write() as tx:
        if not curation.choose_default(tx, record.concept_id, default):
            raise Rejected("The record is not included in this community.", field="default")
        return json_answer(request, _of_work(services, tx, record.concept_id))


@router.api_route("/communities-suggestions", methods=READ, openapi_extra=openapi.COMMUNITIES)
def suggestions(request: Request, record_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """Communities that the record could join: all that it is not in yet, or, with `membership`, one's own."""
    params = request.query_params
    asked = searching.parse(params, largest=searching.largest_page(viewer))
    with services.catalogue.read() as tx:
        record = managed_record(services, tx, number_of(record_id), viewer)
        found, total = communities.page(
            tx,
            communities.Question(
                q=asked.q,
                sort=asked.sort,
                page=asked.page,
                size=asked.size,
                member=viewer.account_id if searching.flag(params, "membership") else None,
                without=record.concept_id,
            ),
        )
    question = Question(q=asked.q, sort=asked.sort, page=asked.page, size=asked.size)
    body = {
        "hits": {"hits": [community_json(services.repository, one) for one in found], "total": total},
        "aggregations": {},
        "sortBy": question.order,
        "links": searching.links(Found(question, total, ()), services.repository.base_url + request.url.path),
    }
    return json_answer(request, body)


def _own(services: Services, record_id: str, viewer: Viewer) -> None:
    """Raises `Missing`, `Denied`."""
    with services.catalogue.read() as tx:
        managed_record(services, tx, number_of(record_id), viewer)


def _named(body: object) -> list[Mapping[str, Any]]:
    given = body.get("communities") if isinstance(body, dict) else None
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST:
        raise Rejected(f"A list of 1 to {_MOST} communities.", field="communities")
    for one in given:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str):
            raise Rejected("Missing data for required field.", field="communities.id")
    return given


def _outcome(request: Request, body: JsonObject, errors: list[JsonObject], *, is_done: bool) -> Response:
    """What was done, and what was not; 400 where nothing was."""
    told = body if is_done else {"status": 400, "message": "Nothing could be done."}
    if errors:
        told = {**told, "errors": errors}
    return json_answer(request, told, 200 if is_done else 400)
