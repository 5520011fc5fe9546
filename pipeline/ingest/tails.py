"""What lies behind the last whole part of an upload in several requests.

The next request needs it, so it has to be durable when a request ends, and nobody knows before when that is. Parts may
be larger than memory bears: pieces that are full go into objects of their own while the part is under way.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.catalogue.resumables import Resumable
from pipeline.ports import ObjectStore
from pipeline.store import layout
from pipeline.store.transfer import IN_PARTS_FROM

PIECE = IN_PARTS_FROM
"""Bytes of every object of a tail but the last, and the most that is held in memory; no smaller than the parts that
objects of unknown size go in, whose tails are so written once, at the end."""


class Tail:
    """The tail that one request, a transfer, has behind `start`, the end of the last whole part."""

    def __init__(self, store: ObjectStore, number: int, transfer: int, start: int) -> None:
        self._store = store
        self._number = number
        self._transfer = transfer
        self._start = start
        self._held = bytearray()
        self._put = 0

    @property
    def size(self) -> int:
        return self._put + len(self._held)

    def add(self, block: bytes | memoryview) -> None:
        view = memoryview(block)
        while view:
            piece = view[: PIECE - len(self._held)]
            self._held += piece
            view = view[len(piece) :]
            if len(self._held) == PIECE:
                self._put_held()

    def save(self) -> None:
        """Make all of it durable."""
        if self._held:
            self._put_held()

    def _put_held(self) -> None:
        key = layout.tail_piece(self._number, self._transfer, self._start + self._put)
        self._store.put_many({key: bytes(self._held)})
        self._put += len(self._held)
        self._held.clear()

    def begin_again(self, start: int) -> None:
        """The part is whole, and ends at `start`."""
        if self._put:
            self._store.delete(layout.tail(self._number, self._transfer))
        self._start, self._put = start, 0
        self._held.clear()


def saved(store: ObjectStore, one: Resumable) -> Iterator[bytes]:
    """The tail that an upload has, block by block. Raises `Missing`."""
    if one.tail_of is not None:
        for start in range(one.ledger.offset, one.offset, PIECE):
            yield from store.read(layout.tail_piece(one.id, one.tail_of, start))
