"""Uploads that the network spoils, and many at once, at a gateway that is a process of its own."""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa

from infra.local.gateway import gateway
from infra.local.service import launched
from loadtests.bench_uploads import measure
from pipeline.catalogue.tables import transfer
from pipeline.settings import StoreLocation
from pipeline.store.transfer import IN_PARTS_FROM, MIB
from tests.archive import Archive, open_archive

SIZE = 3 * IN_PARTS_FROM
_CAME = 2 * IN_PARTS_FROM + MIB
_LIMITS = {"local": 250, "seaweedfs": 400}


@pytest.fixture(params=_LIMITS)
def location(request: pytest.FixtureRequest) -> StoreLocation | None:
    """Where the store is: on disk, and on S3."""
    if request.param == "local":
        return None
    found: StoreLocation = request.getfixturevalue("seaweedfs_location")
    return found


@dataclass
class Served:
    """An archive, and a client of its gateway who owns a draft with this bucket."""

    archive: Archive
    client: httpx.Client
    bucket: str

    def transfers(self) -> int:
        with self.archive.services.catalogue.read() as tx:
            return tx.execute(sa.select(sa.func.count()).select_from(transfer)).scalar_one()

    def leftovers(self) -> list[str]:
        store = self.archive.services.store
        return [one.key for one in (*store.list("staging"), *store.open_uploads())]


@pytest.fixture
def served(tmp_path: Path, location: StoreLocation | None) -> Iterator[Served]:
    with open_archive(tmp_path / "home", location) as archive:
        token = archive.token("ida@pier.example", scopes=("deposit:write",))
        service = gateway(tmp_path / "home", location)
        bearer = {"Authorization": f"Bearer {token}"}
        with launched(service, tmp_path / "log"), httpx.Client(headers=bearer, timeout=60) as client:
            drafted = client.post(f"{service.url}/api/deposit/depositions", json={})
            yield Served(archive, client, drafted.json()["links"]["bucket"])


def _cut(served: Served, url: str, *, in_chunks: bool) -> None:
    """Send a part of a file, wait until the gateway has taken it up, and reset the connection."""
    parts = urlsplit(url)
    length = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {SIZE}"
    head = (
        f"PUT {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{length}\r\n"
        f"Authorization: {served.client.headers['authorization']}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(head.encode())
        chunk = bytes(MIB)
        for _ in range(_CAME // MIB):
            connection.sendall(b"%x\r\n%b\r\n" % (MIB, chunk) if in_chunks else chunk)
        _await(lambda: served.transfers() == 1)
        # Closed with no time to linger, a connection ends by a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _await(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_connection_that_is_cut_leaves_nothing(served: Served, in_chunks: bool) -> None:
    """No file, no object, no open upload and no transfer; a file of that name is the one that it was."""
    url = f"{served.bucket}/gauge.csv"
    _cut(served, url, in_chunks=in_chunks)
    _await(lambda: served.transfers() == 0)
    assert (served.client.get(url).status_code, served.leftovers()) == (404, [])
    assert served.client.put(url, content=b"t,h").status_code == 201
    before = served.leftovers()
    _cut(served, url, in_chunks=in_chunks)
    _await(lambda: served.transfers() == 0)
    assert (served.client.get(url).content, served.leftovers()) == (b"t,h", before)


def test_many_uploads_at_once_need_bounded_memory(tmp_path: Path, location: StoreLocation | None) -> None:
    """The whole process, 32 uploads: 250 MB on disk, 400 MB on S3; `loadtests.bench_uploads` sends 1 GB each."""
    uploaded = measure(tmp_path / "home", 32, 24, location)
    assert uploaded.peak < _LIMITS["local" if location is None else "seaweedfs"]
