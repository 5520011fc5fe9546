"""Asking for the closed files of a record (Zenodo's REST API, access requests), and the page on which guests confirm
that they do."""

from fastapi import APIRouter, Request, Response

from gateway.collaboration import sharing_forms
from gateway.collaboration.requests import shown
from gateway.html.page_forms import FormHere, form_page
from gateway.html.templating import page
from gateway.http.admission import account_of
from gateway.http.answers import json_answer
from gateway.http.auth import ServicesHere, ViewerHere
from gateway.http.bodies import JsonBody
from gateway.http.lookup import find
from gateway.http.methods import READ
from gateway.http.problems import InsufficientScope
from gateway.http.serving import files_are_readable
from pipeline.access import TokenScope, permits
from pipeline.errors import Denied
from pipeline.people import access_requests

router = APIRouter()
_ADDRESS = "/access-requests"


@router.post("/api/records/{record_id}/access/request")
def ask(
    request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere, body: JsonBody
) -> Response:
    """Of somebody with an account, who names its address, the request; all others are mailed a link by which they
    confirm that the address is theirs."""
    with services.catalogue.read() as tx:
        record = find(services, tx, record_id)
        if files_are_readable(services, tx, record, viewer):
            raise Denied("Permission denied: you have access to the files of this record already.")
    asking = sharing_forms.asking(body)
    if viewer.email is not None and asking.email.lower() == viewer.email.lower():
        if not permits(viewer, TokenScope.DEPOSIT_WRITE):
            raise InsufficientScope(TokenScope.DEPOSIT_WRITE)
        made = access_requests.ask(services, record.id, account_of(viewer), asking)
        return shown(request, services, made, viewer)
    access_requests.ask_as_guest(services, record.id, asking)
    message = "Verification link sent out, please check your e-mail inbox"
    return json_answer(request, {"message": message})


@router.api_route(_ADDRESS, methods=READ)
def look(request: Request, services: ServicesHere, inquiry: str = "") -> Response:
    """What the guest is about to ask for: whoever only opens the link, as scanners of mails do, asks for nothing."""
    found, title = access_requests.find_unconfirmed(services, inquiry)
    return form_page(request, services, "access_request.html", asked=found, title=title, inquiry=inquiry)


@router.post(_ADDRESS)
def confirm(services: ServicesHere, form: FormHere) -> Response:
    access_requests.confirm(services, form.text("inquiry"))
    text = "Your request was sent to the owner of the record. You will be mailed when it is accepted."
    return page(services, "notice.html", heading="Request sent", text=text)
