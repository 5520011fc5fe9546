"""A catalogue on each database, an object store of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.catalogue import Catalogue
from pipeline.catalogue.engine import open_catalogue
from pipeline.ports import ObjectStore
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
