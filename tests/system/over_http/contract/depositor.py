"""A depositor: somebody with a token, who uses the legacy deposit API as its clients do."""

import json
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.app import create_app
from tests.archive import BASE_URL, Archive
from tests.asking import Client

METADATA = {
    "title": "Tide gauge readings, harbour pier, 2025",
    "upload_type": "dataset",
    "description": "<p>Ten-minute means.</p>",
    "creators": [{"name": "Marlow, Ida", "affiliation": "Pier Institute"}],
}
LEAST: dict[str, Any] = {
    "title": "Tide gauge readings, harbour pier, 2025",
    "resource_type": {"id": "dataset"},
    "creators": [
        {
            "person_or_org": {"type": "personal", "family_name": "Marlow", "given_name": "Ida"},
            "affiliations": [{"name": "Pier Institute"}],
        }
    ],
    "publication_date": "2026-03-09",
}
"""What InvenioRDM's form wants at least."""
DEPOSITIONS = "/api/deposit/depositions"
CSV = b"t,h\n1,2"


def path_of(url: str) -> str:
    """A link without the name of the server, which tests call by another."""
    assert url.startswith(BASE_URL), url
    return url.removeprefix(BASE_URL)


@dataclass
class Depositor:
    """`email` and its token; `app` is the archive's gateway."""

    archive: Archive
    client: Client
    email: str

    def send(self, method: str, url: str, body: object = None) -> httpx.Response:
        """Ask with a JSON body, where there is one; `url` is a link or a path."""
        path = path_of(url) if url.startswith("http") else url
        content = b"" if body is None else json.dumps(body).encode()
        return self.client.ask(method, path, content=content, content_type="application/json")

    def create(self, **metadata: object) -> dict[str, Any]:
        body = {"metadata": {**METADATA, **metadata}}
        answer = self.send("POST", DEPOSITIONS, body)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def put(
        self,
        deposition: dict[str, Any],
        key: str,
        content: bytes | AsyncIterable[bytes] = CSV,
        **headers: str,
    ) -> httpx.Response:
        path = path_of(deposition["links"]["bucket"])
        return self.client.ask("PUT", f"{path}/{key}", content=content, **headers)

    def post_form(
        self, deposition: dict[str, Any], filename: str, content: bytes = CSV, **fields: str
    ) -> httpx.Response:
        form = httpx.Request("POST", BASE_URL, data=fields, files={"file": (filename, content)})
        path = path_of(deposition["links"]["files"])
        return self.client.ask("POST", path, content=form.read(), content_type=form.headers["content-type"])

    def publish(self, deposition: dict[str, Any]) -> dict[str, Any]:
        answer = self.send("POST", deposition["links"]["publish"])
        assert answer.status_code == 202, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def set_access(self, record_id: int, **access: str) -> None:
        """With an edit of a published record."""
        edit = self.send("POST", f"/api/deposit/depositions/{record_id}/actions/edit").json()
        answer = self.send("PUT", edit["links"]["self"], {"metadata": {**METADATA, **access}})
        assert answer.status_code == 200
        self.publish(edit)

    def published(self, **metadata: object) -> dict[str, Any]:
        """A published deposition with one file."""
        deposition = self.create(**metadata)
        assert self.put(deposition, "gauge.csv").status_code == 201
        return self.publish(deposition)


def depositor(archive: Archive, email: str, *, admin: bool = False) -> Depositor:
    scopes = ("deposit:write", "deposit:actions")
    token = archive.token(email, admin=admin, scopes=scopes)
    return Depositor(archive, Client(create_app(archive.services), token), email)
