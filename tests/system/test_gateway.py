"""The gateway through its own door, over real parts: SQLite, the local store, the embedded index."""

import json
import re
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from urllib.parse import quote
from zipfile import ZIP_STORED, ZipFile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree, html

from gateway.app import create_app
from pipeline.model import Access, FilesAccess, Identification, Record, ScanStatus, ScanVerdict
from tests.archive import BASE_URL, Archive, GivenFile, open_archive, person
from tests.asking import Client

SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
CSV = b"time,level\n" + b"2025-01-01T00:00,1.25\n" * 40
NAMES = ("gauge.csv", "sub folder/räksmörgås 1.txt", "page.html", "plot.png", "paper.pdf", "日本語.bin")
CLEAN = ScanVerdict(ScanStatus.CLEAN, engine="clamd", method="stream")
INFECTED = ScanVerdict(ScanStatus.INFECTED, engine="clamd", method="stream", signature="Eicar")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def client(archive: Archive) -> Client:
    return Client(create_app(archive.services))


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Record]]:
    """An archive that no test changes, with one record that has files of all kinds."""
    with open_archive(tmp_path_factory.mktemp("standing")) as opened:
        opened.add_community("tides", "Tide tables")
        record = opened.publish(
            files={name: CSV if name == "gauge.csv" else name.encode() for name in NAMES},
            community="tides",
            subjects=[{"subject": "sea level"}],
            languages=[{"id": "eng"}],
        )
        yield Client(create_app(opened.services)), record


# ---------------------------------------------------------------- records


def test_a_record_is_zenodo_json_by_default(standing: tuple[Client, Record]) -> None:
    """`GET /api/records/{id}` gives Zenodo's JSON, and every file's own link gives its bytes."""
    client, record = standing
    answer = client.get(f"/api/records/{record.id}")
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert (body["id"], body["recid"]) == (record.id, str(record.id))
    assert body["metadata"]["creators"][0]["name"] == "Marlow, Ida"
    assert {one["key"] for one in body["files"]} == set(NAMES)
    for one in body["files"]:
        bytes_ = client.get(one["links"]["self"].removeprefix(BASE_URL)).content
        assert len(bytes_) == one["size"]


def test_links_are_those_of_the_settings(standing: tuple[Client, Record]) -> None:
    """A Host header changes no link in any answer."""
    client, record = standing
    for path in (
        "/",
        "/search",
        f"/records/{record.id}",
        f"/api/records/{record.id}",
        "/api/records",
        "/sitemap.xml",
    ):
        assert "elsewhere" not in client.get(path).text
    for path in (f"/records/{record.concept_id}", "/api/records/", f"/doi/10.5072/headrace.{record.id}"):
        assert client.get(path).headers["location"].startswith(BASE_URL)


@pytest.mark.parametrize(
    ("accept", "begins"),
    [
        ("application/vnd.zenodo.v1+json", '{"created"'),
        ("application/vnd.inveniordm.v1+json", '{"id": "'),
        ("application/ld+json", '{"@context"'),
        ("application/vnd.datacite.datacite+json", '{"doi"'),
        ("application/vnd.datacite.datacite+xml", "<?xml"),
        ("application/x-dc+xml", "<?xml"),
    ],
)
def test_a_record_is_given_in_the_format_asked_for(
    standing: tuple[Client, Record], accept: str, begins: str
) -> None:
    """Each media type that is offered is answered, on the API's address and on the page's."""
    client, record = standing
    for path in (f"/api/records/{record.id}", f"/records/{record.id}"):
        answer = client.get(path, Accept=accept)
        assert answer.status_code == 200
        assert answer.text.startswith(begins)
        assert "Accept" in answer.headers["vary"]


def test_an_unknown_format_is_not_acceptable(standing: tuple[Client, Record]) -> None:
    """A media type that there is not gets 406 from the API, which names those that there are."""
    client, record = standing
    body = client.get(f"/api/records/{record.id}", Accept="text/turtle").json()
    assert body["status"] == 406
    assert "application/ld+json" in body["message"]


