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


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest) -> Implementation:
    return IMPLEMENTATIONS[request.param](request)


@pytest.fixture
def clock() -> Clockwork:
    return Clockwork()


@pytest.fixture
def index(implementation: Implementation, tmp_path: Path, clock: Clockwork) -> Iterator[SearchIndex]:
    """An empty index of the test's own."""
    with closing(implementation.open(tmp_path, clock)) as opened:
        yield opened
    implementation.discard(tmp_path)


@pytest.fixture
def filled(index: SearchIndex) -> SearchIndex:
    """An index of the test's own with the corpus in it."""
    return filled_with_corpus(index)


@pytest.fixture(scope="module")
def _corpus_folder(
    implementation: Implementation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("corpus")
    with closing(implementation.open(folder, Clockwork())) as opened:
        filled_with_corpus(opened)
    yield folder
    implementation.discard(folder)


@pytest.fixture(scope="module")
def corpus(implementation: Implementation, _corpus_folder: Path) -> Iterator[SearchIndex]:
    """The corpus, to be read only, at the time `NOW`."""
    with closing(implementation.open(_corpus_folder, Clockwork())) as opened:
        yield opened


@pytest.fixture
def corpus_in_time(
    implementation: Implementation, _corpus_folder: Path, clock: Clockwork
) -> Iterator[SearchIndex]:
    """The corpus, to be read only, at the time of `clock`."""
    with closing(implementation.open(_corpus_folder, clock)) as opened:
        yield opened
