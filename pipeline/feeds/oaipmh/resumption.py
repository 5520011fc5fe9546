"""Resumption tokens that hold the whole state of a harvest, so that the server keeps none.

A token is URL-safe base64 of a MAC (HMAC-SHA-256, cut to 128 bits) and the JSON that it seals.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

# Sealed with every token: one secret may serve other purposes, and tokens of another layout are refused.
_CONTEXT = b"headrace oai-pmh resumption 1\0"
_MAC_BYTES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list request asks for, frozen at its first answer."""

    verb: str
    prefix: str
    set_spec: str | None
    start: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where a harvest goes on: `cursor` items of about `size` were given, the last one at the key `after`."""

    selection: Selection
    cursor: int
    size: int
    after: tuple[datetime, int]
    expires: datetime


def seal(resumption: Resumption, secret: bytes) -> str:
    """The token, made of unreserved URI characters only."""
    payload = _dump(resumption)
    return urlsafe_b64encode(_mac(payload, secret) + payload).rstrip(b"=").decode("ascii")


def unseal(token: str, secret: bytes) -> Resumption:
    """Raises `ValueError` for every text that `seal` did not give with this secret."""
    sealed = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(payload, secret)):
        raise ValueError("the token's seal is broken")
    resumption = _load(payload)
    # The decoder skips foreign characters and unused bits: only one text of each token is genuine.
    if seal(resumption, secret) != token:
        raise ValueError("the token's text was altered")
    return resumption


def _mac(payload: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, _CONTEXT + payload, sha256)[:_MAC_BYTES]


def _dump(resumption: Resumption) -> bytes:
    selection, (stamp, record_id) = resumption.selection, resumption.after
    state = [
        selection.verb,
        selection.prefix,
        selection.set_spec,
        None if selection.start is None else _ticks(selection.start),
        _ticks(selection.until),
        resumption.cursor,
        resumption.size,
        _ticks(stamp),
        record_id,
        _ticks(resumption.expires),
    ]
    return json.dumps(state, separators=(",", ":")).encode()


def _load(payload: bytes) -> Resumption:
    verb, prefix, set_spec, start, until, cursor, size, stamp, record_id, expires = json.loads(payload)
    selection = Selection(verb, prefix, set_spec, None if start is None else _instant(start), _instant(until))
    return Resumption(selection, cursor, size, (_instant(stamp), record_id), _instant(expires))


def _ticks(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _instant(ticks: int) -> datetime:
    return _EPOCH + ticks * _MICROSECOND
