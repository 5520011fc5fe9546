"""Servers of OpenSearch: where one is, how it is asked, and what its answers mean that are none.

A server that hangs must not take its askers with it. Once it has left somebody without an answer for `_SILENCE`, it is
asked by one at a time, who waits no longer than that; all others are told at once, until it has answered something.
"""

from __future__ import annotations

import logging
import re
import ssl
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from opensearchpy import OpenSearch, Urllib3HttpConnection
from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionTimeout,
    OpenSearchException,
    RequestError,
    SSLError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as NoAnswer
from urllib3 import Timeout

from pipeline.errors import HeadraceError, Misconfigured, Unavailable
from pipeline.server_url import parse_server_url

_PORT: Final = 9200
_ALIAS: Final = re.compile("[a-z0-9][a-z0-9_-]{0,99}")
_CONNECT_SECONDS: Final = 2.0
_SECONDS: Final = 10.0
_SILENCE: Final = 3.0
_CONNECTIONS: Final = 40
"""Kept open by a process: as many as a gateway has threads that serve."""
_ALIAS_ERRORS = ("invalid_alias_name_exception", "invalid_index_name_exception")

# Each of its warnings is of an error that it raises as well.
logging.getLogger("opensearch").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class OpenSearchServer:
    """Where the index is, and as whom it is spoken to; as nobody where `user` is empty."""

    host: str
    port: int
    alias: str
    is_tls: bool
    user: str = ""
    password: str = field(default="", repr=False)


def parse_server(url: str, password: str) -> OpenSearchServer:
    """The server and alias of `opensearch://user@host:9200/alias`, or of `opensearchs://…` in TLS. Raises
    `Misconfigured`."""
    named = parse_server_url(url)
    if named is None or not _ALIAS.fullmatch(named.path):
        raise Misconfigured(
            "HEADRACE_INDEX is not of the form opensearch://user@host:9200/alias, or opensearchs:// in TLS",
            field="HEADRACE_INDEX",
            remedy="put the password into HEADRACE_INDEX_PASSWORD, @ in a user's name as %40, and name an alias of "
            "small letters, digits, - and _",
        )
    is_tls = named.scheme == "opensearchs"
    return OpenSearchServer(named.host, named.port or _PORT, named.path, is_tls, named.user, password)


def connect(server: OpenSearchServer) -> OpenSearch:
    """A client that threads share. Requests wait for ten seconds, or as long as they say (`request_timeout`)."""
    return OpenSearch(
        [{"host": server.host, "port": server.port}],
        use_ssl=server.is_tls,
        # Its certificate is verified; SSL_CERT_FILE is heeded.
        ssl_context=ssl.create_default_context() if server.is_tls else None,
        http_auth=(server.user, server.password) if server.user else None,
        connection_class=_Connection,
        # A connection that was kept open may be gone; all that we send can be sent twice.
        max_retries=1,
        pool_maxsize=_CONNECTIONS,
    )


class _Connection(Urllib3HttpConnection):
    """All connections of a client to its one server."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._lock = threading.Lock()
        self._under_way = 0
        self._asked = 0.0
        self._silent_since: float | None = None
        self._failure: object = "nobody was answered for seconds"

    def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        is_silent = self._begin()
        limits: Any = Timeout(connect=_CONNECT_SECONDS, read=timeout or (_SILENCE if is_silent else _SECONDS))
        is_answered = False
        try:
            answer = super().perform_request(method, url, params, body, limits, ignore, headers)
            is_answered = True
        except NoAnswer as error:
            self._failure = error.info
            raise
        except TransportError:
            is_answered = True
            raise
        finally:
            self._end(is_answered=is_answered)
        return answer

    def _begin(self) -> bool:
        """Whether the server has been silent. Raises `ConnectionTimeout` where somebody else asks it already."""
        now = time.monotonic()
        with self._lock:
            is_silent = self._silent_since is not None and now - self._silent_since > _SILENCE
            if is_silent and now - self._asked < _SILENCE:
                raise ConnectionTimeout("TIMEOUT", "not asked", self._failure)
            self._asked = now
            self._under_way += 1
            if self._silent_since is None:
                self._silent_since = now
        return is_silent

    def _end(self, *, is_answered: bool) -> None:
        with self._lock:
            self._under_way -= 1
            if is_answered:
                self._silent_since = time.monotonic() if self._under_way else None


@contextmanager
def translated(server: OpenSearchServer) -> Iterator[None]:
    """What a conversation with the server ends with, as our errors."""
    where = f"OpenSearch at {server.host}:{server.port}"
    try:
        yield
    except HeadraceError:
        raise
    except SSLError as error:
        raise Misconfigured(
            f"{where} cannot be trusted with the search index: {error.info}",
            field="HEADRACE_INDEX",
            remedy="name it as its certificate does; SSL_CERT_FILE names the certificates of an authority of your own",
        ) from error
    except NoAnswer as error:
        raise Unavailable(
            f"{where} does not answer: {error.info}", remedy="start OpenSearch, or correct HEADRACE_INDEX"
        ) from error
    except (AuthenticationException, AuthorizationException) as error:
        raise Misconfigured(
            f"{where} does not let {server.user or 'nobody'} in: {error}",
            field="HEADRACE_INDEX",
            remedy="correct the user in HEADRACE_INDEX, HEADRACE_INDEX_PASSWORD, or what that user may do",
        ) from error
    except RequestError as error:
        if error.error in _ALIAS_ERRORS:
            raise Misconfigured(
                f"{where} cannot have the search index as {server.alias}: {words(error)}",
                field="HEADRACE_INDEX",
                remedy="name an alias that is nothing else there",
            ) from error
        raise Unavailable(f"{where} refuses what it is asked for: {words(error)}") from error
    except OpenSearchException as error:
        raise Unavailable(f"{where} cannot serve the search index: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # Something between us answers in its place, or it is no OpenSearch.
        raise Unavailable(f"{where} answers what OpenSearch does not: {error!r}") from error


def words(error: TransportError) -> str:
    """The server's own."""
    told = error.info.get("error") if isinstance(error.info, dict) else None
    return reason(told) if isinstance(told, dict) else str(error)


def reason(error: Mapping[str, Any]) -> str:
    """Why something was refused, as an answer's `error` says it."""
    cause = error.get("caused_by", {}).get("reason", "")
    return ": ".join(filter(None, (str(error.get("reason", "no reason given")), cause)))
