"""The legacy deposit API, by the numbers of what clients depend on (a) and of what Zenodo's own tests assert (b)."""

import hashlib

import pytest

from gateway.app import create_app
from tests.archive import BASE_URL, Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import (
    CSV,
    DEPOSITIONS,
    METADATA,
    Depositor,
    depositor,
    path_of,
)

MD5 = hashlib.md5(CSV, usedforsecurity=False).hexdigest()


@pytest.fixture
def admin(archive: Archive) -> Depositor:
    return depositor(archive, "root@pier.example", admin=True)


# ------------------------------------------------------------ (a) what clients depend on


def test_a02_an_empty_draft_has_its_id_and_links(ida: Depositor) -> None:
    answer = ida.send("POST", DEPOSITIONS, {})
    assert answer.status_code == 201
    document = answer.json()
    assert isinstance(document["id"], int)
    for name in ("bucket", "publish", "self"):
        assert document["links"][name].startswith(f"{BASE_URL}/api/")


def test_a03_links_are_absolute(ida: Depositor) -> None:
    links = ida.published()["links"]
    assert links
    assert all(url.startswith(("https://doi.org/", f"{BASE_URL}/")) for url in links.values())


def test_a04_the_reserved_doi_is_the_one_that_is_given(ida: Depositor) -> None:
    deposition = ida.create()
    reserved = deposition["metadata"]["prereserve_doi"]
    assert reserved["recid"] == deposition["id"]
    ida.put(deposition, "gauge.csv")
    assert ida.publish(deposition)["doi"] == reserved["doi"]


def test_a05_bytes_put_into_the_bucket_replace_those_of_the_same_name(ida: Depositor) -> None:
    deposition = ida.create()
    assert ida.put(deposition, "gauge.csv", b"first").status_code == 201
    answer = ida.put(deposition, "gauge.csv")
    assert answer.status_code == 201
    entry = answer.json()
    assert (entry["checksum"], entry["size"], entry["key"]) == (f"md5:{MD5}", len(CSV), "gauge.csv")
    [file] = ida.send("GET", deposition["links"]["files"]).json()
    assert file["checksum"] == MD5


def test_a06_a_form_with_a_name_and_a_file_adds_it(ida: Depositor) -> None:
    answer = ida.post_form(ida.create(), "local.csv", name="gauge.csv")
    assert answer.status_code == 201
    file = answer.json()
    assert (file["filename"], file["filesize"], file["checksum"]) == ("gauge.csv", len(CSV), MD5)
    assert file["id"]


def test_a07_metadata_is_replaced(ida: Depositor) -> None:
    deposition = ida.create(keywords=["tide"])
    answer = ida.send("PUT", deposition["links"]["self"], {"metadata": {**METADATA, "title": "Another"}})
    assert answer.status_code == 200
    assert answer.json()["title"] == answer.json()["metadata"]["title"] == "Another"
    assert "keywords" not in answer.json()["metadata"]


def test_a08_drafts_and_files_are_deleted_with_an_empty_answer(ida: Depositor) -> None:
    deposition = ida.create()
    file = ida.post_form(deposition, "gauge.csv").json()
    for url in (file["links"]["self"], deposition["links"]["self"]):
        answer = ida.send("DELETE", url)
        assert (answer.status_code, answer.content) == (204, b"")
    assert ida.send("GET", deposition["links"]["self"]).status_code == 404


def test_a09_publishing_answers_with_dois_and_links(ida: Depositor) -> None:
    deposition = ida.create()
    ida.put(deposition, "gauge.csv")
    answer = ida.send("POST", deposition["links"]["publish"])
    assert answer.status_code == 202
    document = answer.json()
    assert (document["state"], document["submitted"]) == ("done", True)
    assert document["doi"] == f"10.5072/headrace.{document['id']}"
    assert document["conceptdoi"] == f"10.5072/headrace.{document['conceptrecid']}"
    assert document["links"]["record_html"] == f"{BASE_URL}/record/{document['id']}"


