"""A file that comes in parts, while one gateway after the other is killed: the client goes on with those that are
left."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import httpx
import pytest

from infra.local.gateway import gateway
from infra.local.service import launched
from pipeline import dispatch
from pipeline.catalogue import draft_files, drafts
from pipeline.settings import StoreLocation
from tests.archive import open_archive
from tests.faults import Fault, Trap
from tests.system.over_http.parts import BODY, COUNT, MD5, MULTIPART, part, slowly


@dataclass
class Site:
    """One instance, whose gateways come and go."""

    folder: Path
    location: StoreLocation | None
    headers: dict[str, str]

    @contextmanager
    def gateway(self, *faults: Fault) -> Iterator[tuple[httpx.Client, "Popen[bytes]"]]:
        """A client of a new gateway, which meets its faults."""
        trap = Trap(self.folder / f"trap {len(list(self.folder.iterdir()))}", *faults)
        service = gateway(self.folder / "home", self.location, trap.environment)
        with (
            launched(service, self.folder / "log") as process,
            httpx.Client(base_url=service.url, headers=self.headers, timeout=60) as client,
        ):
            yield client, process


@pytest.fixture
def site(tmp_path: Path, location: StoreLocation | None) -> Site:
    with open_archive(tmp_path / "home", location) as archive:
        token = archive.token("ida@pier.example", scopes=("deposit:write",))
    return Site(tmp_path, location, {"Authorization": f"Bearer {token}"})


def commits(location: StoreLocation | None) -> list[Fault]:
    """Where a gateway may die in a commit: when the store has done it, before and after the catalogue has."""
    in_store = "slots:rename_into_folder" if location is None else "s3.parts:LooseParts._complete"
    attaching = "pipeline.ingest.multipart:_attach"
    return [
        Fault(f"pipeline.store.{in_store}", after=True),
        Fault(attaching),
        Fault(attaching, after=True),
    ]


def test_what_was_answered_outlives_every_gateway(site: Site) -> None:
    """Killed in the middle of a part, and at each step of the commit: the parts that were answered are there, the one
    that was not is sent again, and a repeated commit is answered 200."""
    with site.gateway() as (client, process):
        draft = client.post("/api/deposit/depositions", json={}).json()["id"]
        files = f"/api/records/{draft}/draft/files"
        assert client.post(files, json=[MULTIPART]).status_code == 201
        itself = f"{files}/{MULTIPART['key']}"
        assert client.put(f"{itself}/content/3", content=part(3)).status_code == 200
        kill_in_a_part(client, f"{itself}/content/2", process)
    with site.gateway() as (client, _):
        assert client.put(f"{itself}/content/1", content=part(1)).status_code == 200
        refused = client.post(f"{itself}/commit")
        assert (refused.status_code, refused.json()["message"][-3:]) == (400, ": 2")
        assert client.put(f"{itself}/content/2", content=part(2)).status_code == 200
    for fault in commits(site.location):
        with site.gateway(fault) as (client, process):
            with pytest.raises(httpx.TransportError):
                client.post(f"{itself}/commit")
            assert process.wait(30) == -signal.SIGKILL
    with site.gateway() as (client, _):
        done = client.post(f"{itself}/commit")
        assert (done.status_code, done.json()["status"]) == (200, "completed")
        assert client.get(f"{itself}/content").content == BODY
    with open_archive(site.folder / "home", site.location) as archive:
        archive.clock.move(days=365)  # the gateways had the real time
        dispatch.drain(archive.services)
        with archive.services.catalogue.read() as tx:
            [file] = draft_files.page(tx, drafts.get(tx, draft).deposit.id, limit=COUNT)
    assert file.digests["md5"] == MD5


def kill_in_a_part(client: httpx.Client, url: str, process: "Popen[bytes]") -> None:
    sent = threading.Event()
    address = client.base_url.join(url)
    headers = dict(client.headers)

    def send() -> None:
        with suppress(httpx.TransportError):
            httpx.put(address, content=slowly(part(2)[:-1], sent), headers=headers, timeout=60)

    threading.Thread(target=send, daemon=True).start()
    assert sent.wait(30)
    process.send_signal(signal.SIGKILL)
    process.wait()
