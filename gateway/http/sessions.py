"""Sessions of browsers: their cookies, whose they are, and proof that a request comes from a page of ours.

A session is a cookie that no script reads. Since a browser sends it whoever made the page, it authorises a request that
changes anything only together with the session's CSRF token, which other sites do not know: in a field of a form, or in
the header X-CSRFToken, whose value scripts of ours find in the cookie `csrftoken` (Zenodo's REST API, CSRF).
"""

import hashlib
import hmac
import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline import security_events
from pipeline.catalogue.accounts import Account, Token
from pipeline.catalogue.sessions import Session
from pipeline.errors import Rejected
from pipeline.people import signing_in
from pipeline.security_events import coming_from
from pipeline.services import Services

CSRF_COOKIE, CSRF_HEADER = "csrftoken", "X-CSRFToken"
_STATE_COOKIE = "oidc_state"
_VISIT = "headrace.visit"
TOKEN = "headrace.token"  # noqa: S105 - where in the ASGI scope the request's token is kept, once it was looked up
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")  # RFC 9110, section 9.2.1
_LONGEST_SECRET = 100
_CREDENTIALS = frozenset({"access_token", "token", "resource-token"})
"""What may stand in an address and lets do more than others."""
_UNVISITED = ("/static/", "/healthz", "/metrics")


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at our pages: `session` is None for strangers, whose `secret` is `""`. `token` proves that a request
    comes from a page that this visitor was shown, `""` where they were shown none with a form. `path` is the address
    that was asked for, with its query."""

    session: Session | None = None
    secret: str = ""
    token: str = ""
    path: str = "/"

    @property
    def account(self) -> Account | None:
        return self.session.account if self.session else None


STRANGER = Visit()
_CURRENT: ContextVar[Visit] = ContextVar("visit", default=STRANGER)


def visit_of(request: Request) -> Visit:
    return visit_in(request.scope)


def visit_in(scope: Scope) -> Visit:
    """Whose the request of an ASGI scope is, once it was looked up."""
    visit: Visit = scope.get(_VISIT, STRANGER)
    return visit


def current() -> Visit:
    """The visit that the request at hand belongs to: the head of every page says who is signed in."""
    return _CURRENT.get()


def account_in(scope: Scope) -> Account | None:
    """Whose the request of an ASGI scope is, by its token or its session, as far as that was looked up."""
    token: Token | None = scope.get(TOKEN)
    return token.account if token is not None else visit_in(scope).account


class Visits:
    """Looks up whose session a request belongs to, once, where it has one."""

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNVISITED):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        visit = await self._visit(request)
        scope[_VISIT] = visit
        before = _CURRENT.set(visit)
        try:
            in_session = visit.session is not None
            is_private = in_session or _shows_credentials(request)
            with coming_from(request.client.host if request.client else ""):
                await self._app(
                    scope, receive, _kept_private(send, in_session=in_session) if is_private else send
                )
        finally:
            _CURRENT.reset(before)

    async def _visit(self, request: Request) -> Visit:
        query = f"?{request.url.query}" if request.url.query else ""
        # As it was sent: encoded characters may mean something else when they are not.
        path = request.scope["raw_path"].decode("latin-1") + query
        secret = request.cookies.get(cookie_name(self._services), "")
        session = None
        if 0 < len(secret) <= _LONGEST_SECRET:
            session = await run_in_threadpool(signing_in.find_session, self._services, secret)
        if session is None:
            return Visit(token=request.cookies.get(CSRF_COOKIE, "")[:_LONGEST_SECRET], path=path)
        return Visit(session, secret, csrf_token(secret), path)


def _shows_credentials(request: Request) -> bool:
    return "authorization" in request.headers or not _CREDENTIALS.isdisjoint(request.query_params)


def _kept_private(send: Send, *, in_session: bool) -> Send:
    """Answers to who shows something for themselves are their own: caches on the way can tell by the header
    Authorization (RFC 9111, section 3.5), but not by a cookie or an address. What is answered in a session no page of
    another site shows, be it a neighbour's."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if not {"private", "no-store"} & set(re.split(r"[,\s]+", headers.get("cache-control", ""))):
                headers["Cache-Control"] = "private, no-cache"
            if in_session:
                headers.add_vary_header("Cookie")
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
        await send(message)

    return marked


def csrf_token(secret: str) -> str:
    """What only pages of that session have."""
    return hmac.digest(secret.encode(), b"CSRF", hashlib.sha256).hex()


def new_token() -> str:
    """For the forms that a stranger is shown."""
    return secrets.token_hex(32)


def require_own_page(request: Request, token: str) -> None:
    """Raises `Rejected` where the request cannot be told to come from a page that this visitor was shown: without the
    right token, or from another site, as the browser says."""
    visit = visit_of(request)
    origin = request.headers.get("origin")
    if not token:
        refused = Rejected("CSRF token missing.")
    elif not visit.token or not hmac.compare_digest(visit.token.encode(), token.encode("utf-8", "replace")):
        refused = Rejected(
            "CSRF token incorrect.", remedy="Load the page again, and let your browser keep cookies."
        )
    elif origin is not None and urlsplit(origin).netloc not in _own_names(request):
        refused = Rejected("CSRF check failed: the request comes from another site.")
    else:
        return
    security_events.refused(visit.account.id if visit.account else None, why="not from a page of ours")
    raise refused


def _own_names(request: Request) -> tuple[str, ...]:
    services: Services = request.app.state.services
    return urlsplit(services.repository.base_url).netloc, request.headers.get("host", "")


def session_for(request: Request) -> Session | None:
    """The session that speaks for who asks, None where there is none. Raises `Rejected` where it may not: the request
    changes something, and does not show the session's token in its header."""
    session = visit_of(request).session
    if session is not None and request.method not in SAFE:
        require_own_page(request, request.headers.get(CSRF_HEADER, ""))
    return session


# ---------------------------------------------------------------- cookies


def cookie_name(services: Services) -> str:
    """The prefix has browsers take it from this host alone, over TLS alone (RFC 6265bis, section 4.1.3.2)."""
    return "__Host-session" if is_https(services) else "session"


def remember(response: Response, services: Services, secret: str) -> None:
    """From now on the browser is in that session."""
    _set(response, services, cookie_name(services), secret, for_scripts=False)
    remember_token(response, services, csrf_token(secret))


def remember_token(response: Response, services: Services, token: str) -> None:
    _set(response, services, CSRF_COOKIE, token, for_scripts=True)


def forget(response: Response, services: Services) -> None:
    """The browser is in no session any more."""
    for name in (cookie_name(services), CSRF_COOKIE):
        response.delete_cookie(name, path="/", secure=is_https(services), samesite="lax")


def remember_state(response: Response, services: Services, state: str) -> None:
    """What the browser was sent to an identity provider with: another's answer is not its own."""
    _set(response, services, _STATE_COOKIE, state, for_scripts=False)


def state_of(request: Request) -> str:
    return request.cookies.get(_STATE_COOKIE, "")[:_LONGEST_SECRET]


def forget_state(response: Response, services: Services) -> None:
    response.delete_cookie(_STATE_COOKIE, path="/", secure=is_https(services), samesite="lax")


def _set(response: Response, services: Services, name: str, value: str, *, for_scripts: bool) -> None:
    # Without an age: gone with the browser, at the latest when the catalogue says so.
    response.set_cookie(
        name, value, path="/", secure=is_https(services), httponly=not for_scripts, samesite="lax"
    )


def is_https(services: Services) -> bool:
    """Whether browsers reach the archive by TLS, be it spoken by a proxy."""
    return urlsplit(services.repository.base_url).scheme == "https"
