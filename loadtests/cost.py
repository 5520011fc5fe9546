"""What requests cost the gateway: its processor time for each, which other work on the machine hardly changes.

    python -m loadtests.cost [--records 2000] [--requests 2000] [--home DIR] [--only NAME ...]

A gateway process of its own, without the rest of an instance, is asked one request after the other over one connection.
An instance that is there already, in `--home`, is asked as it is.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from urllib.parse import urlsplit

from infra.local.gateway import gateway
from infra.local.service import launched
from loadtests.depositing import depositor_token
from loadtests.filling import fill
from loadtests.watching import processor_seconds
from pipeline import wiring
from pipeline.catalogue import records
from pipeline.settings import Settings

_WARM = 150
_IDS = 100
_PARTS = 20
"""Of a run. What is told is the least that any of them took, and what they took in the middle: where others use the
machine as well, requests cost more of its processors, which have to share their caches."""
_CONTENT = b"t,h\n1,2\n" * 1250
_METADATA = {
    "title": "Tides",
    "upload_type": "dataset",
    "description": "<p>Ten-minute means.</p>",
    "creators": [{"name": "Marlow, Ida"}],
}


@dataclass(slots=True)
class Asking:
    """One connection to a gateway."""

    connection: http.client.HTTPConnection
    token: str
    ids: list[int]
    words: list[str]

    def ask(self, method: str, path: str, body: bytes | None = None, *, token: bool = False) -> bytes:
        """The body of the answer. Raises `SystemExit` where it is no success."""
        headers = {"Authorization": f"Bearer {self.token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        said = answer.read()
        if not 200 <= answer.status < 300:
            raise SystemExit(f"{method} {path}: {answer.status} {said[:500]!r}")
        return said


def record_json(asking: Asking, number: int) -> None:
    asking.ask("GET", f"/api/records/{asking.ids[number % len(asking.ids)]}")


def landing_page(asking: Asking, number: int) -> None:
    asking.ask("GET", f"/records/{asking.ids[number % len(asking.ids)]}")


def search(asking: Asking, number: int) -> None:
    """A word of a title, as users of the load test look for them."""
    asking.ask("GET", f"/api/records?q={asking.words[number % len(asking.words)]}&size=10")


def deposit(asking: Asking, _number: int) -> None:
    """Four requests."""
    links = json.loads(asking.ask("POST", "/api/deposit/depositions", b"{}", token=True))["links"]
    described = json.dumps({"metadata": _METADATA}).encode()
    asking.ask("PUT", urlsplit(links["self"]).path, described, token=True)
    asking.ask("PUT", f"{urlsplit(links['bucket']).path}/{uuid.uuid4().hex}.csv", _CONTENT, token=True)
    asking.ask("POST", urlsplit(links["publish"]).path, token=True)


KINDS: Mapping[str, Callable[[Asking, int], None]] = {
    "record-json": record_json,
    "landing-page": landing_page,
    "search": search,
    "deposit": deposit,
}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m loadtests.cost")
    options.add_argument("--records", type=int, default=2_000)
    options.add_argument("--requests", type=int, default=2_000)
    options.add_argument("--home", type=Path)
    options.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="NAME")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="cost-") as folder:
        home = chosen.home or Path(folder) / "home"
        settings = Settings(home=home)
        token = depositor_token(settings, f"{uuid.uuid4().hex}@pier.example")
        with wiring.open_services(settings) as services:
            if chosen.home is None:
                fill(services, chosen.records)
            with services.catalogue.read() as tx:
                ids = records.ids(tx, limit=_IDS)
                titles = [records.get(tx, id_).description.metadata["title"] for id_ in ids]
        words = sorted({word for title in titles for word in title.split()})
        service = gateway(home)
        with launched(service, Path(folder) / "gateway.log") as process:
            parts = urlsplit(service.url)
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
            asking, numbers = Asking(connection, token, ids, words), count()
            for name in chosen.only:
                for _ in range(_WARM):
                    KINDS[name](asking, next(numbers))
                each = [
                    _cost(
                        process.pid, partial(KINDS[name], asking), islice(numbers, chosen.requests // _PARTS)
                    )
                    for _ in range(_PARTS)
                ]
                print(
                    f"{name:16} {min(each):8.3f} ms of a processor each, {statistics.median(each):8.3f} in the middle",
                    flush=True,
                )


def _cost(pid: int, ask: Callable[[int], None], numbers: Iterable[int]) -> float:
    """ms of a processor that each of the requests takes the process."""
    asked, before = 0, processor_seconds(pid)
    for number in numbers:
        ask(number)
        asked += 1
    return 1000 * (processor_seconds(pid) - before) / asked


if __name__ == "__main__":
    main()