def test_an_unchanged_record_is_not_sent_again(standing: tuple[Client, Record]) -> None:
    """The ETag of a record is its number of changes; a client that has it gets 304, one with another form not."""
    client, record = standing
    path = f"/api/records/{record.id}"
    etag = client.get(path).headers["etag"]
    assert etag == f'"{record.change}"'
    assert client.get(path, If_None_Match=etag).status_code == 304
    assert client.get(path, If_None_Match=etag, Accept="application/ld+json").status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/records/{}", "/api/records/{}/files", "/records/{}", "/api/records/{}/versions"]
)
def test_the_concept_id_leads_to_the_newest_version(archive: Archive, client: Client, path: str) -> None:
    """A work's id works wherever a record's does: it redirects to the newest version, the query kept."""
    first = archive.publish(files={"a.txt": b"1"})
    second = archive.publish(files={"a.txt": b"2"}, version_of=first)
    answer = client.get(path.format(first.concept_id) + "?size=5")
    assert answer.status_code == 302
    assert answer.headers["location"] == BASE_URL + path.format(second.id) + "?size=5"


def test_versions_are_listed_highest_first(archive: Archive, client: Client) -> None:
    """All versions of a work are found from any of them, and the newest by its own address."""
    first = archive.publish(files={"a.txt": b"1"})
    second = archive.publish(files={"a.txt": b"2"}, version_of=first)
    listed = client.get(f"/api/records/{first.id}/versions").json()
    assert [hit["id"] for hit in listed["hits"]["hits"]] == [second.id, first.id]
    assert listed["hits"]["total"] == 2
    latest = client.get(f"/api/records/{first.id}/versions/latest")
    assert (latest.status_code, latest.headers["location"]) == (301, f"{BASE_URL}/api/records/{second.id}")
    assert client.get(f"/records/{first.id}/latest").headers["location"] == f"{BASE_URL}/records/{second.id}"
    assert "newer version" in client.get(f"/records/{first.id}").text
    assert "newer version" not in client.get(f"/records/{second.id}").text


@pytest.mark.parametrize("record_id", ["99999", "0", "01", "x", "1e3", "9" * 40, "%00", "-1"])
def test_what_is_no_record_is_not_found(standing: tuple[Client, Record], record_id: str) -> None:
    """An id that was never given, or is none, gets 404 with Zenodo's words."""
    answer = standing[0].get(f"/api/records/{record_id}")
    assert answer.status_code == 404
    assert answer.json() == {"status": 404, "message": "The persistent identifier does not exist."}


def test_dois_lead_to_records(archive: Archive, client: Client) -> None:
    """A version's DOI leads to it, a work's to the newest version, an external one to the record that brought it."""
    first = archive.publish(files={"a.txt": b"1"})
    second = archive.publish(files={"a.txt": b"2"}, version_of=first)
    external = archive.publish(files={"a.txt": b"3"}, doi="10.1234/Ab.c")
    for doi, record in (
        (f"10.5072/headrace.{first.id}", first),
        (f"10.5072/HEADRACE.{first.concept_id}", second),
        ("10.1234/ab.C", external),
    ):
        answer = client.get(f"/doi/{doi}")
        assert (answer.status_code, answer.headers["location"]) == (302, f"{BASE_URL}/records/{record.id}")
    assert client.get("/doi/10.5072/nobody.1").status_code == 404


def test_exports_are_downloads(standing: tuple[Client, Record]) -> None:
    """Each export is a file named by the record; the old names of formats lead to the new ones."""
    client, record = standing
    for name, ending in (
        ("json", "json"),
        ("json-ld", "json"),
        ("datacite-xml", "xml"),
        ("dublincore", "xml"),
    ):
        answer = client.get(f"/records/{record.id}/export/{name}")
        assert answer.headers["content-disposition"] == f'attachment; filename="{record.id}.{ending}"'
    old = client.get(f"/records/{record.id}/export/dcite4")
    assert (old.status_code, old.headers["location"]) == (
        301,
        f"{BASE_URL}/records/{record.id}/export/datacite-xml",
    )
    assert client.get(f"/records/{record.id}/export/nothing").status_code == 404


def test_addresses_of_before_2023_still_work(standing: tuple[Client, Record]) -> None:
    """`/record/…` leads to `/records/…`, whatever stands behind it."""
    client, record = standing
    answer = client.get(f"/record/{record.id}/files/gauge.csv?download=1")
    assert answer.status_code == 301
    assert answer.headers["location"] == f"{BASE_URL}/records/{record.id}/files/gauge.csv?download=1"


# ---------------------------------------------------------------- search


