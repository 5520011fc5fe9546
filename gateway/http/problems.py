"""Errors as HTTP answers: the only place where an error has a status code.

Bodies are those of Zenodo's REST API: `status`, `message`, and `errors` where fields are to blame; and, which Zenodo
does not have, `remedy` where it can be said what to do next. What went wrong inside is logged under an `error_id` and
never told.
"""

import logging
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http import limits
from gateway.http.answers import json_answer
from gateway.http.limits import Allowance
from gateway.http.sessions import account_in
from pipeline import security_events
from pipeline.access import TokenScope
from pipeline.errors import (
    Conflict,
    Corrupt,
    Denied,
    FieldFault,
    Gone,
    HeadraceError,
    InvalidFields,
    Missing,
    Rejected,
    SearchAway,
    Stale,
    TooLong,
    TooManyTries,
    Unavailable,
    WrongChecksum,
)
from pipeline.feeds.crosswalks import facts
from pipeline.model import JsonObject

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = "30"
_NO_SEARCH = (
    "Search is temporarily unavailable, please try again later. Records can be read and deposited meanwhile."
)
_INVALID = "A validation error occurred."
_MACHINES = ("/api/", "/oai2d", "/healthz", "/metrics")


class Unauthenticated(HeadraceError):
    """There is no credential where one is needed, or one that is not ours or no longer valid."""

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__(
            "The server could not verify that you are authorized to access the URL requested. You either"
            " supplied the wrong credentials (e.g. a bad password), or your browser doesn't understand how to"
            " supply the credentials required."
        )


class InsufficientScope(Denied):
    """The token is sound, and was made for less (RFC 6750, section 3.1)."""

    code = "insufficient-scope"

    def __init__(self, scope: TokenScope) -> None:
        super().__init__(f"Permission denied: the token lacks the scope {scope}.")
        self.scope = scope


class NotAcceptable(HeadraceError):
    """None of the media types that the client takes exists here."""

    code = "not-acceptable"

    def __init__(self, offered: str) -> None:
        super().__init__(f"Invalid 'Accept' header. Expected one of: {offered}")


class RangeNotSatisfiable(HeadraceError):
    """The range begins behind the end of a file of `size` bytes (RFC 9110 §15.5.17)."""

    code = "range-not-satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__("The requested range lies outside of the file.")
        self.size = size


class TooManyRequests(HeadraceError):
    """The client has used up what a rate allows it; at `now` (Unix seconds) it stands so."""

    code = "too-many-requests"

    def __init__(self, allowance: Allowance, *, now: float) -> None:
        super().__init__(allowance.rate.in_words())
        self.allowance = allowance
        self.wait = max(1, allowance.reset - math.floor(now))


class Deleted(HeadraceError):
    """What was here is no more; `tombstone` is what is left to tell."""

    code = "deleted"

    def __init__(self, message: str, tombstone: JsonObject) -> None:
        super().__init__(message)
        self.tombstone = tombstone


class Withdrawn(Deleted):
    """The record was withdrawn."""

    code = "withdrawn"

    def __init__(self, record_id: int, tombstone: JsonObject) -> None:
        super().__init__("Record deleted", tombstone)
        self.record_id = record_id


class Purged(HeadraceError):
    """The file's bytes were taken away for good; its record stays."""

    code = "purged"


class UnsupportedVersion(HeadraceError):
    """The client speaks no version of tus that we do, or does not say which (tus 1.0.0, Tus-Resumable)."""

    code = "unsupported-version"

    def __init__(self, spoken: str) -> None:
        super().__init__(f"Send Tus-Resumable: {spoken}.")
        self.spoken = spoken


class RecordMoved(Exception):
    """The id in the address is a work's, and stands for its newest version."""

    def __init__(self, record_id: int) -> None:
        super().__init__(record_id)
        self.record_id = record_id


class SignInNeeded(Exception):
    """A page is somebody's own, and nobody is signed in; or not lately, where `again` is the path that signing in once
    more leads on to."""

    def __init__(self, again: str = "") -> None:
        super().__init__(again)
        self.again = again


@dataclass(frozen=True, slots=True)
class Answer:
    """What is told of an error. `errors` are `{"field", "messages"}`; `extra` joins the JSON body."""

    status: int
    message: str
    errors: tuple[JsonObject, ...] = ()
    extra: JsonObject = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> JsonObject:
        listed = {"errors": list(self.errors)} if self.errors else {}
        return {"status": self.status, "message": self.message, **listed, **self.extra}


PageRenderer = Callable[[Request, Answer], Response]


_REFUSALS = (401, 403, 429)
_SECRET_PATH = re.compile("^(/lost-password/).+")
_LONGEST_PATH = 300
_STATUSES: Mapping[type[HeadraceError], int] = {
    Unauthenticated: 401,
    Denied: 403,
    Missing: 404,
    NotAcceptable: 406,
    Conflict: 409,
    Gone: 410,
    Purged: 410,
    Stale: 412,
    UnsupportedVersion: 412,
    TooLong: 413,
    RangeNotSatisfiable: 416,
    TooManyRequests: 429,
    TooManyTries: 429,
    WrongChecksum: 460,  # tus 1.0.0, checksum
}
"""Of errors that are told as they are, each for its subclasses as well."""


