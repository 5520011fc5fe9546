"""Digests that a client sends along with a body (pure)."""

import base64
import re
from collections.abc import Mapping

from pipeline.errors import Rejected

_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5", "sha": "sha1"}
_LENGTHS = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
# A member of a Structured Fields dictionary whose value is a byte sequence (RFC 8941 §3.2, §3.3.5).
_MEMBER = re.compile(r"\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):\s*")


def declared_digests(headers: Mapping[str, str]) -> dict[str, str]:
    """Digests in hex, by algorithm: of `Repr-Digest` and `Content-Digest` (RFC 9530), and of `Content-MD5` (RFC 1864;
    hex is taken as well). Algorithms that nobody knows are left out. Raises `Rejected` for what cannot be read."""
    found: dict[str, str] = {}
    if (md5 := headers.get("content-md5")) is not None:
        found["md5"] = _hex("Content-MD5", "md5", md5.strip())
    for name in ("Content-Digest", "Repr-Digest"):
        for member in filter(None, headers.get(name.lower(), "").split(",")):
            matched = _MEMBER.fullmatch(member)
            if matched is None:
                raise Rejected(f"{name} cannot be read.", field=name)
            algorithm = _ALGORITHMS.get(matched[1])
            if algorithm is not None:
                found[algorithm] = _hex(name, algorithm, matched[2])
    return found


def _hex(header: str, algorithm: str, text: str) -> str:
    length = _LENGTHS[algorithm]
    if len(text) == 2 * length and re.fullmatch("[0-9a-fA-F]+", text):
        return text.lower()
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        value = b""
    if len(value) != length:
        raise Rejected(f"{header} has no {algorithm} digest.", field=header)
    return value.hex()
