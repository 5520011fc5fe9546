"""Records over HTTP: formats, versions, identifiers; searching them."""

from urllib.parse import unquote

import pytest

from gateway.app import create_app
from pipeline.model import Record
from tests.archive import BASE_URL, Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import METADATA, depositor
from tests.system.over_http.sample import NAMES

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
        ("application/vnd.inveniordm.v1+json", '{"id":"'),
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


def test_a_record_that_was_asked_for_before_is_shown_as_it_is_now(archive: Archive, client: Client) -> None:
    """Whoever asked for it, and whatever was done with it since, at another gateway, too: its owner sees its closed
    files and nobody else does, whoever comes first; an edit, a new version, the end of an embargo and a withdrawal show
    at once."""
    ida = depositor(archive, "ida@pier.example")
    owner = Client(create_app(archive.services), archive.token("ida@pier.example"))
    made = ida.create(access_right="embargoed", embargo_date="2026-03-10")
    ida.put(made, "gauge.csv")
    ida.publish(made)
    path = f"/api/records/{made['id']}"

    def shown(of: Client = client) -> tuple[str, list[str], bool]:
        told = [of.get(path).json() for _ in range(2)]
        assert told[0] == told[1]
        [relation] = told[0]["metadata"]["relations"]["version"]
        return told[0]["title"], [one["key"] for one in told[0]["files"]], relation["is_last"]

    assert (shown(), shown(owner), shown()) == (
        (METADATA["title"], [], True),
        (METADATA["title"], ["gauge.csv"], True),
        (METADATA["title"], [], True),
    )
    indented = client.get(f"{path}?prettyprint=1")
    assert (indented.json(), b"\n" in indented.content) == (client.get(path).json(), True)
    ida.send("POST", made["links"]["edit"])
    again = {**METADATA, "title": "As edited", "access_right": "embargoed", "embargo_date": "2026-03-10"}
    ida.send("PUT", made["links"]["self"], {"metadata": again})
    ida.publish(made)
    assert (shown(), shown(owner)) == (("As edited", [], True), ("As edited", ["gauge.csv"], True))
    archive.publish(files={"a.txt": b"2"}, version_of=archive.record(made["id"]))
    assert shown() == ("As edited", [], False)
    archive.clock.move(days=1)
    assert shown() == ("As edited", ["gauge.csv"], False)
    archive.withdraw(archive.record(made["id"]))
    assert [one.get(path).status_code for one in (client, owner)] == [410, 410]


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


@pytest.mark.parametrize("key", ["a%3Fb%23c.txt", "a%5Cb.txt", "100%25.txt", "%C3%A9.txt"])
def test_an_encoded_key_survives_the_way_to_the_newest_version(
    archive: Archive, client: Client, key: str
) -> None:
    """What is encoded in an address below a work's id is in the redirect as it was sent, and leads to the file."""
    record = archive.publish(files={unquote(key): b"1"})
    answer = client.get(f"/records/{record.concept_id}/files/{key}")
    assert answer.headers["location"] == f"{BASE_URL}/records/{record.id}/files/{key}"
    assert client.get(f"/records/{record.id}/files/{key}").content == b"1"


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


@pytest.mark.parametrize("record_id", ["99999", "0", "01", "x", "1e3", "9" * 40, "-1"])
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
