"""`/api/requests`: what people ask of each other, and what is said about it (Zenodo's REST API, requests)."""

from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gateway.collaboration.curating import community_in, require
from gateway.collaboration.request_json import comment_in, entry_json, request_json
from gateway.http import openapi
from gateway.http.answers import json_answer
from gateway.http.auth import ActorHere, KnownHere, ServicesHere, WriterHere
from gateway.http.bodies import JsonBody, OptionalJsonBody, text_in
from gateway.http.lookup import number_of
from gateway.http.methods import READ
from gateway.reading import search as searching
from gateway.reading.search import Question
from pipeline.access import Viewer, may_in_community
from pipeline.catalogue import Transaction, members, requests
from pipeline.catalogue.requests import TimelineEntry
from pipeline.communities import discussion, participation, requesting
from pipeline.communities import requests as asking
from pipeline.communities.requests import Entity, EntityKind, RequestAction
from pipeline.communities.roles import Power
from pipeline.errors import Rejected
from pipeline.metadata import text
from pipeline.model import JsonObject
from pipeline.services import Services

router = APIRouter(prefix="/api")
_ONE = "/requests/{request_id}"
_LONGEST_TITLE, _LONGEST_DESCRIPTION = 250, 10_000


# ---------------------------------------------------------------- many


@router.api_route("/requests", methods=READ)
def search_without_slash(request: Request, services: ServicesHere) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{services.repository.base_url}/api/requests/{query}", 308)


@router.api_route("/requests/", methods=READ, openapi_extra=openapi.REQUESTS)
def search(request: Request, services: ServicesHere, viewer: KnownHere) -> Response:
    """Those in which one takes part."""
    with services.catalogue.read() as tx:
        curated, managed = communities_of(tx, viewer)
    me = [entity_of(viewer)]
    among = requests.Question(creators=[*me, *managed], receivers=[*me, *curated], everybody=viewer.admin)
    return _page(request, services, viewer, among)


@router.api_route("/user/requests", methods=READ, openapi_extra=openapi.REQUESTS)
def own(request: Request, services: ServicesHere, viewer: KnownHere) -> Response:
    """Those that one made or received oneself, or, `shared_with_me`, those of communities that one curates."""
    if searching.flag(request.query_params, "shared_with_me"):
        with services.catalogue.read() as tx:
            curated, managed = communities_of(tx, viewer)
        return _page(request, services, viewer, requests.Question(creators=managed, receivers=curated))
    me = [entity_of(viewer)]
    return _page(request, services, viewer, requests.Question(creators=me, receivers=me))


