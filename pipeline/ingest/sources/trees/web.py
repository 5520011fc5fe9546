"""Asking servers of the web: with patience, at addresses that were checked, and at no more places than are named.

The address that was checked is the one that is connected to: names are resolved where connections are made, and
nowhere else, so that a name server that changes its mind changes nothing, and redirects go the same way as everything.
Proxies of the environment are not used: they would connect in our place.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

from pipeline.display import shown
from pipeline.errors import HeadraceError, Rejected, Unavailable
from pipeline.ingest.sources.names import url_fault
from pipeline.ingest.sources.protocol import FileMissing, FileUnreadable
from pipeline.retry_after import retry_after

Judge: TypeAlias = Callable[[str], str]
"""Why an address must not be connected to, or `""`."""

AWAY = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpx.TransportError,
    OSError,
)
"""What is raised while a connection is made or used, and may go better another time."""

TRIES = 5
LONGEST_WAIT = 120.0
"""Seconds that a server may make us wait between two requests; who wants more is away."""
REDIRECTS = 5

_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_CONNECTIONS = 64
_MOVED = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_AGAIN = "See that the server is up and can be reached, then run the same command again."


class AddressRefused(Rejected):
    """A URL leads to where it must not lead."""

    code = "address-refused"


class Web:
    """`judge` says which addresses may be connected to."""

    def __init__(self, judge: Judge, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause
        self._not_before: dict[str, float] = {}
        self._client = httpx.Client(
            transport=_Transport(_Network(judge)),
            timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=False,
            headers={"user-agent": "Headrace", "accept": "*/*", "accept-encoding": "identity"},
        )

    def ask(self, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
        """The answer, whose body was not read yet and which is to be closed; redirects are followed, and what passes is
        tried again. Raises `Unavailable`, `FileUnreadable`, `AddressRefused`."""
        for tries in range(1, TRIES + 1):
            wait = min(10.0, 0.25 * 2**tries)
            try:
                answer = self._followed(method, url, headers)
            except httpx.InvalidURL as error:
                raise FileUnreadable(f"{shown(url)} is no URL: {error}", remedy="Correct the URL.") from None
            except AWAY as error:
                told = type(error).__name__ if not str(error) else str(error)
            else:
                if answer.status_code not in _PASSING:
                    return answer
                answer.close()
                told = f"it answers {answer.status_code}"
                wait = self._wanted(answer, wait)
            if tries < TRIES:
                self._pause(wait * random.uniform(1, 1.25))
        raise Unavailable(f"{_host(url)} is away: {shown(told)}", remedy=_AGAIN)

    def close(self) -> None:
        self._client.close()

    def _followed(self, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
        for _ in range(REDIRECTS + 1):
            self._heed(url)
            answer = self._client.send(self._client.build_request(method, url, headers=headers), stream=True)
            if answer.status_code not in _MOVED or "location" not in answer.headers:
                return answer
            answer.close()
            url = _target(url, answer.headers["location"])
        raise FileUnreadable(
            f"{_host(url)} redirects more than {REDIRECTS} times", remedy="Name the URL that they lead to."
        )

    def _wanted(self, answer: httpx.Response, wait: float) -> float:
        """How many seconds the server wants to be left alone; everybody else here heeds it, too. Raises `Unavailable`
        where that is too long."""
        wanted = max(retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC)), wait)
        host = _host(str(answer.request.url))
        if wanted > LONGEST_WAIT:
            raise Unavailable(f"{host} wants no request for {wanted:.0f} seconds", remedy=_AGAIN)
        self._not_before[host] = time.monotonic() + wanted
        return wanted

    def _heed(self, url: str) -> None:
        left = self._not_before.get(_host(url), 0.0) - time.monotonic()
        if left > 0:
            self._pause(left)


def refusal(answer: httpx.Response, what: str) -> HeadraceError:
    """The error that stands for an answer that is of no use."""
    status = answer.status_code
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return FileMissing(f"{what} is missing", remedy="Put the file back, or take it off the list.")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
        return FileUnreadable(
            f"{what} may not be read: its server answers {status}",
            remedy="Have it served without a password, or name a URL that needs none (a signed one).",
        )
    if answer.headers.get("content-encoding", "identity") != "identity":
        return FileUnreadable(
            f"{what} comes as {shown(answer.headers['content-encoding'])}, and so its bytes are not told",
            remedy="Have the server send it as it is (without Content-Encoding).",
        )
    return FileUnreadable(
        f"{what} cannot be read: its server answers {status} without saying how large it is",
        remedy="Have it served as a plain file, with Content-Length.",
    )


def _host(url: str) -> str:
    return shown(urlsplit(url).netloc.rpartition("@")[2])


def _target(url: str, location: str) -> str:
    """Where a redirect leads. Raises `AddressRefused`."""
    target = urljoin(url, location)
    fault = url_fault(target)
    if not fault and urlsplit(url).scheme == "https" != urlsplit(target).scheme:
        fault = "it is not encrypted any more"
    if fault:
        raise AddressRefused(
            f"{_host(url)} redirects to {shown(target)}: {fault}",
            remedy="Name the URL that the file is to be read from.",
        )
    return target


# ---------------------------------------------------------------- connections


class _Transport(httpx.BaseTransport):
    """Connections over a network of ours, which httpx itself has no way to be given."""

    def __init__(self, network: httpcore.NetworkBackend) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=_CONNECTIONS,
            keepalive_expiry=15,
            network_backend=network,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                extensions=request.extensions,
            )
        )
        stream = _Stream(answer)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions
        )

    def close(self) -> None:
        self._pool.close()


class _Stream(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Network(httpcore.SyncBackend):
    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises `AddressRefused` where no address of the host may be connected to."""
        addresses = _addresses(host, port)
        faults = [fault for fault in map(self._judge, addresses) if fault]
        if len(faults) == len(addresses):
            raise AddressRefused(
                f"{shown(host)} must not be connected to: {faults[0]}",
                remedy="Name a server of the public internet, or set HEADRACE_PRIVATE_ADDRESSES=yes where whoever"
                " writes lists may make this machine connect to any other.",
            )
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in addresses:
            if self._judge(address):
                continue
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failure = error
        raise failure or httpcore.ConnectError("it has no address")


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno != socket.EAI_NONAME:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error.strerror}") from error
        raise FileUnreadable(
            f"there is no server {shown(host)}", remedy="Correct the URL, or take it off the list."
        ) from error
    return list(dict.fromkeys(str(place[4][0]) for place in found))
