"""The legacy deposit API, by the rows of what was seen on Zenodo's own code, (d)1 and (d)2."""

import base64
import hashlib
import json
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.app import create_app
from pipeline.store.transfer import IN_PARTS_FROM
from tests.archive import Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import (
    CSV,
    DEPOSITIONS,
    METADATA,
    Depositor,
    depositor,
    path_of,
)


def test_d1_2_2_items_of_the_list_have_no_bucket_and_drafts_no_files(ida: Depositor) -> None:
    """All else is as in the deposition by itself."""
    ida.published()
    draft = ida.create()
    ida.put(draft, "gauge.csv")
    drafted, published = ida.send("GET", DEPOSITIONS).json()
    assert "bucket" not in drafted["links"] | published["links"]
    assert (drafted["files"], len(published["files"])) == ([], 1)
    alone = ida.send("GET", draft["links"]["self"]).json()
    alone["links"].pop("bucket")
    assert {**alone, "files": []} == drafted


def test_d1_2_10_statuses_of_buckets(ida: Depositor, other: Depositor) -> None:
    draft = ida.create()
    bucket = path_of(draft["links"]["bucket"])
    ida.put(draft, "gauge.csv")
    answer = ida.client.ask("DELETE", f"{bucket}/gauge.csv")
    assert (answer.status_code, answer.content) == (204, b"")
    assert ida.client.get(f"{bucket}/gauge.csv").status_code == 404
    assert other.client.ask("PUT", f"{bucket}/x", content=CSV).status_code == 403
    assert ida.client.ask("PUT", f"/api/files/{uuid.uuid4()}/x", content=CSV).status_code == 404
    assert ida.client.ask("PUT", "/api/files/no-uuid/x", content=CSV).status_code == 404
    assert ida.client.ask("PUT", f"{bucket}/a%2Fb", content=CSV).status_code == 404
    long = ida.client.ask("PUT", f"{bucket}/{'x' * 256}", content=CSV)
    assert (long.status_code, long.json()["message"]) == (400, "Filename is too long.")
    assert ida.client.ask("PUT", f"{bucket}/{'x' * 255}", content=CSV).status_code == 201
    for name in ("%2E%2E", "%00", "a%0Ab"):
        assert ida.client.ask("PUT", f"{bucket}/{name}", content=CSV).status_code in (400, 404)


def test_d1_2_10_a_published_bucket_takes_no_file(ida: Depositor) -> None:
    published = ida.published()
    assert ida.put(published, "more.csv").status_code == 404
    edit = ida.send("POST", published["links"]["edit"]).json()
    for locked in (published, edit):
        answer = ida.put(locked, "more.csv")
        assert (answer.status_code, answer.json()["message"]) == (403, "Bucket is locked for modifications.")


def test_d1_2_9_links_of_edits_and_new_versions(ida: Depositor) -> None:
    published = ida.published()
    edit = ida.send("POST", published["links"]["edit"]).json()
    assert {"doi", "record", "record_html", "latest", "latest_html"} <= edit["links"].keys()
    assert not {"parent_doi", "conceptbadge"} & edit["links"].keys()
    draft = ida.send("POST", published["links"]["newversion"]).json()
    absent = {"doi", "record", "record_html", "latest", "latest_html", "parent_doi"}
    assert not absent & draft["links"].keys()
    assert draft["conceptdoi"] == published["conceptdoi"]
    assert {"parent_doi", "conceptbadge"} <= published["links"].keys()


def test_d1_2_6_what_an_empty_deposition_says(ida: Depositor) -> None:
    """Without `metadata` it says nothing; with any, defaults come; PUT brings it back to nothing."""
    bare = ida.send("POST", DEPOSITIONS, {}).json()
    assert bare["metadata"].keys() == {"access_right", "prereserve_doi"}
    empty = ida.send("POST", DEPOSITIONS, {"metadata": {}}).json()["metadata"]
    assert {"publication_date", "imprint_publisher"} <= empty.keys()
    assert "license" not in empty
    some = ida.create()
    assert some["metadata"]["license"] == "cc-zero"
    again = ida.send("PUT", some["links"]["self"], {}).json()
    assert again["metadata"].keys() == {"access_right", "prereserve_doi"}


