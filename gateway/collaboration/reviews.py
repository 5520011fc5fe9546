"""`/api/records/{id}/draft/review`: drafts that communities review before they are published (Zenodo's REST API,
reviews)."""

from fastapi import APIRouter, Request, Response

from gateway.collaboration.curating import community_in
from gateway.collaboration.request_json import comment_in
from gateway.collaboration.requests import shown
from gateway.http.admission import draft_for, draft_in
from gateway.http.auth import ActorHere, KnownHere, ServicesHere, WriterHere
from gateway.http.bodies import JsonBody, OptionalJsonBody
from gateway.http.lookup import number_of
from gateway.http.methods import READ
from pipeline.catalogue import requests
from pipeline.communities import reviews
from pipeline.communities.requests import COMMUNITY_SUBMISSION
from pipeline.errors import Missing, Rejected
from pipeline.metadata.community_form import is_uuid
from pipeline.model import Right

router = APIRouter(prefix="/api/records/{record_id}/draft")


@router.api_route("/review", methods=READ)
def read(request: Request, record_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """For whoever may see the draft: curators, while they are asked."""
    with services.catalogue.read() as tx:
        draft = draft_in(services, tx, number_of(record_id), viewer, Right.PREVIEW)
        found = requests.review(tx, draft.record_id, now=services.now())
    if found is None:
        raise Missing("There is no review for this draft.")
    return shown(request, services, found, viewer)


@router.put("/review")
def choose(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    """Which community shall review the draft: for whoever names the communities of the work."""
    draft = draft_for(services, record_id, viewer, Right.MANAGE)
    given = body if isinstance(body, dict) else {}
    if given.get("type") != COMMUNITY_SUBMISSION.name:
        raise Rejected(f"Must be one of: {COMMUNITY_SUBMISSION.name}.", field="type")
    receiver = given.get("receiver")
    name = receiver.get("community") if isinstance(receiver, dict) else None
    if not isinstance(name, str):
        raise Rejected("Missing data for required field.", field="receiver.community")
    if not is_uuid(name):
        raise Missing("There is no such community.")
    with services.catalogue.read() as tx:
        one = community_in(tx, name)
    chosen = reviews.choose(services, draft, one.id, viewer)
    return shown(request, services, chosen, viewer)


@router.delete("/review")
def drop(record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    reviews.drop(services, draft_for(services, record_id, viewer, Right.MANAGE), viewer)
    return Response(status_code=204)


@router.post("/actions/submit-review")
def submit(
    request: Request, record_id: str, services: ServicesHere, viewer: ActorHere, body: OptionalJsonBody
) -> Response:
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    reviewed = body.get("require_review", False) if isinstance(body, dict) else False
    if not isinstance(reviewed, bool):
        raise Rejected("Not a valid boolean.", field="require_review")
    comment = comment_in(body, required=False)
    asked = reviews.submit(services, draft, viewer, comment=comment, reviewed=reviewed)
    return shown(request, services, asked, viewer, 202)
