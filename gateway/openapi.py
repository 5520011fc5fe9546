"""The API as an OpenAPI 3.1 document. Routes and the parameters in their paths are those that the framework knows, so
that none is left out; what our routes read from queries and bodies by themselves they declare (`openapi_extra`).
"""

import re
import warnings
from collections.abc import Mapping

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from gateway.answers import json_answer
from pipeline import __version__
from pipeline.model import JsonObject
from pipeline.services import Services

router = APIRouter()

_NOT_IN_NAMES = re.compile(r"\W+")
_ERROR: JsonObject = {
    "type": "object",
    "required": ["status", "message"],
    "properties": {
        "status": {"type": "integer", "description": "The same as that of the answer"},
        "message": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "messages"],
                "properties": {
                    "field": {"type": "string", "description": "Dotted path; positions in lists are numbers"},
                    "messages": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}
_ANY_ERROR: JsonObject = {
    "description": "What is wrong",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_CREDENTIALS: JsonObject = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "access_token": {"type": "apiKey", "in": "query", "name": "access_token"},
}


def _query(name: str, schema: JsonObject, description: str) -> JsonObject:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


PAGING: JsonObject = {
    "parameters": [
        _query("sort", {"type": "string"}, "Such as bestmatch, newest, -newest, version"),
        _query("page", {"type": "integer", "minimum": 1, "default": 1}, "Page × size is at most 10,000"),
        _query(
            "size",
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 25},
            "At most 25 without a token",
        ),
        _query("prettyprint", {"type": "string"}, "Whatever its value: the answer is indented"),
    ]
}
"""What lists of records take."""
SEARCH: JsonObject = {
    "parameters": [
        _query("q", {"type": "string"}, "A question in the query language of Zenodo"),
        _query(
            "all_versions", {"type": "boolean", "default": False}, "Not the newest version of each work only"
        ),
        _query("type", {"type": "string"}, "Resource type, such as dataset"),
        _query("subtype", {"type": "string"}, "Of the resource type, such as article"),
        _query("communities", {"type": "string"}, "Slug of a community"),
        *PAGING["parameters"],
    ]
}
"""What searches take."""
TERMS: JsonObject = {
    "parameters": [
        _query("q", {"type": "string"}, "Words that a term has, id:… or title:… where to look"),
        _query("suggest", {"type": "string"}, "What words of a term begin with"),
        _query(
            "tags",
            {"type": "array", "items": {"type": "string"}},
            "Tags that a term has, such as recommended",
        ),
        _query("sort", {"enum": ["bestmatch", "title", "newest", "oldest"]}, "By default bestmatch or title"),
        _query("page", {"type": "integer", "minimum": 1, "default": 1}, "Page × size is at most 10,000"),
        _query("size", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 25}, "Terms on a page"),
        _query("prettyprint", {"type": "string"}, "Whatever its value: the answer is indented"),
    ]
}
"""What lists of terms take."""


@router.api_route("/api/openapi.json", methods=["GET", "HEAD"])
def read_document(request: Request) -> Response:
    """This document."""
    return json_answer(request, request.app.state.openapi)


def document(app: FastAPI, services: Services) -> JsonObject:
    """All routes that `app` has now."""
    with warnings.catch_warnings():
        # Operations get names of their own below: the framework has one for all methods of a route.
        warnings.filterwarnings("ignore", "Duplicate Operation ID")
        described: JsonObject = get_openapi(
            title=services.repository.name,
            version=__version__,
            routes=app.routes,
            servers=[{"url": services.repository.base_url}],
        )
    described["paths"] = {path: _operations(path, found) for path, found in described["paths"].items()}
    described["components"] = {"schemas": {"Error": _ERROR}, "securitySchemes": _CREDENTIALS}
    described["security"] = [{}, *({name: []} for name in _CREDENTIALS)]
    return described


def _operations(path: str, found: Mapping[str, JsonObject]) -> JsonObject:
    return {method: _operation(path, method, found[method]) for method in sorted(found)}


def _operation(path: str, method: str, found: JsonObject) -> JsonObject:
    name = _NOT_IN_NAMES.sub("_", method + path)
    # Parameters that are wrong are answered with 400, as everything that is wrong.
    answers = {status: answer for status, answer in found["responses"].items() if status != "422"}
    if path.startswith("/api/"):
        answers["default"] = _ANY_ERROR
    return {**found, "operationId": name, "responses": answers}
