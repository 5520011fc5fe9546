"""The services of this folder as they are offered: which there are, what runs them, and the environment that points an
instance at them."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infra.local.buckets import make_bucket
from infra.local.clamd import clamd
from infra.local.dask import dask_scheduler, dask_workers
from infra.local.datacite import ACCOUNT, datacite, registry_url
from infra.local.opensearch import PORTS as OPENSEARCH_PORTS
from infra.local.opensearch import opensearch
from infra.local.postgres import postgres
from infra.local.prefect import prefect
from infra.local.seaweedfs import PORTS as SEAWEEDFS_PORTS
from infra.local.seaweedfs import seaweedfs
from infra.local.service import Service, ServiceError, running
from infra.local.slurm import slurm
from infra.local.versitygw import versitygw
from pipeline.running.loopback import is_bindable, remembered_port

START_SECONDS = 180

_BUCKET = "headrace"
# They open nothing but servers that listen on this machine alone, for as long as the command runs.
_KEYS = ("headrace", "for-this-machine-only")


@dataclass(frozen=True, slots=True)
class Offer:
    """A service as it is offered: what it is for, what runs it in a folder at a port, and the environment that points
    an instance at its URL. `runs` answers the URL; `ports` are the only ones that it can have, where it is choosy."""

    purpose: str
    runs: Callable[[Path, int], AbstractContextManager[str]]
    environment: Callable[[str], Mapping[str, str]] = lambda _: {}
    ports: range = range(0)


@dataclass(frozen=True, slots=True)
class Started:
    name: str
    url: str
    log: Path


def start(stack: ExitStack, folder: Path, asked: Sequence[str]) -> Iterator[Started]:
    """Start the services that are asked for, or all that can run here, each in a folder of its own; they run until the
    stack is closed. Raises `ServiceError` where one that is asked for cannot run."""
    for name in (name for name in OFFERS if not asked or name in asked):
        home = folder / name
        home.mkdir(parents=True, exist_ok=True)
        sys.stderr.write(f"starting {name} …\n")
        try:
            url = stack.enter_context(OFFERS[name].runs(home, _port(folder, name)))
        except ServiceError as error:
            if asked:
                raise
            sys.stderr.write(f"left out: {error}\n")
        else:
            yield Started(name, url, home / "log")


def environment(started: Sequence[Started]) -> dict[str, str]:
    """What points an instance at them."""
    return {name: value for one in started for name, value in OFFERS[one.name].environment(one.url).items()}


def _port(folder: Path, name: str) -> int:
    """The port that the service had last time in the folder, else one that it can have."""
    ports = OFFERS[name].ports
    return remembered_port(folder, name, next(filter(is_bindable, random.sample(ports, len(ports))), None))


def _alone(prepare: Callable[..., Service]) -> Callable[[Path, int], AbstractContextManager[str]]:
    """What runs a service of one process."""
    return lambda folder, port: running(
        prepare(folder, port=port), folder / "log", start_seconds=START_SECONDS
    )


@contextmanager
def _postgres(folder: Path, port: int) -> Iterator[str]:  # noqa: ARG001 - it listens on a socket in its folder
    with running(postgres(folder), folder / "log") as url:
        yield url


def _with_bucket(prepare: Callable[..., Service]) -> Callable[[Path, int], AbstractContextManager[str]]:
    @contextmanager
    def runs(folder: Path, port: int) -> Iterator[str]:
        with running(prepare(folder, *_KEYS, port=port), folder / "log") as url:
            make_bucket(url, _BUCKET, *_KEYS)
            yield url

    return runs


@contextmanager
def _dask(folder: Path, port: int) -> Iterator[str]:
    with (
        running(dask_scheduler(port=port), folder / "log") as url,
        # Workers on other machines have the store's keys in their environment.
        running(_with_keys(dask_workers(folder, url)), folder / "log", start_seconds=START_SECONDS),
    ):
        yield url


def _with_keys(workers: Service) -> Service:
    keys = {"AWS_ACCESS_KEY_ID": _KEYS[0], "AWS_SECRET_ACCESS_KEY": _KEYS[1]}
    return replace(workers, environment={**workers.environment, **keys})


@contextmanager
def _slurm(folder: Path, port: int) -> Iterator[str]:  # noqa: ARG001 - its daemons choose theirs
    with slurm(folder) as configuration:
        yield configuration


def _dois(url: str) -> Mapping[str, str]:
    return {"HEADRACE_DOIS": registry_url(url), "HEADRACE_DOIS_PASSWORD": ACCOUNT.password}


def _store(url: str) -> Mapping[str, str]:
    return {
        "HEADRACE_STORE": f"s3://{_BUCKET}",
        "HEADRACE_S3_ENDPOINT": url,
        "HEADRACE_S3_PATH_STYLE": "true",
        "AWS_ACCESS_KEY_ID": _KEYS[0],
        "AWS_SECRET_ACCESS_KEY": _KEYS[1],
    }


OFFERS: Mapping[str, Offer] = {
    "postgres": Offer("PostgreSQL, the catalogue", _postgres, lambda url: {"HEADRACE_DATABASE": url}),
    "versitygw": Offer(
        "S3 over a folder, the second S3 server of the tests", _with_bucket(versitygw), _store
    ),
    "seaweedfs": Offer("SeaweedFS, the S3 store", _with_bucket(seaweedfs), _store, SEAWEEDFS_PORTS),
    "clamd": Offer(
        "ClamAV with two test signatures (Debian's clamav-daemon)",
        _alone(clamd),
        lambda url: {"HEADRACE_SCANNER": url},
    ),
    "opensearch": Offer(
        "OpenSearch, one node (fetched at its first start)",
        _alone(opensearch),
        lambda url: {"HEADRACE_INDEX": f"{url.replace('http://', 'opensearch://')}/headrace"},
        OPENSEARCH_PORTS,
    ),
    "slurm": Offer(
        "SLURM on this machine, as root (Debian's slurm-wlm and munge)",
        _slurm,
        lambda url: {"SLURM_CONF": url, "HEADRACE_COMPUTE": "slurm:?queue=main"},
    ),
    "dask": Offer("a Dask scheduler with two workers", _dask, lambda url: {"HEADRACE_COMPUTE": url}),
    "datacite": Offer(
        "a double of DataCite's REST API",
        _alone(lambda folder, *, port: datacite(port=port, kept=folder / "dois.jsonl")),
        _dois,
    ),
    "prefect": Offer("a Prefect server", _alone(prefect), lambda url: {"PREFECT_API_URL": url}),
}
"""By name, in the order in which they start; a later one's environment wins over an earlier one's."""
