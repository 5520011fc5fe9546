"""What holds for every address of the API (Zenodo's REST API: ground rules)."""

import json

import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.bodies import JsonBody
from pipeline.model import JsonObject
from tests.archive import Archive
from tests.asking import OTHER_NAME, Client

EXPOSED = (
    "ETag", "Link", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Content-Type"
)  # fmt: skip


@pytest.fixture
def taking(archive: Archive) -> Client:
    """Of a gateway with a route that takes JSON, and one with a parameter that is declared to be a number."""
    app: FastAPI = create_app(archive.services)

    @app.post("/api/test/json")
    def take(body: JsonBody) -> JsonObject:
        return {"taken": body}

    @app.get("/api/test/page")
    def turn(page: int) -> JsonObject:
        return {"page": page}

    return Client(app)


@pytest.mark.parametrize("path", ["/api/records", "/api/records/77", "/api/nothing", "/oai2d?verb=Identify"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_0_2_every_answer_is_open_to_scripts(client: Client, method: str, path: str) -> None:
    """Errors are, too, and answers to requests that do not say where they come from."""
    for headers in ({}, {"Origin": "https://other.example"}):
        answer = client.ask(method, path, **headers)
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert set(EXPOSED) <= set(exposed)


def test_0_2_preflights_allow_what_clients_do(client: Client) -> None:
    """Any method and any header, for addresses that are there and others."""
    for path in ("/api/records", "/api/nothing"):
        answer = client.ask(
            "OPTIONS",
            path,
            Origin="https://other.example",
            Access_Control_Request_Method="PUT",
            Access_Control_Request_Headers="authorization, content-type, if-match",
        )
        assert answer.status_code == 200
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert "if-match" in answer.headers["access-control-allow-headers"]


def test_0_2_slashes_between_base_and_path_are_one(client: Client) -> None:
    """Clients join a base URL that ends with a slash to paths that begin with one; keys of files keep theirs."""
    for path in ("/api//records", f"{OTHER_NAME}//api/records", "/api///records?size=1"):
        assert client.get(path).status_code == 200
    assert client.get("/api/records//1").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("PUT", "/api/nothing", 404),
        ("DELETE", "/api/records", 405),
        ("OPTIONS", "/api/records", 405),
        ("GET", "/api/records/77", 404),
    ],
)
def test_0_5_errors_are_json_with_their_status(client: Client, method: str, path: str, status: int) -> None:
    """Whatever the client says that it takes."""
    answer = client.ask(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"status", "message"}
    assert answer.json()["status"] == status


@pytest.mark.parametrize("query", ["?page=two", ""])
def test_0_5_parameters_that_are_wrong_are_named(taking: Client, query: str) -> None:
    """As every field that is wrong, also where the framework finds it."""
    answer = taking.get(f"/api/test/page{query}")
    assert (answer.status_code, answer.json()["message"]) == (400, "A validation error occurred.")
    [error] = answer.json()["errors"]
    assert (error["field"], len(error["messages"])) == ("page", 1)


def test_0_1_json_is_indented_on_demand(archive: Archive, client: Client) -> None:
    """The same document, at every address that answers in JSON, errors among them."""
    record = archive.publish(files={"a.txt": b"1", "b.txt": b"2"})
    for path in (
        "/api/records/77",
        "/api/records",
        f"/api/records/{record.id}",
        f"/api/records/{record.id}/files",
        f"/api/records/{record.id}/files/a.txt",
        f"/api/records/{record.id}/versions/latest",
    ):
        plain, pretty = client.get(path), client.get(f"{path}?prettyprint=1")
        assert "\n" not in plain.text
        assert pretty.text.startswith('{\n  "')
        assert (pretty.status_code, pretty.headers["content-type"]) == (
            plain.status_code,
            plain.headers["content-type"],
        )
        assert pretty.json().keys() == plain.json().keys()


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/json; charset=utf-8", "text/plain", "application/x-unheard-of", ""],
)
def test_0_4_json_is_taken_under_any_name(taking: Client, media_type: str) -> None:
    """The body tells what it is."""
    headers = {"Content-Type": media_type} if media_type else {}
    answer = taking.ask("POST", "/api/test/json", content=b'{"metadata": {}}', **headers)
    assert (answer.status_code, answer.json()) == (200, {"taken": {"metadata": {}}})


@pytest.mark.parametrize("body", [b"", b"{", b"title=x", b"\xff\xfe", b"[NaN]"])
def test_0_4_what_is_not_json_is_refused(taking: Client, body: bytes) -> None:
    """With the words of the contract."""
    answer = taking.ask("POST", "/api/test/json", content=body, Content_Type="application/json")
    message = "Unable to decode JSON data in request body."
    assert (answer.status_code, answer.json()) == (400, {"status": 400, "message": message})


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b"x" * (1 << 20) + b'"',
        b"[" * 51 + b"]" * 51,
        b"[" * 100_000,
        json.dumps([0] * 100_000).encode(),
    ],
    ids=["long", "deep", "very deep", "wide"],
)
def test_d_bodies_are_bounded(taking: Client, body: bytes) -> None:
    """Too many bytes, levels or values are a validation error of the whole."""
    answer = taking.ask("POST", "/api/test/json", content=body)
    assert (answer.status_code, answer.json()["message"]) == (400, "A validation error occurred.")
    assert [one["field"] for one in answer.json()["errors"]] == ["_schema"]