def test_a10_a_new_version_is_a_draft_with_another_id_and_the_files(ida: Depositor) -> None:
    published = ida.published()
    answer = ida.send("POST", published["links"]["newversion"])
    assert answer.status_code == 201
    draft = ida.send("GET", answer.json()["links"]["latest_draft"]).json()
    assert draft["id"] != published["id"]
    assert draft["conceptrecid"] == published["conceptrecid"]
    assert [file["filename"] for file in draft["files"]] == ["gauge.csv"]
    again = ida.send("POST", published["links"]["newversion"])
    assert (again.status_code, again.json()["id"]) == (201, draft["id"])


def test_a11_files_of_a_new_version_can_be_deleted_and_added(ida: Depositor) -> None:
    published = ida.published()
    draft = ida.send("POST", published["links"]["newversion"]).json()
    [file] = ida.send("GET", draft["links"]["files"]).json()
    assert ida.send("DELETE", file["links"]["self"]).status_code == 204
    assert ida.put(draft, "new.csv", b"new").status_code == 201
    second = ida.publish(draft)
    keys = {one["key"] for one in ida.client.get(f"/api/records/{second['id']}").json()["files"]}
    assert keys == {"new.csv"}
    first = ida.client.get(f"/api/records/{published['id']}/files/gauge.csv/content")
    assert first.content == CSV


def test_a12_an_edit_keeps_id_and_doi(ida: Depositor) -> None:
    published = ida.published()
    answer = ida.send("POST", published["links"]["edit"])
    assert answer.status_code == 201
    edit = answer.json()
    assert (edit["state"], edit["submitted"], edit["id"]) == ("inprogress", True, published["id"])
    assert edit["links"]["bucket"] != published["links"]["bucket"]
    changed = ida.send("PUT", edit["links"]["self"], {"metadata": {**METADATA, "title": "Mended"}})
    assert changed.status_code == 200
    again = ida.publish(edit)
    assert (again["id"], again["doi"], again["title"]) == (published["id"], published["doi"], "Mended")


def test_a13_own_depositions_are_an_array(ida: Depositor, other: Depositor) -> None:
    draft, published = ida.create(), ida.published()
    other.create()
    listed = ida.send("GET", f"{DEPOSITIONS}?size=10&page=1").json()
    assert [(one["id"], one["state"]) for one in listed] == [
        (published["id"], "done"),
        (draft["id"], "unsubmitted"),
    ]
    assert all("bucket" not in one["links"] for one in listed)
    assert ida.send("GET", f"{DEPOSITIONS}?size=1&page=2").json()[0]["id"] == draft["id"]


def test_2_2_own_depositions_are_found_by_their_numbers(ida: Depositor, other: Depositor) -> None:
    """By the number of the work (clients look for its newest version so) and by their own; others' never are."""
    published, draft = ida.published(), ida.create()
    newer = ida.send("POST", published["links"]["newversion"]).json()

    def found(q: str, who: Depositor = ida) -> list[int]:
        return [one["id"] for one in who.send("GET", f"{DEPOSITIONS}?q={q}").json()]

    assert found(f"conceptrecid:{published['conceptrecid']}") == [newer["id"], published["id"]]
    assert found(f"conceptrecid:{draft['conceptrecid']}") == [draft["id"]]
    assert found(f"recid:{published['id']}") == [published["id"]]
    assert found(f"recid:{draft['id']}") == [draft["id"]]
    assert found(f"recid:{published['conceptrecid']}") == []
    assert found(f"conceptrecid:{published['conceptrecid']}", other) == []


