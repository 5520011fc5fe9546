"""Who looks at a page, whether they are signed in and showed lately who they are; to the page to sign in, and back."""

import re
from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request, Response

from gateway.html.templating import redirect, sign_in_path
from gateway.http import sessions
from gateway.http.auth import in_session
from gateway.http.methods import READ
from gateway.http.problems import SignInNeeded
from gateway.http.sessions import visit_of
from pipeline.access import STRANGER, Viewer
from pipeline.catalogue.accounts import Account
from pipeline.people import signing_in
from pipeline.services import Services

_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")


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


def begun(request: Request, services: Services, secret: str, path: str) -> Response:
    """The browser goes on in a new session; the one that it was in ends."""
    if before := visit_of(request).secret:
        signing_in.sign_out(services, before)
    response = redirect(services, path)
    sessions.remember(response, services, secret)
    return response
