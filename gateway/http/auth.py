"""Who asks: the token of a request and what it was made for (Zenodo's REST API, authentication), or its session."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.problems import InsufficientScope, Unauthenticated
from gateway.http.sessions import TOKEN, session_for, visit_in
from pipeline.access import STRANGER, TokenScope, Viewer, permits
from pipeline.catalogue import Transaction, accounts, sessions
from pipeline.catalogue.accounts import Account, Token
from pipeline.errors import Denied, Unavailable
from pipeline.people import resource_tokens
from pipeline.people.resource_tokens import Grant
from pipeline.services import Services


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


# What routes ask for is no plain function: the framework carries each of those out in a thread of its own, which costs
# more than all that most of them do.
async def _services_here(request: Request) -> Services:
    return services_of(request)


ServicesHere = Annotated[Services, Depends(_services_here)]


async def authenticate(request: Request, services: Services) -> Token | None:
    """The request's token, that of the Authorization header before that of the query; None where it has none. It is
    looked up once a request. Raises `Unauthenticated` for one that is not valid: who sends one means to use it."""
    if TOKEN not in request.scope:
        text = _credential(request)
        if text is None:
            return None
        # Most are known at a glance, without a thread; of no other is it to be said that it is not valid.
        found = accounts.verify_at_a_glance(services.catalogue, text)
        if found is None:
            found = await run_in_threadpool(_verified, services, text)
        if found is None:
            raise Unauthenticated
        request.scope[TOKEN] = found
    token: Token = request.scope[TOKEN]
    return token


def _verified(services: Services, text: str) -> Token | None:
    with services.catalogue.read() as tx:
        return accounts.verify_token(tx, text)


def _credential(request: Request) -> str | None:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credential.strip()
    return request.query_params.get("access_token")


async def viewer_of(request: Request, services: ServicesHere) -> Viewer:
    """Whom the request's token speaks for, or else its session, in which its owner may do all that they may; with the
    share link that it presents (`?token=`), where one that opens nothing is none. Raises `Unauthenticated` for a bad
    token, `Rejected` for a session without proof that its owner asks."""
    token, link = await authenticate(request, services), request.query_params.get("token", "")
    if token is not None:
        account, scopes = token.account, frozenset(token.scopes)
    elif (session := session_for(request)) is not None:
        return in_session(session.account, link)
    else:
        return replace(STRANGER, link=link)
    return Viewer(account.email, account.admin, scopes, account.id, link)


def in_session(account: Account, link: str) -> Viewer:
    """Somebody who is signed in, and presents a share link or none (`""`)."""
    return Viewer(account.email, account.admin, frozenset(TokenScope), account.id, link)


ViewerHere = Annotated[Viewer, Depends(viewer_of)]


async def known_viewer(viewer: ViewerHere) -> Viewer:
    """Raises `Unauthenticated` for strangers."""
    if viewer.account_id is None:
        raise Unauthenticated
    return viewer


KnownHere = Annotated[Viewer, Depends(known_viewer)]
"""Somebody with an account, whatever their token was made for."""


def admitted(viewer: Viewer) -> Viewer:
    """Raises `Unauthenticated` for strangers that present no share link either."""
    if viewer.is_stranger:
        raise Unauthenticated
    return viewer


async def admissible(viewer: ViewerHere) -> Viewer:
    return admitted(viewer)


ReaderHere = Annotated[Viewer, Depends(admissible)]
"""Somebody with an account, or with a share link: whoever may see drafts."""


def _made_for(scope: TokenScope) -> Callable[[Viewer], Awaitable[Viewer]]:
    async def permitted(viewer: KnownHere) -> Viewer:
        if not permits(viewer, scope):
            raise InsufficientScope(scope)
        return viewer

    return permitted


WriterHere = Annotated[Viewer, Depends(_made_for(TokenScope.DEPOSIT_WRITE))]
"""Somebody who may create, change and delete drafts and their files: 401 for strangers, 403 without the scope."""
ActorHere = Annotated[Viewer, Depends(_made_for(TokenScope.DEPOSIT_ACTIONS))]
"""Somebody who may publish, edit, discard and make new versions: 401 for strangers, 403 without the scope."""


async def grant_of(request: Request, services: ServicesHere) -> Grant | None:
    """What the request's resource access token grants, None where it has none. Raises `Rejected` for a defective one
    (Zenodo's REST API, resource access tokens)."""
    text = request.query_params.get("resource-token")
    return None if text is None else await run_in_threadpool(_granted, services, text)


def _granted(services: Services, text: str) -> Grant:
    with services.catalogue.read() as tx:
        return resource_tokens.verify(text, partial(accounts.find_signer, tx), now=services.now())


GrantHere = Annotated[Grant | None, Depends(grant_of)]


def file_reader(viewer: Viewer, grant: Grant | None, *, deposit_id: int, key: str) -> Viewer:
    """Who reads a file of a draft: where there is a grant, its signer, with no other right than to read what is their
    own. Raises `Denied` for a grant of another file."""
    if grant is None:
        return viewer
    if (grant.deposit_id, grant.file) != (deposit_id, key):
        raise Denied("Permission denied: the resource token is of another file.")
    return Viewer(grant.email, account_id=grant.account_id)


class NotedUse:
    """Notes that a token or a session was used, whatever the answer was, after it was given: no reader waits for a
    writer."""

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            now = self._services.now()
            token: Token | None = scope.get(TOKEN)
            if token is not None and accounts.use_is_due(token.last_used, now=now):
                await run_in_threadpool(self._note, partial(accounts.note_use, token_id=token.id, now=now))
            visit = visit_in(scope)
            if visit.session is not None and accounts.use_is_due(visit.session.last_used, now=now):
                await run_in_threadpool(self._note, partial(sessions.note_use, secret=visit.secret, now=now))

    def _note(self, use: Callable[[Transaction], None]) -> None:
        # Where the catalogue is away now, a later use is noted.
        with suppress(Unavailable), self._services.catalogue.write() as tx:
            use(tx)
