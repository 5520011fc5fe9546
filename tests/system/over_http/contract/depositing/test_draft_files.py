"""The draft files API, by §4.3 of the contract, and what was seen of it on Zenodo's own code."""

import hashlib
from typing import Any
from urllib.parse import quote

import httpx

from gateway.app import create_app
from tests.archive import Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import CSV, Depositor, depositor, path_of

MD5 = hashlib.md5(CSV, usedforsecurity=False).hexdigest()
WAIT = "One or more files have not completed their transfer, please wait."


def files_of(deposition: dict[str, Any]) -> str:
    return f"/api/records/{deposition['id']}/draft/files"


def announce(ida: Depositor, deposition: dict[str, Any], *files: object) -> httpx.Response:
    return ida.send("POST", files_of(deposition), list(files))


def put(ida: Depositor, entry: dict[str, Any], content: bytes = CSV, **headers: str) -> httpx.Response:
    headers = {"content_type": "application/octet-stream", **headers}
    return ida.client.ask("PUT", path_of(entry["links"]["content"]), content=content, **headers)


def messages(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(one["field"], one["messages"][0]) for one in answer.json().get("errors", [])]


def test_4_3_a_file_is_announced_sent_and_committed(ida: Depositor) -> None:
    """Its entry tells of each step; then it is the draft's, for the legacy API as well, and is published with it. Names
    may have slashes."""
    deposition = ida.create()
    announced = announce(ida, deposition, {"key": "a/b c.csv", "size": len(CSV), "checksum": f"md5:{MD5}"})
    assert announced.status_code == 201
    [entry] = announced.json()["entries"]
    itself = f"{files_of(deposition)}/a/b%20c.csv"
    assert {name: path_of(url) for name, url in entry["links"].items()} == {
        "self": itself,
        "content": f"{itself}/content",
        "commit": f"{itself}/commit",
    }
    expected = {"key": "a/b c.csv", "status": "pending", "metadata": None, "access": {"hidden": False}}
    assert entry.items() >= {**expected, "transfer": {"type": "L"}}.items()
    assert entry.keys() == expected.keys() | {"transfer", "links", "created", "updated"}
    sent = put(ida, entry)
    assert (sent.status_code, sent.json()["status"]) == (200, "pending")
    assert ida.send("GET", deposition["links"]["files"]).json() == []
    committed = ida.send("POST", entry["links"]["commit"])
    assert committed.status_code == 200
    done = committed.json()
    assert done == ida.send("GET", entry["links"]["self"]).json()
    more = {"checksum": f"md5:{MD5}", "size": len(CSV), "mimetype": "text/csv", "storage_class": "L"}
    assert done.items() >= {**expected, **more, "status": "completed"}.items()
    assert done.keys() - entry.keys() == more.keys() | {"version_id", "file_id", "bucket_id"}
    assert ida.client.get(path_of(entry["links"]["content"])).content == CSV
    [file] = ida.send("GET", deposition["links"]["files"]).json()
    assert (file["filename"], file["checksum"], file["id"]) == ("a/b c.csv", MD5, done["file_id"])
    assert ida.publish(deposition)["files"][0]["filename"] == "a/b c.csv"


def test_4_3_all_files_are_listed_pending_ones_too(ida: Depositor) -> None:
    """Those that came by other ways as well."""
    deposition = ida.create()
    ida.put(deposition, "old.csv")
    announce(ida, deposition, {"key": "new.csv"}, {"key": "x/newer.csv"})
    listed = ida.send("GET", files_of(deposition)).json()
    assert {one["key"]: one["status"] for one in listed["entries"]} == {
        "new.csv": "pending",
        "x/newer.csv": "pending",
        "old.csv": "completed",
    }
    assert (listed["enabled"], listed["order"], listed["default_preview"]) == (True, [], None)
    assert path_of(listed["links"]["self"]) == files_of(deposition)


def test_4_3_a_key_is_announced_once(ida: Depositor) -> None:
    """Be it pending, committed, or twice in one request; then none of the request is taken."""
    deposition = ida.create()
    ida.put(deposition, "old.csv")
    announce(ida, deposition, {"key": "new.csv"})
    for keys in (["old.csv"], ["new.csv"], ["other.csv", "old.csv"], ["twin.csv", "twin.csv"]):
        refused = announce(ida, deposition, *({"key": key} for key in keys))
        assert refused.status_code == 400
        assert refused.json()["message"] == f"File with key {keys[-1]} already exists."
    listed = ida.send("GET", files_of(deposition)).json()["entries"]
    assert {one["key"] for one in listed} == {"old.csv", "new.csv"}


