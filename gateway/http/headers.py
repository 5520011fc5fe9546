"""Headers that every answer carries, and the bounds of what a request may be."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import Rejected

LONGEST_QUERY = 32_768
"""Bytes of a query string; the longest question of the search language fits in."""
_MOST_DIGITS = 18

CONTENT_POLICY = (
    "sandbox; default-src 'none'; object-src 'none';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of uploaded bytes: a browser gives them no origin and no scripts."""

_BASE_SLASHES = re.compile("^/+api/{2,}|^/{2,}api/")
_RAW_BASE_SLASHES = re.compile(_BASE_SLASHES.pattern.encode())
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
_EXPOSED = (
    # Zenodo's.
    "ETag", "Link", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Content-Type",
    # And what else our answers have for scripts.
    "Content-Range", "Accept-Ranges", "Content-Disposition", "Location", "Retry-After",
    # Of tus.
    "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Checksum-Algorithm",
    "Upload-Offset", "Upload-Length", "Upload-Expires",
)  # fmt: skip
_ALL_EXPOSED = ", ".join(_EXPOSED)


_TLS_ALONE = {"Strict-Transport-Security": "max-age=31536000"}
"""For a year browsers come by TLS alone (RFC 6797); to our host, for those below it may be others'."""


class SecurityHeaders:
    """Sets the default headers where the answer has none of its own. An archive that `is_https` wants no other way."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        defaults = {**_DEFAULTS, **_TLS_ALONE} if is_https else _DEFAULTS
        self._defaults = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in defaults.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                names = {name.lower() for name, _ in own}
                message["headers"] = own + [each for each in self._defaults if each[0] not in names]
            await send(message)

        await self._app(scope, receive, protected)


class BoundedAddress:
    """Raises `Rejected` for over-long queries, and for NUL, however it is written, in path or query: no name of ours
    has one, PostgreSQL's texts take none, and C libraries end at it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            query = scope["query_string"]
            if len(query) > LONGEST_QUERY:
                raise Rejected(f"The query string is longer than {LONGEST_QUERY} bytes.")
            if "\0" in scope["path"] or b"\0" in unquote_to_bytes(query):
                raise Rejected("An address has no NUL characters.")
        await self._app(scope, receive, send)


class MergedSlashes:
    """Takes `/api//deposit` for `/api/deposit`, as the server before Zenodo does: clients join a base URL that ends
    with a slash to paths that begin with one. Further on, slashes may belong to the key of a file."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _BASE_SLASHES.match(scope["path"]):
            path = _BASE_SLASHES.sub("/api/", scope["path"])
            scope = {**scope, "path": path, "raw_path": _RAW_BASE_SLASHES.sub(b"/api/", scope["raw_path"])}
        await self._app(scope, receive, send)


class ApiCors:
    """Lets scripts of any site use the API, which knows no cookies (Zenodo's REST API). Preflights are answered here,
    and go no further."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._preflights = CORSMiddleware(
            app, allow_origins=("*",), allow_methods=("*",), allow_headers=("*",)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(("/api/", "/oai2d")):
            await self._app(scope, receive, send)
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = "*"
                headers["Access-Control-Expose-Headers"] = _ALL_EXPOSED
            await send(message)

        if _is_preflight(scope):
            await self._preflights(scope, receive, opened)
        else:
            await self._app(scope, receive, opened)


def _is_preflight(scope: Scope) -> bool:
    """Whether a browser asks for leave to make another request (Fetch, CORS-preflight request)."""
    headers = Headers(scope=scope)
    return scope["method"] == "OPTIONS" and {"origin", "access-control-request-method"} <= set(headers)


def whole_number(text: str) -> int | None:
    """The number that a text is, of at most 18 digits, which fits into 64 bits; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None
