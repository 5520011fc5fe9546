"""The application: routers, error answers, what every answer passes through; and its server."""

import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import anyio.to_thread
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.collaboration import (
    access_requests,
    communities,
    community_members,
    lifecycle,
    quotas,
    record_communities,
    requests,
    reviews,
    sharing,
)
from gateway.depositing import buckets, deposit_files, deposits, draft_files, drafts, extra_formats, tus
from gateway.http import openapi, problems
from gateway.http.auth import NotedUse
from gateway.http.connections import Connection
from gateway.http.headers import ApiCors, BoundedAddress, MergedSlashes, SecurityHeaders
from gateway.http.kept import Documents, KeptAnswers
from gateway.http.problems import RecordMoved, SignInNeeded
from gateway.http.rate_limits import RateLimited
from gateway.http.receiving import SERVING, Receivers
from gateway.http.sessions import Visits, is_https
from gateway.reading import (
    archives,
    badges,
    feeds,
    files,
    operations,
    records,
    redirects,
    revisions,
    vocabularies,
)
from gateway.site import (
    account_pages,
    community_desks,
    community_pages,
    landing,
    my_uploads,
    pages,
    providers,
    request_pages,
    sharing_pages,
    signing_in,
    upload_files,
    upload_pages,
    visitors,
)
from pipeline import wiring
from pipeline.catalogue import secrets
from pipeline.errors import Unavailable
from pipeline.running import logs
from pipeline.running.memory import given_back
from pipeline.services import Services
from pipeline.settings import Settings

_STATIC = Path(__file__).parent / "static"
_SHUTDOWN_SECONDS = 10
_BACKLOG = 2048
"""Connections that wait to be taken."""
_RECORD = re.compile("/records/[^/]+")


def create_app(services: Services) -> FastAPI:
    """The gateway over `services`, which the caller closes."""
    # The document is ours, and no page shows it: those of the framework load scripts of other sites.
    app = FastAPI(
        title=services.repository.name,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_with_threads,
    )
    app.state.services = services
    with services.catalogue.write() as tx:
        # All gateways of an instance share it: a harvest begun at one goes on at another.
        app.state.token_secret = secrets.obtain(tx, "resumption tokens")
    app.state.receivers = Receivers()
    app.state.documents = Documents()
    app.state.organisations = vocabularies.organisations(services.settings.ror)
    app.state.probes = operations.probes(services)
    app.state.metrics, counted = operations.registries(services)
    # They are tried one after the other: what is asked for most comes first.
    for router in (
        records.router,
        landing.router,
        files.router,
        deposits.router,
        buckets.router,
        archives.router,
        extra_formats.router,
        access_requests.router,
        sharing.router,
        draft_files.router,
        drafts.router,
        deposit_files.router,
        tus.router,
        revisions.router,
        lifecycle.router,
        quotas.router,
        communities.router,
        community_members.router,
        requests.router,
        reviews.router,
        record_communities.router,
        vocabularies.router,
        redirects.router,
        pages.router,
        community_pages.router,
        signing_in.router,
        providers.router,
        account_pages.router,
        my_uploads.router,
        upload_pages.router,
        upload_files.router,
        request_pages.router,
        sharing_pages.router,
        community_desks.router,
        badges.router,
        feeds.router,
        operations.router,
        openapi.router,
    ):
        # The routers' own routes: `include_router` would make each of them anew, with all that it depends on, and ask
        # them through a layer more at every request.
        app.router.routes.extend(router.routes)
    app.state.openapi = None
    app.mount("/static", StaticFiles(directory=_STATIC))
    app.add_exception_handler(RecordMoved, _redirect_to_newest)
    app.add_exception_handler(SignInNeeded, visitors.redirect_to_sign_in)
    # The last one added is the outermost.
    app.add_middleware(KeptAnswers, services=services)
    app.add_middleware(BoundedAddress)
    if services.settings.rates():
        app.add_middleware(RateLimited, services=services)
    app.add_middleware(Visits, services=services)
    problems.install(app, pages.error_page)
    app.add_middleware(NotedUse, services=services)
    app.add_middleware(ApiCors)
    app.add_middleware(operations.Instrumented, registry=counted)
    app.add_middleware(SecurityHeaders, is_https=is_https(services))
    app.add_middleware(MergedSlashes)
    if services.settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(services.settings.trusted_proxies))
    return app


@asynccontextmanager
async def _with_threads(_app: FastAPI) -> AsyncIterator[None]:
    """Not as many threads as the framework happens to have, but as many as the catalogue is made for."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = SERVING
    yield


def _redirect_to_newest(request: Request, moved: Exception) -> Response:
    """The same address with the id of the work's newest version in it."""
    services: Services = request.app.state.services
    query = f"?{request.url.query}" if request.url.query else ""
    # As it was sent: a file's key in it may hold encoded characters that mean something else when they are not.
    raw = request.scope["raw_path"].decode("ascii")
    path = _RECORD.sub(f"/records/{cast('RecordMoved', moved).record_id}", raw, count=1)
    return RedirectResponse(f"{services.repository.base_url}{path}{query}", 302)


def serve(settings: Settings, *, host: str, port: int, shares_port: bool = False) -> None:
    """Run the gateway in this process until it is told to stop (SIGTERM, Ctrl-C). One that `shares_port` takes its part
    of the connections, beside others of this account that do so as well. Raises what opening the services raises, and
    `Unavailable` where others have the port."""
    # The server sends itself the signal again that ended it; the services are to be closed first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logs.to_stderr()
    logs.keep_security_events(settings.home / "logs")
    with wiring.open_services(settings) as services, given_back(), suppress(KeyboardInterrupt):
        app = create_app(services)
        # Not before it can answer: those that share the port would take this one's connections meanwhile.
        with _listening(host, port, shares_port=shares_port) as listener:
            config = uvicorn.Config(
                app,
                loop="uvloop",
                # Of all parsers that there are h11 alone bounds the headers of a request.
                http=Connection,
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                # Whose word on addresses counts is a setting of ours.
                proxy_headers=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
            uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int, *, shares_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=shares_port)
    except OSError as error:
        raise Unavailable(
            f"nobody can listen on port {port} of {host}: {error.strerror}",
            remedy="stop what has the port, or choose another (HEADRACE_PORT)",
        ) from error