def answer_to(error: Exception) -> Answer:
    """The answer to an error. What is not the client's to know is logged and gets an `error_id`."""
    match error:
        case Deleted():
            return Answer(410, error.message, extra={"tombstone": error.tombstone})
        case Rejected():
            return _rejected(error)
        case SearchAway():
            _LOG.warning("search is away: %s", error.message)
            return Answer(503, _NO_SEARCH, headers={"Retry-After": _RETRY_SECONDS})
        case Unavailable():
            _LOG.warning("a service is away: %s", error.message)
            text = "The service is temporarily unavailable, please try again later."
            return Answer(503, text, headers={"Retry-After": _RETRY_SECONDS})
        case HTTPException():
            return _of_framework(error)
        case RequestValidationError():
            return Answer(400, _INVALID, tuple(_parameter(one) for one in error.errors()))
    for kind in type(error).__mro__:
        if isinstance(error, HeadraceError) and kind in _STATUSES:
            return Answer(
                _STATUSES[kind], error.message, extra=_remedy(error.remedy), headers=_headers(error)
            )
    return _internal(error)


def _remedy(text: str) -> JsonObject:
    """What to do next, beside the words that Zenodo has for what is wrong."""
    return {"remedy": text} if text else {}


def _headers(error: Exception) -> Mapping[str, str]:
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case InsufficientScope():
            return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{error.scope}"'}
        case UnsupportedVersion():
            return {"Tus-Version": error.spoken}
        case RangeNotSatisfiable():
            return {"Content-Range": f"bytes */{error.size}"}
        case TooManyRequests():
            return {**limits.headers(error.allowance), "Retry-After": str(error.wait)}
        case TooManyTries():
            return {"Retry-After": str(error.wait)}
    return {}


def _rejected(error: Rejected) -> Answer:
    if isinstance(error, InvalidFields):
        return Answer(400, error.message, tuple(map(facts.fault_json, error.faults)))
    if error.field == "q":
        return Answer(
            400, "Invalid query string syntax.", (facts.fault_json(FieldFault("q", (error.message,))),)
        )
    if error.field == "sort":
        return Answer(400, _INVALID, (facts.fault_json(FieldFault("_schema", (error.message,))),))
    if error.field:
        return Answer(400, _INVALID, tuple(map(facts.fault_json, error.faults)))
    return Answer(400, error.message, extra=_remedy(error.remedy))


def _parameter(wrong: Mapping[str, Any]) -> JsonObject:
    """What the framework says of a parameter, whose place begins with where parameters of its kind are."""
    return facts.fault_json(
        FieldFault(".".join(str(part) for part in wrong["loc"][1:]), (str(wrong["msg"]),))
    )


_FRAMEWORK_MESSAGES = {
    404: "Not found.",
    405: "The method is not allowed for the requested URL.",
}


def _of_framework(error: HTTPException) -> Answer:
    message = _FRAMEWORK_MESSAGES.get(error.status_code, str(error.detail))
    return Answer(error.status_code, message, headers=dict(error.headers or {}))


def _internal(error: Exception) -> Answer:
    error_id = uuid4().hex
    level = logging.CRITICAL if isinstance(error, Corrupt) else logging.ERROR
    _LOG.log(level, "error %s", error_id, exc_info=error)
    text = "The server encountered an internal error and was unable to complete your request."
    return Answer(500, text, extra={"error_id": error_id})


def install(app: FastAPI, page: PageRenderer) -> None:
    """Answer every error of `app`: to programs in JSON, to people with what `page` makes of it."""

    too_many = _Sample()

    def handle(request: Request, error: Exception) -> Response:
        answer = answer_to(error)
        if answer.status in _REFUSALS:
            _note_refusal(request, answer.status, too_many)
        if answer.status == 405:
            answer = replace(answer, headers={"Allow": _allowed(request)})
        if request.url.path.startswith(_MACHINES):
            return json_answer(request, answer.body(), answer.status, answer.headers)
        return page(request, answer)

    for kind in (HeadraceError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handle)
    app.add_middleware(_LastResort, handle=handle)


class _Sample:
    """One a second of what comes without end, and how many went by since the last."""

    def __init__(self) -> None:
        self._next, self._passed = 0.0, 0

    def takes(self, now: float) -> int | None:
        """None where one goes by; else how many did before it. `now` is in seconds."""
        if now < self._next:
            self._passed += 1
            return None
        passed, self._next, self._passed = self._passed, now + 1.0, 0
        return passed


def _note_refusal(request: Request, status: int, too_many: _Sample) -> None:
    """Whoever asks too often is refused as often as they like: of those refusals a sample is noted, with how many
    others there were. All else is bounded by the rates."""
    others: int | None = 0
    if status == _STATUSES[TooManyRequests]:
        others = too_many.takes(time.monotonic())
        if others is None:
            return
    account = account_in(request.scope)
    path = _SECRET_PATH.sub(r"\1…", request.url.path).encode("ascii", "backslashreplace").decode("ascii")
    # Rates are asked before it is known where a request comes from.
    with security_events.coming_from(request.client.host if request.client else ""):
        security_events.refused(
            account.id if account else None,
            status=status,
            method=request.method,
            path=path[:_LONGEST_PATH],
            others=others,
        )


def _allowed(request: Request) -> str:
    """The methods of every route of the address (RFC 9110 §10.2.1): the framework tells those of the first."""
    routes = (one for one in iter_route_contexts(request.app.routes) if one.methods)
    named = {
        method for one in routes if one.path_regex.match(request.url.path) for method in one.methods or ()
    }
    return ", ".join(sorted(named))


class _LastResort:
    """Answers errors that nobody expected. Once an answer has begun all that is left is to break it off, so
    that the client sees that it is not whole."""

    def __init__(self, app: ASGIApp, *, handle: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await self._handle(Request(scope), error)(scope, receive, send)
