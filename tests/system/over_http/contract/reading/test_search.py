"""Searching records (Zenodo's REST API, records: parameters, query syntax, sorting, envelope; what clients depend on,
numbers 20 and 21)."""

import hashlib
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from pipeline.model import JsonObject
from tests.archive import BASE_URL
from tests.system.over_http.contract.conftest import Library


def asked(library: Library, **params: str) -> JsonObject:
    """The body of a search that succeeds."""
    query = "&".join(f"{name}={quote(value)}" for name, value in params.items())
    answer = library.client.get(f"/api/records?{query}")
    assert answer.status_code == 200, answer.text
    body: JsonObject = answer.json()
    return body


def found(library: Library, **params: str) -> list[int]:
    return [hit["id"] for hit in asked(library, **params)["hits"]["hits"]]


def test_a20_a_search_answers_hits_total_and_links(library: Library) -> None:
    """Narrowed by community and type; the total is a number, and `next` is there while there is more."""
    body = asked(library, q="tide", communities="tide-tables", type="dataset", size="5")
    assert [hit["id"] for hit in body["hits"]["hits"]] == [library.dataset.id]
    assert body["hits"]["total"] == 1
    assert body["links"].keys() == {"self"}
    first = asked(library, size="1", sort="oldest")
    second = library.client.get(library.path(first["links"]["next"])).json()
    assert second["hits"]["total"] == first["hits"]["total"] == 3
    assert second["links"].keys() == {"self", "prev", "next"}
    assert second["hits"]["hits"] != first["hits"]["hits"]


def test_a21_a_quoted_doi_finds_its_record(library: Library) -> None:
    """Where it is the newest version's, or all versions are asked for."""
    assert found(library, q=f'doi:"10.5072/headrace.{library.dataset.id}"') == [library.dataset.id]
    earlier = f'doi:"10.5072/headrace.{library.earlier.id}"'
    assert found(library, q=earlier) == []
    assert found(library, q=earlier, all_versions="true") == [library.earlier.id]


def test_b43_pages_have_25_hits_and_100_for_who_is_known(library: Library) -> None:
    """The largest page is given, one hit more is refused in the exact words."""
    wording = "Page size cannot be greater than {}."
    hint = " Please use authenticated requests to increase the limit to 100."
    for client, largest, message in (
        (library.client, 25, wording.format(25) + hint),
        (library.known, 100, wording.format(100)),
    ):
        assert client.get(f"/api/records?size={largest}").status_code == 200
        answer = client.get(f"/api/records?size={largest + 1}")
        assert answer.status_code == 400
        assert answer.json() == {
            "status": 400,
            "message": "A validation error occurred.",
            "errors": [{"field": "size", "messages": [message]}],
        }


def test_b44_aliases(library: Library) -> None:
    """A thesis is found by its old name and others by theirs; DOIs match in quotes, communities with and without; one
    that is unknown finds nothing."""
    for query, ids in (
        ("resource_type.subtype:publication-thesis", [library.thesis.id]),
        ("resource_type.subtype:publication-dissertation", [library.thesis.id]),
        ("resource_type.subtype:publication-article", []),
        ('doi:"10.1234/thesis.1"', [library.thesis.id]),
        ("communities:tide-tables", [library.dataset.id]),
        ('communities:"tide-tables" AND resource_type.type:dataset', [library.dataset.id]),
        ("communities:nobody", []),
    ):
        assert found(library, q=query) == ids


@pytest.mark.parametrize(
    "query",
    [
        "recid:{dataset}",
        "id:{dataset}",
        "conceptrecid:{concept}",
        'conceptdoi:"10.5072/headrace.{concept}"',
        "doi:10.5072/headrace.{dataset}",
        'creators.orcid:"0000-0002-1825-0097" AND filename:gauge.csv',
        'creators.name:"Marlow, Ida" AND title:gauge',
        'creators.affiliation:"Pier Institute" AND filetype:csv',
        'keywords:"sea level"',
        "metadata.subjects.subject:sea",
        "publication_date:[2026-01-01 TO *] AND access_right:open",
        "created:[2026-03-01 TO 2026-03-31] AND type:dataset AND access_right:open",
        "grants.code:871234",
        "grants.funder.doi:10.13039/501100000780",
        "language:eng",
        "license.identifier:cc-by-4.0 AND version:2",
        "owners:1 AND filecount:3",
        "filesize:[20 TO 24]",
        '_files.checksum:"md5:{md5}"',
        "_exists_:parent.communities",
        "gaug* AND keywords:(sea OR land)",
        "+title:harbour -type:publication",
        "haubour~ AND NOT filename:secret",
    ],
)
def test_3_2_query_syntax(library: Library, query: str) -> None:
    """Fields under both their names, phrases, ranges, operators, wildcards: each finds the one record meant."""
    md5 = hashlib.md5(b"time,level\n").hexdigest()
    named = {"dataset": library.dataset.id, "concept": library.dataset.concept_id, "md5": md5}
    assert found(library, q=query.format(**named)) == [library.dataset.id]