def test_4_3_no_draft_is_published_with_a_file_that_is_not_committed(ida: Depositor) -> None:
    """Sent or not; it is once the file is committed, or taken out."""
    deposition = ida.create()
    first, second = announce(ida, deposition, {"key": "a.csv"}, {"key": "b.csv"}).json()["entries"]
    put(ida, first)
    refused = ida.send("POST", deposition["links"]["publish"])
    assert (refused.status_code, messages(refused)) == (400, [("files", WAIT)])
    ida.send("POST", first["links"]["commit"])
    assert messages(ida.send("POST", deposition["links"]["publish"])) == [("files", WAIT)]
    assert ida.send("DELETE", second["links"]["self"]).status_code == 204
    assert [one["filename"] for one in ida.publish(deposition)["files"]] == ["a.csv"]


def test_4_3_what_is_committed_stays(ida: Depositor) -> None:
    """Content after commit is 400 (seen: the file was gone), another commit changes nothing."""
    deposition = ida.create()
    [entry] = announce(ida, deposition, {"key": "a.csv"}).json()["entries"]
    assert ida.send("POST", entry["links"]["commit"]).status_code == 400
    put(ida, entry, b"first")
    put(ida, entry)
    done = ida.send("POST", entry["links"]["commit"]).json()
    assert put(ida, entry, b"more").status_code == 400
    assert ida.send("POST", entry["links"]["commit"]).json() == done
    assert ida.client.get(path_of(entry["links"]["content"])).content == CSV


def test_4_3_what_was_declared_must_be_true(ida: Depositor) -> None:
    """Size and checksum (seen: not verified), as announced and as told with the bytes."""
    deposition = ida.create()
    said = {"key": "a.csv", "size": len(CSV), "checksum": f"md5:{MD5}"}
    [entry] = announce(ida, deposition, said).json()["entries"]
    assert put(ida, entry, CSV + b"x").status_code == 400
    assert put(ida, entry, bytes(len(CSV))).status_code == 400
    assert put(ida, entry, content_md5="0" * 32).status_code == 400
    assert ida.send("POST", entry["links"]["commit"]).status_code == 400
    assert put(ida, entry).status_code == 200
    assert ida.send("POST", entry["links"]["commit"]).status_code == 200


def test_4_3_a_file_is_taken_out_and_all_are(archive: Archive, ida: Depositor) -> None:
    """Pending or committed, with its bytes; what is not there is 404 with its name."""
    deposition = ida.create()
    ida.put(deposition, "old.csv")
    entries = announce(ida, deposition, *({"key": f"{number}.csv"} for number in range(3))).json()["entries"]
    for one in entries:
        put(ida, one)
    ida.send("POST", entries[0]["links"]["commit"])
    for one in entries[:2]:
        assert ida.send("DELETE", one["links"]["self"]).status_code == 204
        gone = ida.send("GET", one["links"]["self"])
        message = f"Record '{deposition['id']}' has no file '{one['key']}'."
        assert (gone.status_code, gone.json()["message"]) == (404, message)
        assert ida.send("DELETE", one["links"]["self"]).status_code == 404
        assert put(ida, one).status_code == 404
    answer = ida.send("DELETE", files_of(deposition))
    assert (answer.status_code, answer.content) == (204, b"")
    assert ida.send("GET", files_of(deposition)).json()["entries"] == []
    assert list(archive.services.store.list("staging")) == []
    ida.put(deposition, "a.csv")
    assert len(ida.publish(deposition)["files"]) == 1


def test_4_3_another_way_to_send_a_file_takes_the_place_of_a_pending_one(
    archive: Archive, ida: Depositor
) -> None:
    """And of what had come of it."""
    deposition = ida.create()
    [entry] = announce(ida, deposition, {"key": "a.csv"}).json()["entries"]
    put(ida, entry, b"pending")
    assert ida.put(deposition, "a.csv").status_code == 201
    assert len(list(archive.services.store.list("staging"))) == 1
    assert ida.send("POST", entry["links"]["commit"]).json()["checksum"] == f"md5:{MD5}"
    assert len(ida.publish(deposition)["files"]) == 1


def test_4_3_a_discarded_draft_leaves_nothing_of_its_pending_files(archive: Archive, ida: Depositor) -> None:
    deposition = ida.create()
    [entry] = announce(ida, deposition, {"key": "a.csv"}).json()["entries"]
    put(ida, entry)
    assert ida.send("DELETE", deposition["links"]["self"]).status_code == 204
    assert list(archive.services.store.list("staging")) == []
    assert ida.send("GET", entry["links"]["self"]).status_code == 404


