"""The implementations of `SearchIndex` that pass the contract suites. A new one adds itself to `IMPLEMENTATIONS`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.index.embedded import EmbeddedIndex
from pipeline.ports import Clock, SearchIndex, SearchRequest
from tests.index_corpus import CORPUS, NOW


@dataclass(frozen=True)
class Implementation:
    """`open` the index that belongs to a folder; opening it again, in any process, is the same index."""

    name: str
    open: Callable[[Path, Clock], SearchIndex]


IMPLEMENTATIONS = (Implementation("embedded", EmbeddedIndex),)


class Clockwork:
    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def filled_with_corpus(index: SearchIndex) -> SearchIndex:
    assert index.write(CORPUS) == {}
    settled(index, len(CORPUS))
    return index


def settled(index: SearchIndex, documents: int) -> None:
    """Wait the second that a write may take to be visible."""
    deadline = time.monotonic() + 1
    while index.count() != documents and time.monotonic() < deadline:
        time.sleep(0.02)
    assert index.count() == documents


def ids(index: SearchIndex, query: str = "", **more: Any) -> list[int]:
    return sorted(index.search(SearchRequest(query, **more)).ids)
