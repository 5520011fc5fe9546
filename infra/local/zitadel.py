"""The OpenID provider that Zitadel's library for Go comes with: a real one, with people in memory. The Makefile builds
it from its Go module."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx

from infra.local.service import Service, installed
from pipeline.running.loopback import free_port

if TYPE_CHECKING:
    from pathlib import Path

CLIENT, SECRET = "web", "secret"
"""By which the provider knows the one who may ask it."""


def zitadel(folder: Path, people: list[dict[str, object]], redirect_uri: str) -> Service:
    """A provider that knows `people` (`ID`, `Username`, `Password`, `Email`, `EmailVerified`), and sends them back to
    that address alone; `url` is its issuer."""
    users = folder / "people.json"
    users.write_text(json.dumps({str(one["ID"]): one for one in people}), encoding="utf-8")
    port = free_port()
    issuer = f"http://localhost:{port}/"
    return Service(
        name="zitadel",
        command=(str(installed("zitadel-op")),),
        url=issuer,
        healthy=lambda: _answers(issuer),
        environment={"PORT": str(port), "REDIRECT_URI": redirect_uri, "USERS_FILE": str(users)},
    )


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}.well-known/openid-configuration", timeout=2).is_success
    except httpx.HTTPError:
        return False
