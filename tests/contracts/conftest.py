"""A catalogue on each database, an object store and a search index of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.catalogue import Catalogue
from pipeline.catalogue.engine import open_catalogue
from pipeline.ports import ObjectStore, SearchIndex
from tests.contracts.indexes import IMPLEMENTATIONS, Clockwork, Implementation, filled_with_corpus
from tests.contracts.stores import STORES, Opener


@pytest.fixture
def catalogue(database_url: str) -> Iterator[Catalogue]:
    """An empty catalogue, on SQLite and on PostgreSQL."""
    with closing(open_catalogue(database_url)) as opened:
        yield opened


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens one empty store, of every kind."""
    return STORES[request.param](request)


@pytest.fixture
def store(opener: Opener) -> Iterator[ObjectStore]:
    """An empty store, of every kind; large objects go in parts of 5 MiB."""
    with closing(opener()) as opened:
        yield opened


@pytest.fixture(scope="module", params=IMPLEMENTATIONS, ids=lambda implementation: implementation.name)
def implementation(request: pytest.FixtureRequest) -> Implementation:
    chosen: Implementation = request.param
    return chosen


@pytest.fixture
def clock() -> Clockwork:
    return Clockwork()


@pytest.fixture
def index(implementation: Implementation, tmp_path: Path, clock: Clockwork) -> Iterator[SearchIndex]:
    opened = implementation.open(tmp_path, clock)
    yield opened
    opened.close()


@pytest.fixture
def filled(index: SearchIndex) -> SearchIndex:
    """An index of the test's own with the corpus in it."""
    return filled_with_corpus(index)


@pytest.fixture(scope="module")
def corpus(implementation: Implementation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    """The corpus, to be read only, at the time `NOW`."""
    opened = implementation.open(tmp_path_factory.mktemp("corpus"), Clockwork())
    yield filled_with_corpus(opened)
    opened.close()