def test_4_3_a_file_may_be_called_content_or_commit(ida: Depositor) -> None:
    """In a folder, too."""
    deposition = ida.create()
    for key in ("content", "commit", "a/content", "a/commit"):
        [entry] = announce(ida, deposition, {"key": key}).json()["entries"]
        assert put(ida, entry).status_code == 200
        assert ida.send("POST", entry["links"]["commit"]).json()["key"] == key
        assert ida.send("GET", entry["links"]["self"]).json()["key"] == key
        assert ida.client.get(path_of(entry["links"]["content"])).content == CSV


def test_4_3_names_that_no_file_may_have(ida: Depositor) -> None:
    """As in buckets, but for the slash."""
    deposition = ida.create()
    for key in ("", "..", "a/../b", "/a", "a//b", "a\0b", "a\nb", "x" * 256):
        assert announce(ida, deposition, {"key": key}).status_code == 400
    assert announce(ida, deposition, {"key": "x" * 255}).status_code == 201
    answer = announce(ida, deposition, {"key": "räk/ß?#%.csv"})
    [entry] = answer.json()["entries"]
    assert path_of(entry["links"]["self"]) == f"{files_of(deposition)}/{quote('räk/ß?#%.csv')}"
    assert put(ida, entry).status_code == 200


def test_d2_4_3_what_names_no_file(ida: Depositor) -> None:
    """An empty list and an object are told apart from nothing."""
    deposition = ida.create()
    for body in ([], {"key": "a.csv"}):
        refused = ida.send("POST", files_of(deposition), body)
        assert (refused.status_code, messages(refused)) == (400, [("_schema", "No files to upload.")])
    assert ida.send("PUT", files_of(deposition), {"enabled": True}).status_code == 405
    empty = announce(ida, deposition, {"key": "a.csv", "size": 0})
    assert (empty.status_code, empty.json()["message"]) == (400, "Empty files are not accepted.")
    [entry] = announce(ida, deposition, {"key": "a.csv"}).json()["entries"]
    assert put(ida, entry, b"").status_code == 400
    assert ida.send("POST", entry["links"]["commit"]).status_code == 400


def test_d2_4_4_transfers_that_there_are_not(ida: Depositor) -> None:
    """The type is named as Zenodo names it."""
    deposition = ida.create()
    for kind in ("F", "R", "X"):
        said = {"key": "a.csv", "transfer": {"type": kind, "url": "https://example.org/a.csv"}}
        refused = announce(ida, deposition, {"key": "b.csv"}, said)
        [(field, message)] = messages(refused)
        assert (refused.status_code, field) == (400, "1.transfer.type")
        assert message.startswith(f"Unsupported value: {kind}")


def test_4_3_what_is_not_kept_of_an_announcement_is_told(ida: Depositor) -> None:
    deposition = ida.create()
    answer = announce(ida, deposition, {"key": "a.csv", "metadata": {"title": "A"}})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (201, "0.metadata")


def test_4_3_only_an_open_draft_takes_files(ida: Depositor) -> None:
    """Not a published record, and not the edit of one, whose files stay."""
    published = ida.published()
    assert announce(ida, published, {"key": "a.csv"}).status_code == 404
    edit = ida.send("POST", published["links"]["edit"]).json()
    for refused in (announce(ida, edit, {"key": "a.csv"}), ida.send("DELETE", files_of(edit))):
        assert refused.status_code == 403
        assert refused.json()["message"] == "Bucket is locked for modifications."


def test_4_3_files_of_a_draft_are_its_owners_alone(archive: Archive, ida: Depositor) -> None:
    """401 for strangers, 403 for others, and for a token that was not made to write."""
    deposition = ida.create()
    [entry] = announce(ida, deposition, {"key": "a.csv"}).json()["entries"]
    put(ida, entry)
    app = create_app(archive.services)
    reader = Client(app, archive.token(ida.email, scopes=()))
    others = (Client(app), 401), (depositor(archive, "jo@quay.example").client, 403), (reader, 403)
    self_, content, commit = (path_of(entry["links"][name]) for name in ("self", "content", "commit"))
    for client, status in others:
        writes = [
            client.ask("POST", files_of(deposition), content=b'[{"key": "b.csv"}]'),
            client.ask("PUT", content, content=b"other"),
            client.ask("POST", commit),
            client.ask("DELETE", self_),
            client.ask("DELETE", files_of(deposition)),
        ]
        assert [one.status_code for one in writes] == [status] * len(writes)
        reads = [client.get(files_of(deposition)), client.get(self_)]
        assert {one.status_code for one in reads} == {200 if client is reader else status}
    assert ida.send("POST", entry["links"]["commit"]).json()["checksum"] == f"md5:{MD5}"
