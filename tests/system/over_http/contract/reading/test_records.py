"""Published records (Zenodo's REST API, records; what clients depend on, numbers 15 to 19 and 24)."""

import hashlib

import pytest

from gateway.app import create_app
from gateway.depositing.handles import Kind, handle
from tests.archive import BASE_URL, Archive
from tests.asking import Client
from tests.system.over_http.contract.conftest import Library
from tests.system.over_http.contract.depositor import depositor

RDM = "application/vnd.inveniordm.v1+json"


def test_a15_a_record_is_zenodo_json_by_default(library: Library) -> None:
    """Without `Accept`, with any, and with Zenodo's own type; the fields that clients read are there."""
    path = f"/api/records/{library.dataset.id}"
    body = library.client.get(path).json()
    for accept in ("*/*", "application/json", "application/vnd.zenodo.v1+json"):
        assert library.client.get(path, Accept=accept).json() == body
    assert body["metadata"]["title"] == "Tide gauge readings, harbour pier, 2025"
    assert body["metadata"]["creators"][0]["name"] == "Marlow, Ida"
    assert body["doi"] == f"10.5072/headrace.{library.dataset.id}"
    assert body["conceptdoi"] == f"10.5072/headrace.{library.dataset.concept_id}"
    assert {file["key"]: file["size"] for file in body["files"]} == {
        "gauge.csv": 11,
        "2025/räk smörgås.txt": 5,
        "paper.pdf": 8,
    }


def test_a16_a_files_own_link_gives_its_bytes(library: Library) -> None:
    """`checksum` is `md5:` with the digest of what `links.self` gives."""
    for file in library.client.get(f"/api/records/{library.dataset.id}").json()["files"]:
        bytes_ = library.client.get(library.path(file["links"]["self"])).content
        assert file["checksum"] == f"md5:{hashlib.md5(bytes_).hexdigest()}"
        assert file["size"] == len(bytes_)


def test_a17_files_are_downloaded_by_their_page_address(library: Library) -> None:
    """Without a token, at the address of today and, redirected, at that of before 2023."""
    number = library.dataset.id
    for begins in (f"/records/{number}", f"/record/{number}"):
        answer = library.client.get(f"{begins}/files/gauge.csv?download=1")
        if answer.status_code == 301:
            answer = library.client.get(library.path(answer.headers["location"]))
        assert (answer.status_code, answer.content) == (200, b"time,level\n")
        assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/records/{}", 302),
        ("/records/{}", 302),
        ("/api/records/{}/versions/latest", 301),
        ("/api/records/{}/versions", 302),
        ("/api/records/{}/files", 302),
        ("/api/records/{}/files-archive", 302),
        ("/records/{}/export/bibtex", 302),
        ("/records/{}/files/gauge.csv", 302),
    ],
)
def test_a18_the_concept_id_leads_to_the_newest_version(library: Library, path: str, status: int) -> None:
    """Wherever a record's id stands a work's does too: more than on Zenodo, which knows the first three."""
    answer = library.client.get(path.format(library.dataset.concept_id))
    newest = path.format(library.dataset.id).removesuffix("/versions/latest")
    assert (answer.status_code, library.path(answer.headers["location"])) == (status, newest)


def test_the_concept_id_is_no_depositions(archive: Archive) -> None:
    """Where drafts are and in buckets the id of a work is unknown, as on Zenodo (part (d), 3.5)."""
    client, record = Client(create_app(archive.services)), archive.publish(files={"gauge.csv": b"1"})
    for id_, status in ((record.id, 200), (record.concept_id, 404)):
        bucket = handle(archive.services.repository, Kind.RECORD, id_)
        for path in (f"/api/deposit/depositions/{id_}/files", f"/api/files/{bucket}/gauge.csv"):
            assert (path, client.get(path).status_code) == (path, status)


def test_a19_versions_are_listed(library: Library) -> None:
    """By a search for the work's id, and by their own address, highest first; the newest has one of its own."""
    wanted = [library.dataset.id, library.earlier.id]
    for path in (
        f"/api/records?q=conceptrecid:{library.dataset.concept_id}&all_versions=1&sort=version",
        f"/api/records/{library.earlier.id}/versions",
    ):
        body = library.client.get(path).json()
        assert [hit["id"] for hit in body["hits"]["hits"]] == wanted
        assert body["hits"]["total"] == 2
    answer = library.client.get(f"/api/records/{library.earlier.id}/versions/latest")
    location = f"{BASE_URL}/api/records/{library.dataset.id}"
    assert answer.json() == {"status": 301, "message": "Redirecting...", "location": location}
    assert (answer.status_code, answer.headers["location"]) == (301, location)


