"""The gateway as a process of its own, over a socket."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio.to_thread
import httpx
import pytest

from gateway.app import create_app
from gateway.http.receiving import SERVING
from infra.local.gateway import gateway, gateways
from infra.local.service import launched, running
from pipeline.catalogue import MOST_THREADS
from pipeline.running.loopback import free_port, is_bindable
from tests.archive import Archive, open_archive
from tests.command import wait_until


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


def test_gateways_that_share_a_port_are_one_to_the_world(tmp_path: Path) -> None:
    """Each of `HEADRACE_GATEWAYS` takes its part of the connections; whichever is asked shows what all have counted,
    and goes on with what was begun at another. One that dies is started again. SIGTERM ends all, and frees the port."""
    home = tmp_path / "home"
    with open_archive(home) as archive:
        token = archive.token("ida@pier.example", scopes=["deposit:write", "deposit:actions"])
    port = free_port()
    service = gateways(home, port, number=3)
    with launched(service, tmp_path / "log") as process:
        wait_until(lambda: len(_serving(process.pid)) == 3, "three gateways")
        bearer = {"Authorization": f"Bearer {token}"}
        for number in range(40):
            made = httpx.post(f"{service.url}/api/deposit/depositions", json={}, headers=bearer)
            assert httpx.get(made.json()["links"]["self"], headers=bearer).status_code == 200, number
        assert {_counted(service.url) for _ in range(10)} == {40.0}
        assert len({pid for pid in _serving(process.pid) if _has_counted(home, pid)}) > 1
        os.kill(min(_serving(process.pid)), signal.SIGKILL)
        wait_until(lambda: len(_serving(process.pid)) == 3, "the third gateway")
        assert _counted(service.url) == 40.0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert is_bindable(port)


def test_gateways_do_not_share_the_port_of_others(tmp_path: Path) -> None:
    """Not even with those of another instance, who would share it with anybody."""
    port = free_port()
    with running(gateways(tmp_path / "one", port, number=2), tmp_path / "log"):
        for number in (1, 2):
            told = subprocess.run(
                [sys.executable, "-m", "pipeline", "serve", "--no-runner", "--port", str(port)],
                env={**os.environ, "HEADRACE_HOME": str(tmp_path / "two"), "HEADRACE_GATEWAYS": str(number)},
                capture_output=True,
                check=False,
            )
            assert told.returncode != 0
            assert f"port {port}".encode() in told.stderr


def _serving(supervisor: int) -> list[int]:
    """The processes of gateways that have the port."""
    path = Path(f"/proc/{supervisor}/task/{supervisor}/children")
    children = [int(word) for word in path.read_text().split()]
    return [pid for pid in children if b"--shares-port" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _has_counted(home: Path, pid: int) -> bool:
    return (home / "run" / "metrics" / f"counter_{pid}.db").exists()


def _counted(url: str) -> float:
    """Drafts that were made, as `/metrics` counts them."""
    wanted = 'route="/api/deposit/depositions",status="201"'
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if "http_requests_total" in line and wanted in line)


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
