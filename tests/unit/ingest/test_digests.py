"""Digests of a stream of blocks."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.digests import (
    HAVE_STATES,
    Hash,
    StatefulHash,
    engine,
    new_hashes,
    restored,
    resumable_hashes,
    saved,
)
from pipeline.model import JsonObject
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


# ---------------------------------------------------------------- states


def save(hashes: dict[str, Hash]) -> JsonObject:
    """As it comes back from the catalogue."""
    states = {name: one.state() for name, one in hashes.items() if isinstance(one, StatefulHash)}
    kept: JsonObject = json.loads(json.dumps(saved(states)))
    return kept


def test_the_fast_path_is_in_use() -> None:
    """Where this runs, digests of large files have states: OpenSSL's, tried against hashlib. Without them a killed
    upload would be read again from its start, which nothing else would tell."""
    assert engine().startswith("OpenSSL ")
    hashes = resumable_hashes(DIGEST_ALGORITHMS)
    assert {name for name, one in hashes.items() if isinstance(one, StatefulHash)} == HAVE_STATES


@given(
    content=st.binary(max_size=2000),
    borders=st.lists(st.integers(0, 2000), max_size=6),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
def test_digests_do_not_depend_on_where_they_were_interrupted(
    content: bytes, borders: list[int], cuts: list[int]
) -> None:
    """At any borders, with blocks of any size, and saved and restored at each of them."""
    hashes = resumable_hashes(HAVE_STATES)
    stops = sorted({*borders, *cuts, 0, len(content)})
    for start, end in pairwise(stops):
        if start in borders:
            again = restored(save(hashes), HAVE_STATES)
            assert again is not None
            hashes = again
        for one in hashes.values():
            one.update(memoryview(bytearray(content[start:end])))
    assert {name: one.hexdigest() for name, one in hashes.items()} == {
        name: hashlib.new(name, content).hexdigest() for name in HAVE_STATES
    }


def test_asking_for_a_digest_does_not_end_it() -> None:
    """Nor does saving its state."""
    [one] = resumable_hashes(["sha256"]).values()
    one.update(b"a")
    save({"sha256": one})
    assert one.hexdigest() == one.hexdigest() == hashlib.sha256(b"a").hexdigest()
    one.update(b"b")
    assert one.hexdigest() == hashlib.sha256(b"ab").hexdigest()


def test_a_state_goes_to_another_process() -> None:
    """It is plain JSON, and the other process ends with the same digest."""
    hashes = resumable_hashes(["md5", "sha512"])
    for one in hashes.values():
        one.update(b"x" * 1000)
    program = (
        "import json, sys\n"
        "from pipeline.ingest.digests import restored\n"
        "hashes = restored(json.load(sys.stdin), ['md5', 'sha512'])\n"
        "for one in hashes.values(): one.update(b'y' * 1000)\n"
        "print(json.dumps({name: one.hexdigest() for name, one in hashes.items()}))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(save(hashes)),
        capture_output=True,
        text=True,
        check=True,
    )
    whole = b"x" * 1000 + b"y" * 1000
    assert json.loads(answer.stdout) == {
        "md5": hashlib.md5(whole).hexdigest(),
        "sha512": hashlib.sha512(whole).hexdigest(),
    }


def running() -> JsonObject:
    hashes = resumable_hashes(["md5", "sha256"])
    for one in hashes.values():
        one.update(b"some bytes")
    return save(hashes)


@pytest.mark.parametrize(
    "change",
    [
        {"engine": "OpenSSL 1.1.1w  11 Sep 2023 | x86_64 little | md5:92 sha1:96 sha256:112 sha512:216"},
        {"engine": engine().replace("little", "big")},
        {"engine": None},
        {"check": "0" * 32},
        {"states": {}},
        {"states": []},
        {"states": {**running()["states"], "md5": "AAAA"}},
        {"states": {**running()["states"], "md5": 7}},
    ],
)
def test_a_foreign_or_damaged_state_is_refused(change: JsonObject) -> None:
    """It would give a digest of nothing, or write where it must not."""
    assert restored({**running(), **change}, ["md5"]) is None


@pytest.mark.parametrize("size", [0, 91, 93])
def test_a_state_of_another_size_is_refused(size: int) -> None:
    """Though its check fits: the library is never handed a context that is not one."""
    assert restored(saved({"md5": bytes(size)}), ["md5"]) is None
    assert restored(saved({"md5": bytes(92)}), ["md5"]) is not None


def test_states_of_other_algorithms_are_refused() -> None:
    """All that are asked for go on, or none."""
    assert restored(running(), ["md5", "sha1"]) is None
    assert restored(running(), ["md5", "xxh3-128"]) is None
    assert restored({}, ["md5"]) is None
    assert restored(running(), ["sha256"]) is not None


def test_without_openssl_there_are_digests_but_no_states() -> None:
    """A Python that was built without it: digests are right, and `engine` says what is missing."""
    program = (
        "import sys\n"
        "sys.modules['_hashlib'] = None\n"
        "from pipeline.ingest import digests\n"
        "[one] = digests.resumable_hashes(['md5']).values()\n"
        "one.update(b'abc')\n"
        "print(one.hexdigest(), digests.restored({}, ['md5']), isinstance(one, digests.StatefulHash))\n"
        "print(digests.engine())\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    digest, told = answer.stdout.splitlines()
    assert digest == f"{ABC['md5']} None False"
    assert told.startswith("hashlib, without states")