def test_d1_2_5_sizes_and_names_of_the_old_files_api(ida: Depositor) -> None:
    deposition = ida.create()
    file = ida.post_form(deposition, "x", b"7 bytes", name="räksmörgås 1.txt").json()
    assert file["filename"] == "raksmorgas_1.txt"
    assert isinstance(file["filesize"], float)
    assert ida.post_form(deposition, "x", name="a/b c.txt").json()["filename"] == "a_b_c.txt"
    shown = ida.send("GET", deposition["links"]["self"]).json()["files"]
    assert all(isinstance(one["filesize"], int) for one in shown)
    again = ida.post_form(deposition, "x", name="a/b c.txt")
    assert (again.status_code, again.json()["message"]) == (400, "File with key a_b_c.txt already exists.")


def test_d1_2_8_files_of_a_published_deposition_are_read_by_anyone(archive: Archive, ida: Depositor) -> None:
    """The deposition itself is its owner's."""
    published = ida.published()
    stranger = Client(create_app(archive.services))
    [file] = stranger.get(f"{DEPOSITIONS}/{published['id']}/files").json()
    assert stranger.get(path_of(file["links"]["download"])).content == CSV
    assert stranger.get(f"{DEPOSITIONS}/{published['id']}").status_code == 401
    assert (
        depositor(archive, "jo@pier.example").send("GET", f"{DEPOSITIONS}/{published['id']}").status_code
        == 403
    )


def test_d1_2_3_dropped_values_are_named(ida: Depositor) -> None:
    """The draft is saved without them, and not published for want of them."""
    deposition = ida.create(title="x", publication_date="yesterday")
    assert {one["field"] for one in deposition["errors"]} >= {"metadata.title"}
    ida.put(deposition, "gauge.csv")
    answer = ida.send("POST", deposition["links"]["publish"])
    assert answer.status_code == 400
    assert "metadata.title" in {one["field"] for one in answer.json()["errors"]}


def test_d1_2_6_only_its_own_doi_is_under_our_prefix(ida: Depositor) -> None:
    deposition = ida.create(doi="10.5072/headrace.999999")
    ida.put(deposition, "gauge.csv")
    answer = ida.send("POST", deposition["links"]["publish"])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "pids.doi")
    own = deposition["metadata"]["prereserve_doi"]["doi"]
    ida.send("PUT", deposition["links"]["self"], {"metadata": {**METADATA, "doi": own}})
    published = ida.publish(deposition)
    assert (published["doi"], "conceptdoi" in published) == (own, True)


def test_9_3_a_record_with_an_external_doi_has_no_versions(ida: Depositor) -> None:
    published = ida.published(doi="https://doi.org/10.1234/abc")
    assert published["doi"] == "10.1234/abc"
    assert "conceptdoi" not in published
    assert ida.send("POST", published["links"]["newversion"]).status_code == 403
    again = ida.create(doi="10.1234/ABC")
    ida.put(again, "gauge.csv")
    answer = ida.send("POST", again["links"]["publish"])
    assert answer.status_code == 400


def test_2_9_a_discarded_edit_leaves_the_record_as_it_was(ida: Depositor) -> None:
    published = ida.published()
    edit = ida.send("POST", published["links"]["edit"]).json()
    ida.send("PUT", edit["links"]["self"], {"metadata": {**METADATA, "title": "Never"}})
    answer = ida.send("POST", edit["links"]["discard"])
    assert (answer.status_code, answer.content) == (204, b"")
    again = ida.send("GET", edit["links"]["self"]).json()
    assert (again["state"], again["title"]) == ("done", METADATA["title"])
    assert ida.send("POST", edit["links"]["discard"]).status_code == 404


def test_0_6_a_draft_that_has_changed_is_not_overwritten(ida: Depositor) -> None:
    deposition = ida.create()
    seen = ida.send("GET", deposition["links"]["self"]).headers["etag"]
    ida.put(deposition, "gauge.csv")
    body = json.dumps({"metadata": METADATA}).encode()
    path = path_of(deposition["links"]["self"])
    assert ida.client.ask("PUT", path, content=body, if_match=seen).status_code == 412
    now = ida.send("GET", deposition["links"]["self"]).headers["etag"]
    assert ida.client.ask("PUT", path, content=body, if_match=now).status_code == 200


