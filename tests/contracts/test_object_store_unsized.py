"""One suite for objects whose size nobody tells beforehand, for every `ObjectStore`."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from pipeline.errors import Missing
from pipeline.model import PartLedger
from pipeline.ports import ObjectStore, Upload
from pipeline.store.transfer import MIB
from tests.contracts.stores import Opener

KEY = "unsized/object"
BODY = os.urandom(19 * MIB + 3)


def content(store: ObjectStore, key: str = KEY) -> bytes:
    return b"".join(store.read(key))


def open_keys(store: ObjectStore) -> list[str]:
    return [one.key for one in store.open_uploads()]


def write(upload: Upload, body: bytes, block: int = MIB) -> None:
    for at in range(0, len(body), block):
        upload.write(body[at : at + block])


def durable(upload: Upload) -> PartLedger:
    """The ledger of an upload with the checkpoint at the end of its first part, once that is durable."""
    deadline = time.monotonic() + 60
    while 1 not in {part.number for part in upload.parts()}:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return PartLedger(upload.id, upload.part_size, upload.part_size, {}, tuple(upload.parts()))


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 8 * MIB, 16 * MIB, len(BODY)])
@pytest.mark.parametrize("block", [MIB, 3 * MIB + 1, len(BODY)])
def test_an_object_is_as_long_as_what_came(store: ObjectStore, size: int, block: int) -> None:
    """Whether it comes to no part, to whole parts or to a piece of one, and whatever the blocks."""
    upload = store.begin(KEY, None)
    write(upload, BODY[:size], block)
    upload.commit()
    store.settle([KEY])
    assert (content(store), store.size(KEY), open_keys(store)) == (BODY[:size], size, [])


@pytest.mark.parametrize("size", [1, len(BODY)])
def test_nothing_is_seen_before_the_commit(store: ObjectStore, size: int) -> None:
    """The object that was there is there until then."""
    store.put_many({KEY: b"old"})
    upload = store.begin(KEY, None)
    write(upload, BODY[:size])
    assert content(store) == b"old"
    upload.commit()
    assert content(store) == BODY[:size]


@pytest.mark.parametrize("size", [1, len(BODY)])
def test_an_aborted_object_leaves_nothing(store: ObjectStore, size: int) -> None:
    """Neither an object nor an open upload, however often it is aborted."""
    upload = store.begin(KEY, None)
    write(upload, BODY[:size])
    upload.abort()
    upload.abort()
    assert open_keys(store) == []
    with pytest.raises(Missing):
        store.size(KEY)


def test_another_process_goes_on_at_the_end_of_a_part(store: ObjectStore, opener: Opener) -> None:
    """It writes what comes behind it, and need not know either how much that will be."""
    upload = store.begin(KEY, None)
    write(upload, BODY)
    ledger = durable(upload)
    upload.leave()
    with closing(opener()) as other:
        again = other.begin(KEY, None, ledger)
        assert (again.id, again.offset) == (ledger.upload_id, ledger.part_size)
        write(again, BODY[again.offset :])
        again.commit()
    assert (content(store), open_keys(store)) == (BODY, [])


def test_many_at_once_do_not_wait_for_each_other_for_ever(store: ObjectStore) -> None:
    """More of them than there is memory for parts: each ends with its own bytes."""
    bodies = {f"unsized/{number}": bytes([number]) * (9 * MIB) for number in range(24)}

    def put(item: tuple[str, bytes]) -> None:
        upload = store.begin(item[0], None)
        write(upload, item[1])
        upload.commit()

    with ThreadPoolExecutor(len(bodies)) as pool:
        list(pool.map(put, bodies.items()))
    assert all(content(store, key) == body for key, body in bodies.items())
