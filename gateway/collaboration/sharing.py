"""`/api/records/{id}/access`: with whom a work is shared, for those who manage it (Zenodo's REST API, access). Any
record or draft of a work stands for all of it.

Every route wants a token that may write: what they tell lets whoever knows it change drafts.
"""

from collections.abc import Callable, Iterable, Sequence

from fastapi import APIRouter, Request, Response

from gateway.collaboration import sharing_bodies
from gateway.http.admission import managed_work
from gateway.http.answers import json_answer
from gateway.http.auth import ServicesHere, WriterHere
from gateway.http.bodies import JsonBody
from gateway.http.headers import whole_number
from gateway.http.lookup import number_of
from gateway.http.methods import READ
from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import rights
from pipeline.catalogue import sharing as catalogue
from pipeline.feeds.crosswalks import grant_json, link_json, parent_access
from pipeline.model import AccessGrant, JsonObject
from pipeline.people import sharing
from pipeline.services import Services

router = APIRouter(prefix="/api/records/{record_id}/access")
_SECRET = {"Cache-Control": "no-store"}
_Chosen = Callable[[Sequence[AccessGrant]], AccessGrant | None]


# ---------------------------------------------------------------- settings


@router.put("")
def configure(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    """Who may ask for the files, and how; what is not said stays as it is."""
    concept_id = managed_work(services, record_id, viewer)
    sharing.configure(services, concept_id, viewer, sharing_bodies.settings(body))
    with services.catalogue.read() as tx:
        owner_id = rights.owner_id(tx, concept_id)
        settings, shares = catalogue.settings(tx, concept_id), catalogue.of_work(tx, concept_id)
    parent = {"id": str(concept_id), "access": parent_access(owner_id, settings, shares)}
    return json_answer(request, {"id": record_id, "parent": parent}, headers=_SECRET)


# ---------------------------------------------------------------- links


@router.api_route("/links", methods=READ)
def list_links(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    concept_id = managed_work(services, record_id, viewer)
    with services.catalogue.read() as tx:
        found = catalogue.links(tx, concept_id)
    return json_answer(request, _hits(map(link_json, found)), headers=_SECRET)


@router.post("/links")
def create_link(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    concept_id = managed_work(services, record_id, viewer)
    link = sharing.create_link(
        services, concept_id, viewer, sharing_bodies.link(body), origin=_origin(viewer)
    )
    return json_answer(request, link_json(link), 201, _SECRET)


@router.api_route("/links/{link_id}", methods=READ)
def read_link(
    request: Request, record_id: str, link_id: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    concept_id = managed_work(services, record_id, viewer)
    with services.catalogue.read() as tx:
        link = sharing.find_link(tx, concept_id, link_id)
    return json_answer(request, link_json(link), headers=_SECRET)


@router.patch("/links/{link_id}")
def change_link(
    request: Request,
    record_id: str,
    link_id: str,
    services: ServicesHere,
    viewer: WriterHere,
    body: JsonBody,
) -> Response:
    """What is not said stays as it is. An expiry can be brought forward, not put off."""
    concept_id = managed_work(services, record_id, viewer)
    link = sharing.change_link(services, concept_id, viewer, link_id, sharing_bodies.link(body))
    return json_answer(request, link_json(link), headers=_SECRET)


@router.delete("/links/{link_id}")
def delete_link(record_id: str, link_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    sharing.remove_link(services, managed_work(services, record_id, viewer), viewer, link_id)
    return Response(status_code=204)


# ---------------------------------------------------------------- grants


@router.api_route("/users", methods=READ)
@router.api_route("/grants", methods=READ)
def list_grants(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    """All of them are users'."""
    found = _grants(services, record_id, viewer)
    return json_answer(request, _hits(map(grant_json, found)), headers=_SECRET)


@router.post("/grants")
def create_grants(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    """The answer lists the new ones. Mails go to those that are to be notified."""
    concept_id = managed_work(services, record_id, viewer)
    given = sharing_bodies.grants(body)
    messages = sharing_bodies.messages(body)
    sharing.grant(services, concept_id, viewer, given, record_id=number_of(record_id), messages=messages)
    return json_answer(request, _hits(map(grant_json, given)), 201, _SECRET)


@router.api_route("/grants/{index}", methods=READ)
def read_grant(
    request: Request, record_id: str, index: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    return _shown(request, services, record_id, viewer, _at(index))


@router.api_route("/users/{user_id}", methods=READ)
def read_user(
    request: Request, record_id: str, user_id: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    return _shown(request, services, record_id, viewer, _of(user_id))


@router.put("/grants/{index}")
def replace_grant(
    request: Request, record_id: str, index: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    concept_id = managed_work(services, record_id, viewer)
    given = sharing_bodies.grant(body)
    changed = sharing.change_grant(services, concept_id, viewer, _at(index), lambda _: given)
    return json_answer(request, grant_json(changed), headers=_SECRET)


@router.patch("/grants/{index}")
def change_grant(
    request: Request, record_id: str, index: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    return _changed(request, services, record_id, viewer, _at(index), body)


@router.patch("/users/{user_id}")
def change_user(
    request: Request, record_id: str, user_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    return _changed(request, services, record_id, viewer, _of(user_id), body)


@router.delete("/grants/{index}")
def delete_grant(record_id: str, index: str, services: ServicesHere, viewer: WriterHere) -> Response:
    sharing.revoke(services, managed_work(services, record_id, viewer), viewer, _at(index))
    return Response(status_code=204)


@router.delete("/users/{user_id}")
def delete_user(record_id: str, user_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    sharing.revoke(services, managed_work(services, record_id, viewer), viewer, _of(user_id))
    return Response(status_code=204)


# ---------------------------------------------------------------- which grant, and how it is shown


def _grants(services: Services, record_id: str, viewer: Viewer) -> tuple[AccessGrant, ...]:
    concept_id = managed_work(services, record_id, viewer)
    with services.catalogue.read() as tx:
        return catalogue.grants(tx, concept_id)


def _at(index: str) -> _Chosen:
    """By its place among all, from 0."""
    number = whole_number(index)

    def chosen(every: Sequence[AccessGrant]) -> AccessGrant | None:
        return every[number] if number is not None and number < len(every) else None

    return chosen


def _of(user_id: str) -> _Chosen:
    number = whole_number(user_id)

    def chosen(every: Sequence[AccessGrant]) -> AccessGrant | None:
        return next((one for one in every if one.account_id == number), None)

    return chosen


def _shown(request: Request, services: Services, record_id: str, viewer: Viewer, choose: _Chosen) -> Response:
    found = choose(_grants(services, record_id, viewer))
    if found is None:
        raise refusals.not_found()
    return json_answer(request, grant_json(found), headers=_SECRET)


def _changed(
    request: Request, services: Services, record_id: str, viewer: Viewer, choose: _Chosen, body: object
) -> Response:
    concept_id = managed_work(services, record_id, viewer)
    changed = sharing.change_grant(services, concept_id, viewer, choose, sharing_bodies.grant_change(body))
    return json_answer(request, grant_json(changed), headers=_SECRET)


def _hits(found: Iterable[JsonObject]) -> JsonObject:
    hits = list(found)
    return {"hits": {"hits": hits, "total": len(hits)}}


def _origin(viewer: Viewer) -> str:
    """Who made it."""
    return f"user:{viewer.account_id}"
