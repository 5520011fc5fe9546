"""Bodies of requests that are kept in memory, within bounds, and JSON in them (Zenodo's REST API, request bodies).

JSON that passes can be stored and written again: it is JSON as RFC 8259 has it, not as Python does (`NaN`, halves of
surrogate pairs), and walking through it is safe and soon done.
"""

import json
import math
from typing import Annotated, NoReturn

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from gateway.http.auth import ServicesHere
from pipeline.errors import Rejected
from pipeline.model import JsonObject

DEEPEST = 50
"""Levels of arrays and objects within each other."""
MOST_VALUES = 100_000
"""Values in a body, arrays and objects among them; names of members not."""

_SMALL = 16 << 10
"""Bytes of a body that nobody else waits for noticeably."""
_WHOLE = "_schema"
"""The field of what is wrong with the body as a whole."""


async def json_body(request: Request, services: ServicesHere) -> object:
    """What the request's body says, whatever media type it is called: no client means anything else here. Raises
    `Rejected` as `parse` does, and for more bytes than HEADRACE_JSON_BYTES, of which no more are read."""
    body = await whole_body(request, services.settings.json_bytes, "The body", field=_WHOLE)
    return await _parsed(body)


JsonBody = Annotated[object, Depends(json_body)]


async def optional_json_body(request: Request, services: ServicesHere) -> object:
    """As `json_body`, an empty object where nothing was sent."""
    body = await whole_body(request, services.settings.json_bytes, "The body", field=_WHOLE)
    return await _parsed(body) if body else {}


OptionalJsonBody = Annotated[object, Depends(optional_json_body)]


async def _parsed(body: bytes) -> object:
    # To wake a thread costs more than to read a small one.
    return parse(body) if len(body) <= _SMALL else await run_in_threadpool(parse, body)


def text_in(given: JsonObject, name: str, longest: int) -> str | None:
    """The text that a body has under a name; None where it has none. Raises `Rejected` for what is no text, and for
    more characters."""
    if name not in given:
        return None
    value = given[name]
    if not isinstance(value, str):
        raise Rejected("Not a valid string.", field=name)
    if len(value) > longest:
        raise Rejected(f"Longer than maximum length {longest}.", field=name)
    return value


async def whole_body(request: Request, most: int, what: str, *, field: str = "") -> bytes:
    """A body that is kept in memory. Raises `Rejected`, in which it is called `what`, for more than `most` bytes, of
    which no more are read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Rejected(f"{what} is longer than {most:,} bytes.", field=field)
    return bytes(body)


def parse(body: bytes) -> object:
    """The value of a JSON document in UTF-8, with a byte order mark or without. Raises `Rejected` where it is none, is
    nested too deeply or holds too many values."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise _undecodable() from None
    _check(value)
    return value


def _check(document: object) -> None:
    level, values, depth = [document], 0, 0
    while level:
        values += len(level)
        if values > MOST_VALUES:
            raise Rejected(f"The body has more than {MOST_VALUES} values.", field=_WHOLE)
        inner: list[object] = []
        is_nested = False
        for value in level:
            match value:
                case dict():
                    _check_text(*value)
                    inner += value.values()
                    is_nested = True
                case list():
                    inner += value
                    is_nested = True
                case str():
                    _check_text(value)
        depth += is_nested
        if depth > DEEPEST:
            raise _too_deep()
        level = inner


def _check_text(*texts: str) -> None:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise _undecodable() from None


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _undecodable() -> Rejected:
    return Rejected("Unable to decode JSON data in request body.")


def _too_deep() -> Rejected:
    return Rejected(f"The body is nested deeper than {DEEPEST} levels.", field=_WHOLE)