@pytest.mark.parametrize(
    "query",
    [
        "10.5281/zenodo.5",
        "foo/bar",
        "title:a/b",
        "a:b:c",
        "filesize:abc",
        "created:[x TO y]",
        "a" * 10_001,
        " ".join(f"w{number}" for number in range(1_025)),
        " ".join(f"w{number}*" for number in range(17)),
        "(" * 21 + "a" + ")" * 21,
    ],
)
def test_d1_3_2_what_the_engine_refuses_is_400(library: Library, query: str) -> None:
    """In Zenodo's words, also where Zenodo answers 500 (a bad date), and for what would cost too much."""
    answer = library.client.get(f"/api/records?q={quote(query)}")
    assert answer.status_code == 400
    assert answer.json()["message"] == "Invalid query string syntax."


@pytest.mark.parametrize("query", ["(", '"nowhere', "[1920 TO", "AND"])
def test_d1_3_2_what_is_no_query_is_text(library: Library, query: str) -> None:
    """It is looked up as plain words, none of which is here; operators are none."""
    assert asked(library, q=query)["hits"] == {"hits": [], "total": 0}
    assert found(library, q='"harbour') == [library.dataset.id]


def test_d1_3_2_older_versions_and_existence(library: Library) -> None:
    """Only the newest version is found by its id; `_exists_` takes stored fields, whole objects and, which Zenodo does
    not, aliases; DOIs are found as addresses and without a field, too."""
    earlier, dataset = library.earlier.id, library.dataset.id
    for field in ("recid", "id"):
        assert found(library, q=f"{field}:{earlier}") == []
        assert found(library, q=f"{field}:{earlier}", all_versions="1") == [earlier]
    for field in ("pids.doi", "pids.doi.identifier", "doi"):
        assert len(found(library, q=f"_exists_:{field}")) == 3
    for query in (
        f'doi:"https://doi.org/10.5072/headrace.{dataset}"',
        f'"10.5072/headrace.{dataset}"',
        f"https://doi.org/10.5072/headrace.{dataset}",
    ):
        assert found(library, q=query) == [dataset]


def test_3_1_filters(library: Library) -> None:
    """Each narrows; values of one are alternatives; what cannot be resolved is no filter; others mean nothing."""
    dataset, thesis, closed = library.dataset.id, library.thesis.id, library.closed.id
    every = [closed, thesis, dataset]
    for query, ids in (
        ("type=publication", [thesis]),
        ("type=publication&subtype=dissertation", [thesis]),
        ("type=publication&subtype=article", []),
        ("subtype=dissertation", every),
        ("resource_type=publication::publication-dissertation&resource_type=dataset", every),
        ("access_status=restricted", [closed]),
        ("access_status=metadata-only&access_status=restricted", [closed, thesis]),
        ("access_status=nonsense", []),
        ("file_type=csv&file_type=zip", [dataset]),
        ("subject=sea level", [dataset]),
        ("publication_date=2024..2025", [thesis]),
        ("publication_date=2024-06..2026-12", [closed, dataset]),
        ("communities=tide-tables&communities=nobody", [dataset]),
        ("communities=nobody", every),
        ("bounds=0,0,1,1&custom=[dwc:x]:[y]&status=draft&colour=red", every),
    ):
        body = library.client.get(f"/api/records?{query}").json()
        assert [hit["id"] for hit in body["hits"]["hits"]] == ids, query


@pytest.mark.parametrize("flag", ["all_versions", "all_versions=true", "allversions=1", "all_versions=True"])
def test_3_1_all_versions(library: Library, flag: str) -> None:
    """A true value, or none, shows every version."""
    assert library.client.get(f"/api/records?{flag}").json()["hits"]["total"] == 4


