"""Requests are limited by rates: of guests by their address, of accounts whatever token they use, and of searches,
harvests and attempts to sign in besides (Zenodo's REST API, rate limits). Each gateway process counts by itself: of
several, each allows that much.
"""

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.auth import authenticate
from gateway.http.limits import Allowance, Limiter, headers
from gateway.http.problems import TooManyRequests, Unauthenticated
from gateway.http.sessions import visit_of
from pipeline.services import Services
from pipeline.settings import Rate

_UNCOUNTED = ("/static/", "/healthz", "/metrics")
_SEARCH = re.compile("/api/records/?|/api/communities/[^/]+/records|/search")
_HARVEST = "/oai2d"
_SIGN_IN = re.compile("/(login|signup|lost-password)(/|$)")
_SITE_BITS = 64  # of an IPv6 address: the part that a client cannot choose


class RateLimited:
    """Answers 429 to who asks too often, and tells everybody else how they stand. Preflights do not come this far."""

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services
        self._rates = services.settings.rates()
        self._spares_loopback = services.settings.spares_loopback
        self._limiter = Limiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNCOUNTED):
            await self._app(scope, receive, send)
            return
        allowance = await self._allowance(Request(scope))
        if allowance is None:
            await self._app(scope, receive, send)
            return
        if allowance.refused:
            raise TooManyRequests(allowance, now=self._services.now().timestamp())

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers(allowance))
            await send(message)

        await self._app(scope, receive, told)

    async def _allowance(self, request: Request) -> Allowance | None:
        host = request.client.host if request.client else ""
        if self._spares_loopback and _is_loopback(host):
            return None
        kind, client = "guest", network(host)
        # A bad token is a guest's: who tries many is one client.
        with suppress(Unauthenticated):
            token = await authenticate(request, self._services)
            account = token.account if token else visit_of(request).account
            if account:
                kind, client = "account", str(account.id)
        wanted = self._wanted(kind, client, request)
        return self._limiter.admit(list(wanted), now=self._services.now().timestamp())

    def _wanted(self, kind: str, client: str, request: Request) -> Iterator[tuple[str, Rate]]:
        path: str = request.scope["path"]
        kinds = [kind]
        if request.method in ("GET", "HEAD") and _SEARCH.fullmatch(path):
            kinds.append("search")
        if path == _HARVEST:
            kinds.append("harvest")
        if request.method == "POST" and _SIGN_IN.match(path):
            kinds.append("sign-in")
        for each in kinds:
            for rate in self._rates.get(each, ()):
                yield f"{each} {kind} {client}", rate


def network(host: str) -> str:
    """What a guest is known by: an IPv4 address, of an IPv6 address the network; all that have none are one."""
    with suppress(ValueError):
        address = _address(host)
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.IPv6Network((address, _SITE_BITS), strict=False))
        return str(address)
    return "unknown"


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return _address(host).is_loopback
    return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
