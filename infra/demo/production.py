"""`make demo-production`: the demo on what a data centre runs: PostgreSQL, S3 (SeaweedFS), ClamAV, OpenSearch, a Dask
scheduler with two workers, and a double of DataCite's REST API. Real servers on loopback ports, but for the last, and
without containers; their data stay, and the next run goes on.

Exit code as `make demo` has it, 1 also where a DOI is not findable or a record not in OpenSearch at the end, 2 where a
server cannot run here, 4 where a part does not answer afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from infra.demo.__main__ import FINISHED, HEADRACE, INTERRUPTED, main
from infra.demo.outcome import PUBLISHED
from infra.local.datacite import Control
from infra.local.offers import environment, start
from infra.local.service import ServiceError

SERVICES = ("postgres", "seaweedfs", "clamd", "opensearch", "dask", "datacite")
SERVE = "python -m infra.demo.production --serve"

_QUESTION = "tide"
_PATIENCE = 120.0
"""Seconds that DOIs may take which an ingest did not wait for."""


def demonstrate(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser("python -m infra.demo.production", description=__doc__)
    parser.add_argument(
        "--serve",
        action="store_true",
        help="instead of ingesting, run `headrace up` on the servers until Ctrl-C",
    )
    options = parser.parse_args(arguments)
    # What stops a job in the background stops this as Ctrl-C does in a terminal.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Path(os.environ.setdefault("HEADRACE_HOME", "headrace-data-production")).absolute()
    try:
        with ExitStack() as stack:
            started = list(start(stack, home / "services", SERVICES))
            os.environ.update(environment(started))
            urls = {one.name: one.url for one in started}
            return _serve(urls) if options.serve else _ingest(urls)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _ingest(urls: Mapping[str, str]) -> int:
    if (fates := main(serving="")) != FINISHED:
        return fates
    if wrong := [*_unregistered(urls["datacite"]), *_unfound(urls["opensearch"])]:
        sys.stdout.write("".join(f"not as expected: {one}\n" for one in wrong))
        return 1
    sys.stdout.write("\n")
    checked = subprocess.run([HEADRACE, "check"], check=False).returncode
    sys.stdout.write(f"\nnow: .venv/bin/{SERVE}\n")
    return checked


def _serve(urls: Mapping[str, str]) -> int:
    sys.stderr.write(
        f"DOIs as the registry has them: {urls['datacite']}/dois/10.5072/headrace.1\n"
        f"what search asks:              {urls['opensearch']}/headrace/_search?q={_QUESTION}\n"
    )
    with subprocess.Popen([HEADRACE, "up"]) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The terminal has interrupted the child as well, or nobody has: it stops in order either way.
            child.send_signal(signal.SIGTERM)
            child.wait()
            raise


# ---------------------------------------------------------------- what came about


def _unregistered(url: str) -> list[str]:
    """What is wrong with the DOIs that the double at `url` has; shows one that is as it should be."""
    wanted = {one["doi"]: one["wanted"] for one in _told("dois", "list", "--all")["items"]}
    with closing(Control(url)) as registry:
        if _differing(wanted, registry):
            # An ingest need not wait for a registry that is to be asked slowly: whoever runs beside it does.
            with _dispatching():
                deadline = time.monotonic() + _PATIENCE
                while _differing(wanted, registry) and time.monotonic() < deadline:
                    time.sleep(0.5)
        wrong = _differing(wanted, registry)
        landing = {name: page for name, (state, page) in registry.dois().items() if state == "findable"}
    if not landing:
        return [f"no DOI is findable at {url}"]
    name, page = next(iter(landing.items()))
    sys.stdout.write(
        f"\n{len(landing):,} DOIs are findable at the double of DataCite, such as\n"
        f"  {name}, which leads to {page}\n"
    )
    remedy = (
        "`headrace dois list` says why; of an instance that had another registry: headrace dois reconcile"
    )
    return [f"{one}; {remedy}" for one in wrong]


def _differing(wanted: Mapping[str, str], registry: Control) -> list[str]:
    seen = {name: state for name, (state, _) in registry.dois().items()}
    return [
        f"{name} shall be {state}, and is {seen.get(name, 'not there')}"
        for name, state in wanted.items()
        if seen.get(name) != state
    ]


@contextmanager
def _dispatching() -> Iterator[None]:
    with subprocess.Popen([HEADRACE, "dispatch"]) as child:
        try:
            yield
        finally:
            child.send_signal(signal.SIGTERM)


def _unfound(url: str) -> list[str]:
    """What is wrong with search, which OpenSearch at `url` is to answer; shows a question that it answered."""
    verified = subprocess.run([HEADRACE, "index", "verify"], check=False).returncode
    total, found = _told("search", "*")["total"], _told("search", _QUESTION)
    sys.stdout.write(
        f"search is answered by OpenSearch at {url}/headrace: {total:,} records, "
        f"{found['total']:,} of them for `{_QUESTION}`\n"
        + "".join(f"  {one['title']}\n" for one in found["hits"][:3])
    )
    wrong = [] if verified == FINISHED else ["the index differs from the catalogue: headrace index rebuild"]
    if total != PUBLISHED:
        wrong.append(f"{total} records are found, {PUBLISHED} should be")
    if not found["total"]:
        wrong.append(f"nothing is found for `{_QUESTION}`")
    return wrong


def _told(*command: str) -> dict[str, Any]:
    """What `headrace` says in JSON. Raises `ServiceError` where it fails."""
    ended = subprocess.run([HEADRACE, *command, "--json"], stdout=subprocess.PIPE, check=False)
    if ended.returncode != FINISHED:
        raise ServiceError(f"headrace {' '.join(command)} ended with exit code {ended.returncode}")
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


if __name__ == "__main__":
    sys.exit(demonstrate())
