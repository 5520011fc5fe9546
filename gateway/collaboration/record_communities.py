"""`/api/records/{id}/communities`: which communities a record's work belongs to (Zenodo's REST API, records and
communities)."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.collaboration.community_json import community_json
from gateway.collaboration.curating import REFUSED, community_in, require
from gateway.collaboration.request_json import comment_in, request_json
from gateway.http import openapi
from gateway.http.admission import managed_record
from gateway.http.answers import json_answer
from gateway.http.auth import ActorHere, KnownHere, ServicesHere, WriterHere
from gateway.http.bodies import JsonBody
from gateway.http.lookup import find, number_of
from gateway.http.methods import READ
from gateway.http.problems import Deleted
from gateway.reading import search as searching
from gateway.reading.search import Question
from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, communities, records, rights
from pipeline.catalogue.communities import ManagedCommunity
from pipeline.communities import curation, participation
from pipeline.communities.requests import actions
from pipeline.communities.roles import Power
from pipeline.errors import HeadraceError, Missing, Rejected
from pipeline.metadata.community_form import is_uuid
from pipeline.model import JsonObject, Record, Right
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
    record = _managed(services, record_id, viewer)
    for given in _named(body):
        name = str(given["id"])
        try:
            processed.append(_propose(services, record.id, name, given, viewer))
        except REFUSED as error:
            errors.append({"community_id": name, "message": _refusal(error)})
    return _outcome(request, {"processed": processed}, errors, is_done=bool(processed))


def _propose(
    services: Services, record_id: int, name: str, given: Mapping[str, Any], viewer: Viewer
) -> JsonObject:
    said = comment_in(given.get("comment"), required=False)
    reviewed = given.get("require_review", False)
    if not isinstance(reviewed, bool):
        raise Rejected("Not a valid boolean.", field="require_review")
    asked = curation.ask_to_include(services, record_id, name, viewer, reviewed=reviewed, comment=said)
    with services.catalogue.read() as tx:
        [mine] = participation.parties(tx, [asked], viewer, now=services.now())
    shown = request_json(services.repository, asked, actions(asked, mine, admin=viewer.admin))
    return {"community_id": asked.receiver.id, "request_id": asked.id, "request": shown}


@router.delete("/communities")
def exclude(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """By the record's owner, or who curates the community."""
    names = [str(given["id"]) for given in _named(body)]
    with services.catalogue.read() as tx:
        record = records.get(tx, number_of(record_id))
        found = _named_in(tx, names)
        if rights.to_work(tx, record.concept_id, viewer, now=services.now()) < Right.MANAGE:
            # Of all of them before the work leaves one.
            for one in found.values():
                require(tx, one, viewer, Power.CURATE)
    errors: list[JsonObject] = []
    for name in names:
        try:
            if name not in found:
                raise refusals.not_found()
            curation.take_out(services, record.id, found[name].id, viewer)
        except REFUSED as error:
            errors.append({"community": name, "message": _refusal(error)})
    return _outcome(request, {}, errors, is_done=len(errors) < len(names))


def _named_in(tx: Transaction, names: Collection[str]) -> dict[str, ManagedCommunity]:
    """The communities that names, slugs or ids, stand for; those that stand for none are left out."""
    found = {}
    for name in names:
        with suppress(Missing, Deleted):
            found[name] = community_in(tx, name)
    return found


def _refusal(error: HeadraceError) -> str:
    return "Community not found." if isinstance(error, Missing | Deleted) else error.message


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
    record = _managed(services, record_id, viewer)
    curation.choose_default(services, record.concept_id, viewer, default)
    with services.catalogue.read() as tx:
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
    question = replace(asked, filters={}, all_versions=False)
    hits = [community_json(services.repository, one) for one in found]
    address = services.repository.base_url + request.url.path
    return json_answer(request, searching.listing(question, hits, total, address))


def _managed(services: Services, record_id: str, viewer: Viewer) -> Record:
    """Raises `Missing`, `Denied`."""
    with services.catalogue.read() as tx:
        return managed_record(services, tx, number_of(record_id), viewer)


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
