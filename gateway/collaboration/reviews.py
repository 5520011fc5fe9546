"""`/api/records/{id}/draft/review`: drafts that communities review before they are published (Zenodo's REST API,
reviews)."""

from fastapi import APIRouter, Request, Response

from gateway.collaboration.curating import community_in
from gateway.collaboration.request_json import comment_in
from gateway.collaboration.requests import shown
from gateway.http.admission import draft_for
from gateway.http.auth import ActorHere, KnownHere, ServicesHere, WriterHere
from gateway.http.bodies import JsonBody, OptionalJsonBody
from gateway.http.lookup import number_of
from gateway.http.methods import READ
from pipeline.catalogue import drafts, requests
from pipeline.communities import requesting
from pipeline.communities.requests import COMMUNITY_SUBMISSION
from pipeline.errors import Missing, Rejected
from pipeline.metadata.community_form import is_uuid
from pipeline.model import Right

router = APIRouter(prefix="/api/records/{record_id}/draft")


@router.api_route("/review", methods=READ)
def read(request: Request, record_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """For the draft's owner and those who were asked."""
    now = services.now()
    with services.catalogue.read() as tx:
        draft = drafts.get(tx, number_of(record_id))
        found = requests.review(tx, draft.record_id, now=now)
        if found is not None:
            requesting.visible(tx, found.id, viewer, now=now)
    if found is None:
        draft_for(services, record_id, viewer, Right.PREVIEW)
        raise Missing("There is no review for this draft.")
    return shown(request, services, found, viewer)


@router.put("/review")
def choose(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    """Which community shall review the draft."""
    draft = draft_for(services, record_id, viewer, Right.EDIT)
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
    chosen = requesting.set_review(services, draft, one.id, viewer.account_id or 0)
    return shown(request, services, chosen, viewer)


@router.delete("/review")
def drop(record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    requesting.drop_review(services, draft_for(services, record_id, viewer, Right.EDIT))
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
    asked = requesting.submit_review(services, draft, viewer, comment=comment, reviewed=reviewed)
    return shown(request, services, asked, viewer, 202)
