"""Tails of uploads in several requests: what a request leaves is what the next one finds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalogue.resumables import Resumable
from pipeline.errors import Missing
from pipeline.ingest import tails
from pipeline.ingest.tails import Tail
from pipeline.model import PartLedger
from pipeline.store.local import LocalStore

NUMBER, TRANSFER, START = 3, 5, 100
PIECE = 8


@contextmanager
def store() -> Iterator[LocalStore]:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(LocalStore(Path(folder))) as opened,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(tails, "PIECE", PIECE)
        yield opened


def upload(tail_size: int) -> Resumable:
    ledger = PartLedger("upload", 1 << 20, START, {}, ())
    expires = datetime(2026, 3, 9, tzinfo=UTC)
    return Resumable(NUMBER, 1, "a.bin", 1 << 30, expires, ledger, TRANSFER, tail_size, TRANSFER)


@given(st.lists(st.binary(max_size=3 * PIECE), max_size=6), st.lists(st.binary(max_size=20), max_size=2))
@settings(max_examples=30, deadline=None)
def test_a_tail_is_found_as_it_was_left(blocks: list[bytes], before: list[bytes]) -> None:
    """In whichever blocks it came, and whatever there was of a part before, of which nothing stays; no object has more
    bytes than a piece."""
    whole = b"".join(blocks)
    with store() as opened:
        tail = Tail(opened, NUMBER, TRANSFER, 0)
        for block in before:
            tail.add(block)
        tail.begin_again(START)
        for block in blocks:
            tail.add(block)
        tail.save()
        assert tail.size == len(whole)
        assert b"".join(tails.saved(opened, upload(len(whole)))) == whole
        sizes = [one.size for one in opened.list("staging")]
        assert sum(sizes) == len(whole)
        assert all(0 < size <= PIECE for size in sizes)


def test_a_tail_that_is_gone_is_missing() -> None:
    """Whoever goes on is told so, instead of having fewer bytes."""
    with store() as opened, pytest.raises(Missing):
        list(tails.saved(opened, upload(1)))