def test_3_13_versions_are_paged_and_sorted(library: Library) -> None:
    """`size`, `page` and `sort` apply to the list of versions."""
    path = f"/api/records/{library.dataset.id}/versions"
    for query, number in (
        ("size=1", library.dataset.id),
        ("size=1&page=2", library.earlier.id),
        ("size=1&sort=-version", library.earlier.id),
        ("size=1&sort=newest", library.dataset.id),
        ("size=1&sort=oldest", library.earlier.id),
    ):
        body = library.client.get(f"{path}?{query}").json()
        assert [hit["id"] for hit in body["hits"]["hits"]] == [number]
    assert library.client.get(f"{path}?sort=bestest").status_code == 400


def test_3_5_what_is_no_record(library: Library) -> None:
    """404 in Zenodo's words."""
    answer = library.client.get("/api/records/999999")
    assert answer.status_code == 404
    assert answer.json() == {"status": 404, "message": "The persistent identifier does not exist."}


def test_3_5_a_draft_is_not_registered(archive: Archive) -> None:
    """Its id was given, so that 404 says another thing than of an id that was not, also to its owner; once published
    it is a record."""
    ida = depositor(archive, "ida@pier.example")
    draft = ida.create()
    path = f"/api/records/{draft['id']}"
    for client in (ida.client, Client(create_app(archive.services))):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.json() == {"status": 404, "message": "The persistent identifier is not registered."}
    ida.put(draft, "gauge.csv")
    ida.publish(draft)
    assert ida.client.get(path).status_code == 200


def test_3_5_the_entity_tag_is_the_revision(library: Library) -> None:
    """As a number in quotes, which both JSON forms tell, and which spares a second answer."""
    path = f"/api/records/{library.dataset.id}"
    answer = library.client.get(path)
    assert answer.headers["etag"] == f'"{answer.json()["revision"]}"'
    assert library.client.get(path, Accept=RDM).json()["revision_id"] == answer.json()["revision"]
    assert library.client.get(path, If_None_Match=answer.headers["etag"]).status_code == 304


def test_3_6_zenodo_json_as_a_whole(library: Library) -> None:
    """Every field of the record, of its type, besides files and links."""
    body = library.client.get(f"/api/records/{library.dataset.id}").json()
    number, concept = library.dataset.id, library.dataset.concept_id
    assert {name: value for name, value in body.items() if name not in ("files", "links")} == {
        "created": "2026-03-09T14:10:01.000000+00:00",
        "modified": "2026-03-09T14:10:01.000000+00:00",
        "updated": "2026-03-09T14:10:01.000000+00:00",
        "id": number,
        "recid": str(number),
        "conceptrecid": str(concept),
        "doi": f"10.5072/headrace.{number}",
        "conceptdoi": f"10.5072/headrace.{concept}",
        "doi_url": f"https://doi.org/10.5072/headrace.{number}",
        "revision": 1,
        "title": "Tide gauge readings, harbour pier, 2025",
        "metadata": {
            "title": "Tide gauge readings, harbour pier, 2025",
            "doi": f"10.5072/headrace.{number}",
            "publication_date": "2026-03-09",
            "description": "<p>Ten-minute means.</p>",
            "access_right": "open",
            "creators": [
                {"name": "Marlow, Ida", "affiliation": "Pier Institute", "orcid": "0000-0002-1825-0097"}
            ],
            "keywords": ["sea level"],
            "version": "2.0",
            "language": "eng",
            "resource_type": {"title": "Dataset", "type": "dataset"},
            "license": {"id": "cc-by-4.0"},
            "grants": [
                {
                    "code": "871234",
                    "internal_id": "10.13039/501100000780::871234",
                    "funder": {
                        "name": "European Commission",
                        "doi": "10.13039/501100000780",
                        "acronym": "EC",
                        "country": "BE",
                    },
                }
            ],
            "communities": [{"id": "tide-tables"}],
            "relations": {
                "version": [
                    {"index": 1, "is_last": True, "parent": {"pid_type": "recid", "pid_value": str(concept)}}
                ]
            },
        },
        "owners": [{"id": "1"}],
        "status": "published",
        "state": "done",
        "submitted": True,
        "stats": {
            f"{scope}{count}": 0
            for scope in ("", "version_")
            for count in ("downloads", "unique_downloads", "views", "unique_views")
        },
        "swh": {},
    }


def test_3_6_owners_are_accounts(archive: Archive, client: Client) -> None:
    """One who has none is not named, and nobody is by address: neither in an answer nor to a search."""
    record = archive.publish(owner="bo@pier.example")
    path = f"/api/records/{record.id}"
    assert client.get(path).json()["owners"] == []
    assert client.get(path, Accept=RDM).json()["parent"]["access"]["owned_by"] is None
    for query in ('owners:"bo@pier.example"', "bo@pier.example"):
        assert client.get(f"/api/records?q={query}").json()["hits"]["total"] == 0


