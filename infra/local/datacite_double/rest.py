"""The REST API over HTTP, and what only tests ask for below `/control`."""

from __future__ import annotations

import base64
import binascii
import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from infra.local.datacite_double import rules
from infra.local.datacite_double.faults import Fault, Faults, Turnstile
from infra.local.datacite_double.registry import Account, Doi, Refused, Registry, refused

_LARGEST = 8 << 20
_MEDIA_TYPE = "application/vnd.api+json; charset=utf-8"
_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
_STATUSES = {
    Fault.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Fault.TOO_MANY_FOR_A_WHILE: HTTPStatus.TOO_MANY_REQUESTS,
    Fault.ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    Fault.BAD_GATEWAY: HTTPStatus.BAD_GATEWAY,
    Fault.AWAY: HTTPStatus.SERVICE_UNAVAILABLE,
    Fault.TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    document: Any = None
    text: str = ""
    media_type: str = _MEDIA_TYPE
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> bytes:
        return self.text.encode() if self.document is None else json.dumps(self.document).encode()


class Server(ThreadingHTTPServer):
    """`port` of the loopback interface."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, registry: Registry) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.registry = registry
        self.faults = Faults()
        self.turnstile = Turnstile()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no error of ours."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _LARGEST))
        self._path = unquote(urlsplit(self.path).path)
        if self._path.startswith("/control/"):
            self._send(self._control(body))
            return
        fault = None if self._path == "/heartbeat" else self._befallen()
        if fault is not None and (refusal := self._refusal(fault)) is not None:
            self._send(refusal)
            return
        if fault is Fault.RESET_BEFORE:
            self._reset()
            return
        answer = self._answered(lambda: self._route(body, is_late=fault is Fault.LATE_HANDLE))
        if fault is Fault.RESET_AFTER:
            self._reset()
        elif fault is Fault.TRUNCATED:
            self._send(answer, cut=True)
        else:
            self._send(answer)

    # ------------------------------------------------------------ faults

    def _befallen(self) -> Fault | None:
        if not self.server.turnstile.passes():
            return Fault.TOO_MANY_FOR_A_WHILE
        fault = self.server.faults.draw(self._path)
        if fault is Fault.LATENCY:
            time.sleep(self.server.faults.latency)
        return fault

    def _refusal(self, fault: Fault) -> _Answer | None:
        if fault is Fault.REDIRECT:
            elsewhere = (("Location", f"http://localhost:{self.server.server_port}/dois"),)
            return _Answer(HTTPStatus.PERMANENT_REDIRECT, text="moved", headers=elsewhere)
        if fault is Fault.ENDLESS:
            return _Answer(HTTPStatus.OK, text=" " * (65 << 20))
        if fault not in _STATUSES:
            return None
        status = _STATUSES[fault]
        later = fault is Fault.TOO_MANY_FOR_A_WHILE
        wait = (("Retry-After", str(self.server.faults.retry_after)),) if later else ()
        page = _HTML.format(f"{status.value} {status.phrase}")
        return _Answer(status, text=page, media_type="text/html", headers=wait)

    def _reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Its streams hold the connection open.
        self.rfile.close()
        self.connection.close()
        self.close_connection = True

    # ------------------------------------------------------------ the API

    def _answered(self, action: Callable[[], _Answer]) -> _Answer:
        try:
            return action()
        except Refused as refusal:
            return _Answer(refusal.status, {"errors": refusal.errors})

    def _route(self, body: bytes, *, is_late: bool) -> _Answer:
        registry, path, method = self.server.registry, self._path, self.command
        if path == "/heartbeat":
            return _Answer(HTTPStatus.OK, text="OK", media_type="text/plain")
        account = self._account()
        if not path.startswith("/dois/"):
            raise refused(HTTPStatus.NOT_FOUND, "The resource you are looking for doesn't exist.")
        name = path.removeprefix("/dois/")
        if method == "PUT":
            doi, is_new = registry.put(account, name, _attributes(body), is_late=is_late)
            return _Answer(HTTPStatus.CREATED if is_new else HTTPStatus.OK, self._document(doi))
        if method != "GET":
            raise refused(HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed")
        if name.endswith("/get-url"):
            url = registry.get(account, name.removesuffix("/get-url")).handle
            if url is None:
                raise refused(HTTPStatus.NOT_FOUND, "The resource you are looking for doesn't exist.")
            return _Answer(HTTPStatus.OK, {"url": url})
        return _Answer(HTTPStatus.OK, self._document(registry.get(account, name)))

    def _account(self) -> Account | None:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return None
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise refused(HTTPStatus.UNAUTHORIZED, "Bad credentials.") from None
        return self.server.registry.recognise(user, password)

    def _document(self, doi: Doi) -> dict[str, Any]:
        asked = parse_qs(urlsplit(self.path).query)
        prefix, _, suffix = doi.name.partition("/")
        metadata = rules.shown(
            doi.attributes,
            publisher=asked.get("publisher") == ["true"],
            affiliation=asked.get("affiliation") == ["true"],
        )
        attributes = {
            "doi": doi.name,
            "prefix": prefix,
            "suffix": suffix,
            "identifiers": [],
            **metadata,
            "state": doi.state,
            "isActive": doi.state == rules.FINDABLE,
            "metadataVersion": doi.changes - 1,
            "created": doi.created,
            "registered": doi.registered,
            "updated": doi.updated,
        }
        client = {"client": {"data": {"id": doi.account.lower(), "type": "clients"}}}
        return {"data": {"id": doi.name, "type": "dois", "attributes": attributes, "relationships": client}}

    # ------------------------------------------------------------ tests

    def _control(self, body: bytes) -> _Answer:
        server = self.server
        match self.command, self._path.removeprefix("/control/"):
            case "PUT", "faults":
                server.faults.set(json.loads(body))
            case "PUT", "rate":
                wanted = json.loads(body)
                server.turnstile.set(int(wanted["requests"]), float(wanted["seconds"]))
            case "PUT", "states":
                server.registry.move(json.loads(body))
            case "DELETE", "dois":
                server.registry.forget()
            case "GET", "counts":
                return _Answer(HTTPStatus.OK, _counts(server))
            case "GET", "dois":
                states = {one.name: [one.state, one.attributes.get("url")] for one in server.registry.list()}
                return _Answer(HTTPStatus.OK, states)
            case _:
                return _Answer(HTTPStatus.NOT_FOUND, {"errors": []})
        return _Answer(HTTPStatus.NO_CONTENT)

    def _send(self, answer: _Answer, *, cut: bool = False) -> None:
        body = answer.body()
        self.send_response(answer.status)
        if answer.status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(body)))
        for header in answer.headers:
            self.send_header(*header)
        self.end_headers()
        if cut:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif answer.status is not HTTPStatus.NO_CONTENT:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """What was called is counted, not logged."""


def _counts(server: Server) -> dict[str, Any]:
    registry, turnstile = server.registry, server.turnstile
    return {
        "calls": dict(registry.calls),
        "published": {name: number for name, number in registry.published.items() if number},
        "requests": turnstile.total,
        "peak": turnstile.peak,
        "refused": turnstile.refused,
        "faults": {str(kind): number for kind, number in server.faults.met.items()},
    }


def _attributes(body: bytes) -> rules.Attributes:
    try:
        document = json.loads(body)
    except ValueError as wrong:
        raise refused(HTTPStatus.BAD_REQUEST, str(wrong)) from None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict) or not isinstance(attributes := data.get("attributes", {}), dict):
        raise refused(HTTPStatus.BAD_REQUEST, "You need to provide a payload following the JSONAPI spec")
    return attributes
