"""Fixtures for all tests: real services, started once a session, and a look-out for what tests leave."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import threading
import time
import uuid
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from infra.local.buckets import make_bucket
from infra.local.clamd import clamd
from infra.local.datacite import ACCOUNT, Control, datacite
from infra.local.datacite_double.registry import Account
from infra.local.opensearch import opensearch
from infra.local.postgres import postgres
from infra.local.seaweedfs import seaweedfs
from infra.local.service import running
from infra.local.versitygw import versitygw
from pipeline.catalogue.engine import open_catalogue
from pipeline.settings import StoreLocation
from tests.doi_accounts import REFUSED, STRICT
from tests.emptied import Databases
from tests.migrated import add_catalogue
from tests.reference import reference
from tests.web_server import WebServer, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

# Whoever runs the tests in the background may have had these ignored, which every child would inherit.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)

_HERE = Path(__file__).parent
_GRACE_SECONDS = 2.0
_LASTING_THREADS = ("Dask-", "TCP-Executor", "fan-out")
"""How the names begin of threads that are kept for the whole process on purpose, by `distributed` and by
`pipeline.running.fan_out`."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded and collected stays until the end: nobody searches it again and again for what may go."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that are marked `alone` begin, and their files: later on they would wait for tests that take minutes, and
    everybody else for them."""
    first = {item.path for item in items if _is_alone(item)}
    items.sort(key=lambda item: (0, item.path, not _is_alone(item)) if item.path in first else (1,))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that is marked `alone` has the machine to itself, in however many processes the others run."""
    with (
        _locked(_HERE) as turnstile,
        _locked(_HERE / "conftest.py", fcntl.LOCK_EX if _is_alone(item) else fcntl.LOCK_SH),
    ):
        # Whoever waits to be alone holds up those who come later.
        fcntl.flock(turnstile, fcntl.LOCK_UN)
        return (yield)


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@contextmanager
def _locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SQLAlchemy URL of a running PostgreSQL's database `postgres`: use `postgres_database` for tables."""
    folder = tmp_path_factory.mktemp("postgres")
    with running(postgres(folder), folder / "log") as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as server:
            # It is thrown away: what it has need not reach the disk.
            server.execute("ALTER SYSTEM SET fsync = off")
            server.execute("SELECT pg_reload_conf()")
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """SQLAlchemy URL of an empty PostgreSQL database that is this test's own. Dropping it afterwards fails,
    and so does the test, when a connection to it was left open."""
    with _database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def _catalogues(postgres_url: str) -> Iterator[Databases]:
    """PostgreSQL databases with the catalogue's tables, copied from one that was migrated once."""
    with _database(postgres_url) as url:
        open_catalogue(url).close()
        yield Databases(postgres_url, str(sa.make_url(url).database))


@pytest.fixture
def postgres_catalogue(_catalogues: Databases) -> Iterator[str]:
    """As `postgres_database`, with the catalogue's tables and nothing in them."""
    with _catalogues.lent() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """`HEADRACE_DATABASE` of a catalogue with nothing in it: what uses it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{add_catalogue(tmp_path)}"
    url: str = request.getfixturevalue("postgres_catalogue")
    return url


@pytest.fixture(scope="session")
def production(
    _catalogues: Databases,
    _versitygw_bucket: StoreLocation,
) -> Callable[[], AbstractContextManager[tuple[StoreLocation, str]]]:
    """Opens an empty place on S3 and an empty catalogue on PostgreSQL: (the place, `HEADRACE_DATABASE`)."""

    @contextmanager
    def opened() -> Iterator[tuple[StoreLocation, str]]:
        with _catalogues.lent() as url:
            yield _empty_place(_versitygw_bucket), url

    return opened


@contextmanager
def _database(server_url: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url.replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield server_url.replace("/postgres?", f"/{name}?")
        server.execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def s3_keys() -> Iterator[tuple[str, str]]:
    """The access key and the secret key of the session's S3 servers, which are also in the environment."""
    keys = "headrace-tests", uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", keys[0])
        environment.setenv("AWS_SECRET_ACCESS_KEY", keys[1])
        yield keys


