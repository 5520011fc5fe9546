"""A catalogue on each database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.catalogue import Catalogue
from pipeline.catalogue.engine import open_catalogue


@pytest.fixture
def catalogue(database_url: str) -> Iterator[Catalogue]:
    """An empty catalogue, on SQLite and on PostgreSQL."""
    with closing(open_catalogue(database_url)) as opened:
        yield opened