def test_2_2_own_depositions_are_searched_as_records_are(ida: Depositor, other: Depositor) -> None:
    """Drafts and published ones, by the same words and fields and in the same orders; who takes the first hit for the
    one that was asked for must not meet another."""
    coral = ida.published(title="Coral cover", keywords=["reef"])
    tides = ida.create(title="Tide gauge readings")
    other.create(title="Coral of another")
    newer = ida.send("POST", coral["links"]["newversion"]).json()
    ida.put(newer, "more.csv")
    body = {"metadata": {**newer["metadata"], "title": "Coral cover, again", "version": "2"}}
    assert ida.send("PUT", newer["links"]["self"], body).status_code == 200
    published = ida.publish(newer)

    def found(query: str) -> list[int]:
        return [one["id"] for one in ida.send("GET", f"{DEPOSITIONS}?{query}").json()]

    assert found("q=coral") == [published["id"]]
    assert found("q=coral&all_versions=true") == [published["id"], coral["id"]]
    assert found("q=title:%22tide+gauge%22") == [tides["id"]]
    assert found("q=title:%22gauge+tide%22") == []
    assert found("q=creators.name:marlow&sort=oldest") == [tides["id"], published["id"]]
    assert found("sort=-mostrecent&size=1&page=2") == [published["id"]]
    assert ida.send("GET", f"{DEPOSITIONS}?sort=colour").status_code == 400


def test_a14_errors_name_status_message_and_fields(ida: Depositor) -> None:
    deposition = ida.send("POST", DEPOSITIONS, {}).json()
    answer = ida.send("POST", deposition["links"]["publish"])
    document = answer.json()
    assert (answer.status_code, document["status"]) == (400, 400)
    assert document["message"] == "A validation error occurred."
    assert {"metadata.title", "files.enabled"} <= {one["field"] for one in document["errors"]}


# ------------------------------------------------------------ (b) what Zenodo's tests assert


def test_b01_strangers_make_no_deposition(archive: Archive, ida: Depositor) -> None:
    stranger = Depositor(archive, Client(create_app(archive.services)), "")
    assert stranger.send("POST", DEPOSITIONS, {}).status_code == 401


def test_b02_to_b08_a_simple_deposition(ida: Depositor) -> None:
    """It is made, read, given three files, published, and then stays as it is."""
    deposition = ida.create(upload_type="presentation", access_right="open")
    assert ida.send("GET", deposition["links"]["self"]).status_code == 200
    for name in ("a.txt", "b.txt", "c.txt"):
        answer = ida.post_form(deposition, name, name=name)
        assert (answer.status_code, bool(answer.json()["links"]["self"])) == (201, True)
    published = ida.publish(deposition)
    assert published["id"] == deposition["id"]
    assert ida.client.get(f"/api/records/{published['id']}").status_code == 200
    assert ida.send("POST", deposition["links"]["publish"]).status_code == 404
    assert ida.send("PUT", deposition["links"]["self"], {"metadata": METADATA}).status_code == 404
    assert ida.send("DELETE", deposition["links"]["self"]).status_code == 404
    files = ida.send("GET", deposition["links"]["files"])
    assert (files.status_code, len(files.json())) == (200, 3)


def test_b09_b12_files_are_neither_sorted_nor_renamed(ida: Depositor) -> None:
    deposition = ida.create()
    file = ida.post_form(deposition, "gauge.csv").json()
    assert ida.send("PUT", deposition["links"]["files"], [{"id": file["id"]}]).status_code == 405
    assert ida.send("PUT", file["links"]["self"], {"filename": "new.csv"}).status_code == 405


def test_b10_b11_files_of_a_published_deposition_stay(ida: Depositor) -> None:
    deposition = ida.create()
    ida.put(deposition, "gauge.csv")
    ida.publish(deposition)
    assert ida.post_form(deposition, "more.csv").status_code == 404
    [file] = ida.send("GET", deposition["links"]["files"]).json()
    assert ida.send("DELETE", file["links"]["self"]).status_code == 403


