"""Digests of a stream of blocks."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.digests import new_hashes
from pipeline.settings import DIGEST_ALGORITHMS

# Published test vectors of "abc": RFC 1321, FIPS 180-4 examples, and xxHash's own XXH3_128bits("abc").
ABC = {
    "md5": "900150983cd24fb0d6963f7d28e17f72",
    "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "xxh3-128": "06b05ab6733a618578af5f94892f3950",
}


def test_every_algorithm_that_can_be_asked_for_is_there() -> None:
    """With its published test vector."""
    hashes = new_hashes(DIGEST_ALGORITHMS)
    for one in hashes.values():
        one.update(b"abc")
    assert {name: one.hexdigest() for name, one in hashes.items()} == ABC


@pytest.mark.parametrize("algorithm", DIGEST_ALGORITHMS)
@given(blocks=st.lists(st.binary(max_size=200), max_size=8))
def test_a_digest_does_not_depend_on_the_size_of_blocks(algorithm: str, blocks: list[bytes]) -> None:
    """Nor on whether they are bytes or views into a buffer."""
    whole, parts = new_hashes([algorithm])[algorithm], new_hashes([algorithm])[algorithm]
    whole.update(b"".join(blocks))
    for block in blocks:
        parts.update(memoryview(bytearray(block)))
    assert whole.hexdigest() == parts.hexdigest()


def test_an_algorithm_named_twice_is_computed_once() -> None:
    """A declared digest may be of one that is computed anyway."""
    assert list(new_hashes(["md5", "sha256", "md5"])) == ["md5", "sha256"]


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_nothing_has_the_digest_of_nothing(algorithm: str) -> None:
    """An empty file has digests like any other."""
    assert new_hashes([algorithm])[algorithm].hexdigest() == hashlib.new(algorithm).hexdigest()
