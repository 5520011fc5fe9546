"""What system tests share: a Prefect server, which takes longer to start than most of what they look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.flows.server import standing_server


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What names a running Prefect server to commands, in their environment."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        with standing_server(home) as server:
            yield {"PREFECT_API_URL": server.api_url, "PREFECT_HOME": str(home / "client"), "NO_PROXY": "*"}
