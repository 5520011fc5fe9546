"""Pages to sign in and out, and to choose a password by a mailed link."""

import logging
import re
from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from starlette.background import BackgroundTask

from gateway.html.page_forms import FormHere, form_page
from gateway.html.templating import page, redirect, sign_in_path
from gateway.http import sessions
from gateway.http.auth import ServicesHere, in_session
from gateway.http.methods import READ
from gateway.http.problems import SignInNeeded
from gateway.http.sessions import visit_of
from pipeline.access import STRANGER, Viewer
from pipeline.catalogue.accounts import Account
from pipeline.errors import HeadraceError, Missing, Rejected
from pipeline.mail.message import address
from pipeline.people import passwords, signing_in
from pipeline.services import Services

router = APIRouter()

_LOG = logging.getLogger(__name__)
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")
_LONGEST_ADDRESS = 254


def member(request: Request) -> Account:
    """Who is signed in. Raises `SignInNeeded`."""
    account = visit_of(request).account
    if account is None:
        raise SignInNeeded
    return account


MemberHere = Annotated[Account, Depends(member)]


def person(request: Request, member: MemberHere) -> Viewer:
    """Who is signed in, with the share link that they present. Raises `SignInNeeded`."""
    return in_session(member, request.query_params.get("token", ""))


PersonHere = Annotated[Viewer, Depends(person)]
"""Somebody who does something on pages. Whether what they send comes from a page of ours is for its form to prove."""


def visitor(request: Request) -> Viewer:
    """Who is signed in, or a stranger, with the share link that they present."""
    account, link = visit_of(request).account, request.query_params.get("token", "")
    return replace(STRANGER, link=link) if account is None else in_session(account, link)


VisitorHere = Annotated[Viewer, Depends(visitor)]
"""Anybody who does something on a page that is for strangers as well."""


def led_to_sign_in(denied: Exception, viewer: Viewer) -> Exception:
    """What to raise on a page in place of the error: who has no account yet shown may have one that is let in."""
    return denied if viewer.account_id is not None else SignInNeeded()


def is_recent(request: Request, services: Services) -> bool:
    """Whether who is signed in proved lately who they are."""
    session = visit_of(request).session
    return session is not None and signing_in.is_recent(services, session)


def require_recent(request: Request, services: Services, path: str) -> None:
    """Before what lets others in (`signing_in.is_recent`). Raises `SignInNeeded`, which leads on to `path`."""
    if not is_recent(request, services):
        raise SignInNeeded(path)


def again_path(path: str) -> str:
    """Of the page to sign in on anew, which leads on to `path`."""
    return f"/login/?again=1&next={quote(path, safe='')}"


def redirect_to_sign_in(request: Request, needed: Exception) -> Response:
    """And back to the page, where it can be got by its address."""
    services: Services = request.app.state.services
    if isinstance(needed, SignInNeeded) and needed.again:
        return redirect(services, again_path(needed.again))
    path = sign_in_path(visit_of(request)) if request.method in READ else "/login/"
    return redirect(services, path, 302)


def own_path(text: str) -> str:
    """The path of a page of ours that the text is, else that of the front page: whoever signs in by a link that others
    made does not land on their site."""
    return text if _OWN_PATH.fullmatch(text) else "/"


# ---------------------------------------------------------------- in and out


@router.api_route("/login", methods=READ)
@router.api_route("/login/", methods=READ)
def ask(request: Request, services: ServicesHere) -> Response:
    path = own_path(request.query_params.get("next", ""))
    account = visit_of(request).account
    if account is None:
        return _sign_in_page(request, services, path)
    if "again" in request.query_params:
        return _sign_in_page(request, services, path, email=account.email, again=True)
    return redirect(services, path, 302)


@router.post("/login/")
def sign_in(request: Request, form: FormHere, services: ServicesHere) -> Response:
    path = own_path(form.text("next"))
    secret = signing_in.sign_in(services, form.text("email"), form.text("password"))
    if secret is None:
        return _sign_in_page(request, services, path, email=form.text("email"), is_wrong=True)
    return begun(request, services, secret, path)