def test_searching_answers_zenodos_envelope(standing: tuple[Client, Record]) -> None:
    """Hits with their total, facets with labels, and links with their parameters in alphabetic order."""
    client, record = standing
    body = client.get("/api/records?q=tide&communities=tides&type=dataset&size=5").json()
    assert body["hits"]["total"] == 1
    assert body["hits"]["hits"][0]["id"] == record.id
    [bucket] = body["aggregations"]["resource_type"]["buckets"]
    assert (bucket["key"], bucket["label"], bucket["doc_count"], bucket["is_selected"]) == (
        "dataset",
        "Dataset",
        1,
        True,
    )
    assert body["links"] == {
        "self": f"{BASE_URL}/api/records?communities=tides&page=1&q=tide&resource_type=dataset&size=5&sort=bestmatch"
    }


def test_pages_of_hits_are_linked(archive: Archive, client: Client) -> None:
    """Following `next` from the first page meets every record once, and `prev` leads back."""
    published = {archive.publish(title=f"Record {number}").id for number in range(5)}
    met: list[int] = []
    path: str | None = "/api/records?size=2&sort=oldest"
    while path:
        body = client.get(path).json()
        met += [hit["id"] for hit in body["hits"]["hits"]]
        path = body["links"].get("next", "").removeprefix(BASE_URL)
    assert (len(met), set(met)) == (5, published)
    assert "page=2" in body["links"]["prev"]


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        (
            "size=26",
            "size",
            "Page size cannot be greater than 25. Please use authenticated requests to increase the limit to 100.",
        ),
        ("size=x", "size", "Not a valid integer."),
        ("page=0", "page", "Must be greater than or equal to 1."),
        ("all_versions=foo", "allversions", "Not a valid boolean."),
        ("sort=bestest", "_schema", "Invalid sort option 'bestest'."),
    ],
)
def test_wrong_parameters_are_named(
    standing: tuple[Client, Record], query: str, field: str, message: str
) -> None:
    """A parameter that cannot be meant gets 400 in Zenodo's words, with the field."""
    body = standing[0].get(f"/api/records?{query}").json()
    assert body["status"] == 400
    assert body["errors"] == [{"field": field, "messages": [message]}]


def test_known_users_get_larger_pages(archive: Archive, client: Client) -> None:
    """With a token pages of 100 are given, and 101 is refused."""
    known = Client(create_app(archive.services), archive.token("bo@pier.example"))
    assert client.get("/api/records?size=100").status_code == 400
    assert known.get("/api/records?size=100").status_code == 200
    assert known.get("/api/records?size=101").status_code == 400


def test_the_window_ends(standing: tuple[Client, Record]) -> None:
    """Past 10,000 hits nothing is shown."""
    body = standing[0].get("/api/records?page=1001&size=10").json()
    assert body == {"status": 400, "message": "Invalid querystring parameters."}


def test_a_query_that_cannot_be_meant_is_refused(standing: tuple[Client, Record]) -> None:
    """The API answers 400 in Zenodo's words; the page says what is wrong and keeps the question."""
    client, _ = standing
    body = client.get("/api/records?q=filesize:abc").json()
    assert (body["status"], body["message"]) == (400, "Invalid query string syntax.")
    page = client.get("/search?q=filesize:abc")
    assert page.status_code == 400
    assert 'value="filesize:abc"' in page.text


def test_a_huge_query_string_is_refused(standing: tuple[Client, Record]) -> None:
    """Nobody makes the server parse 40 kB of query."""
    answer = standing[0].get("/api/records?q=" + "a" * 40_000)
    assert answer.status_code == 400


def test_old_versions_are_found_on_request(archive: Archive, client: Client) -> None:
    """Search shows the newest version of each work, and all of them with `all_versions`, with or without value."""
    first = archive.publish(files={"a.txt": b"1"})
    second = archive.publish(files={"a.txt": b"2"}, version_of=first)
    for query, ids in (
        ("", [second.id]),
        ("all_versions", [second.id, first.id]),
        ("allversions=1", [second.id, first.id]),
    ):
        hits = client.get(f"/api/records?sort=version&{query}").json()["hits"]["hits"]
        assert [hit["id"] for hit in hits] == ids


# ---------------------------------------------------------------- files


def test_every_file_is_listed_and_served(standing: tuple[Client, Record]) -> None:
    """The list names every file by key, with links that work whatever the script of the name."""
    client, record = standing
    listing = client.get(f"/api/records/{record.id}/files").json()
    assert {entry["key"] for entry in listing["entries"]} == set(NAMES)
    for entry in listing["entries"]:
        assert client.get(entry["links"]["self"].removeprefix(BASE_URL)).json() == entry
        answer = client.get(entry["links"]["content"].removeprefix(BASE_URL))
        assert answer.headers["etag"] == f'"{entry["checksum"]}"'
        assert int(answer.headers["content-length"]) == len(answer.content) == entry["size"]
        page = client.get(f"/records/{record.id}/files/{quote(entry['key'])}")
        assert page.content == answer.content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.integers(0, len(CSV) - 1), st.integers(0, len(CSV) + 10))
