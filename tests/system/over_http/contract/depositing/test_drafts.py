"""The draft API in InvenioRDM's form: §4.1 and §4.2 of the contract, and what was seen on Zenodo's own code."""

import json
from typing import Any

import httpx

from pipeline.catalogue import accounts
from tests.archive import Archive
from tests.system.over_http.contract.depositor import (
    CSV,
    DEPOSITIONS,
    LEAST,
    METADATA,
    Depositor,
    depositor,
    path_of,
)

RDM = "application/vnd.inveniordm.v1+json"
WHOLE = {"metadata": LEAST}


def send(
    who: Depositor, method: str, url: str, body: object = None, *, accept: str = RDM, **headers: str
) -> httpx.Response:
    path = path_of(url) if url.startswith("http") else url
    content = b"" if body is None else json.dumps(body).encode()
    return who.client.ask(method, path, content=content, accept=accept, **headers)


def created(who: Depositor, body: object = WHOLE) -> dict[str, Any]:
    answer = send(who, "POST", "/api/records", body)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def add_file(who: Depositor, draft: dict[str, Any], key: str = "gauge.csv") -> None:
    files = path_of(draft["links"]["files"])
    who.send("POST", files, [{"key": key}])
    who.client.ask("PUT", f"{files}/{key}/content", content=CSV)
    assert who.send("POST", f"{files}/{key}/commit").status_code == 200


def published(who: Depositor, body: object = WHOLE) -> dict[str, Any]:
    draft = created(who, body)
    add_file(who, draft)
    answer = send(who, "POST", draft["links"]["publish"])
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


def faults(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(one["field"], one["messages"][0]) for one in answer.json().get("errors", [])]


# ---------------------------------------------------------------- 4.1 drafts


def test_4_1_a_draft_from_its_creation_to_its_record(ida: Depositor, other: Depositor) -> None:
    """Its answers have its revision as their tag; it is its owner's; what it tells is what the record tells."""
    answer = send(ida, "POST", "/api/records", WHOLE)
    draft = answer.json()
    assert (answer.status_code, answer.headers["etag"], draft["revision_id"]) == (201, '"1"', 1)
    assert answer.headers["content-type"] == RDM
    assert (draft["is_draft"], draft["is_published"], draft["status"]) == (True, False, "draft")
    assert (draft["pids"], draft["parent"]["pids"], draft["versions"]["index"]) == ({}, {}, 1)
    assert draft["access"] == {
        "record": "public",
        "files": "public",
        "embargo": {"active": False},
        "status": "open",
    }
    assert faults(answer) == [("files.enabled", "Missing uploaded files.")]
    assert path_of(draft["links"]["self"]) == f"/api/records/{draft['id']}/draft"
    for method in ("GET", "PUT", "DELETE"):
        assert send(other, method, draft["links"]["self"], WHOLE).status_code == 403
    add_file(ida, draft)
    shown = send(ida, "GET", draft["links"]["self"]).json()
    [entry] = shown["files"]["entries"].values()
    assert (entry["key"], entry["size"], shown["files"]["count"]) == ("gauge.csv", len(CSV), 1)
    assert ida.client.get(path_of(entry["links"]["content"])).content == CSV
    assert "errors" not in shown
    done = send(ida, "POST", draft["links"]["publish"])
    assert done.status_code == 202
    record = done.json()
    assert record == ida.client.get(f"/api/records/{draft['id']}", accept=RDM).json()
    assert record["pids"]["doi"]["identifier"] == f"10.5072/headrace.{draft['id']}"
    assert record["metadata"].items() >= {"title": LEAST["title"], "publication_date": "2026-03-09"}.items()
    assert record["metadata"]["creators"][0]["person_or_org"]["name"] == "Marlow, Ida"
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/actions/publish")):
        assert send(ida, method, draft["links"]["self"] + path, WHOLE).status_code == 404


