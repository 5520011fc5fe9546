"""Digests of a stream of blocks, and their states, by which another process goes on where one was killed.

hashlib cannot save the state of a running digest. The OpenSSL library that hashlib itself works with can: the contexts
of `MD5_Init`, `SHA256_Init` and their like (openssl/md5.h, openssl/sha.h) are plain structs without pointers, so a
copy of their bytes is a state. Whether that holds here is tried once a process against hashlib; where it does not
(OpenSSL linked into Python without these names, or away), digests are hashlib's and files cannot be gone on with.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol

import xxhash

from pipeline.model import JsonObject
from pipeline.running.fan_out import Consumer, FanOut
from pipeline.store.transfer import md5_of_parts


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
    return {name: _new_hash(name) for name in dict.fromkeys(algorithms)}


def _new_hash(algorithm: str) -> Hash:
    """Bags may declare digests by any algorithm that Python has."""
    known = _HASHES.get(algorithm)
    return known() if known else hashlib.new(algorithm, usedforsecurity=False)


def by_weight(hashes: Mapping[str, Hash]) -> tuple[dict[str, Hash], list[Hash]]:
    """(heavy ones, light ones): hashing a block by a heavy one takes long enough to be worth handing it to another
    thread."""
    heavy = {name: one for name, one in hashes.items() if name in _HEAVY}
    return heavy, [one for name, one in hashes.items() if name not in _HEAVY]


def fanned_out(hashes: Mapping[str, Hash], *others: Consumer) -> FanOut:
    """What feeds them all, the heavy ones and the `others` beside each other."""
    heavy, light = by_weight(hashes)

    def feed_light(block: bytes) -> None:
        for one in light:
            one.update(block)

    updates = [one.update for one in heavy.values()]
    return FanOut([*updates, *([feed_light] if light else []), *others])


class PartsHash:
    """The md5 of the md5s of parts of `part_size` bytes, in hex, and that size: what is known of a file in parts that
    nobody has read (InvenioRDM's multipart transfer)."""

    def __init__(self, part_size: int) -> None:
        self._part_size = part_size
        self._digests: list[bytes] = []
        self._part = _new_hash("md5")
        self._left = part_size

    def update(self, block: bytes | memoryview, /) -> None:
        view = memoryview(block)
        while view:
            if not self._left:
                self._end_part()
            piece = view[: self._left]
            self._part.update(piece)
            self._left -= len(piece)
            view = view[len(piece) :]

    def _end_part(self) -> None:
        self._digests.append(bytes.fromhex(self._part.hexdigest()))
        self._part = _new_hash("md5")
        self._left = self._part_size

    def hexdigest(self) -> str:
        digests = [*self._digests, bytes.fromhex(self._part.hexdigest())]
        return f"{md5_of_parts(digests)}-{self._part_size}"


# ---------------------------------------------------------------- hashes with a state


class _Struct(NamedTuple):
    """A context of OpenSSL: what its functions' names begin with, and the bytes of struct and digest."""

    prefix: str
    size: int
    digest_size: int


# The same since OpenSSL 0.9.8, wherever an int has 32 bits.
_STRUCTS = {
    "md5": _Struct("MD5", 92, 16),
    "sha1": _Struct("SHA1", 96, 20),
    "sha256": _Struct("SHA256", 112, 32),
    "sha512": _Struct("SHA512", 216, 64),
}
HAVE_STATES = frozenset(_STRUCTS)
"""Algorithms whose running digests can be saved, wherever that can be done."""
_SIZES = " ".join(f"{name}:{struct.size}" for name, struct in _STRUCTS.items())

# Around the border of a block of 64 or 128 bytes, with and without room for the length.
_TRIED_LENGTHS = (0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000)
_GUARD = b"\xa5" * 64


@dataclass(frozen=True, slots=True)
class _Functions:
    struct: _Struct
    init: Callable[..., int]
    update: Callable[..., int]
    final: Callable[..., int]


class StatefulHash:
    """A running hash whose state can be saved: `state` is its context's bytes. Not for two threads at once."""

    def __init__(self, functions: _Functions, state: bytes | None = None) -> None:
        self._functions = functions
        self._context = ctypes.create_string_buffer(functions.struct.size)
        if state is None:
            functions.init(self._context)
        else:
            self._context.raw = state

    def update(self, block: bytes | memoryview, /) -> None:
        if not block:
            return
        if isinstance(block, memoryview) and not block.readonly:
            self._functions.update(self._context, (ctypes.c_char * len(block)).from_buffer(block), len(block))
        else:
            # Of what may not be written, ctypes takes bytes only.
            self._functions.update(self._context, bytes(block), len(block))

    def hexdigest(self) -> str:
        digest = ctypes.create_string_buffer(self._functions.struct.digest_size)
        context = ctypes.create_string_buffer(self._context.raw, len(self._context))
        self._functions.final(digest, context)
        return digest.raw.hex()

    def state(self) -> bytes:
        return self._context.raw


@dataclass(frozen=True, slots=True)
class _Engine:
    """What gives hashes with a state: `name` tells whose states it can go on from."""

    name: str
    functions: Mapping[str, _Functions]


def engine() -> str:
    """For people and for `headrace check`: the library, its version, the architecture and the sizes of its structs;
    or, beginning with `hashlib`, why there are no states."""
    found = _engine()
    return found.name if isinstance(found, _Engine) else f"hashlib, without states that can be saved: {found}"


def resumable_hashes(algorithms: Iterable[str]) -> dict[str, Hash]:
    """A running hash for each algorithm, once: a `StatefulHash` of each that can be one here."""
    found = _engine()
    functions = found.functions if isinstance(found, _Engine) else {}
    return {
        name: StatefulHash(functions[name]) if name in functions else _new_hash(name)
        for name in dict.fromkeys(algorithms)
    }


def saved(states: Mapping[str, bytes]) -> JsonObject:
    """States of hashes, by algorithm, as plain JSON: `{"engine", "states": {algorithm: base64}, "check"}`."""
    encoded = {name: base64.b64encode(state).decode() for name, state in states.items()}
    return {"engine": engine(), "states": encoded, "check": _check(engine(), encoded)}


def restored(saved_states: JsonObject, algorithms: Iterable[str]) -> dict[str, Hash] | None:
    """The hashes that go on from what `saved` wrote, one for each algorithm. None where there is not a sound state for
    each: another library, version or architecture saved them, they are damaged, or were taken of other algorithms."""
    found = _engine()
    states = saved_states.get("states")
    if not isinstance(found, _Engine) or not isinstance(states, dict):
        return None
    if saved_states.get("engine") != found.name or saved_states.get("check") != _check(found.name, states):
        return None
    wanted = list(dict.fromkeys(algorithms))
    contexts = {name: base64.b64decode(states.get(name, "")) for name in wanted}
    if any(
        name not in found.functions or len(context) != found.functions[name].struct.size
        for name, context in contexts.items()
    ):
        return None
    return {name: StatefulHash(found.functions[name], contexts[name]) for name in wanted}


def is_of_this_engine(saved_states: JsonObject) -> bool:
    """Whether what `saved` wrote is from the library, version and architecture that are here; what is not, may well be
    restored by another machine."""
    return bool(saved_states.get("engine") == engine())


def _check(engine_name: str, encoded: JsonObject) -> str:
    return xxhash.xxh3_128(json.dumps([engine_name, encoded], sort_keys=True).encode()).hexdigest()


@cache
def _engine() -> _Engine | str:
    """The engine of this process, or why there is none."""
    try:
        import _hashlib

        # A name is looked up in the library that is opened and in those it was linked with: hashlib's own libcrypto.
        library = ctypes.CDLL(getattr(_hashlib, "__file__", None))
        functions = {name: _bound(library, struct) for name, struct in _STRUCTS.items()}
        library.OpenSSL_version.restype = ctypes.c_char_p
        version = library.OpenSSL_version(0).decode()
    except (ImportError, OSError, AttributeError) as missing:
        return str(missing)
    wrong = [name for name in functions if not _is_sound(name, functions[name])]
    if wrong:
        return f"{version} computes something else than hashlib for {', '.join(wrong)}"
    return _Engine(f"{version} | {platform.machine()} {sys.byteorder} | {_SIZES}", functions)


def _bound(library: ctypes.CDLL, struct: _Struct) -> _Functions:
    init = library[f"{struct.prefix}_Init"]
    init.argtypes = [ctypes.c_void_p]
    update = library[f"{struct.prefix}_Update"]
    update.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    final = library[f"{struct.prefix}_Final"]
    final.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return _Functions(struct, init, update, final)


def _is_sound(name: str, functions: _Functions) -> bool:
    """Whether digests come out as hashlib's when their states are saved half-way, and no context is larger than
    we think."""
    guarded = ctypes.create_string_buffer(bytes(functions.struct.size) + _GUARD)
    functions.init(guarded)
    functions.update(guarded, bytes(1000), 1000)
    if not guarded.raw[functions.struct.size :].startswith(_GUARD):
        return False
    for length in _TRIED_LENGTHS:
        content = bytes(range(256)) * 4
        first = StatefulHash(functions)
        first.update(content[: length // 2])
        second = StatefulHash(functions, first.state())
        second.update(memoryview(bytearray(content[length // 2 : length])))
        if second.hexdigest() != hashlib.new(name, content[:length], usedforsecurity=False).hexdigest():
            return False
    return True
