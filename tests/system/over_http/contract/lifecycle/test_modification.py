"""Files of published records changed with an edit: §4.9 and §9.4 of the contract, and what was seen on Zenodo's own
code."""

from typing import Any

import httpx
import pytest

from pipeline import dispatch, publication
from pipeline.model import ScanStatus, ScanVerdict
from pipeline.stewardship import stocktaking
from tests.archive import Archive
from tests.system.over_http.contract.depositor import DEPOSITIONS, Depositor, depositor, path_of


@pytest.fixture
def admin(archive: Archive) -> Depositor:
    return depositor(archive, "root@pier.example", admin=True)


def ask(who: Depositor, record_id: object, **body: object) -> httpx.Response:
    return who.send("POST", f"/api/records/{record_id}/file-modification", {"comment": "A typo.", **body})


def edited(who: Depositor, record_id: object) -> dict[str, Any]:
    answer = who.send("POST", f"{DEPOSITIONS}/{record_id}/actions/edit")
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def published(who: Depositor, files: dict[str, bytes]) -> dict[str, Any]:
    made = who.create()
    for key, content in files.items():
        assert who.put(made, key, content).status_code == 201
    return who.publish(made)


def read(who: Depositor, record_id: object) -> dict[str, bytes]:
    """What the published record has."""
    entries = who.client.get(f"/api/records/{record_id}/files").json()["entries"]
    return {
        one["key"]: who.client.get(f"/api/records/{record_id}/files/{one['key']}/content").content
        for one in entries
    }


def settle(archive: Archive) -> None:
    archive.clock.move(seconds=1)
    dispatch.drain(archive.services)


def require_sound(archive: Archive) -> None:
    """Store and catalogue agree, and every byte is what it was."""
    assert list(stocktaking.compare(archive.services)) == []


def test_4_9_an_owner_changes_the_files_of_a_young_record(
    archive: Archive, ida: Depositor, other: Depositor
) -> None:
    """Once an edit is open, by the bucket of the edit: files come, are replaced and go, and until it is published the
    record has what it had, to everybody. It keeps its id and DOI, and the version before is in its object."""
    record_id = published(ida, {"a.csv": b"1,2", "b.csv": b"3,4", "c.csv": b"5,6"})["id"]
    assert ask(ida, record_id).status_code == 404
    made = edited(ida, record_id)
    assert ida.put(made, "a.csv", b"1,3").status_code == 403
    assert ask(other, record_id).status_code == 403
    answer = ask(ida, record_id)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["type"], found["status"], found["topic"]) == (
        "file-modification",
        "accepted",
        {"record": str(record_id)},
    )
    assert found["payload"] == {"policy_id": "file-modification-grace-period-v1", "comment": "A typo."}
    assert ida.client.get(f"/api/requests/{found['id']}").json() == found
    assert [one["filename"] for one in ida.send("GET", made["links"]["self"]).json()["files"]] == [
        "a.csv",
        "b.csv",
        "c.csv",
    ]
    assert ida.put(made, "a.csv", b"1,3").status_code == 201
    assert ida.put(made, "d.csv", b"7").status_code == 201
    bucket = path_of(made["links"]["bucket"])
    assert ida.client.ask("DELETE", f"{bucket}/b.csv").status_code == 204
    assert ida.client.get(f"{bucket}/a.csv").content == b"1,3"
    assert ida.client.get(f"{bucket}/c.csv").content == b"5,6"
    assert read(other, record_id) == {"a.csv": b"1,2", "b.csv": b"3,4", "c.csv": b"5,6"}
    listed = other.client.get(f"{DEPOSITIONS}/{record_id}/files").json()
    assert [one["filename"] for one in listed] == ["a.csv", "b.csv", "c.csv"]
    done = ida.publish(made)
    after = {"a.csv": b"1,3", "c.csv": b"5,6", "d.csv": b"7"}
    assert (done["id"], sorted(one["filename"] for one in done["files"])) == (record_id, sorted(after))
    assert read(other, record_id) == after
    settle(archive)
    assert read(other, record_id) == after
    require_sound(archive)
    shown = other.client.get(f"/api/records/{record_id}").json()
    assert sorted(one["key"] for one in shown["files"]) == sorted(after)
    assert [one["id"] for one in other.client.get("/api/records").json()["hits"]["hits"]] == [record_id]
    again = edited(ida, record_id)
    assert ida.put(again, "a.csv", b"1,4").status_code == 403
    assert ask(ida, record_id).status_code == 200
    assert ida.put(again, "c.csv", b"8").status_code == 201
    ida.publish(again)
    after["c.csv"] = b"8"
    assert read(other, record_id) == after
    settle(archive)
    assert read(other, record_id) == after
    require_sound(archive)
    follows = ida.send("POST", f"{DEPOSITIONS}/{record_id}/actions/newversion").json()
    assert ida.put(follows, "e.csv", b"9").status_code == 201
    new_id = ida.publish(follows)["id"]
    settle(archive)
    assert read(other, new_id) == {**after, "e.csv": b"9"}
    require_sound(archive)