def begun(request: Request, services: Services, secret: str, path: str) -> Response:
    """The browser goes on in a new session; the one that it was in ends."""
    if before := visit_of(request).secret:
        signing_in.sign_out(services, before)
    response = redirect(services, path)
    sessions.remember(response, services, secret)
    return response


def _sign_in_page(
    request: Request,
    services: Services,
    path: str,
    *,
    email: str = "",
    is_wrong: bool = False,
    again: bool = False,
) -> Response:
    return form_page(
        request,
        services,
        "sign_in.html",
        400 if is_wrong else 200,
        next=path,
        email=email[:_LONGEST_ADDRESS],
        is_wrong=is_wrong,
        again=again,
        registration=services.settings.registration,
        provider=services.identities.name if services.identities else "",
    )


@router.post("/logout/")
def sign_out(request: Request, _form: FormHere, services: ServicesHere) -> Response:
    signing_in.sign_out(services, visit_of(request).secret)
    response = redirect(services, "/")
    sessions.forget(response, services)
    # What the session showed is not left to whoever uses the browser next.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


# ---------------------------------------------------------------- mailed links


@router.api_route("/lost-password/", methods=READ)
def lost_password(request: Request, services: ServicesHere) -> Response:
    return form_page(request, services, "lost_password.html", is_new=False, problem="")


@router.post("/lost-password/")
def mail_link(request: Request, form: FormHere, services: ServicesHere) -> Response:
    return _mailed(request, services, form.text("email"), is_new=False)


@router.api_route("/signup/", methods=READ)
def sign_up(request: Request, services: ServicesHere) -> Response:
    _require_registration(services)
    return form_page(request, services, "lost_password.html", is_new=True, problem="")


@router.post("/signup/")
def mail_first_link(request: Request, form: FormHere, services: ServicesHere) -> Response:
    _require_registration(services)
    return _mailed(request, services, form.text("email"), is_new=True)


def _require_registration(services: Services) -> None:
    if not services.settings.registration:
        raise Missing("Accounts are made by those who run this archive.")


def _mailed(request: Request, services: Services, email: str, *, is_new: bool) -> Response:
    try:
        normal = address(email)
    except Rejected as wrong:
        return form_page(request, services, "lost_password.html", 400, is_new=is_new, problem=wrong.message)
    response = page(services, "notice.html", heading="Look into your mailbox", text=_LOOK)
    # Beyond the answer, which is to take as long for an address that has no account.
    response.background = BackgroundTask(_request_link, services, normal)
    return response


_LOOK = (
    "If there is an account for this address, or there may be one, a mail is on its way to it. The link in it works "
    "once, for an hour."
)


def _request_link(services: Services, email: str) -> None:
    try:
        signing_in.request_link(services, email)
    except HeadraceError as error:
        _LOG.warning("a link could not be mailed: %s", error.message)


@router.api_route("/lost-password/{secret}", methods=READ)
def choose_password(request: Request, secret: str, services: ServicesHere) -> Response:
    # Not used up by who only looks, such as a mail server.
    return _password_page(request, services, secret)


@router.post("/lost-password/{secret}")
def set_password(request: Request, secret: str, form: FormHere, services: ServicesHere) -> Response:
    try:
        signing_in.use_link(services, secret, form.text("password"))
    except Rejected as wrong:
        return _password_page(request, services, secret, problem=wrong.message)
    return page(services, "notice.html", heading="Your password is set", text="You can sign in with it now.")


def _password_page(request: Request, services: Services, secret: str, *, problem: str = "") -> Response:
    return form_page(
        request,
        services,
        "password.html",
        400 if problem else 200,
        email=signing_in.address_of_link(services, secret),
        problem=problem,
        shortest=passwords.SHORTEST,
        longest=passwords.LONGEST,
    )