def test_a_range_over_http_is_a_slice(standing: tuple[Client, Record], start: int, length: int) -> None:
    """A part of a file is that slice of it, with 206 and the right Content-Range and Content-Length."""
    client, record = standing
    answer = client.get(
        f"/api/records/{record.id}/files/gauge.csv/content", Range=f"bytes={start}-{start + length}"
    )
    wanted = CSV[start : start + length + 1]
    assert answer.status_code == 206
    assert answer.content == wanted
    assert answer.headers["content-length"] == str(len(wanted))
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(CSV)}"


def test_the_end_of_a_file_and_what_lies_behind_it(standing: tuple[Client, Record]) -> None:
    """A suffix range is the end of the file; a range behind it gets 416 with the size."""
    client, record = standing
    path = f"/api/records/{record.id}/files/gauge.csv/content"
    assert client.get(path, Range="bytes=-7").content == CSV[-7:]
    behind = client.get(path, Range=f"bytes={len(CSV)}-")
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{len(CSV)}")


def test_head_tells_what_get_would(standing: tuple[Client, Record]) -> None:
    """HEAD has the headers of GET, of the whole file even with a Range, and no body."""
    client, record = standing
    path = f"/api/records/{record.id}/files/gauge.csv/content"
    asked, told = client.get(path), client.ask("HEAD", path, Range="bytes=0-1")
    assert told.status_code == 200
    assert told.content == b""
    for name in (
        "content-length",
        "content-type",
        "etag",
        "last-modified",
        "accept-ranges",
        "content-disposition",
    ):
        assert told.headers[name] == asked.headers[name]


def test_a_client_that_has_the_file_gets_304(standing: tuple[Client, Record]) -> None:
    """Both conditions spare a download; a 304 repeats the ETag."""
    client, record = standing
    path = f"/api/records/{record.id}/files/gauge.csv/content"
    first = client.get(path).headers
    for answer in (
        client.get(path, If_None_Match=first["etag"]),
        client.get(path, If_Modified_Since=first["last-modified"]),
    ):
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", first["etag"])


def test_uploaded_bytes_cannot_run(standing: tuple[Client, Record]) -> None:
    """Markup is plain text, unknown bytes are downloads, and no answer lets a browser guess or run."""
    client, record = standing
    for key, kind in (("page.html", "inline"), ("paper.pdf", "attachment"), ("plot.png", "inline")):
        for path in (f"/records/{record.id}/files/{key}", f"/api/records/{record.id}/files/{key}/content"):
            headers = client.get(path).headers
            assert headers["content-disposition"].startswith(kind)
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
            assert "html" not in headers["content-type"]
            forced = client.get(f"{path}?download=1").headers
            assert forced["content-disposition"].startswith("attachment")


def test_unknown_files_are_named(standing: tuple[Client, Record]) -> None:
    """A key that the record has not gets 404 in Zenodo's words, at the entry and at its content."""
    client, record = standing
    for path in ("files/none.csv", "files/none.csv/content"):
        body = client.get(f"/api/records/{record.id}/{path}").json()
        assert body == {"status": 404, "message": f"Record '{record.id}' has no file 'none.csv'."}


def test_a_file_may_be_called_content(archive: Archive, client: Client) -> None:
    """The entry and the bytes of a file whose key ends like an address are both reached."""
    record = archive.publish(files={"a/content": b"inner"})
    base = f"/api/records/{record.id}/files/a/content"
    assert client.get(base).json()["key"] == "a/content"
    assert client.get(f"{base}/content").content == b"inner"


def test_a_long_list_of_files_is_whole(archive: Archive, client: Client) -> None:
    """A record with more files than are read at once lists each of them once, in JSON and page by page in HTML."""
    keys = [f"f{number:05}.txt" for number in range(2100)]
    record = archive.publish(files=dict.fromkeys(keys, b"x"))
    entries = client.get(f"/api/records/{record.id}/files").json()["entries"]
    assert [entry["key"] for entry in entries] == keys
    met: list[str] = []
    path = f"/records/{record.id}"
    while path:
        page = html.fromstring(client.get(path).content)
        met += page.xpath("//a[@class='name']/text()")
        following = page.xpath("//nav//a[@rel='next']/@href")
        path = following[0].partition("#")[0] if following else ""
    assert met == keys