def test_3_1_a_filter_has_a_bound(library: Library) -> None:
    """A hundred values are alternatives enough."""
    values = "&".join(f"file_type=t{number}" for number in range(101))
    body = library.client.get(f"/api/records?{values}").json()
    assert (body["status"], body["errors"][0]["field"]) == (400, "file_type")


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("newest", "closed"),
        ("mostrecent", "closed"),
        ("oldest", "dataset"),
        ("-mostrecent", "dataset"),
        ("updated-desc", "closed"),
        ("updated-asc", "dataset"),
        ("publication-desc", "closed"),
        ("publication_date", "closed"),
        ("publication-asc", "thesis"),
        ("-publication_date", "thesis"),
        ("version", "dataset"),
        ("bestmatch", "closed"),
    ],
)
def test_3_3_sorting(library: Library, sort: str, first: str) -> None:
    """Each name puts the record first that it should; equal ones come newest first."""
    assert found(library, sort=sort)[0] == getattr(library, first).id


@pytest.mark.parametrize(
    "sort",
    [
        "-bestmatch",
        "-version",
        "mostviewed",
        "-mostviewed",
        "mostdownloaded",
        "conference-desc",
        "conference_session",
        "-conference_session",
        "journal-desc",
        "journal",
        "-journal",
    ],
)
def test_3_3_more_sorts_are_taken(library: Library, sort: str) -> None:
    """What little tells these records apart in other orders loses none of them."""
    assert len(found(library, sort=sort)) == 3


@pytest.mark.parametrize(
    "sort", ["newestactivity", "oldestactivity", "conference-asc", "journal-asc", "bestest", "-newest"]
)
def test_d1_3_3_other_sorts_are_400(library: Library, sort: str) -> None:
    """Those that Zenodo's documents name and its server refuses are refused, as any other."""
    answer = library.client.get(f"/api/records?sort={sort}")
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "_schema", "messages": [f"Invalid sort option '{sort}'."]}]


def test_3_4_the_envelope(library: Library) -> None:
    """Facets have labels and nested types; links begin with the archive's address and have their parameters in
    alphabetic order; `next` never leads beyond the window."""
    body = asked(library, q="tide OR sea", size="1", page="1")
    assert body.keys() == {"hits", "aggregations", "links"}
    types = body["aggregations"]["resource_type"]
    assert types["label"] == "Resource types"
    assert types["buckets"][0].keys() == {"key", "doc_count", "label", "is_selected", "inner"}
    [kind] = [one for one in types["buckets"] if one["key"] == "publication"]
    assert [inner["key"] for inner in kind["inner"]["buckets"]] == ["publication-dissertation"]
    assert body["aggregations"]["access_status"]["label"] == "Access status"
    assert body["links"]["self"] == f"{BASE_URL}/api/records?page=1&q=tide+OR+sea&size=1&sort=bestmatch"
    for link in body["links"].values():
        names = [name for name, _ in parse_qsl(urlsplit(link).query)]
        assert names == sorted(names)
    assert asked(library, page="400", size="25")["links"].keys() == {"self", "prev"}


def test_d1_3_6_swh_is_null_in_hits(library: Library) -> None:
    """It is the one thing in which a hit differs from the record."""
    [hit] = asked(library, q=f"recid:{library.dataset.id}")["hits"]["hits"]
    record = library.client.get(f"/api/records/{library.dataset.id}").json()
    assert hit == record | {"swh": None}


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("page=x", "page", "Not a valid integer."),
        ("page=0", "page", "Must be greater than or equal to 1."),
        ("size=0", "size", "Must be greater than or equal to 1."),
        ("all_versions=foo", "allversions", "Not a valid boolean."),
    ],
)
def test_d2_0_5_odd_parameters_are_named(library: Library, query: str, field: str, message: str) -> None:
    """400 with the field and Zenodo's words."""
    answer = library.client.get(f"/api/records?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": field, "messages": [message]}]


def test_d2_0_5_past_the_window(library: Library) -> None:
    """The 10,000th hit is the last."""
    assert library.client.get("/api/records?page=400&size=25").status_code == 200
    answer = library.client.get("/api/records?page=401&size=25")
    assert answer.json() == {"status": 400, "message": "Invalid querystring parameters."}
