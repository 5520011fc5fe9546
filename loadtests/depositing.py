"""What benchmarks of deposits have in common: somebody with a token, drafts over HTTP, what of many times counts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import httpx

from pipeline import wiring
from pipeline.access import TokenScope
from pipeline.catalogue import accounts
from pipeline.settings import Settings

_EMAIL = "ida@pier.example"
_METADATA = {
    "upload_type": "dataset",
    "description": "<p>Ten-minute means.</p>",
    "creators": [{"name": "Marlow, Ida"}],
}


def depositor_token(settings: Settings, email: str = _EMAIL) -> str:
    """Of a new depositor, who may publish, in an instance that is made for it where it is not there yet."""
    scopes = (TokenScope.DEPOSIT_WRITE, TokenScope.DEPOSIT_ACTIONS)
    with wiring.open_services(settings) as services, services.catalogue.write() as tx:
        account = accounts.create_account(tx, email, admin=False, now=services.now())
        return accounts.create_token(tx, account, scopes, now=services.now())


def client(url: str, token: str) -> httpx.Client:
    """Of the gateway at `url`, as the depositor; it follows no redirects."""
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=600)


def draft(asking: httpx.Client, title: str) -> dict[str, Any]:
    """A new draft that can be published as soon as it has a file. Raises `httpx.HTTPError`."""
    body = {"metadata": {**_METADATA, "title": title}}
    answer = asking.post("/api/deposit/depositions", json=body).raise_for_status()
    document: dict[str, Any] = answer.json()
    return document


def p95(times: Sequence[float]) -> float:
    """The time that 95 of 100 do not exceed (nearest rank)."""
    return sorted(times)[math.ceil(len(times) * 0.95) - 1]


def spread(times: Sequence[float]) -> str:
    """Median and p95, in ms."""
    return f"p50 {statistics.median(times) * 1000:.1f} ms, p95 {p95(times) * 1000:.1f} ms"