def test_large_files_come_whole(archive: Archive, client: Client) -> None:
    """A file of several blocks comes as it was, and so does a part across their borders."""
    data = bytes(range(256)) * 20_000
    record = archive.publish(files={"large.bin": data})
    path = f"/api/records/{record.id}/files/large.bin/content"
    assert client.get(path).content == data
    border = 1 << 20
    assert client.get(path, Range=f"bytes={border - 3}-{border + 2}").content == data[border - 3 : border + 3]


def test_all_files_come_as_one_zip(standing: tuple[Client, Record]) -> None:
    """The archive of a record holds every file under its key, uncompressed, and names the record."""
    client, record = standing
    answer = client.get(f"/api/records/{record.id}/files-archive")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{record.id}.zip"'
    with ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {one.filename: archive.read(one) for one in archive.infolist()} == {
            name: CSV if name == "gauge.csv" else name.encode() for name in NAMES
        }
        assert {one.compress_type for one in archive.infolist()} == {ZIP_STORED}


# ---------------------------------------------------------------- access

_CLOSED = Access(FilesAccess.RESTRICTED)
_DOORS = (
    "/api/records/{id}/files",
    "/api/records/{id}/files/secret.txt",
    "/api/records/{id}/files/secret.txt/content",
    "/records/{id}/files/secret.txt",
    "/records/{id}/files/secret.txt?download=1",
    "/api/records/{id}/files-archive",
)


@pytest.mark.parametrize("access", [_CLOSED, Access(FilesAccess.RESTRICTED, date(2026, 4, 1))])
def test_closed_files_are_closed_at_every_door(archive: Archive, client: Client, access: Access) -> None:
    """A stranger, and a user who is not the owner, get 403 at each address of a file, HEAD and ranges included, and
    no name of one from any view of the record; the owner and an administrator read them."""
    record = archive.publish(files={"secret.txt": b"the secret"}, access=access, owner="ida@pier.example")
    app = create_app(archive.services)
    other = Client(app, archive.token("bo@pier.example"))
    for door in _DOORS:
        path = door.format(id=record.id)
        for asker in (client, other):
            for answer in (asker.get(path), asker.ask("HEAD", path), asker.get(path, Range="bytes=0-1")):
                assert answer.status_code == 403
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
        assert "secret" not in answer.text
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
    assert client.get(f"/records/{record.id}/files/secret.txt").status_code == 403
    archive.clock.move(seconds=1)
    after = client.get(f"/api/records/{record.id}", If_None_Match=before.headers["etag"])
    assert after.json()["metadata"]["access_right"] == "open"
    assert [one["key"] for one in after.json()["files"]] == ["secret.txt"]
    assert client.get(f"/records/{record.id}/files/secret.txt").content == b"x"


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
    assert client.get(f"/records/{second.id}/files/a.txt").status_code == 410
    assert f"/records/{second.id}<" not in client.get("/sitemap.xml").text
    assert client.get("/api/records?q=second").json()["hits"]["hits"] == []
    assert (
        client.get(f"/api/records/{first.concept_id}").headers["location"]
        == f"{BASE_URL}/api/records/{first.id}"
    )


def test_files_wait_for_their_scan(tmp_path: Path) -> None:
    """With the gate `serve` a file without a clean verdict gets 409, a clean one its bytes, an infected one 403."""
    files = {
        "unknown.txt": b"1",
        "clean.txt": GivenFile(b"2", scan=CLEAN),
        "bad.txt": GivenFile(b"3", scan=INFECTED),
    }
    with open_archive(tmp_path / "home", scan_gate="serve") as archive:
        client = Client(create_app(archive.services))
        record = archive.publish(files=files)
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


# ---------------------------------------------------------------- pages


