"""Digests that somebody else computed: which algorithms we can check them with, and their form."""

from __future__ import annotations

import hashlib
import re

_HEX = re.compile(r"[0-9a-fA-F]+")


def algorithm_named(text: str) -> str | None:
    """Python's name of a hash algorithm as BagIt writes it (RFC 8493, section 2.4: `sha-256` and `SHA256`
    are the same), or None where it cannot be computed here."""
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    return _ALGORITHMS.get(plain)


def digest_fault(algorithm: str, text: str) -> str:
    """Why `text` cannot be a digest of `algorithm` in hexadecimal, or `""`."""
    if not _HEX.fullmatch(text):
        return f"the {algorithm} digest is not hexadecimal"
    wanted = hex_length(algorithm)
    if len(text) != wanted:
        return f"the {algorithm} digest has {len(text)} hexadecimal digits, not {wanted}"
    return ""


def hex_length(algorithm: str) -> int:
    return hashlib.new(algorithm, usedforsecurity=False).digest_size * 2


# The SHAKEs have no digest size of their own.
_ALGORITHMS = {
    re.sub(r"[^a-z0-9]", "", name): name
    for name in sorted(hashlib.algorithms_guaranteed)
    if not name.startswith("shake_")
}
