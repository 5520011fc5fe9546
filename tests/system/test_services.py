"""The services that only `make services` and later tests use: they do what they are there for, and the command that
runs them leaves nothing."""

from __future__ import annotations

import shlex
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest

from infra.local.clamd import CANARY, clamd
from infra.local.prefect import prefect
from infra.local.service import running
from pipeline.pid.datacite import DataCiteRegistry, parse_account
from pipeline.running import processes

pytestmark = pytest.mark.timeout(600)

PATIENCE = 240.0


# ------------------------------------------------------------ one by one


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], str]]:
    """What a running clamd says of some bytes."""
    folder = tmp_path_factory.mktemp("clamd")
    with running(clamd(folder), folder / "log") as url:
        address = urlsplit(url)

        def ask(content: bytes) -> str:
            with socket.create_connection(
                (address.hostname or "", address.port or 0), timeout=30
            ) as connection:
                chunk = struct.pack("!I", len(content)) + content if content else b""
                connection.sendall(b"zINSTREAM\0" + chunk + struct.pack("!I", 0))
                return connection.makefile("rb").read().decode()

        yield ask


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (b"ten-minute means", "stream: OK\0"),
        (b"x" * 100_000 + CANARY + b"y", "stream: Test.Canary.UNOFFICIAL FOUND\0"),
        (b"".join((b"$EICAR-STANDARD-", b"ANTIVIRUS-TEST-FILE!")), "stream: Test.Eicar.UNOFFICIAL FOUND\0"),
    ],
    ids=["clean", "canary", "eicar"],
)
def test_clamd_knows_two_signatures(scan: Callable[[bytes], str], content: bytes, verdict: str) -> None:
    """It finds the canary and EICAR's string anywhere in a stream, and nothing else."""
    assert scan(content) == verdict


def test_prefect_keeps_to_its_folder(tmp_path: Path) -> None:
    """It answers, its database lies in its folder, and it sends no usage data."""
    with running(prefect(tmp_path), tmp_path / "log", start_seconds=PATIENCE) as url:
        settings = httpx.get(f"{url}/admin/settings", timeout=30, trust_env=False).json()
    assert settings["server"]["analytics_enabled"] is False
    assert (tmp_path / "prefect.db").stat().st_size > 0


# ------------------------------------------------------------ the command


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        processes.python("infra.local", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=processes.environment({}),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said_when_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("ready"):
            break
    return "".join(lines)


def exported(said: str) -> dict[str, str]:
    """The environment of a shell that ran the `export` lines."""
    assignments = [shlex.split(line)[1] for line in said.splitlines() if line.startswith("export ")]
    return dict(assignment.split("=", 1) for assignment in assignments)


def test_the_services_run_until_ctrl_c(tmp_path: Path) -> None:
    """It starts what it is asked for, says how to use it, and stops everything at Ctrl-C: no process is left."""
    with command("--only", "seaweedfs,postgres,datacite", "--folder", str(tmp_path)) as process:
        environment = exported(said_when_ready(process))
        with psycopg.connect(environment["HEADRACE_DATABASE"].replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert httpx.get(f"{environment['HEADRACE_S3_ENDPOINT']}/healthz", trust_env=False).status_code == 200
        assert environment["HEADRACE_STORE"].startswith("s3://")
        account = parse_account(
            environment["HEADRACE_DOIS"], environment["HEADRACE_DOIS_PASSWORD"], "10.5072"
        )
        with closing(DataCiteRegistry(account)) as registry:
            assert account.repository in registry.describe()
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 3
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert not [one for one in family if one.is_running()]


def test_data_and_addresses_are_there_the_next_time(tmp_path: Path) -> None:
    """With a folder the same command has the same data at the same addresses."""
    said = []
    for _ in range(2):
        with command("--only", "postgres,versitygw", "--folder", str(tmp_path)) as process:
            said.append(said_when_ready(process))
            url = exported(said[-1])["HEADRACE_DATABASE"].replace("+psycopg", "")
            with psycopg.connect(url) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (at integer)")
                connection.execute("INSERT INTO kept VALUES (1)")
                kept = connection.execute("SELECT count(*) FROM kept").fetchone()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert said[0] == said[1]
    assert kept == (2,)


def test_a_service_that_there_is_not_is_told() -> None:
    """A name that there is not ends the command with exit code 2, with the names that there are."""
    ended = subprocess.run(
        processes.python("infra.local", "--only", "nothing-of-this-name"),
        capture_output=True,
        text=True,
        env=processes.environment({}),
        check=False,
    )
    assert ended.returncode == 2
    assert "nothing-of-this-name" in ended.stderr
    assert "postgres" in ended.stderr
