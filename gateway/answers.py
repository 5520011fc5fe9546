"""Answers in JSON."""

import json
from collections.abc import Mapping

from fastapi import Request, Response


def to_json(document: object, *, indent: int | None = None) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=indent).encode()


def indentation(request: Request) -> int | None:
    """`?prettyprint=1` indents JSON (Zenodo's REST API)."""
    return 2 if "prettyprint" in request.query_params else None


def json_answer(
    request: Request, document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The document, indented where the request wants that."""
    text = to_json(document, indent=indentation(request))
    return Response(text, status, headers, media_type="application/json")
