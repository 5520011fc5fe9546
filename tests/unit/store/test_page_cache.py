"""What the store leaves in the page cache: nothing of large files that it wrote, and nothing of fresh reads, which
are of the disk."""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.store.local import LocalStore

SIZE = 1 << 20
PART = 4 << 20


def cached(path: Path) -> int:
    """How many pages of a file are in memory (mincore(2))."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        size = len(mapped)
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        start = ctypes.c_char.from_buffer(mapped)
        assert (
            ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), pages)
            == 0
        )
        del start
        return sum(page & 1 for page in pages)


def test_a_fresh_read_neither_uses_nor_fills_the_page_cache(tmp_path: Path) -> None:
    """Else an audit would ask memory whether the disk is sound, and push out what people are reading."""
    content = os.urandom(SIZE)
    with closing(LocalStore(tmp_path)) as store:
        store.put_many({"a": content})
        [path] = [one for one in tmp_path.rglob("a") if one.is_file()]
        b"".join(store.read("a"))
        assert cached(path) > 0
        blocks = store.read("a", fresh=True)
        if cached(path):
            pytest.skip("this file system keeps what it has in memory only")
        assert b"".join(blocks) == content
        assert cached(path) == 0


def test_a_large_file_that_was_written_does_not_stay_in_the_page_cache(tmp_path: Path) -> None:
    """Else each upload would push out what people are reading."""
    size = 3 * PART
    with closing(LocalStore(tmp_path, part_size=PART)) as store:
        store.put_many({"small": os.urandom(SIZE)})
        [small] = [one for one in tmp_path.rglob("small") if one.is_file()]
        upload = store.begin("large", size)
        assert upload.part_size == PART
        for _ in range(size // SIZE):
            upload.write(os.urandom(SIZE))
        upload.commit()
        store.settle(["large"])
        if not cached(small):
            pytest.skip("this file system keeps nothing in memory")
        assert cached(tmp_path / "large") == 0
