"""`/api/communities/{uuid}/members` and `…/invitations` (Zenodo's REST API, members and invitations)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Request, Response

from gateway.collaboration.curating import community_by_id, require
from gateway.collaboration.request_json import request_json
from gateway.http import openapi
from gateway.http.answers import json_answer
from gateway.http.auth import KnownHere, ServicesHere, ViewerHere, WriterHere
from gateway.http.bodies import JsonBody, text_in
from gateway.http.headers import whole_number
from gateway.http.methods import READ
from gateway.reading import search as searching
from gateway.reading.search import Question
from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import members, requests, rights
from pipeline.catalogue.communities import ManagedCommunity
from pipeline.catalogue.members import Member
from pipeline.communities import membership
from pipeline.communities.requests import COMMUNITY_INVITATION, Entity, EntityKind
from pipeline.communities.requests import Request as Asked
from pipeline.communities.roles import Audience, Power, Role, over
from pipeline.errors import Denied, Rejected
from pipeline.feeds.crosswalks.facts import timestamp
from pipeline.metadata import text
from pipeline.model import JsonObject
from pipeline.services import Services

router = APIRouter(prefix="/api/communities/{community_id}")
_MOST = 100
"""People in one request."""
_LONGEST_MESSAGE = 1_000


@dataclass(frozen=True, slots=True)
class Given:
    """Whom a body names, and what they shall be."""

    account_ids: tuple[int, ...]
    role: Role | None
    visible: bool | None
    message: str


# ---------------------------------------------------------------- members


@router.api_route("/members", methods=READ, openapi_extra=openapi.PAGING)
def all_members(request: Request, community_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """For members."""
    with services.catalogue.read() as tx:
        one = community_by_id(tx, community_id)
        require(tx, one, viewer, Power.READ)
    return _page(request, services, one, viewer, visible_only=False)


@router.api_route("/members/public", methods=READ, openapi_extra=openapi.PAGING)
def public_members(
    request: Request, community_id: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    """Those who let themselves be seen, for everybody, unless the community keeps its members to itself."""
    with services.catalogue.read() as tx:
        one = community_by_id(tx, community_id)
        if one.charter.policies.members_visibility is Audience.RESTRICTED:
            require(tx, one, viewer, Power.READ)
    return _page(request, services, one, viewer, visible_only=True)


@router.post("/members")
def add_groups(community_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    """Groups are not there, as on Zenodo: people are invited."""
    with services.catalogue.read() as tx:
        require(tx, community_by_id(tx, community_id), viewer, Power.MANAGE)
    raise Denied("Permission denied.", remedy="Invite people; there are no groups.")


@router.put("/members")
def change_members(community_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody) -> Response:
    with services.catalogue.read() as tx:
        one = community_by_id(tx, community_id)
        require(tx, one, viewer, Power.READ)
    given = read(body)
    if given.role is None and given.visible is None:
        raise Rejected("Missing fields role and/or visible.", field="_schema")
    membership.change_members(
        services, one.id, given.account_ids, viewer, role=given.role, visible=given.visible
    )
    return Response(status_code=204)


@router.delete("/members")
def dismiss(community_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody) -> Response:
    with services.catalogue.read() as tx:
        one = community_by_id(tx, community_id)
        require(tx, one, viewer, Power.READ)
    membership.dismiss(services, one.id, read(body).account_ids, viewer)
    return Response(status_code=204)


def _page(
    request: Request, services: Services, one: ManagedCommunity, viewer: Viewer, *, visible_only: bool
) -> Response:
    asked = searching.parse(request.query_params, largest=searching.largest_page(viewer))
    with services.catalogue.read() as tx:
        mine = rights.role_in(tx, one.id, viewer)
        found, total = members.page(tx, one.id, visible_only=visible_only, page=asked.page, size=asked.size)
    hits = [_member_json(each, viewer, mine) for each in found]
    return _listed(request, services, asked, hits, total)


def _listed(
    request: Request, services: Services, asked: Question, hits: list[JsonObject], total: int
) -> Response:
    question = Question(sort=asked.sort or "oldest", page=asked.page, size=asked.size)
    address = services.repository.base_url + request.url.path
    return json_answer(request, searching.listing(question, hits, total, address))


def _member_json(one: Member, viewer: Viewer, mine: Role | None) -> JsonObject:
    is_self = one.account_id == viewer.account_id
    may = over(mine, one.role, is_self=is_self)
    return {
        "id": str(uuid5(UUID(one.community_id), str(one.account_id))),
        "created": timestamp(one.created),
        "updated": timestamp(one.updated),
        "revision_id": 1,
        "role": one.role.value,
        "visible": one.visible,
        "is_current_user": is_self,
        "member": {"type": "user", "id": str(one.account_id)},
        "permissions": {
            "can_leave": may.leave,
            "can_delete": may.dismiss,
            "can_update_role": may.change_role,
            "can_update_visible": may.hide if one.visible else may.show,
        },
    }


# ---------------------------------------------------------------- invitations


@router.api_route("/invitations", methods=READ, openapi_extra=openapi.PAGING)
def invitations(request: Request, community_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """For those who manage the community."""
    asked = searching.parse(request.query_params, largest=searching.largest_page(viewer))
    with services.catalogue.read() as tx:
        one = community_by_id(tx, community_id)
        require(tx, one, viewer, Power.MANAGE)
        found, total = requests.page(
            tx,
            requests.Question(
                sort="newest",
                page=asked.page,
                size=asked.size,
                creators=[Entity(EntityKind.COMMUNITY, one.id)],
                types=[COMMUNITY_INVITATION.name],
                is_open=True,
            ),
            now=services.now(),
        )
    return _listed(request, services, asked, [_invitation_json(services, each) for each in found], total)


def _invitation_json(services: Services, one: Asked) -> JsonObject:
    return {
        "id": one.id,
        "created": timestamp(one.created),
        "updated": timestamp(one.updated),
        "revision_id": one.revision,
        "role": one.payload["role"],
        "visible": False,
        "member": {"type": "user", "id": one.receiver.id},
        "request": request_json(services.repository, one, ()),
    }


@router.post("/invitations")
def invite(community_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody) -> Response:
    one = _managed(services, community_id, viewer)
    given = read(body)
    if given.visible:
        raise Rejected("Must be false", field="_schema")
    if given.role is None:
        raise Rejected("Missing data for required field.", field="role")
    membership.invite(services, one.id, given.account_ids, given.role, viewer, message=given.message)
    return Response(status_code=204)


@router.put("/invitations")
def reinvite(community_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody) -> Response:
    """Who is invited shall become something else."""
    one = _managed(services, community_id, viewer)
    given = read(body)
    if given.role is None:
        raise Rejected("Missing data for required field.", field="role")
    membership.reinvite(services, one.id, given.account_ids, given.role, viewer)
    return Response(status_code=204)


@router.api_route("/membership-requests", methods=[*READ, "POST"])
def membership_requests(community_id: str, services: ServicesHere) -> Response:
    """Nobody asks to become a member, as on Zenodo."""
    with services.catalogue.read() as tx:
        community_by_id(tx, community_id)
    raise refusals.not_permitted()


def _managed(services: Services, community_id: str, viewer: Viewer) -> ManagedCommunity:
    with services.catalogue.read() as tx:
        one = community_by_id(tx, community_id)
        require(tx, one, viewer, Power.MANAGE)
        return one


# ---------------------------------------------------------------- bodies


def read(body: object) -> Given:
    """Whom a body names, and what it says of them. Raises `Rejected`."""
    if not isinstance(body, dict):
        raise Rejected("Invalid input type.", field="_schema")
    given = body.get("members")
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST:
        raise Rejected(f"A list of 1 to {_MOST} members.", field="members")
    visible = body.get("visible")
    if not (visible is None or isinstance(visible, bool)):
        raise Rejected("Not a valid boolean.", field="visible")
    message = text_in(body, "message", _LONGEST_MESSAGE) or ""
    account_ids = tuple(dict.fromkeys(_account_id(one) for one in given))
    return Given(account_ids, _role(body), visible, text.sanitise(message).strip())


def _account_id(one: object) -> int:
    name = one.get("id") if isinstance(one, Mapping) and one.get("type") == "user" else None
    number = whole_number(name) if isinstance(name, str) else None
    if number is None:
        raise Rejected("Invalid member specified.")
    return number


def _role(body: Mapping[str, Any]) -> Role | None:
    value = body.get("role")
    if value is None:
        return None
    if value not in [one.value for one in Role]:
        raise Rejected(f"Must be one of: {', '.join(Role)}.", field="role")
    return Role(value)
