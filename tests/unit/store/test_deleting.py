"""The local store deletes folders that others are at work in."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.store.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with closing(LocalStore(tmp_path)) as opened:
        yield opened


def test_what_others_write_meanwhile_fails_no_deletion(store: LocalStore) -> None:
    """However often a folder fills again while it is deleted, nobody is told of an error; at rest all of it goes."""
    is_over = threading.Event()

    def write() -> None:
        for number in range(300):
            upload = store.begin(f"staging/a/content/{threading.get_ident()}-{number}", 1)
            upload.write(b"x")
            upload.commit()

    def delete() -> None:
        while not is_over.is_set():
            store.delete("staging/a")

    with ThreadPoolExecutor(4) as pool:
        deleting = pool.submit(delete)
        for writing in [pool.submit(write) for _ in range(3)]:
            writing.result()
        is_over.set()
        deleting.result()
    store.delete("staging/a")
    assert list(store.list("staging")) == []


def test_who_deletes_the_same_meanwhile_leaves_the_rest_to_nobody(store: LocalStore) -> None:
    """A folder is gone when its deletion returns, though its objects were being deleted one by one at the same time."""
    keys = [f"staging/a/content/{number}" for number in range(200)]
    for _ in range(5):
        store.put_many(dict.fromkeys(keys, b"x"))
        start = threading.Barrier(2)

        def one_by_one(start: threading.Barrier = start) -> None:
            start.wait(10)
            for key in keys[:100]:
                store.delete(key)

        def all_of_it(start: threading.Barrier = start) -> list[object]:
            start.wait(10)
            store.delete("staging/a")
            return list(store.list("staging/a"))

        with ThreadPoolExecutor(2) as pool:
            others = pool.submit(one_by_one)
            assert pool.submit(all_of_it).result() == []
            others.result()
