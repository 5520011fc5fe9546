"""One suite for objects whose bytes come over a network, many at once and at paces of their own, for every
`ObjectStore`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from pipeline.errors import Missing, Rejected
from pipeline.ports import ObjectStore
from pipeline.store.transfer import MIB
from tests.contracts.stores import Opener

KEY = "received/object"
BODY = os.urandom(17 * MIB + 5)


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 8 * MIB, 15 * MIB, len(BODY)])
def test_an_object_is_what_came(store: ObjectStore, size: int) -> None:
    """Of a size that was told, whatever that is."""
    upload = store.begin(KEY, size, from_network=True)
    for at in range(0, size, MIB):
        upload.write(BODY[at : min(at + MIB, size)])
    upload.commit()
    assert b"".join(store.read(KEY)) == BODY[:size]
    assert list(store.open_uploads()) == []


@pytest.mark.parametrize("came", [11 * MIB, 13 * MIB])
def test_an_object_of_another_size_is_none(opener: Opener, came: int) -> None:
    """Where it goes in parts and fewer or more bytes came than were told, there is nothing afterwards."""
    with closing(opener(part_size=5 * MIB)) as store:
        upload = store.begin(KEY, 12 * MIB, from_network=True)
        for at in range(0, came, MIB):
            upload.write(BODY[at : at + MIB])
        with pytest.raises(Rejected):
            upload.commit()
        upload.abort()
        with pytest.raises(Missing):
            store.size(KEY)
        assert list(store.open_uploads()) == []


def test_who_is_slow_holds_up_nobody(store: ObjectStore) -> None:
    """While forty have begun a part and stopped, another object comes whole; and so do those when they go on."""
    slow = {
        f"slow/{number}": store.begin(f"slow/{number}", len(BODY), from_network=True) for number in range(40)
    }
    for upload in slow.values():
        upload.write(BODY[:MIB])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_put, store, KEY).result(timeout=60)
    assert b"".join(store.read(KEY)) == BODY
    for upload in slow.values():
        upload.write(BODY[MIB:])
        upload.commit()
    assert all(b"".join(store.read(key)) == BODY for key in slow)


def _put(store: ObjectStore, key: str) -> None:
    upload = store.begin(key, len(BODY), from_network=True)
    upload.write(BODY)
    upload.commit()
