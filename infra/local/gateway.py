"""The gateway as a process of its own, as a site runs it, and with all that belongs to an instance."""

from __future__ import annotations

import sys
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from infra.local.service import Service
from pipeline.running.loopback import free_port, http_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.settings import StoreLocation


def gateway(
    home: Path, location: StoreLocation | None = None, environment: Mapping[str, str] | None = None
) -> Service:
    """Of the instance at `home`, at a free port; its store is at `location`, or at home as well."""
    port = free_port()
    url = http_url(port)
    own = {"HEADRACE_HOME": str(home), "HEADRACE_BASE_URL": url, **(environment or {})}
    if location is not None:
        own |= _store(location)
    command = (sys.executable, "-m", "gateway", "--port", str(port))
    return Service("gateway", command, url, partial(_is_healthy, url), environment=own)


def gateways(home: Path, port: int, *, number: int) -> Service:
    """So many of the instance at `home`, which share the port (`headrace serve`)."""
    url = http_url(port)
    own = {"HEADRACE_HOME": str(home), "HEADRACE_BASE_URL": url, "HEADRACE_GATEWAYS": str(number)}
    command = (sys.executable, "-m", "pipeline", "serve", "--no-runner", "--port", str(port))
    return Service("gateways", command, url, partial(_is_healthy, url), environment=own)


def instance(home: Path, environment: Mapping[str, str] | None = None) -> Service:
    """All of the instance at `home` (`headrace up`), its gateway at a free port. It is healthy once the gateway is,
    shortly before its dispatcher."""
    port = free_port()
    url = http_url(port)
    own = {"HEADRACE_HOME": str(home), "HEADRACE_BASE_URL": url, **(environment or {})}
    command = (sys.executable, "-m", "pipeline", "up", "--port", str(port))
    return Service("headrace up", command, url, partial(_is_healthy, url), environment=own)


def _is_healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _store(location: StoreLocation) -> dict[str, str]:
    names = {field.name: "store" if field.name == "url" else field.name for field in fields(location)}
    return {f"HEADRACE_{name.upper()}": str(getattr(location, key)) for key, name in names.items()}