def test_4_1_a_save_with_problems_names_them(ida: Depositor) -> None:
    """It is a save all the same, and not published; what was read can be sent back as it is."""
    assert send(ida, "POST", "/api/records").status_code == 201
    creators = [{"person_or_org": {"type": "personal", "given_name": "Ida"}}]
    body = {"metadata": {"title": "x", "resource_type": {"id": "dataset"}, "creators": creators, "hue": 1}}
    answer = send(ida, "POST", "/api/records", body)
    assert answer.status_code == 201
    assert faults(answer) == [
        ("metadata.hue", "Unknown field."),
        ("metadata.title", "Shorter than minimum length 3."),
        ("metadata.creators.0.person_or_org.family_name", "Family name cannot be blank."),
        ("metadata.publication_date", "Missing data for required field."),
        ("files.enabled", "Missing uploaded files."),
    ]
    draft = answer.json()
    assert send(ida, "GET", draft["links"]["self"]).json()["errors"] == draft["errors"]
    # Of the legacy API it is the same draft, which names what was left out of it.
    told = ida.send("GET", f"{DEPOSITIONS}/{draft['id']}").json()["errors"]
    assert [one["field"] for one in told] == ["metadata.hue", "metadata.title"]
    again = send(ida, "PUT", draft["links"]["self"], draft)
    assert (again.status_code, again.json()["metadata"]) == (200, draft["metadata"])
    assert {field for field, _ in faults(again)} == {one["field"] for one in draft["errors"]} - {
        "metadata.hue"
    }
    refused = send(ida, "POST", draft["links"]["publish"])
    assert refused.status_code == 400
    assert ("metadata.title", "Missing data for required field.") in faults(refused)
    unknown = send(ida, "POST", "/api/records", {"metadata": {"resource_type": {"id": "nope"}}})
    assert (unknown.status_code, unknown.json()) == (400, {"status": 400, "message": "Invalid value nope."})


def test_4_1_one_draft_for_both_apis(ida: Depositor) -> None:
    """What is written by one is read by the other."""
    deposition = ida.create(keywords=["tide"], notes="Some words.")
    draft = f"/api/records/{deposition['id']}/draft"
    read = send(ida, "GET", draft).json()
    assert read["metadata"]["subjects"] == [{"subject": "tide"}]
    changed = {**read, "metadata": {**read["metadata"], "title": "By the other API", "version": "2"}}
    assert send(ida, "PUT", draft, changed).json()["metadata"]["version"] == "2"
    legacy = ida.send("GET", deposition["links"]["self"]).json()["metadata"]
    assert (legacy["title"], legacy["keywords"], legacy["notes"]) == (
        "By the other API",
        ["tide"],
        "Some words.",
    )
    ida.put(deposition, "gauge.csv")
    assert send(ida, "POST", f"{draft}/actions/publish").status_code == 202
    assert ida.send("GET", deposition["links"]["self"]).json()["state"] == "done"


def test_4_1_without_the_vendors_type_answers_are_in_zenodos_form(ida: Depositor) -> None:
    """The request is in InvenioRDM's form all the same; unlike Zenodo's, the answer has its errors."""
    answer = send(ida, "POST", "/api/records", WHOLE, accept="*/*")
    draft = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    assert (draft["id"], draft["recid"]) == (int(draft["recid"]), str(draft["id"]))
    assert (draft["title"], draft["metadata"]["title"]) == (LEAST["title"], LEAST["title"])
    assert draft["metadata"]["creators"] == [{"name": "Marlow, Ida", "affiliation": "Pier Institute"}]
    assert (draft["status"], draft["state"], draft["submitted"]) == ("draft", "unsubmitted", False)
    assert "doi" not in draft
    assert faults(answer) == [("files.enabled", "Missing uploaded files.")]
    add_file(ida, draft)
    [file] = send(ida, "GET", draft["links"]["self"], accept="application/json").json()["files"]
    assert ida.client.get(path_of(file["links"]["self"])).content == CSV
    done = send(ida, "POST", draft["links"]["publish"], accept="application/json").json()
    assert (done["state"], done["submitted"]) == ("done", True)
    assert done == ida.client.get(f"/api/records/{draft['id']}").json()
    refused = send(ida, "GET", draft["links"]["self"], accept="text/csv")
    assert refused.status_code == 406


