"""What is served beside the rest, and what every answer says to browsers (OWASP ASVS 5.0, by number in
docs/security.md)."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.app import create_app
from infra.local.gateway import gateway
from infra.local.service import running
from pipeline.model import Record
from tests.archive import Archive
from tests.asking import Client

ADDRESSES = (
    "/",
    "/nothing",
    "/api/records",
    "/api/nothing",
    "/oai2d",
    "/healthz",
    "/static/copy.js",
    "/login/",
)
_NOWHERE = (
    "/static", "/static/", "/static/../app.py", "/static/%2e%2e/app.py", "/.git/config", "/.git/",
    "/gateway/app.py", "/headrace.toml", "/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect",
)  # fmt: skip


def test_v3_browsers_come_by_tls_alone(archive: Archive) -> None:
    """For a year, where the archive is reached by TLS; else nothing is said. Nor ever of hosts below, which may be
    others'."""
    client = Client(create_app(archive.services))
    for path in ADDRESSES:
        assert client.get(path).headers["strict-transport-security"] == "max-age=31536000"
    plain = replace(archive.services.repository, base_url="http://127.0.0.1:8000")
    answer = Client(create_app(replace(archive.services, repository=plain))).get("/")
    assert "strict-transport-security" not in answer.headers


def test_v3_every_answer_has_a_policy(archive: Archive) -> None:
    """By which browsers load no objects, take no other base and show it in no frame; uploads may do nothing at all."""
    record = archive.publish(files={"a.html": b"<script src='/static/copy.js'></script>", "b.svg": b"<svg/>"})
    client = Client(create_app(archive.services))
    uploads = [f"/records/{record.id}/files/{key}" for key in ("a.html", "b.svg")]
    for path in (*ADDRESSES, f"/records/{record.id}", "/badge/DOI/10.1.svg", *uploads):
        policy = {
            name: value
            for one in client.get(path).headers["content-security-policy"].split(";")
            for name, _, value in [one.strip().partition(" ")]
        }
        for name in ("object-src", "base-uri", "frame-ancestors"):
            assert policy[name] == "'none'", path
        assert policy["default-src"] == ("'none'" if path in uploads else "'self'")
        assert ("sandbox" in policy) == (path in uploads)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/nothing", "text/html; charset=utf-8"),
        ("/robots.txt", "text/plain; charset=utf-8"),
        ("/sitemap.xml", "application/xml; charset=utf-8"),
        ("/oai2d?verb=Identify", "text/xml; charset=utf-8"),
        ("/api/records", "application/json"),
        ("/api/nothing", "application/json"),
        ("/static/headrace.css", "text/css; charset=utf-8"),
        ("/static/copy.js", "text/javascript; charset=utf-8"),
        ("/records/{id}/export/datacite-xml", "application/vnd.datacite.datacite+xml; charset=utf-8"),
        ("/records/{id}/export/bibtex", "application/x-bibtex; charset=utf-8"),
        ("/records/{id}/files/gauge.csv", "text/plain; charset=utf-8"),
    ],
)
def test_v4_every_body_says_what_it_is(standing: tuple[Client, Record], path: str, said: str) -> None:
    """And how its text is encoded; JSON is UTF-8 by its standard, whose type takes no charset."""
    client, record = standing
    answer = client.get(path.format(id=record.id))
    assert answer.headers["content-type"] == said


def test_v13_nothing_is_served_but_what_is_meant(standing: tuple[Client, Record]) -> None:
    """No folder, no file beside the style sheets, no pages of the framework, and no method that echoes a request."""
    client = standing[0]
    for path in _NOWHERE:
        assert client.get(path).status_code == 404, path
    for path in ("/", "/api/records", "/login/"):
        for method in ("TRACE", "CONNECT", "TRACK"):
            assert client.ask(method, path, X_Secret="hidden").status_code == 405


def test_v4_a_message_has_one_end(tmp_path: Path) -> None:
    """What is said to come in chunks ends with its chunks, whatever `Content-Length` says besides (RFC 9112, 6.3); what
    can be read in two ways is refused, and the connection ends."""
    following = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with running(gateway(tmp_path / "home"), tmp_path / "log") as address:
        host, _, port = address.removeprefix("http://").partition(":")

        def answers(*headers: bytes) -> list[bytes]:
            head = b"\r\n".join((b"POST /oai2d HTTP/1.1", b"Host: x", *headers, b"", b""))
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(head + b"0\r\n\r\n" + following)
                told = b"".join(iter(lambda: connection.recv(1 << 16), b""))
            return [one[:3] for one in told.split(b"HTTP/1.1 ")[1:]]

        assert answers(b"Transfer-Encoding: chunked") == [b"200", b"200"]
        assert answers(b"Content-Length: 99", b"Transfer-Encoding: chunked") == [b"200", b"200"]
        for headers in (
            (b"Content-Length: 3", b"Content-Length: 5"),
            (b"Content-Length: +3",),
            (b"Content-Length: 3, 5",),
            (b"Transfer-Encoding: xchunked",),
            (b"Transfer-Encoding: chunked, identity",),
            (b"Transfer-Encoding : chunked",),
            (b"X: 1\rTransfer-Encoding: chunked",),
        ):
            assert answers(*headers) in ([b"400"], [b"501"]), headers
