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


def preferred_root_digest() -> str:
    """The algorithm for a new storage root: sha256 where the CPU has instructions for it, else sha512, which is
    then the faster one. OCFL 1.1 allows both."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
            flags = info.read().split()
    except OSError:
        return "sha512"
    return "sha256" if {"sha_ni", "sha2"} & set(flags) else "sha512"
