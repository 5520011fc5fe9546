"""The gateway as a process of its own, over a socket."""

import asyncio
import os
import signal
import time
from pathlib import Path

import anyio.to_thread
import httpx
import pytest

from gateway.app import create_app
from gateway.receiving import SERVING
from infra.local.gateway import gateway
from infra.local.service import launched, running
from pipeline.catalogue import MOST_THREADS
from tests.archive import Archive, open_archive


def test_the_server_serves_and_stops_when_told(tmp_path: Path) -> None:
    """`python -m gateway` serves files, whole, in parts, and their headers alone; clients that go away in the middle
    leave no open file behind; SIGTERM ends it in order."""
    data = os.urandom(1 << 20) * 12
    with open_archive(tmp_path / "home") as archive:
        record = archive.publish(files={"large.bin": data})
    service = gateway(tmp_path / "home")
    with (
        launched(service, tmp_path / "log") as process,
        httpx.Client(base_url=service.url) as client,
    ):
        path = f"/records/{record.id}/files/large.bin"
        assert client.get(path).content == data
        assert client.get(path, headers={"Range": "bytes=-5"}).content == data[-5:]
        told = client.head(path)
        assert (told.headers["content-length"], told.content) == (str(len(data)), b"")
        for _ in range(10):
            with client.stream("GET", path) as answer:
                next(answer.iter_raw(1000))
        assert _holds_no(process.pid, "large.bin")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_the_server_believes_no_address_but_the_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever address a request claims to come from, on this machine and where the environment is lenient, too."""
    monkeypatch.setenv("HEADRACE_RATE_LIMITS", "guest 2/minute")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    with running(gateway(tmp_path / "home"), tmp_path / "log") as address:
        told = [
            httpx.get(f"{address}/api/records/77", headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code
            for n in range(3)
        ]
    assert told == [404, 404, 429]


def test_a_gateway_has_the_threads_that_its_catalogue_is_made_for(archive: Archive) -> None:
    """Those that take bodies are left out of them, whatever number the framework begins with."""

    async def serving() -> float:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 2 * MOST_THREADS
        app = create_app(archive.services)
        async with app.router.lifespan_context(app):
            return limiter.total_tokens

    assert asyncio.run(serving()) == SERVING < MOST_THREADS


def _holds_no(pid: int, name: str) -> bool:
    """Whether the process has, before long, no file of that name open."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        links = (link for link in Path(f"/proc/{pid}/fd").iterdir())
        if not any(_target(link).endswith(name) for link in links):
            return True
        time.sleep(0.05)
    return False


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""