def test_b13_b14_a_deleted_draft_is_in_no_list(ida: Depositor) -> None:
    deposition = ida.create()
    assert len(ida.send("GET", DEPOSITIONS).json()) == 1
    assert ida.send("DELETE", deposition["links"]["self"]).status_code == 204
    assert ida.send("GET", DEPOSITIONS).json() == []
    assert ida.send("DELETE", deposition["links"]["self"]).status_code == 404


def test_b15_to_b18_drafts_are_their_owners(
    archive: Archive, ida: Depositor, other: Depositor, admin: Depositor
) -> None:
    deposition = ida.create()
    stranger = Depositor(archive, Client(create_app(archive.services)), "")
    own = deposition["links"]["self"]
    body = {"metadata": {"title": "Only a title"}}
    for method in ("GET", "PUT", "DELETE"):
        assert stranger.send(method, own, body).status_code == 401
        assert other.send(method, own, body).status_code == 403
    assert ida.send("PUT", own, body).json()["title"] == "Only a title"
    assert admin.send("PUT", own, body).status_code == 200
    assert admin.send("DELETE", own).status_code == 204


def test_b19_reading_a_published_file_hinders_no_upload(ida: Depositor) -> None:
    published = ida.published()
    assert ida.client.get(path_of(published["links"]["bucket"]) + "/gauge.csv").content == CSV
    assert ida.post_form(ida.create(), "next.csv").status_code == 201


def test_b20_to_b22_a_new_version_is_drafted(ida: Depositor) -> None:
    """It can be read, names the draft, lists the old file, takes and loses another, and new metadata."""
    published = ida.published()
    answer = ida.send("POST", published["links"]["newversion"])
    assert answer.status_code == 201
    draft = ida.send("GET", answer.json()["links"]["self"])
    assert (draft.status_code, "latest_draft" in draft.json()["links"]) == (200, True)
    files = draft.json()["links"]["files"]
    assert [one["filename"] for one in ida.send("GET", files).json()] == ["gauge.csv"]
    added = ida.post_form(draft.json(), "more.csv")
    assert added.status_code == 201
    assert ida.send("DELETE", added.json()["links"]["self"]).status_code == 204
    assert ida.send("PUT", draft.json()["links"]["self"], {"metadata": METADATA}).status_code == 200


def test_b23_what_is_not_published_has_no_versions(ida: Depositor) -> None:
    deposition = ida.create()
    assert "versions" not in deposition["links"]
    assert ida.send("POST", deposition["links"]["newversion"]).status_code in (403, 404)


def test_b24_an_unknown_field_makes_no_deposition(ida: Depositor) -> None:
    answer = ida.send("POST", DEPOSITIONS, {"metadata": {}, "unknown": 1})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "unknown", "messages": ["Unknown field."]}]
    assert ida.send("GET", DEPOSITIONS).json() == []


def test_b31_the_list_is_for_those_who_sign_in(archive: Archive, ida: Depositor) -> None:
    stranger = Depositor(archive, Client(create_app(archive.services)), "")
    assert stranger.send("GET", DEPOSITIONS).status_code == 401
    answer = ida.send("GET", DEPOSITIONS)
    assert (answer.status_code, answer.json()) == (200, [])


def test_b32_an_empty_deposition(ida: Depositor) -> None:
    document = ida.send("POST", DEPOSITIONS, {}).json()
    assert document["title"] == ""
    assert all(document[name] for name in ("created", "modified", "metadata", "conceptrecid"))
    assert all(isinstance(document[name], int) for name in ("id", "record_id", "owner"))
    assert "doi" not in document
    assert document["state"] == "unsubmitted"


def test_b33_b34_an_upload_by_form(ida: Depositor) -> None:
    answer = ida.post_form(ida.create(), "seven.txt", b"7 bytes")
    file = answer.json()
    assert (answer.status_code, file["filename"], file["filesize"]) == (201, "seven.txt", 7)
    assert {"self", "download"} <= file["links"].keys()
    assert ida.send("GET", file["links"]["self"]).json() == file


