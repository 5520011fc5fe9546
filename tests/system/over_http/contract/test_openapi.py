"""The document that describes the API."""

import re

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from gateway.app import create_app
from gateway.http.auth import GrantHere, ReaderHere, WriterHere
from gateway.http.bodies import JsonBody
from gateway.http.openapi import document as describe
from pipeline.model import JsonObject
from tests.archive import BASE_URL, Archive
from tests.asking import Client


@pytest.fixture
def document(client: Client) -> JsonObject:
    answer = client.get("/api/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found: JsonObject = answer.json()
    return found


def operations(document: JsonObject) -> dict[tuple[str, str], JsonObject]:
    return {
        (path, method): found
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    }


def test_every_route_is_described(archive: Archive, document: JsonObject) -> None:
    """With each of its methods, and this one as well; addresses begin with the base URL."""
    routes = iter_route_contexts(create_app(archive.services).routes)
    expected = {
        (str(one.path_format), method.lower())
        for one in routes
        if isinstance(one.original_route, APIRoute)
        for method in one.methods or ()
    }
    assert ("/api/openapi.json", "get") in expected
    assert set(operations(document)) == expected
    assert document["openapi"].startswith("3.1.")
    assert document["servers"] == [{"url": BASE_URL}]


def test_operations_are_whole(document: JsonObject) -> None:
    """Each has a name that no other has, an answer, and exactly the parameters of its path; what is wrong is 400, as on
    Zenodo, not 422."""
    found = operations(document)
    assert len({one["operationId"] for one in found.values()}) == len(found)
    for (path, _), one in found.items():
        named = [each["name"] for each in one.get("parameters", []) if each["in"] == "path"]
        assert sorted(named) == sorted(re.findall(r"{(\w+)}", path))
        assert one["responses"]
        assert "422" not in one["responses"]
        assert ("default" in one["responses"]) == path.startswith("/api/")


def test_what_is_referred_to_is_there(document: JsonObject) -> None:
    """Every `$ref` leads to something in the document."""
    for pointer in re.findall(r"'\$ref': '#/([^']+)'", str(document)):
        place: object = document
        for part in pointer.split("/"):
            assert isinstance(place, dict)
            place = place[part]


def test_what_a_route_needs_is_declared(archive: Archive) -> None:
    """That somebody must be known, or bring a link, that a body is JSON, and that a resource token will do: whatever it
    depends on, at any depth. Elsewhere a token may be sent, and need not. A session is as good as a token, and changes
    something only with its CSRF token."""
    app = create_app(archive.services)

    @app.post("/api/test/drafts")
    def write(viewer: WriterHere, body: JsonBody) -> JsonObject:
        return {"owner": viewer.account_id, "body": body}

    @app.get("/api/test/seen")
    def see(viewer: ReaderHere) -> JsonObject:
        return {"owner": viewer.account_id}

    @app.get("/api/test/drafts/{draft_id}")
    def read(draft_id: str, grant: GrantHere) -> JsonObject:
        return {"id": draft_id, "is_granted": grant is not None}

    document = describe(app, archive.services)
    writing, reading = (
        operations(document)[key]
        for key in (("/api/test/drafts", "post"), ("/api/test/drafts/{draft_id}", "get"))
    )
    tokens = [{"bearer": []}, {"access_token": []}]
    session, acting, links = [{"session": []}], [{"session": [], "csrf_token": []}], [{"share_link": []}]
    schemes = document["components"]["securitySchemes"]
    assert schemes.keys() == {"bearer", "access_token", "session", "csrf_token", "share_link"}
    assert schemes["session"] == {"type": "apiKey", "in": "cookie", "name": "__Host-session"}
    assert schemes["csrf_token"]["name"] == "X-CSRFToken"
    assert document["security"] == [{}, *tokens, *session, *links]
    assert writing["security"] == [*tokens, *acting]
    assert operations(document)["/api/test/seen", "get"]["security"] == [*tokens, *session, *links]
    assert writing["requestBody"]["content"].keys() == {"application/json"}
    assert [one["name"] for one in reading["parameters"]] == ["draft_id", "resource-token"]
    assert not {"security", "requestBody"} & reading.keys()


def test_searches_declare_what_they_take(archive: Archive, client: Client, document: JsonObject) -> None:
    """The declared parameters are taken within the declared bounds, and refused beyond them."""
    declared = {one["name"]: one for one in document["paths"]["/api/records"]["get"]["parameters"]}
    assert {"q", "sort", "page", "size", "all_versions", "type", "communities"} <= declared.keys()
    token = archive.token("ida@pier.example")
    for name in ("page", "size"):
        schema = declared[name]["schema"]
        for value, status in ((schema["minimum"], 200), (schema.get("maximum", 1), 200), (0, 400)):
            assert client.get(f"/api/records?{name}={value}&access_token={token}").status_code == status
