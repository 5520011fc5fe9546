"""Resource access tokens: short-lived leave to read one file of a draft, signed by the owner of a personal token
(Zenodo's REST API, resource access tokens).

Such a token is a JWT (RFC 7519) in the compact form, signed by HMAC with the text of the personal token as the key; its
header names that one by number (`kid`). The subject is an object, which RFC 7519 does not know: only the signature
(RFC 7515) is left to a library, the claims are judged here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard

from pipeline.errors import Rejected

if TYPE_CHECKING:
    from jwt import PyJWS

LIFETIME = timedelta(minutes=30)
"""From the time at which it was issued (`iat`); one that says so (`exp`) ends earlier."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the signer's clock may be ahead."""

_ALGORITHMS = ("HS256", "HS384", "HS512")
_NUMBER_DIGITS = 18  # fit into 64 bits


@dataclass(frozen=True, slots=True)
class Signer:
    """A personal token that may sign, and whose it is. `key` is its text."""

    account_id: int
    email: str
    key: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to read one file of one draft as the signer would."""

    account_id: int
    email: str
    deposit_id: int
    file: str


def verify(text: str, find_signer: Callable[[int], Signer | None], *, now: datetime) -> Grant:
    """What a resource access token grants. `find_signer` takes the number of a personal token. Raises `Rejected`, in
    one line, for any defect of the token; whether the draft is the signer's is not asked."""
    signer = find_signer(_number(_header(text).get("kid"), "kid"))
    if signer is None:
        raise Rejected("The resource token names no token that may sign (kid).")
    claims = _claims(text, signer.key)
    _check_time(claims, now.timestamp())
    match claims.get("sub"):
        case {"deposit_id": deposit_id, "file": str(file), "access": "read"}:
            return Grant(signer.account_id, signer.email, _number(str(deposit_id), "sub"), file)
    raise Rejected("The subject of the resource token is not a deposit_id, a file and the access read (sub).")


@cache
def _jws() -> PyJWS:
    # Not before there is a token: the library brings all of public-key cryptography along, 17 MB in every gateway.
    from jwt import PyJWS

    return PyJWS(_ALGORITHMS)


def _header(text: str) -> dict[str, Any]:
    from jwt import PyJWTError

    try:
        return _jws().get_unverified_header(text)
    except (PyJWTError, RecursionError, ValueError):
        raise Rejected("The resource token is not a signed JWT.") from None


def _claims(text: str, key: str) -> dict[str, Any]:
    from jwt import PyJWTError

    try:
        claims = json.loads(_jws().decode(text, key, _ALGORITHMS))
    except PyJWTError:
        raise Rejected(
            f"The signature of the resource token is not right by {', '.join(_ALGORITHMS)}."
        ) from None
    except (RecursionError, ValueError):
        claims = None
    if not isinstance(claims, dict):
        raise Rejected("The resource token has no claims.")
    return claims


def _check_time(claims: dict[str, Any], now: float) -> None:
    issued, until = claims.get("iat"), claims.get("exp", float("inf"))
    if not _is_number(issued) or not _is_number(until):
        raise Rejected("The resource token does not say when it was issued, in seconds (iat).")
    # Compared, not subtracted: a whole number may be too large for that. NaN is not between anything.
    earliest, latest = now - LIFETIME.total_seconds(), now + CLOCKS_DIFFER.total_seconds()
    if not (earliest < issued <= latest and now < until):
        raise Rejected("The resource token has expired, or is not valid yet.")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(text: object, name: str) -> int:
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS:
        return int(text)
    raise Rejected(f"The resource token does not have a number where one is due ({name}).")