def test_3_6_who_has_an_account_since_is_named(archive: Archive, client: Client) -> None:
    """Also in answers that are kept, by the gateway or by whoever has their tag."""
    paths = [f"/api/records/{archive.publish(owner='bo@pier.example').id}", "/api/records?q=*"]
    before = client.get(paths[0]).headers["etag"]
    client.get(paths[1])
    archive.token("bo@pier.example")
    answers = [client.get(paths[0], If_None_Match=before).json(), client.get(paths[0]).json()]
    [hit] = client.get(paths[1]).json()["hits"]["hits"]
    assert [one["owners"] for one in (*answers, hit)] == [[{"id": "1"}]] * 3


def test_3_7_rdm_json_as_a_whole(library: Library) -> None:
    """Its fields are those of InvenioRDM; the id is a text, the owner an account."""
    body = library.client.get(f"/api/records/{library.dataset.id}", Accept=RDM).json()
    number, concept = library.dataset.id, library.dataset.concept_id
    assert (body["id"], body["is_published"], body["is_draft"], body["status"]) == (
        str(number),
        True,
        False,
        "published",
    )
    assert body["versions"] == {"index": 2, "is_latest": True}
    assert body["parent"]["id"] == str(concept)
    assert body["parent"]["access"]["owned_by"] == {"user": "1"}
    assert body["parent"]["pids"]["doi"]["identifier"] == f"10.5072/headrace.{concept}"
    assert body["pids"] == {
        "doi": {"identifier": f"10.5072/headrace.{number}", "provider": "datacite"},
        "oai": {"identifier": f"oai:headrace.localdomain:{number}", "provider": "oai"},
    }
    assert body["access"] == {
        "record": "public",
        "files": "public",
        "embargo": {"active": False},
        "status": "open",
    }
    assert body["metadata"]["resource_type"] == {"id": "dataset", "title": {"en": "Dataset"}}
    assert body["files"]["enabled"] is True
    assert (body["files"]["count"], body["files"]["total_bytes"]) == (3, 24)
    entry = body["files"]["entries"]["gauge.csv"]
    assert (entry["ext"], entry["size"], entry["access"]) == ("csv", 11, {"hidden": False})
    assert body["deletion_status"] == {"is_deleted": False, "status": "P"}
    assert body["stats"].keys() == {"this_version", "all_versions"}


def test_3_8_both_forms_have_the_same_links(library: Library) -> None:
    """All are absolute; those of the record, its files, versions and DOIs lead somewhere."""
    path = f"/api/records/{library.dataset.id}"
    links = library.client.get(path).json()["links"]
    assert library.client.get(path, Accept=RDM).json()["links"] == links
    for name in (
        "self",
        "self_html",
        "self_doi_html",
        "parent",
        "parent_html",
        "parent_doi_html",
        "files",
        "archive",
        "latest",
        "latest_html",
        "versions",
    ):
        assert library.client.get(library.path(links[name])).status_code in (200, 301, 302), name
    assert links["doi"] == links["self_doi"] == f"https://doi.org/10.5072/headrace.{library.dataset.id}"
    assert links["parent_doi"] == f"https://doi.org/10.5072/headrace.{library.dataset.concept_id}"


def test_3_10_a_withdrawn_record_leaves_a_tombstone(archive: Archive, client: Client) -> None:
    """410 with the tombstone at the record and at its files; the page of a file leads to the record's, and the work
    to the version that remains."""
    first = archive.publish(files={"a.txt": b"1"})
    second = archive.publish(files={"a.txt": b"2"}, version_of=first)
    archive.withdraw(second, note="Uploaded while trying things out.")
    for path in ("", "/files", "/files/a.txt", "/files/a.txt/content", "/files-archive"):
        answer = client.get(f"/api/records/{second.id}{path}")
        assert answer.status_code == 410
        body = answer.json()
        assert (body["status"], body["message"]) == (410, "Record deleted")
        assert body["tombstone"]["removal_reason"] == {"id": "test-record"}
        assert body["tombstone"]["note"] == "Uploaded while trying things out."
        assert body["tombstone"]["is_visible"] is True
        assert body["tombstone"]["citation_text"].endswith(f"headrace.{second.id}")
    page = client.get(f"/records/{second.id}/files/a.txt")
    assert (page.status_code, page.headers["location"]) == (302, f"{BASE_URL}/records/{second.id}")
    assert client.get(f"/records/{second.id}").status_code == 410
    work = client.get(f"/api/records/{first.concept_id}")
    assert work.headers["location"] == f"{BASE_URL}/api/records/{first.id}"


