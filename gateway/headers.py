"""Headers that every answer carries, and the bounds of what a request may be."""

from collections.abc import Mapping

from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_QUERY = 32_768
"""Bytes of a query string; the longest question of the search language fits in."""

CONTENT_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of uploaded bytes: a browser gives them no origin and no scripts."""

_DEFAULTS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Addresses may hold an access token.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_EXPOSED = ("ETag", "Link", "Content-Range", "Accept-Ranges", "Content-Disposition", "Retry-After")


class SecurityHeaders:
    """Sets the default headers where the answer has none of its own, and refuses over-long queries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _DEFAULTS.items():
                    headers.setdefault(name, value)
            await send(message)

        if len(scope["query_string"]) > LONGEST_QUERY:
            text = f"The query string is longer than {LONGEST_QUERY} bytes."
            await JSONResponse({"status": 400, "message": text}, 400)(scope, receive, protected)
            return
        await self._app(scope, receive, protected)


class ApiCors:
    """Lets scripts of any site read the API, which knows no cookies (Zenodo's REST API)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app, allow_origins=("*",), allow_methods=("*",), allow_headers=("*",), expose_headers=_EXPOSED
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and scope["path"].startswith(("/api/", "/oai2d"))
        await (self._open if is_api else self._app)(scope, receive, send)
