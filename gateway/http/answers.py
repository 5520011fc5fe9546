"""Answers in JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

import orjson
from fastapi import Request, Response

from pipeline.model import JsonObject


def to_json(document: object, *, indent: int | None = None) -> bytes:
    if indent is None:
        # A tenth of the time; it does not take all that Python's takes, such as numbers of more than 64 bits.
        with suppress(TypeError):
            return orjson.dumps(document)
    return json.dumps(document, ensure_ascii=False, indent=indent).encode()


def embedded(text: bytes) -> object:
    """JSON that is made already, as a part of a document that is made now, without an indentation."""
    return orjson.Fragment(text)


def array(items: Iterable[object], *, indent: int | None = None) -> Iterator[bytes]:
    """A list in pieces, however long it is: none of it is kept."""
    separator = b"["
    for one in items:
        yield separator + to_json(one, indent=indent)
        separator = _separator(indent)
    yield b"[]" if separator == b"[" else b"]"


def with_array(
    document: JsonObject, name: str, items: Iterable[object], *, indent: int | None = None
) -> Iterator[bytes]:
    """The document, which has members, with a list as its last one, in pieces."""
    yield to_json(document, indent=indent).removesuffix(b"}").rstrip() + _separator(indent)
    yield to_json(name) + b": "
    yield from array(items, indent=indent)
    yield b"}"


def _separator(indent: int | None) -> bytes:
    return b", " if indent is None else b",\n"


def indentation(request: Request) -> int | None:
    """`?prettyprint=1` indents JSON (Zenodo's REST API)."""
    return 2 if "prettyprint" in request.query_params else None


def json_answer(
    request: Request, document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The document, indented where the request wants that."""
    text = to_json(document, indent=indentation(request))
    return Response(text, status, headers, media_type="application/json")
