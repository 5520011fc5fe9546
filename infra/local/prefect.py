"""A Prefect server that belongs to no instance, as a site runs one for all its flows."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from infra.local.service import Service
from pipeline.running.loopback import LOOPBACK, free_port, http_url


def prefect(folder: Path, *, port: int = 0) -> Service:
    """A Prefect server at `port` of the loopback interface or a free one, its database and all other files below
    `folder`; `url` is what `PREFECT_API_URL` takes. It sends no usage data."""
    port = port or free_port()
    url = f"{http_url(port)}/api"
    settings = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder}/prefect.db",
        # Where everything starts at once the defaults of 10 and 5 s are too short.
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
        "PREFECT_SERVER_UI_API_URL": url,
        # Else the UI is unpacked into the installation, which may belong to root.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "ui"),
    }
    return Service(
        name="Prefect",
        # Prefect reads settings from files in the working folder too.
        command=(
            *("env", f"--chdir={folder}"),
            *(sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)),
        ),
        url=url,
        healthy=lambda: _answers(url),
        environment=settings,
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