@router.api_route("/communities/{name}/requests", methods=READ, openapi_extra=openapi.REQUESTS)
def of_community(request: Request, name: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """What is asked of a community, for those who curate it."""
    with services.catalogue.read() as tx:
        one = community_in(tx, name)
        require(tx, one, viewer, Power.CURATE)
    receiver = Entity(EntityKind.COMMUNITY, one.id)
    return _page(request, services, viewer, requests.Question(receivers=[receiver]))


@router.api_route("/records/{record_id}/requests", methods=READ, openapi_extra=openapi.REQUESTS)
def of_record(request: Request, record_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """What is asked about a record or a draft, for its owner."""
    topic = Entity(EntityKind.RECORD, str(number_of(record_id)))
    with services.catalogue.read() as tx:
        participation.require_owner(tx, topic, viewer, now=services.now())
    return _page(request, services, viewer, requests.Question(topics=[topic]))


def entity_of(viewer: Viewer) -> Entity:
    """Somebody with an account, as they take part in requests themselves."""
    return Entity(EntityKind.USER, str(viewer.account_id))


def communities_of(tx: Transaction, viewer: Viewer) -> tuple[list[Entity], list[Entity]]:
    """Communities that one curates, and those that one manages."""
    roles = members.roles(tx, viewer.account_id)
    curated, managed = (
        [
            Entity(EntityKind.COMMUNITY, community_id)
            for community_id, role in roles.items()
            if may_in_community(role, power, viewer)
        ]
        for power in (Power.CURATE, Power.MANAGE)
    )
    return curated, managed


def _page(request: Request, services: Services, viewer: Viewer, among: requests.Question) -> Response:
    params = request.query_params
    asked = searching.parse(params, largest=searching.largest_page(viewer))
    filters = {name: tuple(params.getlist(name)) for name in ("type", "status") if params.getlist(name)}
    question = replace(asked, filters=filters, all_versions=False)
    wanted = replace(
        among,
        q=asked.q,
        sort=asked.sort,
        page=asked.page,
        size=asked.size,
        types=filters.get("type", ()),
        states=filters.get("status", ()),
        is_open=searching.flag(params, "is_open") if "is_open" in params else None,
    )
    with services.catalogue.read() as tx:
        found, total = requests.page(tx, wanted, now=services.now())
        hits = _shown_in(tx, services, found, viewer)
    address = services.repository.base_url + request.url.path
    return json_answer(request, searching.listing(question, hits, total, address))


def _shown_in(
    tx: Transaction, services: Services, ones: Sequence[asking.Request], viewer: Viewer
) -> list[JsonObject]:
    """Requests, each with what its asker may do with it."""
    every = participation.parties(tx, ones, viewer, now=services.now())
    return [
        request_json(services.repository, one, asking.actions(one, mine, admin=viewer.admin))
        for one, mine in zip(ones, every, strict=True)
    ]


# ---------------------------------------------------------------- one


@router.api_route(_ONE, methods=READ)
def read(request: Request, request_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    with services.catalogue.read() as tx:
        one = participation.visible(tx, request_id, viewer, now=services.now())
    return shown(request, services, one, viewer)


@router.put(_ONE)
def update(
    request: Request, request_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    """Title and description, by who made the request."""
    given = body if isinstance(body, dict) else {}
    title = text_in(given, "title", _LONGEST_TITLE)
    description = text_in(given, "description", _LONGEST_DESCRIPTION)
    changed = requesting.describe(
        services,
        request_id,
        viewer,
        title=None if title is None else text.clean(title),
        description=None if description is None else text.sanitise(description),
    )
    return shown(request, services, changed, viewer)


@router.delete(_ONE)
def delete(request_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    """Of what nobody was asked yet."""
    requesting.forget(services, request_id, viewer)
    return Response(status_code=204)


@router.post(f"{_ONE}/actions/{{action}}")
def act(
    request: Request,
    request_id: str,
    action: str,
    services: ServicesHere,
    viewer: ActorHere,
    body: OptionalJsonBody,
) -> Response:
    if action not in list(RequestAction):
        raise Rejected(f"There is no action {action}.", field="action")
    comment = comment_in(body, required=False)
    done = requesting.act(services, request_id, RequestAction(action), viewer, comment=comment)
    return shown(request, services, done, viewer)


@router.post(f"{_ONE}/lock")
def lock(request: Request, request_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    return shown(request, services, discussion.lock(services, request_id, viewer, locked=True), viewer)


@router.post(f"{_ONE}/unlock")
def unlock(request: Request, request_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    return shown(request, services, discussion.lock(services, request_id, viewer, locked=False), viewer)


def shown(
    request: Request, services: Services, one: asking.Request, viewer: Viewer, status: int = 200
) -> Response:
    """A request, with what its asker may do with it."""
    with services.catalogue.read() as tx:
        [body] = _shown_in(tx, services, [one], viewer)
    return json_answer(request, body, status, {"ETag": f'"{one.revision}"'})


# ---------------------------------------------------------------- what is said


@router.api_route(f"{_ONE}/timeline", methods=READ, openapi_extra=openapi.PAGING)
def timeline(request: Request, request_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    asked = searching.parse(request.query_params, largest=searching.largest_page(viewer))
    question = Question(sort="oldest", page=asked.page, size=asked.size)
    with services.catalogue.read() as tx:
        one = participation.visible(tx, request_id, viewer, now=services.now())
        found, total = requests.timeline(tx, one, page=asked.page, size=asked.size)
    hits = [entry_json(services.repository, each) for each in found]
    address = services.repository.base_url + request.url.path
    return json_answer(request, searching.listing(question, hits, total, address))


@router.post(f"{_ONE}/comments")
def comment(
    request: Request, request_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    return _said(request, services, discussion.say(services, request_id, viewer, comment_in(body)), 201)


@router.api_route(f"{_ONE}/comments/{{comment_id}}", methods=READ)
def read_comment(
    request: Request, request_id: str, comment_id: str, services: ServicesHere, viewer: KnownHere
) -> Response:
    with services.catalogue.read() as tx:
        one = participation.visible(tx, request_id, viewer, now=services.now())
        return _said(request, services, requests.entry(tx, one, comment_id))


@router.put(f"{_ONE}/comments/{{comment_id}}")
def edit_comment(
    request: Request,
    request_id: str,
    comment_id: str,
    services: ServicesHere,
    viewer: WriterHere,
    body: JsonBody,
) -> Response:
    edited = discussion.edit(services, request_id, comment_id, viewer, comment_in(body))
    return _said(request, services, edited)


@router.delete(f"{_ONE}/comments/{{comment_id}}")
def delete_comment(request_id: str, comment_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    discussion.erase(services, request_id, comment_id, viewer)
    return Response(status_code=204)


@router.post(f"{_ONE}/comments/{{comment_id}}/reply")
def reply(
    request: Request,
    request_id: str,
    comment_id: str,
    services: ServicesHere,
    viewer: WriterHere,
    body: JsonBody,
) -> Response:
    said = discussion.say(services, request_id, viewer, comment_in(body), parent_id=comment_id)
    return _said(request, services, said, 201)


def _said(request: Request, services: Services, one: TimelineEntry, status: int = 200) -> Response:
    return json_answer(request, entry_json(services.repository, one), status, {"ETag": f'"{one.revision}"'})
