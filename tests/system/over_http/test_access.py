"""Who gets to see what."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.app import create_app
from pipeline.model import Access, FilesAccess, ScanStatus, ScanVerdict
from tests.archive import BASE_URL, Archive, open_archive, rewrite
from tests.asking import Client
from tests.system.over_http.doors import DOORS

CLEAN = ScanVerdict(ScanStatus.CLEAN, engine="clamd", method="stream")
INFECTED = ScanVerdict(ScanStatus.INFECTED, engine="clamd", method="stream", signature="Eicar")


_CLOSED = Access(FilesAccess.RESTRICTED)


@pytest.mark.parametrize("access", [_CLOSED, Access(FilesAccess.RESTRICTED, date(2026, 4, 1))])
def test_closed_files_are_closed_at_every_door(archive: Archive, client: Client, access: Access) -> None:
    """A stranger, and a user who is not the owner, get 403 at each address of a file, HEAD and ranges included; a page
    leads the stranger to sign in. No view of the record tells the name of one; the owner and an administrator read
    them."""
    record = archive.publish(files={"secret.txt": b"the secret"}, access=access, owner="ida@pier.example")
    app = create_app(archive.services)
    other = Client(app, archive.token("bo@pier.example"))
    for door in DOORS:
        path = door.format(id=record.id)
        for asker in (client, other):
            for answer in (asker.get(path), asker.ask("HEAD", path), asker.get(path, Range="bytes=0-1")):
                is_led = asker is client and path.startswith("/records")
                assert answer.status_code == (302 if is_led else 403)
                assert b"the secret" not in answer.content
        for known in ("ida@pier.example", "admin@archive.example"):
            token = archive.token(known, admin=known.startswith("admin"))
            assert Client(app, token).get(path).status_code == 200
            assert client.get(f"{path}{'&' if '?' in path else '?'}access_token={token}").status_code == 200
    views = [f"/api/records/{record.id}", f"/records/{record.id}", "/api/records", "/search", "/"]
    views += [
        f"/records/{record.id}/export/{name}"
        for name in ("json", "json-ld", "datacite-json", "datacite-xml", "dublincore")
    ]
    views += [
        "/oai2d?verb=ListRecords&metadataPrefix=oai_dc",
        "/oai2d?verb=ListRecords&metadataPrefix=oai_datacite",
    ]
    for view in views:
        answer = client.get(view)
        assert answer.status_code == 200
        assert "secret.txt" not in answer.text
    assert client.get(f"/api/records/{record.id}", Accept="application/vnd.inveniordm.v1+json").json()[
        "files"
    ] == {
        "enabled": True,
        "order": [],
    }


def test_an_embargo_lifts_by_itself(archive: Archive, client: Client) -> None:
    """On the embargo's day, and not a second before, everybody reads the files, and the record says that it is open."""
    record = archive.publish(
        files={"secret.txt": b"x"}, access=Access(FilesAccess.RESTRICTED, date(2026, 3, 10))
    )
    archive.clock.now = archive.clock.now.replace(hour=23, minute=59, second=59)
    before = client.get(f"/api/records/{record.id}")
    assert before.json()["metadata"]["access_right"] == "embargoed"
    assert client.get(f"/records/{record.id}/files/secret.txt").status_code == 302
    archive.clock.move(seconds=1)
    after = client.get(f"/api/records/{record.id}", If_None_Match=before.headers["etag"])
    assert after.json()["metadata"]["access_right"] == "open"
    assert [one["key"] for one in after.json()["files"]] == ["secret.txt"]
    assert client.get(f"/records/{record.id}/files/secret.txt").content == b"x"


def test_what_strangers_were_told_is_forgotten_with_any_change(each_archive: Archive) -> None:
    """An answer that is kept for strangers, of a record and of its page, is not given once the record has changed, or
    the day; nor to who shows something for themselves, nor in another format; and theirs are given to no stranger."""
    archive, owner = each_archive, "ida@pier.example"
    until = Access(FilesAccess.RESTRICTED, date(2026, 3, 10))
    record = archive.publish(files={"secret.txt": b"x"}, access=until, owner=owner)
    app = create_app(archive.services)
    client, ida = Client(app), Client(app, archive.token(owner))
    address, page = f"/api/records/{record.id}", f"/records/{record.id}"

    def shows(asker: Client, path: str) -> bool:
        first, again = asker.get(path), asker.get(path)
        assert (first.status_code, first.text) == (again.status_code, again.text)
        assert again.headers["content-type"] == first.headers["content-type"]
        return "secret.txt" in again.text

    for _ in range(2):
        assert (shows(client, address), shows(client, page)) == (False, False)
        assert (shows(ida, address), shows(ida, page)) == (True, True)
    rdm = "application/vnd.inveniordm.v1+json"
    assert client.get(address, Accept=rdm).headers["content-type"] == rdm
    assert client.get(address, If_None_Match=client.get(address).headers["etag"]).status_code == 304
    assert client.get(f"{address}?prettyprint=1").text.startswith('{\n  "')
    archive.clock.now = archive.clock.now.replace(hour=23, minute=59, second=59)
    assert not shows(client, address)
    archive.clock.move(seconds=1)
    assert (shows(client, address), shows(client, page)) == (True, True)
    newer = archive.publish(files={"b.txt": b"2"}, version_of=record, owner=owner)
    assert f"/records/{newer.id}" in client.get(page).text
    archive.withdraw(record, note="Uploaded by mistake")
    assert (client.get(address).status_code, client.get(page).status_code) == (410, 410)


