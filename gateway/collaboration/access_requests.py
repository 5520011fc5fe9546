"""Asking for the closed files of a record (Zenodo's REST API, access requests)."""

from fastapi import APIRouter, Request, Response

from gateway.collaboration import sharing_bodies
from gateway.collaboration.requests import shown
from gateway.http.answers import json_answer
from gateway.http.auth import ServicesHere, ViewerHere
from gateway.http.bodies import JsonBody
from gateway.http.lookup import find
from gateway.http.problems import InsufficientScope
from pipeline.access import TokenScope, permits
from pipeline.people import access_requests

router = APIRouter()


@router.post("/api/records/{record_id}/access/request")
def ask(
    request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere, body: JsonBody
) -> Response:
    """Of somebody with an account, who names its address, the request; all others are mailed a link by which they
    confirm that the address is theirs."""
    with services.catalogue.read() as tx:
        record = find(services, tx, record_id)
        access_requests.require_closed(services, tx, record, viewer)
    asking = sharing_bodies.asking(body)
    if viewer.email is not None and asking.email.lower() == viewer.email.lower():
        if not permits(viewer, TokenScope.DEPOSIT_WRITE):
            raise InsufficientScope(TokenScope.DEPOSIT_WRITE)
        made = access_requests.ask(services, record.id, viewer, asking)
        return shown(request, services, made, viewer)
    access_requests.ask_as_guest(services, record.id, viewer, asking)
    message = "Verification link sent out, please check your e-mail inbox"
    return json_answer(request, {"message": message})