def test_0_6_a_change_may_ask_for_a_revision(ida: Depositor) -> None:
    """412 otherwise, and nothing changes."""
    draft = created(ida)["links"]["self"]
    stale = send(ida, "PUT", draft, {"metadata": {**LEAST, "title": "Late"}}, if_match='"7"')
    assert stale.status_code == 412
    assert send(ida, "DELETE", draft, if_match="7").status_code == 412
    assert send(ida, "GET", draft).json()["metadata"]["title"] == LEAST["title"]
    changed = send(ida, "PUT", draft, WHOLE, if_match='"1"')
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert send(ida, "DELETE", draft, if_match='"2"').status_code == 204
    assert send(ida, "GET", draft).status_code == 404


def test_4_1_an_edit(ida: Depositor) -> None:
    """There is none until it is opened; then it is the same for whoever opens it again; discarded it leaves no trace,
    published it keeps id, DOI and files."""
    record = published(ida)
    draft = f"/api/records/{record['id']}/draft"
    assert send(ida, "GET", draft).status_code == 404
    for _ in range(2):
        opened = send(ida, "POST", draft)
        assert opened.status_code == 201
    edit = opened.json()
    assert (edit["is_published"], edit["is_draft"], edit["status"]) == (True, True, "published")
    assert (edit["pids"], edit["files"]) == (record["pids"], record["files"])
    assert path_of(edit["links"]["record"]) == f"/api/records/{record['id']}"
    assert "errors" not in edit
    changed = {**edit, "metadata": {**edit["metadata"], "title": "Mended"}}
    assert send(ida, "PUT", draft, changed).json()["metadata"]["title"] == "Mended"
    assert send(ida, "DELETE", draft).status_code == 204
    assert ida.client.get(f"/api/records/{record['id']}").json()["title"] == LEAST["title"]
    send(ida, "POST", draft)
    send(ida, "PUT", draft, changed)
    again = send(ida, "POST", f"{draft}/actions/publish")
    assert again.status_code == 202
    done = again.json()
    assert (done["pids"], done["metadata"]["title"]) == (record["pids"], "Mended")
    assert done["files"]["entries"].keys() == {"gauge.csv"}
    never = created(ida)
    assert send(ida, "POST", never["links"]["self"]).json()["id"] == never["id"]
    assert send(ida, "POST", "/api/records/999999/draft").status_code == 404


def test_4_1_a_new_version_begins_without_files(ida: Depositor, other: Depositor) -> None:
    """Asked for again it is the same; files of the version before are taken over while it has none."""
    record = published(ida)
    versions = f"/api/records/{record['id']}/versions"
    assert send(other, "POST", versions).status_code == 403
    first, second = send(ida, "POST", versions), send(ida, "POST", versions)
    draft = first.json()
    assert (first.status_code, second.status_code, second.json()) == (201, 201, draft)
    assert (draft["status"], draft["versions"]["index"]) == ("new_version_draft", 2)
    assert (draft["parent"]["id"], draft["parent"]["pids"]) == (
        record["parent"]["id"],
        record["parent"]["pids"],
    )
    assert (draft["files"]["count"], "version" in draft["metadata"]) == (0, False)
    imports = f"{draft['links']['self']}/actions/files-import"
    add_file(ida, draft, "new.csv")
    refused = send(ida, "POST", imports)
    assert (refused.status_code, refused.json()["message"]) == (400, "Please remove all files first.")
    ida.send("DELETE", draft["links"]["files"])
    ida.send("POST", draft["links"]["files"], [{"key": "pending.csv"}])
    assert send(ida, "POST", imports).status_code == 400
    ida.send("DELETE", draft["links"]["files"])
    imported = send(ida, "POST", imports)
    assert imported.status_code == 201
    assert [one["key"] for one in imported.json()["entries"]] == ["gauge.csv"]
    done = send(ida, "POST", draft["links"]["publish"]).json()
    assert (done["versions"], done["files"]["entries"].keys()) == (
        {"index": 2, "is_latest": True},
        {"gauge.csv"},
    )
    never = created(ida)
    assert send(ida, "POST", f"/api/records/{never['id']}/versions").status_code == 404
    assert send(ida, "POST", f"{never['links']['self']}/actions/files-import").status_code == 404
    edit = send(ida, "POST", f"/api/records/{done['id']}/draft").json()
    assert send(ida, "POST", f"{edit['links']['self']}/actions/files-import").status_code == 403