def test_a_bad_token_is_refused(archive: Archive, client: Client) -> None:
    """A token that is unknown, garbled or empty gets 401 even where none is needed, in the header or the query; a
    good header wins over a bad query."""
    record = archive.publish(files={"a.txt": b"1"})
    path = f"/api/records/{record.id}"
    good = archive.token("ida@pier.example")
    for bad in ("nonsense", "hr_000000000000_x", good[:-1], good + "x", "", "hr__"):
        for answer in (
            client.get(path, Authorization=f"Bearer {bad}"),
            client.get(f"{path}?access_token={bad}"),
        ):
            assert answer.status_code == 401
            assert answer.json()["status"] == 401
            assert answer.json()["message"].startswith("The server could not verify that you are authorized")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get(f"{path}?access_token=nonsense", Authorization=f"Bearer {good}").status_code == 200


def test_a_withdrawn_record_leaves_its_tombstone(archive: Archive, client: Client) -> None:
    """After withdrawal every address of the record gets 410 with the tombstone, its files included, and no search
    or sitemap shows it; the work's id leads to the version that remains."""
    first = archive.publish(files={"a.txt": b"1"}, title="The first")
    second = archive.publish(files={"a.txt": b"2"}, version_of=first, title="The second")
    archive.withdraw(second, note="Uploaded by mistake")
    for path in (
        f"/api/records/{second.id}",
        f"/api/records/{second.id}/files",
        f"/api/records/{second.id}/files/a.txt/content",
    ):
        answer = client.get(path)
        assert answer.status_code == 410
        assert answer.json()["message"] == "Record deleted"
        assert answer.json()["tombstone"]["note"] == "Uploaded by mistake"
    page = client.get(f"/records/{second.id}")
    assert page.status_code == 410
    assert "Uploaded by mistake" in page.text
    file_page = client.get(f"/records/{second.id}/files/a.txt")
    assert (file_page.status_code, file_page.headers["location"]) == (302, f"{BASE_URL}/records/{second.id}")
    assert f"/records/{second.id}<" not in client.get("/sitemap.xml").text
    assert client.get("/api/records?q=second").json()["hits"]["hits"] == []
    assert (
        client.get(f"/api/records/{first.concept_id}").headers["location"]
        == f"{BASE_URL}/api/records/{first.id}"
    )


def test_files_wait_for_their_scan(tmp_path: Path) -> None:
    """With the gate `serve` a file without a clean verdict gets 409, a clean one its bytes, an infected one 403."""
    files = {"unknown.txt": b"1", "clean.txt": b"2", "bad.txt": b"3"}
    verdicts = {"clean.txt": CLEAN, "bad.txt": INFECTED}
    with open_archive(tmp_path / "home") as archive:
        # As with a scanner that says clean, which the embedded one never does: an instance of it has no such gate.
        settings = archive.services.settings.model_copy(update={"scan_gate": "serve"})
        client = Client(create_app(replace(archive.services, settings=settings)))
        record = archive.publish(files=files)
        for key, verdict in verdicts.items():
            archive.give(record, key, verdict)
        answers = {key: client.get(f"/api/records/{record.id}/files/{key}/content") for key in files}
        page = client.get(f"/records/{record.id}").text
        assert client.get(f"/api/records/{record.id}/files-archive").status_code in (403, 409)
    assert {key: answer.status_code for key, answer in answers.items()} == {
        "unknown.txt": 409,
        "clean.txt": 200,
        "bad.txt": 403,
    }
    assert "being scanned" in answers["unknown.txt"].json()["message"]
    assert f'href="/records/{record.id}/files/clean.txt"' in page
    assert f'href="/records/{record.id}/files/bad.txt"' not in page


def test_what_is_missing_from_a_closed_record_is_named_to_its_owner_only(
    archive: Archive, client: Client
) -> None:
    """Names of files that a partial record lacks are names of its files."""
    record = archive.publish(files={"here.txt": b"x"}, access=_CLOSED, owner="ida@pier.example")
    rewrite(archive, record.id, missing_files=["patient-names.csv"])
    owner = Client(create_app(archive.services), archive.token("ida@pier.example"))
    assert "patient-names.csv" not in client.get(f"/records/{record.id}").text
    assert "patient-names.csv" in owner.get(f"/records/{record.id}").text
