"""What takes effect at once: access that is set, that is lifted, and that ends by the clock."""

import json
from datetime import date

import pytest

from gateway.app import create_app
from pipeline import dispatch
from pipeline.model import Access, FilesAccess
from tests.archive import Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import Depositor
from tests.system.over_http.doors import DOORS

_NAMES = (
    "/api/records?q=secret",
    "/api/records?q=files.entries.key:secret.txt",
    "/api/records?file_type=txt",
)


def found(client: Client, path: str) -> tuple[int, dict[str, int], bool]:
    """How many records a search finds, how many each file type and status has, and whether a file is named."""
    answer = client.get(path).json()
    counted = {
        f"{name}:{one['key']}": one["doc_count"]
        for name in ("file_type", "access_status")
        for one in answer["aggregations"][name]["buckets"]
    }
    return answer["hits"]["total"], counted, "secret.txt" in json.dumps(answer["hits"])


def test_access_that_is_set_holds_in_search_before_anything_else_is_done(
    archive: Archive, client: Client, ida: Depositor
) -> None:
    """No effect is carried out between the edit's publication and the searches: the record is found by what everybody
    may know and counted as what it is now, and not by its files; and opened again it is."""
    deposition = ida.create()
    assert ida.put(deposition, "secret.txt").status_code == 201
    record_id = ida.publish(deposition)["id"]
    dispatch.drain(archive.services)
    opened = {"file_type:txt": 1, "access_status:open": 1}
    for path in _NAMES:
        assert found(client, path) == (1, opened, True)
    ida.set_access(record_id, access_right="restricted")
    for path in _NAMES:
        assert found(client, path) == (0, {}, False)
    assert found(client, "/api/records?q=tide") == (1, {"access_status:restricted": 1}, False)
    assert found(client, "/api/records?access_status=open")[0] == 0
    assert "secret.txt" not in client.get("/search?q=tide").text
    harvested = client.get("/oai2d?verb=ListRecords&metadataPrefix=oai_datacite").text
    assert "restrictedAccess" in harvested
    assert "openAccess" not in harvested
    ida.set_access(record_id, access_right="open")
    for path in _NAMES:
        assert found(client, path) == (1, opened, True)
    assert client.get(f"/records/{record_id}/files/secret.txt").status_code == 200


@pytest.mark.parametrize("size", [1, 300])
def test_an_embargo_ends_at_every_door_in_one_moment(archive: Archive, client: Client, size: int) -> None:
    """With no effect carried out and nothing written: at the stroke of the day files are read, found and counted,
    however many they are."""
    files = {"secret.txt": b"x"} | {f"{number}.bin": b"x" for number in range(size)}
    record = archive.publish(files=files, access=Access(FilesAccess.RESTRICTED, date(2026, 3, 10)))
    archive.clock.now = archive.clock.now.replace(hour=23, minute=59, second=59)
    doors = [door.format(id=record.id) for door in DOORS]
    # Pages lead strangers to sign in.
    shut = [302 if door.startswith("/records") else 403 for door in doors]
    assert [client.get(door).status_code for door in doors] == shut
    for path in _NAMES:
        assert found(client, path)[0] == 0
    assert found(client, "/api/records") == (1, {"access_status:embargoed": 1}, False)
    archive.clock.move(seconds=1)
    assert {client.get(door).status_code for door in doors} == {200}
    for path in _NAMES:
        assert found(client, path)[0] == 1
    assert found(client, "/api/records")[1]["access_status:open"] == 1
    assert "openAccess" in client.get("/oai2d?verb=ListRecords&metadataPrefix=oai_datacite").text
    assert archive.record(record.id) == record


def test_a_link_holds_its_right_while_the_record_is_closed_and_opens_nothing_once_it_is_withdrawn(
    archive: Archive, ida: Depositor
) -> None:
    """Files of a withdrawn record are for nobody, whatever was given."""
    record_id = ida.published(access_right="restricted")["id"]
    made = ida.send("POST", f"/api/records/{record_id}/access/links", {"permission": "edit"}).json()
    stranger = Client(create_app(archive.services))
    path = f"/api/records/{record_id}/files/gauge.csv/content?token={made['token']}"
    assert stranger.get(path).status_code == 200
    archive.withdraw(archive.record(record_id))
    assert stranger.get(path).status_code == 410
