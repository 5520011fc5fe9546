"""Passwords: which are taken, and what is kept of them (argon2id; RFC 9106, OWASP's password storage)."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Collection
from functools import cache

import argon2

from pipeline.errors import Rejected

SHORTEST, LONGEST = 12, 256
"""Characters of a password."""
_FEWEST_GUESSES = 10**8
"""By which a password has to be out of reach of somebody who knows the context. What zxcvbn calls safe where hashes are
slow and guessing is limited."""
_WORD = re.compile(r"[^\W_]{3,}")
_ESTIMATED = 32
"""Characters that are looked at at once: the time that it takes grows faster than they do."""

# The one place with its parameters: what was hashed with others is hashed anew when its owner signs in.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=46 << 10, parallelism=1)
# Each takes 46 MiB: who knocks at many doors at once is not to take all of the memory.
_AT_ONCE = threading.BoundedSemaphore(4)


def require_good(password: str, context: Collection[str]) -> None:
    """Raises `Rejected` (field `password`) for one that is soon guessed: one that is common, or made of words, names,
    dates, rows of keys. Words of the `context`, such as those of the owner's address, count as a character each. No
    kinds of characters are asked for (NIST SP 800-63B, section 3.1.1.2)."""
    plain = _normal(password)
    if len(plain) < SHORTEST:
        raise Rejected(f"Use at least {SHORTEST} characters.", field="password")
    if len(plain) > LONGEST:
        raise Rejected(f"Use at most {LONGEST} characters.", field="password")
    words = {word for text in context for word in (text, *_WORD.findall(text)) if word}
    known = re.compile(
        "|".join(re.escape(one) for one in sorted(words, key=len, reverse=True)), re.IGNORECASE
    )
    plain = known.sub(lambda found: found[0][0], plain)
    if max(_guesses(part, words) for part in {plain[:_ESTIMATED], plain[-_ESTIMATED:]}) < _FEWEST_GUESSES:
        raise Rejected("This password is too easy to guess.", field="password")


def _guesses(text: str, words: Collection[str]) -> float:
    # Not before somebody chooses one: its lists take 14 MB.
    from zxcvbn import zxcvbn

    with _AT_ONCE:
        return float(zxcvbn(text, user_inputs=sorted(words))["guesses"])


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
