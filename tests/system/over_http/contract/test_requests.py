"""What holds for every address of the API (Zenodo's REST API: ground rules)."""

import json
import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.http.bodies import JsonBody
from pipeline.model import JsonObject
from tests.archive import Archive
from tests.asking import OTHER_NAME, Client
from tests.system.over_http.contract.depositor import DEPOSITIONS, METADATA, depositor

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


# ---------------------------------------------------------------- what no database takes


def addresses(client: Client, parameter: str, record_id: int) -> Iterator[tuple[str, str]]:
    """(method, path) of each route that has parameters in its path: each of them is `parameter` in turn, ids before
    it are `record_id`."""
    for path, methods in client.get("/api/openapi.json").json()["paths"].items():
        names = re.findall(r"{(\w+)}", path)
        for number, _ in enumerate(names):
            values = [*[str(record_id)] * number, *[parameter] * (len(names) - number)]
            filled = re.sub(r"{\w+}", "{}", path).format(*values)
            yield from ((method.upper(), filled) for method in methods)


def test_no_address_has_a_nul_character(client: Client) -> None:
    """It is refused whoever asks for whatever, in paths and in queries."""
    for path in ("/api/records?q=%00", "/api/records?communities=a%00b", "/search?q=%00", "/nothing?a%00=b"):
        assert client.get(path).status_code == 400, path
    for method, path in addresses(client, "a%00b", 1):
        assert client.ask(method, path).status_code == 400, (method, path)


@pytest.mark.parametrize("digits", [18, 19, 20, 5000])
def test_a_number_of_any_length_is_answered(archive: Archive, digits: int) -> None:
    """As one that is nobody's, or as none, where an address or a header has one."""
    ida = depositor(archive, "ida@pier.example")
    draft = ida.create()
    number = "9" * digits
    for method, path in addresses(ida.client, number, draft["id"]):
        answer = ida.client.ask(method, path, tus_resumable="1.0.0", upload_offset="0", upload_length="3")
        assert answer.status_code < 500, (method, path)
    match = {"if_match": number}
    assert ida.client.ask("PUT", f"{DEPOSITIONS}/{draft['id']}", **match).status_code in (400, 412)
    # More than 18 digits are no size; less may be one that there is no room for.
    assert ida.put(draft, "gauge.csv", content_length=number).status_code in (400, *[503] * (digits == 18))


def with_nul(value: object) -> Iterator[object]:
    """The value with NUL in each of its texts and names in turn."""
    match value:
        case str():
            yield f"{value[:1]}\0{value[1:]}"
        case dict():
            for name, inner in value.items():
                others = {key: each for key, each in value.items() if key != name}
                yield {**others, f"{name}\0": inner}
                yield from ({**others, name: each} for each in with_nul(inner))
        case list():
            for number, inner in enumerate(value):
                yield from ([*value[:number], each, *value[number + 1 :]] for each in with_nul(inner))


FULL = {
    **METADATA,
    "communities": [{"identifier": "tides"}],
    "doi": "10.1234/gauge",
    "grants": [{"id": "10.13039/501100000780::871234"}],
    "keywords": ["tide"],
    "license": "cc-by-4.0",
    "notes": "None.",
    "related_identifiers": [{"identifier": "10.1234/other", "relation": "cites"}],
    "subjects": [{"term": "Sea level", "identifier": "https://id.example/sea-level"}],
    "version": "v1",
}


def test_nul_in_a_body_is_taken_out_or_refused(archive: Archive) -> None:
    """Wherever in a description it is."""
    ida = depositor(archive, "ida@pier.example")
    path = f"{DEPOSITIONS}/{ida.create()['id']}"
    for body in with_nul({"metadata": FULL}):
        answer = ida.send("PUT", path, body)
        assert answer.status_code in (200, 400), body
        assert "\\u0000" not in answer.text
