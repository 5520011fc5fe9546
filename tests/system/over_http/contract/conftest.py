"""Archives for the tests of the contract, which all run on the embedded parts and on those of a data centre."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI

from gateway.app import create_app
from pipeline.model import Access, FilesAccess, Record
from pipeline.settings import StoreLocation
from tests.archive import BASE_URL, Archive, open_archive
from tests.asking import Client

FUNDED = [
    {"funder": {"id": "00k4n6c32", "name": "European Commission"}, "award": {"number": "871234"}},
    {"funder": {"name": "The pier's friends"}},
    {"award": {"number": "55"}},
]


@dataclass(frozen=True)
class Library:
    """`dataset` has two versions, the second with a community and all kinds of files; `thesis` brought its own DOI;
    the files of `closed` are its owner's alone. They were published in the order of their names here."""

    client: Client
    known: Client
    earlier: Record
    dataset: Record
    thesis: Record
    closed: Record

    def path(self, url: str) -> str:
        """The address without the archive's own, with which every link begins."""
        assert url.startswith(BASE_URL)
        return url.removeprefix(BASE_URL)


Opened = Callable[[], AbstractContextManager[tuple[StoreLocation, str]]]


@contextmanager
def _archive(request: pytest.FixtureRequest, home: Path) -> Iterator[Archive]:
    if request.param == "sqlite, disk":
        with open_archive(home) as opened:
            yield opened
        return
    production: Opened = request.getfixturevalue("production")
    with production() as (location, database), open_archive(home, location, database=database) as opened:
        yield opened


PARTS = ["sqlite, disk", "postgresql, s3"]


@pytest.fixture(params=PARTS)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    with _archive(request, tmp_path / "home") as opened:
        yield opened


@pytest.fixture(scope="module", params=PARTS)
def lasting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive that the tests of a module share: each makes what it needs, under names of its own."""
    with _archive(request, tmp_path_factory.mktemp("lasting")) as opened:
        yield opened


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """The same on the embedded parts alone, for pages: what they ask the catalogue, the API asks as well."""
    with open_archive(tmp_path_factory.mktemp("small")) as opened:
        yield opened


@pytest.fixture(scope="module")
def app(small: Archive) -> FastAPI:
    return create_app(small.services)


@pytest.fixture(scope="session", params=PARTS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """An archive that no test changes, for what is asked of published records."""
    with _archive(request, tmp_path_factory.mktemp("library")) as archive:
        token = archive.token("ida@pier.example")
        archive.add_community("tide-tables", "Tide tables")
        earlier = archive.publish(files={"gauge.csv": b"1"}, version="1.0")
        dataset = archive.publish(
            files={"gauge.csv": b"time,level\n", "2025/räk smörgås.txt": b"lunch", "paper.pdf": b"%PDF-1.7"},
            version_of=earlier,
            community="tide-tables",
            version="2.0",
            subjects=[{"subject": "sea level"}],
            languages=[{"id": "eng"}],
            funding=FUNDED,
        )
        thesis = archive.publish(
            title="On the open sea",
            resource_type={"id": "publication-dissertation"},
            publication_date="2024-05",
            doi="10.1234/Thesis.1",
        )
        closed = archive.publish(
            title="What nobody may see",
            files={"secret.txt": b"the secret"},
            access=Access(FilesAccess.RESTRICTED),
        )
        app = create_app(archive.services)
        yield Library(Client(app), Client(app, token), earlier, dataset, thesis, closed)