def test_the_landing_page_shows_what_is_known(archive: Archive, client: Client) -> None:
    """Title, people, DOI, licence, access, files with size, checksums, format and scan, history, versions, citation:
    all on one page."""
    declared = {"md5": "c4ca4238a0b923820dcc509a6f75849b", "sha1": "0" * 40}
    identified = Identification("x-fmt/111", "Plain Text File", mime="text/plain")
    record = archive.publish(
        files={"a.txt": GivenFile(b"1", declared=declared, identification=identified, scan=CLEAN)},
        subjects=[{"subject": "sea level"}],
        related_identifiers=[
            {"identifier": "10.1234/other", "scheme": "doi", "relation_type": {"id": "issupplementto"}}
        ],
    )
    text = html.fromstring(client.get(f"/records/{record.id}").content).text_content()
    for expected in (
        "Tide gauge readings, harbour pier, 2025",
        "Marlow, Ida",
        "Pier Institute",
        f"10.5072/headrace.{record.id}",
        "Creative Commons Attribution 4.0 International",
        "Everybody can read the files.",
        "c4ca4238a0b923820dcc509a6f75849b",
        "computed here, equal to the declared one",
        "x-fmt/111",
        "No virus found (clamd)",
        "Ingestion",
        "Is supplement to",
        "sea level",
        "Marlow, I. (2026).",
    ):
        assert expected in text


def test_nothing_of_a_depositor_becomes_markup(archive: Archive, client: Client) -> None:
    """Script in any field of a description stays text: no page gains an element or an attribute by it, and no
    JSON-LD block is ended by it."""
    record = archive.publish(
        files={f"{SCRIPT.replace('/', '')}.txt": b"1"},
        title=SCRIPT,
        description=f"<p onclick='alert(1)'>{SCRIPT}<a href='javascript:alert(1)'>x</a></p>",
        creators=[person(SCRIPT, SCRIPT, affiliation=SCRIPT)],
        contributors=[{**person(SCRIPT, "X"), "role": {"id": "editor"}}],
        publisher=SCRIPT,
        version=SCRIPT,
        subjects=[{"subject": SCRIPT}],
        rights=[{"title": {"en": SCRIPT}, "link": "javascript:alert(1)"}],
        related_identifiers=[
            {"identifier": "javascript:alert(1)", "scheme": "url", "relation_type": {"id": "cites"}}
        ],
        additional_titles=[{"title": SCRIPT, "type": {"id": "subtitle"}}],
        additional_descriptions=[{"description": SCRIPT, "type": {"id": "notes"}}],
        dates=[{"date": "2025", "type": {"id": "collected"}, "description": SCRIPT}],
        copyright=SCRIPT,
    )
    for path in (
        f"/records/{record.id}",
        "/search?q=" + quote(SCRIPT),
        "/",
        "/search?subject=" + quote(SCRIPT),
    ):
        page = html.fromstring(client.get(path).content)
        scripts = page.xpath("//script")
        assert [
            one.get("type") or one.get("src") for one in scripts if one.get("src") != "/static/copy.js"
        ] in (
            [],
            ["application/ld+json"],
        )
        assert not page.xpath("//@*[starts-with(name(), 'on')]")
        assert not page.xpath("//a[starts-with(@href, 'javascript')]")
        assert {one.get("src") for one in page.xpath("//img")} == {"/static/mark.svg"}
    page = html.fromstring(client.get(f"/records/{record.id}").content)
    block = page.xpath("//script[@type='application/ld+json']/text()")[0]
    assert "<" not in block
    assert json.loads(block)["name"] == SCRIPT


def test_no_header_is_injected(archive: Archive, client: Client) -> None:
    """Quotes and line breaks in names and identifiers end no header."""
    key = 'a"; filename="evil.exe'
    record = archive.publish(
        files={key: b"1"},
        rights=[{"title": {"en": "x"}, "link": 'https://x.example/">; rel="item",\r\nSet-Cookie: a=b'}],
    )
    answer = client.get(f"/records/{record.id}/files/{quote(key)}?download=1")
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"a_; filename=_evil.exe\"; filename*=UTF-8''a%22%3B%20filename%3D%22evil.exe"
    )
    page = client.get(f"/records/{record.id}")
    assert "set-cookie" not in page.headers
    assert page.headers["link"].count('rel="item"') == 1


