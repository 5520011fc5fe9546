"""The implementations of `SearchIndex` that pass the contract suites. A new one adds itself to `IMPLEMENTATIONS`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.index.embedded import EmbeddedIndex
from pipeline.index.opensearch import OpenSearchIndex
from pipeline.index.opensearch_server import parse_server
from pipeline.ports import Clock, SearchIndex, SearchRequest
from tests.index_corpus import CORPUS, NOW


def _nothing(_folder: Path) -> None:
    """What is written shows at once, and goes with the folder."""


@dataclass(frozen=True)
class Implementation:
    """`open` the index that belongs to a folder; opening it again, in any process, is the same index (it can be
    pickled). `settle` has it show at once what was written, `discard` takes away what it left elsewhere. `is_whole`: no
    reader ever sees a part of a batch."""

    name: str
    open: Callable[[Path, Clock], SearchIndex]
    settle: Callable[[Path], None] = _nothing
    discard: Callable[[Path], None] = _nothing
    is_whole: bool = False


def _embedded(_request: pytest.FixtureRequest) -> Implementation:
    return Implementation("embedded", EmbeddedIndex, is_whole=True)


def _opensearch(request: pytest.FixtureRequest) -> Implementation:
    url = request.getfixturevalue("opensearch_url")
    at = url.replace("opensearch://", "http://")
    return Implementation(
        "opensearch", partial(_open_opensearch, url), partial(_refresh, at), partial(_delete, at)
    )


def _open_opensearch(url: str, folder: Path, clock: Clock) -> OpenSearchIndex:
    return OpenSearchIndex(parse_server(f"{url}/{_alias(folder)}", ""), clock)


def _refresh(at: str, folder: Path) -> None:
    httpx.post(f"{at}/{_alias(folder)}/_refresh", timeout=60, trust_env=False).raise_for_status()


def _delete(at: str, folder: Path) -> None:
    httpx.delete(f"{at}/{_alias(folder)}.*", timeout=60, trust_env=False).raise_for_status()


def _alias(folder: Path) -> str:
    return sha256(str(folder).encode()).hexdigest()[:16]


IMPLEMENTATIONS: Mapping[str, Callable[[pytest.FixtureRequest], Implementation]] = {
    "embedded": _embedded,
    "opensearch": _opensearch,
}


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
    """Wait the second that a write may take to be visible; some more on a machine that runs other tests."""
    deadline = time.monotonic() + 10
    while index.count() != documents and time.monotonic() < deadline:
        time.sleep(0.02)
    assert index.count() == documents


def ids(index: SearchIndex, query: str = "", **more: Any) -> list[int]:
    return sorted(index.search(SearchRequest(query, **more)).ids)
