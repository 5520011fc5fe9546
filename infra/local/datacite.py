"""A stand-in for DataCite's REST API; nobody else hears of its DOIs (`datacite_double`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from infra.local.datacite_double.__main__ import ACCOUNTS
from infra.local.datacite_double.registry import Account
from infra.local.service import Service
from pipeline.running.loopback import free_port, http_url

ACCOUNT = Account("HEAD.RACE", "for-this-machine-only", ("10.5072",))
"""Its account where no others are given; it opens nothing but a server on this machine."""


def datacite(
    *,
    port: int = 0,
    accounts: Sequence[Account] = (ACCOUNT,),
    schema: Path | None = None,
    kept: Path | None = None,
) -> Service:
    """At `port` of the loopback interface or a free one. With DataCite's XSD in the file `schema` metadata are judged
    as DataCite does, without it only by what is mandatory. DOIs are kept in the file `kept`, else forgotten."""
    port = port or free_port()
    url = http_url(port)
    given = {"--schema": schema, "--kept": kept}
    files = [text for name, file in given.items() if file is not None for text in (name, str(file))]
    return Service(
        name="DataCite's double",
        command=(sys.executable, "-m", "infra.local.datacite_double", "--port", str(port), *files),
        url=url,
        healthy=partial(_answers, url),
        environment={ACCOUNTS: json.dumps([asdict(one) for one in accounts])},
    )


def registry_url(url: str, account: Account = ACCOUNT) -> str:
    """`HEADRACE_DOIS` of who uses the account at the double with that URL."""
    return f"datacite://{account.id}@{url.removeprefix('http://')}/{account.prefixes[0]}"


class Control:
    """What tests have the double at a URL do, and ask it. To be closed."""

    def __init__(self, url: str) -> None:
        self._web = httpx.Client(base_url=f"{url}/control", timeout=30, trust_env=False)

    def befall(self, **settings: Any) -> None:
        """Faults from now on (`datacite_double.faults.Faults.set`); none without a word."""
        self._web.put("/faults", json=settings).raise_for_status()

    def limit(self, requests: int, seconds: float) -> None:
        """Answer 429 to more in any period; 0: to none. Counting begins anew."""
        self._web.put("/rate", json={"requests": requests, "seconds": seconds}).raise_for_status()

    def move(self, states: Mapping[str, str]) -> None:
        """Have DOIs in these states, also where no event leads there."""
        self._web.put("/states", json=dict(states)).raise_for_status()

    def forget(self) -> None:
        """All faults, DOIs and counts: the double is as at its start."""
        self.befall()
        self.limit(0, 300)
        self._web.delete("/dois").raise_for_status()

    def counts(self) -> dict[str, Any]:
        """`calls` and `published` by DOI; `requests`, the `peak` of them in a period, those `refused`; `faults`."""
        counts: dict[str, Any] = self._web.get("/counts").raise_for_status().json()
        return counts

    def dois(self) -> dict[str, tuple[str, str | None]]:
        """(state, URL) of every DOI."""
        return {name: (state, url) for name, (state, url) in self._web.get("/dois").json().items()}

    def close(self) -> None:
        self._web.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/heartbeat", timeout=2, trust_env=False).text == "OK"
    except httpx.HTTPError:
        return False
