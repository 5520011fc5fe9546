"""URLs by which settings name servers (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """`scheme://user@host:port/path`. `port` is None where none is named, `user` and `path` are empty; `path` has no
    slashes at its ends."""

    scheme: str
    host: str
    port: int | None
    user: str
    path: str


def parse_server_url(url: str) -> ServerUrl | None:
    """None where it names no host, or has what does not belong into such a setting: a password, a query, a fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.password is not None or parts.query or parts.fragment:
        return None
    return ServerUrl(parts.scheme, host, port, unquote(parts.username or ""), parts.path.strip("/"))