def test_d3_a_legacy_new_version_takes_files_over_where_the_draft_has_none(ida: Depositor) -> None:
    record = published(ida)
    draft = send(ida, "POST", f"/api/records/{record['id']}/versions").json()
    newversion = f"{DEPOSITIONS}/{record['id']}/actions/newversion"
    again = ida.send("POST", newversion)
    assert (again.status_code, str(again.json()["id"])) == (201, draft["id"])
    assert [one["filename"] for one in again.json()["files"]] == ["gauge.csv"]


# ---------------------------------------------------------------- DOIs


def test_4_1_a_doi_is_reserved_once_and_stays(ida: Depositor) -> None:
    """Over saves that say nothing of it, by either API; a save without any gives it up. It is the record's then."""
    draft = created(ida)
    own, pids = f"10.5072/headrace.{draft['id']}", f"{draft['links']['self']}/pids/doi"
    none = send(ida, "DELETE", pids)
    assert (none.status_code, none.json()["message"]) == (404, "The persistent identifier does not exist.")
    reserved = send(ida, "POST", pids)
    named = {"doi": {"identifier": own, "provider": "datacite"}}
    assert (reserved.status_code, reserved.json()["pids"]) == (201, named)
    again = send(ida, "POST", pids)
    assert (again.status_code, faults(again)) == (
        400,
        [("pids.doi", "A PID already exists for type doi")],
    )
    assert send(ida, "PUT", draft["links"]["self"], WHOLE).json()["pids"] == named
    assert send(ida, "PUT", draft["links"]["self"], {**WHOLE, "pids": named}).json()["pids"] == named
    legacy = ida.send("PUT", f"{DEPOSITIONS}/{draft['id']}", {"metadata": METADATA}).json()
    assert (legacy["doi"], legacy["metadata"]["doi"]) == (own, own)
    assert send(ida, "PUT", draft["links"]["self"], {**WHOLE, "pids": {}}).json()["pids"] == {}
    send(ida, "POST", pids)
    given_up = send(ida, "DELETE", pids)
    assert (given_up.status_code, given_up.json()["pids"]) == (200, {})
    send(ida, "POST", pids)
    add_file(ida, draft)
    record = send(ida, "POST", draft["links"]["publish"]).json()
    assert record["pids"]["doi"] == named["doi"]
    assert record["parent"]["pids"]["doi"]["identifier"] == f"10.5072/headrace.{record['parent']['id']}"
    edit = send(ida, "POST", draft["links"]["self"]).json()
    assert send(ida, "POST", f"{edit['links']['self']}/pids/doi").status_code == 400
    assert send(ida, "DELETE", f"{edit['links']['self']}/pids/doi").status_code == 400


def test_9_3_an_external_doi(ida: Depositor) -> None:
    """Not under our prefix; a record has it for itself, and no other versions."""
    external = {"doi": {"identifier": "10.1234/abc", "provider": "external"}}
    ours = {"doi": {"identifier": "10.5072/abc", "provider": "external"}}
    refused = send(ida, "POST", "/api/records", {**WHOLE, "pids": ours})
    assert refused.status_code == 201
    assert ("pids.doi", "The prefix '10.5072' is managed by Headrace.") in faults(refused)
    record = published(ida, {**WHOLE, "pids": external})
    assert (record["pids"]["doi"], record["parent"]["pids"]) == (external["doi"], {})
    assert send(ida, "POST", f"/api/records/{record['id']}/versions").status_code == 403
    twin = created(ida, {**WHOLE, "pids": external})
    assert send(ida, "DELETE", f"{twin['links']['self']}/pids/doi").status_code == 400
    add_file(ida, twin)
    taken = send(ida, "POST", twin["links"]["publish"])
    assert (taken.status_code, faults(taken)) == (400, [("pids.doi", "doi:10.1234/abc already exists.")])


# ---------------------------------------------------------------- access and files


def test_4_2_an_embargo_lifts_by_itself(archive: Archive, ida: Depositor) -> None:
    access = {
        "record": "public",
        "files": "restricted",
        "embargo": {"active": True, "until": "2026-03-11", "reason": "Journal policy"},
    }
    record = published(ida, {**WHOLE, "access": access})
    assert record["access"] == {**access, "status": "embargoed"}
    stranger = depositor(archive, "jo@pier.example").client
    content = f"/api/records/{record['id']}/files/gauge.csv/content"
    assert stranger.get(content).status_code == 403
    archive.clock.move(days=2)
    assert stranger.get(content).status_code == 200
    opened = send(ida, "GET", f"/api/records/{record['id']}").json()["access"]
    assert (opened["files"], opened["embargo"]["active"], opened["status"]) == ("public", False, "open")


