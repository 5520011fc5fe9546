"""Archives for the gateway's tests, over real parts: SQLite, the local store, the embedded index."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app import create_app
from pipeline.model import Record
from pipeline.settings import StoreLocation
from tests.archive import Archive, open_archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import Depositor, depositor
from tests.system.over_http.sample import CSV, NAMES


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path / "home") as opened:
        yield opened


@pytest.fixture(params=["sqlite-local", "postgresql-s3"])
def each_archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """An archive on SQLite and the local store, and one on PostgreSQL and S3."""
    if request.param == "sqlite-local":
        parts = open_archive(tmp_path / "home")
    else:
        database = request.getfixturevalue("postgres_catalogue")
        parts = open_archive(
            tmp_path / "home", request.getfixturevalue("seaweedfs_location"), database=database
        )
    with parts as opened:
        yield opened


@pytest.fixture(params=["local", "seaweedfs"])
def location(request: pytest.FixtureRequest) -> StoreLocation | None:
    """Where gateways of a test keep their bytes: None for their home."""
    if request.param == "local":
        return None
    found: StoreLocation = request.getfixturevalue("seaweedfs_location")
    return found


@pytest.fixture
def client(archive: Archive) -> Client:
    return Client(create_app(archive.services))


@pytest.fixture
def ida(archive: Archive) -> Depositor:
    return depositor(archive, "ida@pier.example")


@pytest.fixture
def other(archive: Archive) -> Depositor:
    return depositor(archive, "jo@pier.example")


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Record]]:
    """An archive that no test changes, with one record that has files of all kinds."""
    with open_archive(tmp_path_factory.mktemp("standing")) as opened:
        opened.add_community("tides", "Tide tables")
        record = opened.publish(
            files={name: CSV if name == "gauge.csv" else name.encode() for name in NAMES},
            community="tides",
            subjects=[{"subject": "sea level"}],
            languages=[{"id": "eng"}],
        )
        yield Client(create_app(opened.services)), record
