"""What system tests share: a Prefect server, which takes longer to start than most of what they look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.flows.server import standing_server
from tests.instance import Instance, open_instance


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What names a running Prefect server to commands, in their environment."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        with standing_server(home) as server:
            yield {"PREFECT_API_URL": server.api_url, "PREFECT_HOME": str(home / "client"), "NO_PROXY": "*"}


@pytest.fixture
def instance(tmp_path: Path, database_url: str) -> Iterator[Instance]:
    """An instance that has nothing yet, on each kind of database in turn."""
    with open_instance(tmp_path / "home", database=database_url) as opened:
        yield opened
