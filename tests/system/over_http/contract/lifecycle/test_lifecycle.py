"""Published records deleted and restored: §4.9 of the contract, and what was seen on Zenodo's own code."""

import httpx
import pytest

from pipeline import dispatch
from pipeline.model import DoiState
from tests.archive import Archive
from tests.system.over_http.contract.depositor import CSV, DEPOSITIONS, Depositor, depositor

WHY = {"reason": "test-record", "comment": "Uploaded while trying things out."}


@pytest.fixture
def admin(archive: Archive) -> Depositor:
    return depositor(archive, "root@pier.example", admin=True)


def ask(who: Depositor, record_id: int, body: object = WHY) -> httpx.Response:
    return who.send("POST", f"/api/records/{record_id}/request-deletion", body)


def test_4_9_an_owner_deletes_a_young_record(archive: Archive, ida: Depositor, other: Depositor) -> None:
    """At once, which is answered as a request that was accepted; the tombstone says why, and not more."""
    record = archive.publish(files={"gauge.csv": CSV}, owner=ida.email)
    assert ask(other, record.id).status_code == 403
    for body, field in (
        ({}, "reason"),
        ({"reason": "boredom"}, "reason"),
        ({**WHY, "comment": 5}, "comment"),
    ):
        refused = ask(ida, record.id, body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)
    answer = ask(ida, record.id)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["type"], found["status"], found["topic"]) == (
        "record-deletion",
        "accepted",
        {"record": str(record.id)},
    )
    assert ida.client.get(f"/api/requests/{found['id']}").json() == found
    gone = ida.client.get(f"/api/records/{record.id}")
    assert (gone.status_code, gone.json()["message"]) == (410, "Record deleted")
    tombstone = gone.json()["tombstone"]
    assert tombstone["removal_reason"] == {"id": "test-record"}
    assert (tombstone["note"], tombstone["deletion_policy"]) == ("", {"id": "grace-period-v1"})
    assert ida.client.get(f"/api/records/{record.id}/files/gauge.csv/content").status_code == 410
    again = ask(ida, record.id)
    assert (again.status_code, again.json()["message"]) == (400, "Record in unexpected deletion status.")


def test_4_9_who_manages_a_work_does_not_delete_it(
    archive: Archive, ida: Depositor, other: Depositor, admin: Depositor
) -> None:
    """That is the owner's; administrators own all."""
    record = archive.publish(files={"gauge.csv": CSV}, owner=ida.email)
    grant = {"subject": {"type": "user", "id": str(other.create()["owner"])}, "permission": "manage"}
    grants = f"/api/records/{record.id}/access/grants"
    assert ida.send("POST", grants, {"grants": [grant]}).status_code == 201
    assert other.send("GET", grants).status_code == 200
    assert ask(other, record.id).status_code == 403
    assert ida.client.get(f"/api/records/{record.id}").status_code == 200
    assert ask(admin, record.id).status_code == 200


def test_4_9_later_on_nobody_deletes_their_own(archive: Archive, ida: Depositor, admin: Depositor) -> None:
    """Whose draft it is there is nothing to ask for."""
    record = archive.publish(files={"gauge.csv": CSV}, owner=ida.email)
    archive.clock.move(days=31)
    refused = ask(ida, record.id)
    assert (refused.status_code, "remedy" in refused.json()) == (403, True)
    assert ida.client.get(f"/api/records/{record.id}").status_code == 200
    assert ask(ida, ida.create()["id"]).status_code == 404
    path = f"/api/records/{record.id}/delete"
    assert ida.send("DELETE", path).status_code == 403
    body = {"removal_reason": {"id": "copyright"}, "note": "Somebody else wrote it."}
    assert admin.send("DELETE", path, body).status_code == 204
    tombstone = ida.client.get(f"/api/records/{record.id}").json()["tombstone"]
    assert (tombstone["removal_reason"], tombstone["note"]) == (
        {"id": "copyright"},
        "Somebody else wrote it.",
    )
    assert admin.send("DELETE", path).status_code == 409


