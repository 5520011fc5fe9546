"""What system tests share: a Prefect server, which takes longer to start than most of what they look at, and what its
first start makes, for those who need a server of their own."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.flows.server import standing_server
from pipeline.ports import Scanner
from tests.contracts.scanners import clamd_at
from tests.instance import Instance, open_instance
from tests.ocfl_root import problems


@dataclass(frozen=True)
class SharedPrefect:
    """A running Prefect server: what names it to commands, in their environment, and its files as they were when it had
    just started for the first time."""

    environment: dict[str, str]
    files: Path


@pytest.fixture(scope="session")
def _shared_prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedPrefect]:
    home, files = tmp_path_factory.mktemp("prefect"), tmp_path_factory.mktemp("started-once")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        with standing_server(home) as server:
            _copy_files(home / "prefect", files)
            environment = {
                "PREFECT_API_URL": server.api_url,
                "PREFECT_HOME": str(home / "client"),
                "NO_PROXY": "*",
            }
            yield SharedPrefect(environment, files)


def _copy_files(running: Path, to: Path) -> None:
    """Those of a server that runs: its database is copied as one that is in use has to be."""
    shutil.copytree(running, to, ignore=shutil.ignore_patterns("prefect.db*"), dirs_exist_ok=True)
    with (
        closing(sqlite3.connect(running / "prefect.db")) as database,
        closing(sqlite3.connect(to / "prefect.db")) as copy,
    ):
        database.backup(copy)


@pytest.fixture(scope="session")
def prefect(_shared_prefect: SharedPrefect) -> dict[str, str]:
    """What names a running Prefect server to commands, in their environment."""
    return _shared_prefect.environment


@pytest.fixture(scope="session")
def prefect_files(_shared_prefect: SharedPrefect) -> Path:
    """The folder `prefect` of an instance whose own server ran once, to be copied: what else is done in the first start
    of a server takes half a minute where others work, too."""
    return _shared_prefect.files


@pytest.fixture
def home_with_prefect(tmp_path: Path, prefect_files: Path) -> Path:
    """HOME of an instance that has nothing yet but the files of its own Prefect server, which is not running."""
    shutil.copytree(prefect_files, tmp_path / "home" / "prefect")
    return tmp_path / "home"


@pytest.fixture
def instance(tmp_path: Path, database_url: str) -> Iterator[Instance]:
    """An instance that has nothing yet, on each kind of database in turn. Its root is valid when the test ends."""
    with open_instance(tmp_path / "home", database=database_url) as opened:
        yield opened
        assert problems(opened.root) == []


@pytest.fixture
def older_clamd(clamd_urls: tuple[str, str]) -> Scanner:
    """The session's clamd, whose signatures know EICAR and the canary."""
    return clamd_at(clamd_urls[0])