@pytest.fixture(scope="session")
def _seaweedfs_bucket(
    tmp_path_factory: pytest.TempPathFactory, s3_keys: tuple[str, str]
) -> Iterator[StoreLocation]:
    folder = tmp_path_factory.mktemp("seaweedfs")
    # It is thrown away: its orderly end takes 15 seconds.
    server = replace(seaweedfs(folder, *s3_keys), stop_signal=signal.SIGKILL)
    with running(server, folder / "log") as endpoint:
        yield StoreLocation(make_bucket(endpoint, "tests", *s3_keys), endpoint, s3_path_style=True)


@pytest.fixture(scope="session")
def _versitygw_bucket(
    tmp_path_factory: pytest.TempPathFactory, s3_keys: tuple[str, str]
) -> Iterator[StoreLocation]:
    folder = tmp_path_factory.mktemp("versitygw")
    with running(versitygw(folder, *s3_keys), folder / "log") as endpoint:
        yield StoreLocation(make_bucket(endpoint, "tests", *s3_keys), endpoint, s3_path_style=True)


@pytest.fixture
def seaweedfs_location(_seaweedfs_bucket: StoreLocation) -> StoreLocation:
    """An empty place on a running SeaweedFS."""
    return _empty_place(_seaweedfs_bucket)


@pytest.fixture
def versitygw_location(_versitygw_bucket: StoreLocation) -> StoreLocation:
    """An empty place on a running versitygw."""
    return _empty_place(_versitygw_bucket)


@pytest.fixture(params=["seaweedfs", "versitygw"])
def s3_location(request: pytest.FixtureRequest) -> StoreLocation:
    """An empty place on S3: what uses it runs on both servers."""
    location: StoreLocation = request.getfixturevalue(f"{request.param}_location")
    return location


def _empty_place(bucket: StoreLocation) -> StoreLocation:
    return replace(bucket, url=f"{bucket.url}/{uuid.uuid4().hex}")


@pytest.fixture(scope="session")
def clamd_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """`HEADRACE_SCANNER` of a running clamd: over TCP, and over a Unix socket."""
    folder = tmp_path_factory.mktemp("clamd")
    with running(clamd(folder, LocalSocket=f"{folder}/socket"), folder / "log") as url:
        yield url, f"clamd://{folder}/socket"


@pytest.fixture(scope="session")
def opensearch_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`HEADRACE_INDEX` of a running OpenSearch, without an alias."""
    folder = tmp_path_factory.mktemp("opensearch")
    # It is thrown away: its orderly end takes seconds.
    server = replace(opensearch(folder), stop_signal=signal.SIGKILL)
    with running(server, folder / "log", start_seconds=300) as url:
        yield url.replace("http://", "opensearch://")


DATACITE_ACCOUNTS = (
    ACCOUNT,
    Account("OTHER.REPO", "of others", ("10.9999",)),
    Account("IDLE.REPO", "of nobody", ("10.5072",), is_active=False),
    STRICT,
    REFUSED,
)


@pytest.fixture(scope="session")
def _datacite_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    schema = reference("testdata", "datacite", "kernel-4.7", "metadata.xsd")
    log = tmp_path_factory.mktemp("datacite") / "log"
    with running(datacite(accounts=DATACITE_ACCOUNTS, schema=schema), log) as url:
        yield url


@pytest.fixture
def datacite_url(_datacite_url: str) -> str:
    """Where a double of DataCite's REST API answers, without a DOI and without faults."""
    with closing(Control(_datacite_url)) as control:
        control.forget()
    return _datacite_url


@pytest.fixture
def datacite_control(datacite_url: str) -> Iterator[Control]:
    """What that double is told and asked."""
    with closing(Control(datacite_url)) as control:
        yield control


@pytest.fixture
def web_server() -> Iterator[WebServer]:
    """A server of the web without files."""
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    """Threads that a test starts end with it."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + _GRACE_SECONDS
    while (left := _own_threads() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"threads left running: {sorted(thread.name for thread in left)}"


def _own_threads() -> set[threading.Thread]:
    return {
        thread
        for thread in threading.enumerate()
        if not thread.daemon and not thread.name.startswith(_LASTING_THREADS)
    }
