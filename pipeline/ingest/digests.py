"""Digests of a stream of blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol

import xxhash


class Hash(Protocol):
    def update(self, block: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


_HASHES: dict[str, Callable[[], Hash]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "xxh3-128": xxhash.xxh3_128,
}

# Cost of a byte relative to the others, without SHA extensions: what deserves a thread of its own.
_HEAVY = ("sha512", "sha256", "md5", "sha1")


def new_hashes(algorithms: Iterable[str]) -> dict[str, Hash]:
    """A running hash for each algorithm, once."""
    return {name: _HASHES[name]() for name in dict.fromkeys(algorithms)}


def is_heavy(algorithm: str) -> bool:
    """Whether hashing a block takes long enough to be worth handing it to another thread."""
    return algorithm in _HEAVY
