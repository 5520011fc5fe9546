"""Pages to sign in and out, and to choose a password by a mailed link."""

import logging

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from gateway.html.page_forms import FormHere, form_page
from gateway.html.templating import page, redirect
from gateway.http import sessions
from gateway.http.auth import ServicesHere
from gateway.http.methods import READ
from gateway.http.sessions import visit_of
from gateway.site.visitors import begun, own_path
from pipeline.errors import HeadraceError, Missing, Rejected
from pipeline.mail.message import address
from pipeline.people import passwords, signing_in
from pipeline.services import Services

router = APIRouter()

_LOG = logging.getLogger(__name__)
_LONGEST_ADDRESS = 254


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
