"""Passwords: which are taken, and what is kept of them (argon2id; RFC 9106, OWASP's password storage)."""

from __future__ import annotations

import threading
import unicodedata
from functools import cache

import argon2

from pipeline.errors import Rejected

SHORTEST, LONGEST = 12, 256
"""Characters of a password."""
_FEWEST_DISTINCT = 5

# The one place with its parameters: what was hashed with others is hashed anew when its owner signs in.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=46 << 10, parallelism=1)
# Each takes 46 MiB: who knocks at many doors at once is not to take all of the memory.
_AT_ONCE = threading.BoundedSemaphore(4)


def require_good(password: str, email: str) -> None:
    """Raises `Rejected` (field `password`) for one that is soon guessed: length is what counts, no kinds of characters
    are asked for (NIST SP 800-63B, section 3.1.1.2)."""
    plain = _normal(password)
    if len(plain) < SHORTEST:
        raise Rejected(f"Use at least {SHORTEST} characters.", field="password")
    if len(plain) > LONGEST:
        raise Rejected(f"Use at most {LONGEST} characters.", field="password")
    folded = plain.casefold()
    if len(set(folded)) < _FEWEST_DISTINCT or folded == email.casefold():
        raise Rejected("This password is too easy to guess.", field="password")


def hashed(password: str) -> str:
    """What is kept of it: salted, with the parameters that it was made with."""
    with _AT_ONCE:
        return _HASHER.hash(_normal(password))


def matches(kept: str | None, password: str) -> bool:
    """Whether that password is kept. It takes as long where none is."""
    if len(password) > LONGEST:
        password = ""
    with _AT_ONCE:
        try:
            _HASHER.verify(kept or _nobodys(), _normal(password))
        except argon2.exceptions.VerificationError:
            return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether it was made with other parameters than passwords are hashed with now."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _HASHER.hash("no account has this one")


def _normal(password: str) -> str:
    # The same keys make other code points on other machines.
    return unicodedata.normalize("NFKC", password)