def test_an_upload_is_held_to_what_was_declared(ida: Depositor) -> None:
    """By Content-MD5, Repr-Digest and Content-Digest; what is not that is not taken."""
    deposition = ida.create()
    md5, sha = hashlib.md5(CSV, usedforsecurity=False).digest(), hashlib.sha256(CSV).digest()
    good = {
        "content_md5": base64.b64encode(md5).decode(),
        "repr_digest": f"sha-256=:{base64.b64encode(sha).decode()}:",
    }
    assert ida.put(deposition, "gauge.csv", **good).status_code == 201
    for name, value in good.items():
        assert ida.put(deposition, "gauge.csv", b"other", **{name: value}).status_code == 400
    assert ida.put(deposition, "gauge.csv", b"other", content_md5="?").status_code == 400
    assert ida.client.get(path_of(deposition["links"]["bucket"]) + "/gauge.csv").content == CSV


def test_a_large_file_goes_in_parts(ida: Depositor) -> None:
    content = bytes(range(256)) * (IN_PARTS_FROM // 256 + 4096)
    deposition = ida.create()
    entry = ida.put(deposition, "large.bin", content).json()
    assert entry["checksum"] == f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"
    published = ida.publish(deposition)
    assert ida.client.get(f"/api/records/{published['id']}/files/large.bin/content").content == content


def test_an_empty_file_is_refused(ida: Depositor) -> None:
    answer = ida.put(ida.create(), "nothing", b"")
    assert (answer.status_code, answer.json()["message"]) == (400, "Empty files are not accepted.")


async def in_chunks(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 1 << 20):
        yield content[at : at + (1 << 20)]


@pytest.mark.parametrize("size", [1, IN_PARTS_FROM, 2 * IN_PARTS_FROM + 5])
def test_d1_2_10_a_body_whose_length_nobody_tells_is_taken(ida: Depositor, size: int) -> None:
    """It comes in chunks, and is as long as what came; declared digests are heeded."""
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    deposition = ida.create()
    refused = ida.put(deposition, "large.bin", in_chunks(content + b"x"), content_md5=md5)
    answer = ida.put(deposition, "large.bin", in_chunks(content), content_md5=md5)
    assert (refused.status_code, answer.status_code) == (400, 201)
    assert (answer.json()["size"], answer.json()["checksum"]) == (size, f"md5:{md5}")
    assert ida.client.get(path_of(answer.json()["links"]["self"])).content == content


def test_an_empty_body_in_chunks_is_refused(ida: Depositor) -> None:
    """As an empty one is whose length was told."""
    answer = ida.put(ida.create(), "nothing", in_chunks(b""))
    assert (answer.status_code, answer.json()["message"]) == (400, "Empty files are not accepted.")


def test_a_form_takes_a_file_of_any_size(ida: Depositor) -> None:
    """No part of it tells how long the file is."""
    content = bytes(range(256)) * (IN_PARTS_FROM // 128)
    answer = ida.post_form(ida.create(), "large.bin", content)
    assert answer.json()["checksum"] == hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_the_name_of_a_form_counts_behind_the_file_as_well(ida: Depositor) -> None:
    """The file is called so, and not as the client called it; a name that is taken is refused all the same."""
    deposition = ida.create()
    parts = {"file": ("local.csv", CSV), "name": (None, "gauge.csv")}
    form = httpx.Request("POST", "http://form.invalid", files=parts)
    body, path = form.read(), path_of(deposition["links"]["files"])
    answers = [
        ida.client.ask("POST", path, content=body, content_type=form.headers["content-type"])
        for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [201, 400]
    assert answers[0].json()["filename"] == "gauge.csv"
    assert [one["filename"] for one in ida.send("GET", path).json()] == ["gauge.csv"]


def test_what_was_embargoed_can_be_edited_after_its_embargo(archive: Archive, ida: Depositor) -> None:
    """It reads as open then, and so does its next version."""
    published = ida.published(access_right="embargoed", embargo_date="2026-03-20")
    archive.clock.move(days=30)
    for action in ("edit", "newversion"):
        draft = ida.send("POST", published["links"][action]).json()
        assert draft["metadata"]["access_right"] == "open"
        assert ida.publish(draft)["metadata"]["access_right"] == "open"