def test_pages_stand_alone(standing: tuple[Client, Record]) -> None:
    """Pages load nothing from other sites, carry a policy that forbids it, and have no inline style or script."""
    client, record = standing
    for path in ("/", "/search", f"/records/{record.id}", "/records/99999"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        page = html.fromstring(answer.content)
        loaded = page.xpath("//link[@rel='stylesheet' or @rel='icon']/@href | //script/@src | //img/@src")
        assert loaded
        for address in loaded:
            assert client.get(address).status_code == 200
        assert not page.xpath("//style | //@style")
        assert page.xpath("//a[@class='skip']/@href") == ["#content"]
        assert page.xpath("//main[@id='content']")
        assert len(page.xpath("//h1")) == 1


def test_every_field_has_a_label_and_every_id_is_one(standing: tuple[Client, Record]) -> None:
    """Forms are labelled, ids are not repeated, and what they refer to is there."""
    client, record = standing
    for path in ("/", "/search?q=tide", f"/records/{record.id}"):
        page = html.fromstring(client.get(path).content)
        ids = page.xpath("//@id")
        assert len(ids) == len(set(ids))
        assert set(page.xpath("//@aria-labelledby | //label/@for")) <= set(ids)
        fields = page.xpath("//input[not(@type='hidden')]/@id")
        assert set(fields) <= set(page.xpath("//label/@for"))


def test_links_on_pages_lead_somewhere(standing: tuple[Client, Record]) -> None:
    """Every link of the landing and search pages within the site is answered."""
    client, record = standing
    for path in (f"/records/{record.id}", "/search?q=tide", "/search?q=nothingatall", "/"):
        page = html.fromstring(client.get(path).content)
        for address in page.xpath("//a/@href"):
            if address.startswith(("/", "?")):
                target = address if address.startswith("/") else "/search" + address
                assert client.get(target).status_code in (200, 301, 302), (path, address)


def test_the_language_of_a_record_is_told(archive: Archive, client: Client) -> None:
    """A record in one known language has its code and direction on its text; in several, the browser finds out."""
    arabic = archive.publish(title="قياسات المد", languages=[{"id": "ara"}])
    mixed = archive.publish(title="Mixed", languages=[{"id": "ara"}, {"id": "eng"}])
    heading = html.fromstring(client.get(f"/records/{arabic.id}").content).find(".//h1")
    assert (heading.get("lang"), heading.get("dir")) == ("ar", "rtl")
    heading = html.fromstring(client.get(f"/records/{mixed.id}").content).find(".//h1")
    assert (heading.get("lang"), heading.get("dir")) == (None, "auto")


def test_the_landing_page_is_signposted(standing: tuple[Client, Record]) -> None:
    """The Link header cites the record's DOI once, names its kind twice, and its author, licence, metadata and
    files; HEAD has it as well."""
    client, record = standing
    header = client.ask("HEAD", f"/records/{record.id}").headers["link"]
    links = re.findall(r'<([^>]*)>; rel="([^"]*)"', header)
    by_relation: dict[str, list[str]] = {}
    for url, relation in links:
        by_relation.setdefault(relation, []).append(url)
    assert by_relation["cite-as"] == [f"https://doi.org/10.5072/headrace.{record.id}"]
    assert by_relation["type"] == ["https://schema.org/AboutPage", "https://schema.org/Dataset"]
    assert by_relation["author"] == ["https://orcid.org/0000-0002-1825-0097"]
    assert len(by_relation["license"]) == 1
    assert len(by_relation["item"]) == len(NAMES)
    for url in (*by_relation["describedby"], *by_relation["item"]):
        assert client.get(url.removeprefix(BASE_URL)).status_code == 200


def test_facets_narrow_and_widen(archive: Archive, client: Client) -> None:
    """A facet's link narrows the hits to its value; the same link again takes the choice back."""
    archive.publish(title="Data")
    archive.publish(title="Program", resource_type={"id": "software"})
    page = html.fromstring(client.get("/search").content)
    [link] = [one for one in page.xpath("//aside//a") if "Software" in one.text_content()]
    narrowed = html.fromstring(client.get("/search" + link.get("href")).content)
    assert [one.text for one in narrowed.xpath("//ol[@class='hits']//h3/a")] == ["Program"]
    [chosen] = narrowed.xpath("//aside//a[@aria-current]")
    widened = html.fromstring(client.get("/search" + chosen.get("href")).content)
    assert len(widened.xpath("//ol[@class='hits']/li")) == 2


def test_an_empty_search_teaches_how_to_ask(standing: tuple[Client, Record]) -> None:
    """Where nothing is found the page shows examples, each of which is understood."""
    client, _ = standing
    page = html.fromstring(client.get("/search?q=nothingatall").content)
    examples = page.xpath("//section[@class='teach']//dt/a/@href")
    assert len(examples) >= 5
    assert all(client.get(example).status_code == 200 for example in examples)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("DELETE", "/api/records", 405),
        ("POST", "/api/records/2/files/a/content", 405),
    ],
)
def test_the_api_answers_errors_in_json(
    standing: tuple[Client, Record], method: str, path: str, status: int
) -> None:
    """An unknown route is 404 and a known one with another method 405, in JSON."""
    answer = standing[0].ask(method, path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_people_are_told_of_errors_on_pages(standing: tuple[Client, Record]) -> None:
    """Unknown pages are pages, with the status of an error."""
    answer = standing[0].get("/nothing/here")
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text


def test_what_breaks_inside_is_not_told(
    archive: Archive, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """When bytes have vanished from the store the answer names an error id, and the log has it; neither answer has a
    trace or a path in it."""
    record = archive.publish(files={"a.txt": b"1"})
    archive.services.store.delete("root")
    for path in (f"/api/records/{record.id}/files/a.txt/content", f"/records/{record.id}/files/a.txt"):
        answer = client.get(path)
        assert answer.status_code == 500
        assert "Traceback" not in answer.text
        assert "root/" not in answer.text
    error_id = client.get(f"/api/records/{record.id}/files/a.txt/content").json()["error_id"]
    assert error_id in caplog.text


def test_every_answer_is_hardened(standing: tuple[Client, Record]) -> None:
    """Security headers stand on every kind of answer, errors and redirects included."""
    client, record = standing
    for path in (
        "/",
        "/api/records",
        "/nothing",
        f"/records/{record.concept_id}",
        "/healthz",
        "/static/headrace.css",
        "/oai2d",
        "/api/records?q=" + "a" * 40_000,
    ):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"]
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"


def test_scripts_of_other_sites_may_read_the_api(standing: tuple[Client, Record]) -> None:
    """The API answers cross-origin requests and their preflights; pages do not."""
    client, record = standing
    asked = client.get(f"/api/records/{record.id}", Origin="https://other.example")
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "ETag" in asked.headers["access-control-expose-headers"]
    preflight = client.ask(
        "OPTIONS",
        f"/api/records/{record.id}",
        Origin="https://other.example",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="authorization",
    )
    assert preflight.status_code == 200
    assert "access-control-allow-origin" not in client.get("/", Origin="https://other.example").headers


# ---------------------------------------------------------------- feeds and operations


def test_sitemap_and_robots(archive: Archive, client: Client) -> None:
    """The sitemap lists the landing page of every version with the time of its change, and robots.txt names it."""
    first = archive.publish(files={"a.txt": b"1"})
    second = archive.publish(files={"a.txt": b"2"}, version_of=first)
    tree = etree.fromstring(client.get("/sitemap.xml").content)
    assert tree.xpath("//*[local-name()='loc']/text()") == [
        f"{BASE_URL}/records/{first.id}",
        f"{BASE_URL}/records/{second.id}",
    ]
    assert client.get("/sitemaps/1.xml").content == client.get("/sitemap.xml").content
    assert client.get("/sitemaps/2.xml").status_code == 404
    assert f"Sitemap: {BASE_URL}/sitemap.xml" in client.get("/robots.txt").text


def test_health_follows_the_catalogue(archive: Archive, client: Client) -> None:
    """200 with the state of each part while the catalogue answers, 503 when it is away; then every page says that it
    will be back, and tells nothing of what is wrong."""
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "parts": {"catalogue": "ok", "store": "ok", "index": "ok"}}
    archive.services.catalogue.close()
    home = archive.services.settings.home
    home.rename(home.with_name("away"))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["parts"]["catalogue"]) == (503, "unavailable")
    for path in ("/", "/api/records", "/oai2d?verb=ListSets"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert "sqlite" not in answer.text
    assert "headrace_catalogue_up 0.0" in client.get("/metrics").text


def test_metrics_count_by_route(archive: Archive, client: Client) -> None:
    """Requests are counted by the template of their route, never by their path, and the outbox by kind."""
    record = archive.publish(files={"a.txt": b"1"})
    for path in (f"/api/records/{record.id}", "/api/records/777", "/made/up/by/a/scanner"):
        client.get(path)
    text = client.get("/metrics").text
    route = 'route="/api/records/{record_id}"'
    assert f'headrace_http_requests_total{{method="GET",{route},status="200"}} 1.0' in text
    assert f'headrace_http_requests_total{{method="GET",{route},status="404"}} 1.0' in text
    assert "scanner" not in text
    assert "headrace_records 1.0" in text
    assert 'headrace_outbox_waiting{kind="preserve"} 0.0' in text