def test_3_10_administrators_see_through_a_tombstone(archive: Archive, client: Client) -> None:
    """With `include_deleted` they get the record, which says that it is deleted and why, without files; nobody else
    does, and neither do they without asking for it."""
    record = archive.publish(files={"a.txt": b"1"})
    archive.withdraw(record, note="Uploaded while trying things out.")
    path = f"/api/records/{record.id}"
    app = create_app(archive.services)
    admin = Client(app, archive.token("admin@archive.example", admin=True))
    owner = Client(app, archive.token("ida@pier.example"))
    body = admin.get(f"{path}?include_deleted=1", Accept=RDM).json()
    assert body["deletion_status"] == {"is_deleted": True, "status": "D"}
    assert body["tombstone"]["note"] == "Uploaded while trying things out."
    assert "entries" not in body["files"]
    assert admin.get(f"{path}?include_deleted=1").json()["files"] == []
    for answer in (
        admin.get(path),
        admin.get(f"{path}?include_deleted=0"),
        owner.get(f"{path}?include_deleted=1"),
        client.get(f"{path}?include_deleted=1"),
        admin.get(f"{path}/files/a.txt/content?include_deleted=1"),
    ):
        assert answer.status_code == 410


def test_3_11_restricted_files_are_not_shown(library: Library) -> None:
    """Everybody reads the description; a stranger gets no file of it in either form and 403 at each address."""
    path = f"/api/records/{library.closed.id}"
    assert library.client.get(path).json()["files"] == []
    assert library.client.get(path).json()["metadata"]["access_right"] == "restricted"
    assert "entries" not in library.client.get(path, Accept=RDM).json()["files"]
    for below in ("files", "files/secret.txt", "files/secret.txt/content", "files-archive"):
        answer = library.client.get(f"{path}/{below}")
        assert (answer.status_code, answer.json()["message"]) == (403, "Permission denied.")
        assert library.known.get(f"{path}/{below}").status_code == 200
    assert [file["key"] for file in library.known.get(path).json()["files"]] == ["secret.txt"]


def test_9_1_dois_lead_to_records(library: Library) -> None:
    """A version's to it, a work's to the newest version, a DOI from elsewhere to the record that brought it."""
    for doi, record in (
        (f"10.5072/headrace.{library.earlier.id}", library.earlier),
        (f"10.5072/headrace.{library.dataset.concept_id}", library.dataset),
        ("10.1234/thesis.1", library.thesis),
    ):
        answer = library.client.get(f"/doi/{doi}")
        assert (answer.status_code, library.path(answer.headers["location"])) == (
            302,
            f"/records/{record.id}",
        )
    assert "conceptdoi" not in library.client.get(f"/api/records/{library.thesis.id}").json()


def test_b41_funding_that_lacks_funder_or_award_is_left_out(library: Library) -> None:
    """In `grants`, and nowhere a failure: each format is given all the same."""
    record = f"/records/{library.dataset.id}"
    grants = library.client.get(f"/api{record}").json()["metadata"]["grants"]
    assert [grant["code"] for grant in grants] == ["871234"]
    for name in ("json", "json-ld", "csl", "bibtex", "datacite-json", "datacite-xml", "dublincore"):
        assert library.client.get(f"{record}/export/{name}").status_code == 200


def test_b42_file_links_keep_slashes_and_encode_blanks(library: Library) -> None:
    """In both forms and in the list of files."""
    path = f"/api/records/{library.dataset.id}"
    wanted = f"{BASE_URL}{path}/files/2025/r%C3%A4k%20sm%C3%B6rg%C3%A5s.txt/content"
    key = "2025/räk smörgås.txt"
    [zenodo] = [file for file in library.client.get(path).json()["files"] if file["key"] == key]
    [listed] = [file for file in library.client.get(f"{path}/files").json()["entries"] if file["key"] == key]
    rdm = library.client.get(path, Accept=RDM).json()["files"]["entries"][key]
    assert zenodo["links"]["self"] == listed["links"]["content"] == rdm["links"]["content"] == wanted
    assert library.client.get(library.path(wanted)).content == b"lunch"


def test_a25_records_are_harvested_by_oai_pmh(library: Library) -> None:
    """In both formats, by the set of a community."""
    for prefix in ("oai_dc", "oai_datacite"):
        answer = library.client.get(
            f"/oai2d?verb=ListIdentifiers&metadataPrefix={prefix}&set=user-tide-tables"
        )
        assert answer.status_code == 200
        assert f":{library.dataset.id}</identifier>" in answer.text
        assert f":{library.thesis.id}</identifier>" not in answer.text
