"""Pages to sign in with an identity provider."""

import hmac
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gateway.html.page_forms import FormHere
from gateway.html.templating import page, redirect
from gateway.http import sessions
from gateway.http.auth import ServicesHere
from gateway.http.methods import READ
from gateway.http.sessions import visit_of
from gateway.site.visitors import MemberHere, begun, own_path, require_recent
from pipeline.errors import Rejected
from pipeline.people import recognition

router = APIRouter()

_SECURITY = "/account/settings/security/"
_LONGEST_CODE = 4096


@router.api_route("/login/oidc/", methods=["GET"])
def sign_in(request: Request, services: ServicesHere) -> Response:
    path = own_path(request.query_params.get("next", ""))
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        # A link of another site: nobody is signed in who did not mean to be.
        return redirect(services, f"/login/?next={quote(path, safe='')}", 302)
    url, state = recognition.begin(services, path=path, again="again" in request.query_params)
    response = RedirectResponse(url, 302)
    sessions.remember_state(response, services, state)
    return response


@router.post("/login/oidc/connect/")
def connect(request: Request, member: MemberHere, _form: FormHere, services: ServicesHere) -> Response:
    """By a form, since it gives somebody a way into the account; and by a link from there on, since pages send no forms
    to other sites."""
    require_recent(request, services, _SECURITY)
    url, state = recognition.begin(services, path=_SECURITY, account=member)
    name = recognition.provider(services).name
    response = page(services, "connect.html", url=url, name=name)
    sessions.remember_state(response, services, state)
    return response


@router.post("/login/oidc/disconnect/")
def disconnect(request: Request, member: MemberHere, _form: FormHere, services: ServicesHere) -> Response:
    require_recent(request, services, _SECURITY)
    recognition.disconnect(services, member)
    return redirect(services, _SECURITY)


@router.api_route("/login/oidc/callback", methods=READ)
def come_back(request: Request, services: ServicesHere) -> Response:
    given = request.query_params
    state, kept = given.get("state", ""), sessions.state_of(request)
    if not kept or not hmac.compare_digest(state.encode(), kept.encode()):
        raise Rejected("This was begun in another browser, or is over: begin anew.")
    # RFC 9207: an answer of another provider.
    if given.get("iss", recognition.provider(services).issuer) != recognition.provider(services).issuer:
        raise Rejected("This comes from another identity provider.")
    code = given.get("code", "")
    if not code or len(code) > _LONGEST_CODE:
        raise Rejected("The identity provider did not let you in, or you did not want it to.")
    secret, path = recognition.finish(services, state, code, signed_in=visit_of(request).account)
    if secret is None:
        response: Response = redirect(services, path)
    else:
        response = begun(request, services, secret, path)
    sessions.forget_state(response, services)
    return response