def test_4_9_what_an_edit_began_is_given_up_with_it(archive: Archive, ida: Depositor) -> None:
    """And the record is as it was; so it is where nothing was changed in the end."""
    record_id = published(ida, {"a.csv": b"1", "again.csv": b"1"})["id"]
    settle(archive)
    made = edited(ida, record_id)
    assert ask(ida, record_id).status_code == 200
    assert ida.put(made, "a.csv", b"2").status_code == 201
    assert ida.send("POST", made["links"]["discard"]).status_code == 204
    assert read(ida, record_id) == {"a.csv": b"1", "again.csv": b"1"}
    require_sound(archive)
    made = edited(ida, record_id)
    assert ask(ida, record_id).status_code == 200
    assert ida.publish(made)["state"] == "done"
    settle(archive)
    assert read(ida, record_id) == {"a.csv": b"1", "again.csv": b"1"}
    made = edited(ida, record_id)
    assert ask(ida, record_id).status_code == 200
    for key in ("a.csv", "again.csv"):
        assert ida.client.ask("DELETE", f"{path_of(made['links']['bucket'])}/{key}").status_code == 204
    refused = ida.send("POST", made["links"]["publish"])
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "files.enabled")
    assert ida.put(made, "again.csv", b"1").status_code == 201
    ida.publish(made)
    settle(archive)
    assert read(ida, record_id) == {"again.csv": b"1"}
    require_sound(archive)


def test_9_4_the_time_for_it_is_over_soon(archive: Archive, ida: Depositor, admin: Depositor) -> None:
    """Thirty days to begin, forty-five to publish; administrators let it begin later, for fifteen days."""
    record_id = published(ida, {"a.csv": b"1"})["id"]
    made = edited(ida, record_id)
    archive.clock.move(days=29)
    assert ask(ida, record_id).status_code == 200
    assert ida.put(made, "a.csv", b"2").status_code == 201
    archive.clock.move(days=17)
    refused = ida.send("POST", made["links"]["publish"])
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "files")
    assert refused.json()["errors"][0]["messages"] == [
        "File modification grace period has passed. Please discard this draft to make any changes."
    ]
    late = ask(ida, record_id)
    assert (late.status_code, late.json()["remedy"]) == (403, "Make a new version.")
    asked = ask(admin, record_id)
    assert (asked.status_code, asked.json()["payload"]["policy_id"]) == (200, "file-modification-admin-v1")
    archive.clock.move(days=14)
    assert ida.publish(made)["state"] == "done"
    assert read(ida, record_id) == {"a.csv": b"2"}


def test_4_9_what_another_version_has_from_here_stays(archive: Archive, ida: Depositor) -> None:
    """Where a later version leans on the bytes, be it a draft; what it does not lean on may go."""
    record_id = published(ida, {"a.csv": b"1", "b.csv": b"2"})["id"]
    made = edited(ida, record_id)
    assert ask(ida, record_id).status_code == 200
    assert ida.put(made, "a.csv", b"3").status_code == 201
    follows = ida.send("POST", f"{DEPOSITIONS}/{record_id}/actions/newversion").json()
    refused = ida.send("POST", made["links"]["publish"])
    assert refused.status_code == 400
    assert "another version of the work has this file from here" in refused.json()["errors"][0]["messages"][0]
    assert ida.client.ask("DELETE", f"{path_of(follows['links']['bucket'])}/a.csv").status_code == 204
    assert ida.publish(made)["state"] == "done"
    assert ida.publish(follows)["state"] == "done"
    settle(archive)
    assert read(ida, record_id) == {"a.csv": b"3", "b.csv": b"2"}
    assert read(ida, follows["id"]) == {"b.csv": b"2"}
    require_sound(archive)


def test_4_9_a_record_that_changed_is_withdrawn_and_restored_whole(
    archive: Archive, ida: Depositor, admin: Depositor
) -> None:
    """Also before its new bytes are preserved; what was infected among them takes it out of service."""
    record_id = published(ida, {"a.csv": b"1", "b.csv": b"2"})["id"]
    made = edited(ida, record_id)
    assert ask(ida, record_id).status_code == 200
    assert ida.put(made, "a.csv", b"3").status_code == 201
    ida.publish(made)
    publication.withdraw(archive.services, record_id, reason="retracted", note="", by="root@pier.example")
    settle(archive)
    require_sound(archive)
    assert ida.client.get(f"/api/records/{record_id}").status_code == 410
    assert admin.send("POST", f"/api/records/{record_id}/restore").status_code == 200
    settle(archive)
    assert read(ida, record_id) == {"a.csv": b"3", "b.csv": b"2"}
    require_sound(archive)
    archive.give(
        archive.record(record_id), "a.csv", ScanVerdict(ScanStatus.INFECTED, engine="t", signature="x")
    )
    assert ida.client.get(f"/api/records/{record_id}/files/a.csv/content").status_code == 403
    assert ida.client.get(f"/api/records/{record_id}/files/b.csv/content").content == b"2"