def test_b35_an_upload_into_the_bucket(ida: Depositor) -> None:
    answer = ida.put(ida.create(), "seven.csv", b"7 bytes")
    entry = answer.json()
    assert answer.status_code == 201
    assert entry["mimetype"] == "text/csv"
    assert (entry["key"], entry["size"]) == ("seven.csv", 7)
    assert (entry["is_head"], entry["delete_marker"]) == (True, False)
    assert entry["checksum"].startswith("md5:")
    assert all(entry[name] for name in ("created", "updated", "version_id"))
    assert {"self", "uploads", "version"} <= entry["links"].keys()


def test_b36_the_link_of_a_published_deposition_reads_its_record(ida: Depositor) -> None:
    published = ida.published()
    record = ida.client.get(path_of(published["links"]["self"])).json()
    assert record["doi"] == f"10.5072/headrace.{published['id']}"


# ------------------------------------------------------------ (b) communities, extra formats


def test_b37_a_deposition_asks_the_communities_that_it_names(
    archive: Archive, ida: Depositor, admin: Depositor
) -> None:
    """One's own that reviews nothing of its curators is joined at once, another is asked (contract, (d)1)."""
    archive.add_community("tides", "Tide tables")
    own = {
        "slug": "own",
        "metadata": {"title": "Own"},
        "access": {"visibility": "public", "review_policy": "open"},
    }
    assert ida.send("POST", "/api/communities", own).status_code == 201
    deposition = ida.create(communities=[{"identifier": slug} for slug in ("own", "tides", "nowhere")])
    named = deposition["metadata"]["communities"]
    assert sorted(one["identifier"] for one in named) == ["nowhere", "own", "tides"]
    ida.put(deposition, "gauge.csv")
    published = ida.publish(deposition)
    assert "communities" not in published["metadata"]
    record = ida.client.get(f"/api/records/{published['id']}").json()
    assert record["metadata"]["communities"] == [{"id": "own"}]
    [asked] = admin.send("GET", "/api/communities/tides/requests").json()["hits"]["hits"]
    assert asked["topic"] == {"record": str(published["id"])}


CUSTOM = "application/custom+xml"


def test_b38_to_b40_extra_formats_are_attached_read_and_taken_away(ida: Depositor) -> None:
    published = ida.published()
    urls = [f"{DEPOSITIONS}/{published['id']}/formats", f"/api/records/{published['id']}/formats"]

    def require_none() -> None:
        for url in urls:
            assert ida.client.get(url, accept=CUSTOM).status_code == 404
            assert ida.client.get(f"{url}?mimetype={CUSTOM}").status_code == 404
            neither = ida.client.get(url, accept="*/*")
            assert (neither.status_code, neither.json()) == (
                400,
                {"message": "Invalid extra format MIMEType.", "status": 400},
            )
            assert ida.client.ask("OPTIONS", url).json() == []

    require_none()
    answer = ida.client.ask("PUT", urls[0], content=CSV, content_type=CUSTOM)
    assert (answer.status_code, answer.json()["message"]) == (200, f'Extra format "{CUSTOM}" updated.')
    for url in urls:
        assert ida.client.get(url, accept=CUSTOM).content == CSV
        assert ida.client.get(f"{url}?mimetype={CUSTOM}").content == CSV
        [entry] = ida.client.ask("OPTIONS", url).json()
        assert (entry["key"], entry["checksum"], entry["size"]) == (CUSTOM, f"md5:{MD5}", len(CSV))
        assert (entry["mimetype"], entry["status"], entry["storage_class"]) == (
            "application/octet-stream",
            "completed",
            "L",
        )
    answer = ida.client.ask("DELETE", urls[0], content_type=CUSTOM)
    assert (answer.status_code, answer.json()["message"]) == (200, f'Extra format "{CUSTOM}" deleted.')
    require_none()