def test_4_1_what_zenodo_lets_nobody_have_is_refused(ida: Depositor) -> None:
    """A restricted record, one without files; a draft whose access was not understood is not published."""
    body = {**WHOLE, "access": {"record": "restricted"}, "files": {"enabled": False}}
    answer = send(ida, "POST", "/api/records", body)
    assert (answer.status_code, answer.json()["access"]["record"]) == (201, "public")
    assert answer.json()["files"]["enabled"] is True
    assert faults(answer) == [
        ("access", "You don't have permissions to manage record access."),
        ("files.enabled", "You don't have permissions to manage files options."),
    ]
    draft = answer.json()
    add_file(ida, draft)
    refused = send(ida, "POST", draft["links"]["publish"])
    assert (refused.status_code, faults(refused)) == (400, faults(answer)[:1])
    send(ida, "PUT", draft["links"]["self"], WHOLE)
    assert send(ida, "POST", draft["links"]["publish"]).status_code == 202
    late = {**WHOLE, "access": {"files": "restricted", "embargo": {"active": True, "until": "2026-03-09"}}}
    assert ("access.embargo.until", "Embargo end date must be set to a future date.") in faults(
        send(ida, "POST", "/api/records", late)
    )


def test_4_1_how_files_are_shown_goes_into_the_record(ida: Depositor) -> None:
    """A save that says nothing of it, by either API, leaves it."""
    draft = created(ida, {**WHOLE, "files": {"order": ["b.csv", "a.csv"], "default_preview": "b.csv"}})
    assert ("files.default_preview", "There is no file 'b.csv'.") in [
        (one["field"], one["messages"][0]) for one in draft["errors"]
    ]
    for key in ("a.csv", "b.csv"):
        add_file(ida, draft, key)
    send(ida, "PUT", draft["links"]["self"], WHOLE)
    ida.send("PUT", f"{DEPOSITIONS}/{draft['id']}", {"metadata": METADATA})
    shown = send(ida, "GET", draft["links"]["self"]).json()["files"]
    listed = ida.send("GET", draft["links"]["files"]).json()
    assert "errors" not in send(ida, "GET", draft["links"]["self"]).json()
    record = send(ida, "POST", draft["links"]["publish"]).json()["files"]
    files = ida.client.get(f"/api/records/{draft['id']}/files").json()
    for one in (shown, listed, record, files):
        assert (one["order"], one["default_preview"]) == (["b.csv", "a.csv"], "b.csv")


# ---------------------------------------------------------------- lists and methods


def test_4_1_ones_own_drafts_and_records(ida: Depositor, other: Depositor) -> None:
    """Found and counted as depositions are, in either form, page by page."""
    first, second = published(ida), created(ida)
    third = created(ida, {"metadata": {**LEAST, "title": "Coral"}})
    send(ida, "POST", f"/api/records/{first['id']}/draft")
    created(other)

    def found(query: str = "") -> tuple[list[str], int]:
        answer = send(ida, "GET", f"/api/user/records?{query}")
        assert answer.status_code == 200
        return [one["id"] for one in answer.json()["hits"]["hits"]], answer.json()["hits"]["total"]

    everything = [third["id"], second["id"], first["id"]]
    assert found() == (everything, 3)
    assert found("size=1&page=2") == (everything[1:2], 3)
    assert found("sort=oldest&size=2") == (everything[:0:-1], 3)
    assert found("is_published=true") == ([first["id"]], 1)
    assert found("is_published=false") == (everything[:2], 2)
    assert found("q=coral&is_published=false") == ([third["id"]], 1)
    assert found("q=coral&is_published=true") == ([], 0)
    assert found("shared_with_me=true") == ([], 0)
    page = send(ida, "GET", "/api/user/records?is_published=false&size=1", accept="application/json").json()
    assert page["hits"]["hits"][0]["title"] == "Coral"
    following = send(ida, "GET", page["links"]["next"]).json()
    assert [one["id"] for one in following["hits"]["hits"]] == [second["id"]]
    assert following["sortBy"] == "newest"
    assert send(ida, "GET", "/api/user/records?is_published=perhaps").status_code == 400


