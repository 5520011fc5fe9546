"""Local services: started, found healthy, stopped, and never quietly absent."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from infra.local.service import Service, ServiceError, running

if TYPE_CHECKING:
    from pathlib import Path

START = """
import os, pathlib, signal, sys, time
print(os.getpid(), flush=True)
pathlib.Path(sys.argv[1]).touch()
"""
BEAT = START + "time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + BEAT


def service(program: str, ready: Path) -> Service:
    return Service(
        name="heart", command=(sys.executable, "-c", program, str(ready)), url="heart:", healthy=ready.exists
    )


def test_a_service_is_healthy_inside_the_block_and_its_log_is_kept(tmp_path: Path) -> None:
    """The block is entered when the service is healthy; afterwards what it said is still there."""
    with running(service(BEAT, tmp_path / "ready"), tmp_path / "log") as url:
        assert (tmp_path / "ready").exists()
    assert url == "heart:"
    assert int((tmp_path / "log").read_text()) > 0


def test_a_service_that_ends_at_once_is_told_with_its_log(tmp_path: Path) -> None:
    """A service that cannot start raises with its status and last words, without waiting for the time-out."""
    broken = service("print('no such disk'); raise SystemExit(3)", tmp_path / "ready")
    with (
        pytest.raises(ServiceError, match=r"(?s)ended with status 3.*no such disk"),
        running(broken, tmp_path / "log"),
    ):
        pytest.fail("the block was entered")


def test_a_service_that_never_becomes_healthy_is_stopped(tmp_path: Path) -> None:
    """After the time to start the service is given up, and it does not run on."""
    slow = service("import time; time.sleep(60)", tmp_path / "ready")
    with (
        pytest.raises(ServiceError, match="did not become healthy in time"),
        running(slow, tmp_path / "log", start_seconds=0.3),
    ):
        pytest.fail("the block was entered")


def test_a_service_that_dies_while_in_use_fails_the_block(tmp_path: Path) -> None:
    """A crash of the service under test is never overlooked."""
    dying = service(START, tmp_path / "ready")
    with pytest.raises(ServiceError, match="died with status 0"), running(dying, tmp_path / "log"):
        os.waitid(os.P_PID, int((tmp_path / "log").read_text()), os.WEXITED | os.WNOWAIT)


def test_a_service_that_will_not_stop_is_killed_and_told(tmp_path: Path) -> None:
    """What ignores the stop signal is killed, and that is an error."""
    stubborn = service(DEAF, tmp_path / "ready")
    with (
        pytest.raises(ServiceError, match="was killed"),
        running(stubborn, tmp_path / "log", stop_seconds=0.3),
    ):
        pass


def test_each_test_has_a_postgresql_database_of_its_own(postgres_database: str, postgres_url: str) -> None:
    """The database of a test is real, empty and not the one that the server began with."""
    with psycopg.connect(postgres_database.replace("+psycopg", "")) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        version = connection.execute("SHOW server_version").fetchone()
    assert tables == (0,)
    assert version is not None
    assert int(version[0].split(".")[0]) >= 16
    assert postgres_database != postgres_url