def test_4_9_administrators_restore_a_record(archive: Archive, ida: Depositor, admin: Depositor) -> None:
    """Its files, its place among the versions of its work, its DOI and search are as they were."""
    first = archive.publish(files={"gauge.csv": b"1"}, owner=ida.email)
    second = archive.publish(files={"gauge.csv": b"2"}, owner=ida.email, version_of=first)
    path = f"/api/records/{second.id}/restore"
    assert admin.send("POST", path).status_code == 409
    archive.withdraw(second)
    doi = f"10.5072/headrace.{second.id}"

    def seen() -> tuple[object, ...]:
        held = archive.services.registry.get(doi)
        newest = ida.client.get(f"/api/records/{first.concept_id}").headers["location"]
        hits = ida.client.get("/api/records?q=tide").json()["hits"]["hits"]
        return held and held.state, newest.rpartition("/")[2], [one["id"] for one in hits]

    assert seen() == (DoiState.REGISTERED, str(first.id), [first.id])
    assert ida.send("POST", path).status_code == 403
    restored = admin.send("POST", path)
    assert (restored.status_code, restored.json()["id"]) == (200, second.id)
    archive.clock.move(seconds=1)
    dispatch.drain(archive.services)
    assert seen() == (DoiState.FINDABLE, str(second.id), [second.id])
    assert ida.client.get(f"/api/records/{second.id}/files/gauge.csv/content").content == b"2"
    assert ida.send("POST", f"{DEPOSITIONS}/{second.id}/actions/newversion").status_code == 201


def test_4_9_a_deleted_record_is_out_of_search_at_once(
    archive: Archive, ida: Depositor, admin: Depositor
) -> None:
    """Of hits, totals and counts, before anything is dispatched, and back as soon as it is restored; the version before
    it stands for the work meanwhile."""
    archive.add_community("tides", "Tides")
    first = archive.publish(files={"gauge.csv": b"1"}, owner=ida.email, community="tides", title="Ebb")
    second = archive.publish(files={"gauge.csv": b"2"}, owner=ida.email, version_of=first, title="Flood")
    other = archive.publish(files={"a.txt": b"3"}, owner=ida.email, title="Slack water")

    def seen() -> tuple[object, ...]:
        found = ida.client.get("/api/records?sort=oldest").json()
        facets = found["aggregations"]
        counted = sum(one["doc_count"] for one in facets["access_status"]["buckets"])
        types = [one["key"] for one in facets["file_type"]["buckets"]]
        every = ida.client.get("/api/records?all_versions=1").json()["hits"]["total"]
        within = ida.client.get("/api/communities/tides/records").json()["hits"]
        page = ida.client.get("/search").text
        return (
            [one["id"] for one in found["hits"]["hits"]],
            (found["hits"]["total"], counted, every),
            sorted(types),
            (within["total"], [one["id"] for one in within["hits"]]),
            [title for title in ("Ebb", "Flood", "Slack water") if f">{title}<" in page],
        )

    whole = ([second.id, other.id], (2, 2, 3), ["csv", "txt"], (1, [second.id]), ["Flood", "Slack water"])
    assert seen() == whole
    assert ask(ida, second.id).status_code == 200
    assert seen() == (
        [first.id, other.id],
        (2, 2, 2),
        ["csv", "txt"],
        (1, [first.id]),
        ["Ebb", "Slack water"],
    )
    assert admin.send("DELETE", f"/api/records/{other.id}/delete").status_code == 204
    assert seen() == ([first.id], (1, 1, 1), ["csv"], (1, [first.id]), ["Ebb"])
    for one in (second, other):
        assert admin.send("POST", f"/api/records/{one.id}/restore").status_code == 200
    assert seen() == whole


def test_4_9_what_was_infected_stays_withdrawn(archive: Archive, admin: Depositor) -> None:
    record = archive.publish(files={"gauge.csv": CSV})
    archive.withdraw(record, reason="infected")
    refused = admin.send("POST", f"/api/records/{record.id}/restore")
    assert (refused.status_code, admin.client.get(f"/api/records/{record.id}").status_code) == (409, 410)