def test_4_1_what_others_share_is_listed(archive: Archive, ida: Depositor, other: Depositor) -> None:
    """As far as it may be seen: of a record with an open edit the draft, or, to whom that is not shown, the record."""
    with archive.services.catalogue.read() as tx:
        account = accounts.find_account(tx, other.email)
    assert account is not None
    record, draft, hidden = published(ida), created(ida), created(ida)
    send(ida, "POST", f"/api/records/{record['id']}/draft")
    for one, right in ((record, "view"), (draft, "preview"), (hidden, "view")):
        body = {"grants": [{"subject": {"type": "user", "id": str(account.id)}, "permission": right}]}
        assert send(ida, "POST", f"/api/records/{one['id']}/access/grants", body).status_code == 201

    def found(query: str = "") -> tuple[list[tuple[str, bool]], int]:
        hits = send(other, "GET", f"/api/user/records?shared_with_me=1&{query}").json()["hits"]
        return [(one["id"], one["is_draft"]) for one in hits["hits"]], hits["total"]

    both = [(draft["id"], True), (record["id"], False)]
    assert found() == (both, 2)
    assert found("size=1&page=2") == (both[1:], 2)
    assert found("q=tide&sort=oldest") == (both[::-1], 2)
    assert found("is_published=true") == (both[1:], 1)
    assert found("is_published=false") == (both[:1], 1)
    assert send(other, "GET", "/api/user/records").json()["hits"]["total"] == 0
    assert send(ida, "GET", "/api/user/records?shared_with_me=1").json()["hits"]["total"] == 0


def test_4_1_methods_that_there_are_not_name_those_that_there_are(ida: Depositor) -> None:
    record = published(ida)["id"]
    for method, path, allowed in (
        ("PUT", "", "GET, HEAD"),
        ("DELETE", "", "GET, HEAD"),
        ("PATCH", "/draft", "DELETE, GET, HEAD, POST, PUT"),
        ("PUT", "/draft/files", "DELETE, GET, HEAD, POST"),
        ("GET", "/draft/actions/publish", "POST"),
    ):
        answer = send(ida, method, f"/api/records/{record}{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_4_1_administrators_see_when_a_record_was_described_anew(archive: Archive, ida: Depositor) -> None:
    """The newest description whole."""
    record = published(ida)
    archive.clock.move(hours=1)
    edit = send(ida, "POST", f"/api/records/{record['id']}/draft").json()
    send(ida, "PUT", edit["links"]["self"], {"metadata": {**LEAST, "title": "Mended"}})
    send(ida, "POST", edit["links"]["publish"])
    admin, path = (
        depositor(archive, "root@pier.example", admin=True),
        f"/api/records/{record['id']}/revisions",
    )
    assert ida.client.get(path).status_code == 403
    newest, first = admin.client.get(path).json()["hits"]["hits"]
    assert (newest["revision_id"], newest["metadata"]["title"]) == (2, "Mended")
    assert (first["revision_id"], first["updated"]) == (1, record["created"])
    assert admin.client.get(path_of(first["links"]["self"])).json() == first
    assert admin.client.get(f"{path}/3").status_code == 404


def test_9_3_a_doi_under_our_prefix_that_a_record_brought_along_stays_its_own(
    archive: Archive, ida: Depositor
) -> None:
    """Whichever API its description is changed by."""
    record = archive.publish(files={"a.csv": CSV}, owner=ida.email, doi="10.5072/zenodo.99")
    edit = send(ida, "POST", f"/api/records/{record.id}/draft").json()
    again = send(ida, "PUT", edit["links"]["self"], edit)
    assert (again.json()["pids"], "errors" in again.json()) == (edit["pids"], False)
    assert send(ida, "POST", edit["links"]["publish"]).json()["pids"] == edit["pids"]
    legacy = ida.send("POST", f"{DEPOSITIONS}/{record.id}/actions/edit").json()
    assert ida.publish(legacy)["doi"] == "10.5072/zenodo.99"
