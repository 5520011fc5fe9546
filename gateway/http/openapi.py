"""The API as an OpenAPI 3.1 document. Routes, the parameters in their paths, and what they depend on are those that the
framework knows, so that none is left out; what our routes read from queries by themselves they declare
(`openapi_extra`).
"""

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from gateway.http.answers import json_answer
from gateway.http.auth import ServicesHere, admissible, grant_of, known_viewer
from gateway.http.bodies import json_body, optional_json_body
from gateway.http.sessions import CSRF_COOKIE, CSRF_HEADER, SAFE, cookie_name
from pipeline import __version__
from pipeline.model import JsonObject
from pipeline.services import Services

router = APIRouter()

_Needs: TypeAlias = frozenset[Callable[..., Any]]
"""What an operation depends on, at any depth."""

_NOT_IN_NAMES = re.compile(r"\W+")
_REMEDY: JsonObject = {"type": "string", "description": "What to do next, where that is not plain"}
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
                    "remedy": _REMEDY,
                },
            },
        },
        "remedy": _REMEDY,
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
_LINKS: JsonObject = {"share_link": {"type": "apiKey", "in": "query", "name": "token"}}
_CSRF: JsonObject = {
    "type": "apiKey",
    "in": "header",
    "name": CSRF_HEADER,
    "description": f"The value of the cookie `{CSRF_COOKIE}`: in a session nothing is changed without it",
}
_TOKENS: list[JsonObject] = [{name: []} for name in _CREDENTIALS]
_LINKED: list[JsonObject] = [{name: []} for name in _LINKS]
_IN_SESSION: JsonObject = {"session": []}
_JSON: JsonObject = {"required": True, "content": {"application/json": {"schema": {}}}}


def _query(name: str, schema: JsonObject, description: str) -> JsonObject:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


_RESOURCE_TOKEN = _query("resource-token", {"type": "string"}, "A JWT, signed by the owner of the draft")
_PRETTY = _query("prettyprint", {"type": "string"}, "Whatever its value: the answer is indented")
_DELETED = _query(
    "include_deleted", {"type": "boolean", "default": False}, "Administrators see through the tombstone"
)
RECORD: JsonObject = {"parameters": [_DELETED, _PRETTY]}
"""What a record's own address takes."""
PAGING: JsonObject = {
    "parameters": [
        _query("sort", {"type": "string"}, "Such as bestmatch, newest, oldest, version"),
        _query("page", {"type": "integer", "minimum": 1, "default": 1}, "Page × size is at most 10,000"),
        _query(
            "size",
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 25},
            "At most 25 without a token",
        ),
        _PRETTY,
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
        *(
            _query(name, {"type": "array", "items": {"type": "string"}, "maxItems": 100}, meaning)
            for name, meaning in (
                ("communities", "Slugs of communities"),
                ("access_status", "open, embargoed, restricted or metadata-only"),
                ("resource_type", "Such as dataset or publication::publication-article"),
                ("file_type", "Endings of files' names, without the dot"),
                ("subject", "Keywords"),
                ("publication_date", "Periods, such as 2024..2025"),
            )
        ),
        *PAGING["parameters"],
    ]
}
"""What searches take."""
OWN_RECORDS: JsonObject = {
    "parameters": [
        _query("q", {"type": "string"}, "A question in the query language of Zenodo"),
        _query(
            "all_versions", {"type": "boolean", "default": False}, "Not the newest version of each work only"
        ),
        _query(
            "is_published", {"type": "boolean"}, "Only what has a published version, or only what has none"
        ),
        _query("shared_with_me", {"type": "boolean", "default": False}, "What others share with the asker"),
        *PAGING["parameters"],
    ]
}
"""What the list of one's own drafts and records takes."""
COMMUNITIES: JsonObject = {
    "parameters": [
        _query("q", {"type": "string"}, "Words that title, slug or description have"),
        _query("type", {"type": "string"}, "organization, event, topic or project"),
        _query("organization", {"type": "string"}, "Id or name of an organisation that it names"),
        _query("funder", {"type": "string"}, "Id or name of a funder that it names"),
        *PAGING["parameters"],
    ]
}
"""What lists of communities take."""
REQUESTS: JsonObject = {
    "parameters": [
        _query("q", {"type": "string"}, "Words of the title, or the number"),
        _query("type", {"type": "array", "items": {"type": "string"}}, "Such as community-inclusion"),
        _query("status", {"type": "array", "items": {"type": "string"}}, "Such as submitted or accepted"),
        _query("is_open", {"type": "boolean"}, "Whether they wait for an answer"),
        *PAGING["parameters"],
    ]
}
"""What lists of requests take."""
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
def read_document(request: Request, services: ServicesHere) -> Response:
    """This document. It is made when somebody first asks for it: that takes longer than all else at the start."""
    state = request.app.state
    if state.openapi is None:
        state.openapi = document(request.app, services)
    return json_answer(request, state.openapi)


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
    needs = _needs(app)
    described["paths"] = {
        path: {
            method: _operation(path, method, operations[method], needs[path, method])
            for method in sorted(operations)
        }
        for path, operations in described["paths"].items()
    }
    session = {"type": "apiKey", "in": "cookie", "name": cookie_name(services)}
    described["components"] = {
        "schemas": {"Error": _ERROR},
        "securitySchemes": {**_CREDENTIALS, "session": session, "csrf_token": _CSRF, **_LINKS},
    }
    described["security"] = [{}, *_named("get"), *_LINKED]
    return described


def _named(method: str) -> list[JsonObject]:
    """What somebody who is known shows: a token, or a session, which changes something only with its CSRF token."""
    in_session = _IN_SESSION if method.upper() in SAFE else {**_IN_SESSION, "csrf_token": []}
    return [*_TOKENS, in_session]


def _needs(app: FastAPI) -> dict[tuple[str, str], _Needs]:
    return {
        (str(route.path_format), method.lower()): frozenset(_dependencies(route.dependant))
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute)
        for method in route.methods or ()
    }


def _dependencies(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    for one in dependant.dependencies:
        if one.call is not None:
            yield one.call
        yield from _dependencies(one)


def _operation(path: str, method: str, found: JsonObject, needs: _Needs) -> JsonObject:
    # Parameters that are wrong are answered with 400, as everything that is wrong.
    answers = {status: answer for status, answer in found["responses"].items() if status != "422"}
    if path.startswith("/api/"):
        answers["default"] = _ANY_ERROR
    name = _NOT_IN_NAMES.sub("_", method + path) + "slash" * (len(path) > 1 and path.endswith("/"))
    operation = {**found, "operationId": name, "responses": answers}
    if known_viewer in needs:
        operation["security"] = _named(method)
    elif admissible in needs:
        operation["security"] = [*_named(method), *_LINKED]
    elif path.startswith("/api/") and method.upper() not in SAFE:
        operation["security"] = [{}, *_named(method), *_LINKED]
    if grant_of in needs:
        operation["parameters"] = [*found.get("parameters", ()), _RESOURCE_TOKEN]
    if json_body in needs:
        operation.setdefault("requestBody", _JSON)
    if optional_json_body in needs:
        operation.setdefault("requestBody", {**_JSON, "required": False})
    return operation
