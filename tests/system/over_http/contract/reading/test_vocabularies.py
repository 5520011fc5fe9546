"""Vocabularies, licences and organisations over HTTP (Zenodo's REST API: vocabularies, licences, funders)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.app import create_app
from pipeline.errors import Misconfigured
from pipeline.metadata import vocabulary
from pipeline.model import JsonObject, Record
from tests.archive import BASE_URL, Archive
from tests.asking import Client

TYPES = [
    *("resourcetypes", "licenses", "languages", "creatorsroles", "contributorsroles", "datetypes"),
    *("relationtypes", "titletypes", "descriptiontypes", "removalreasons", "communitytypes"),
    *("code:programmingLanguages", "code:developmentStatus"),
]


@pytest.fixture
def asked(standing: tuple[Client, Record]) -> Client:
    """A client of the archive that no test changes."""
    return standing[0]


def found(client: Client, path: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200
    return [hit["id"] for hit in answer.json()["hits"]["hits"]]


# ---------------------------------------------------------------- vocabularies


@pytest.mark.parametrize("path", ["/api/vocabularies/", "/api/vocabularies"])
def test_6_the_types_are_listed(asked: Client, path: str) -> None:
    """Each type says how many terms it has, and where they are."""
    body = asked.get(path).json()
    assert [hit["id"] for hit in body["hits"]["hits"]] == TYPES
    assert body["hits"]["total"] == len(TYPES)
    for hit in body["hits"]["hits"]:
        listed = asked.get(hit["links"]["self"].removeprefix(BASE_URL) + "?size=1").json()
        assert listed["hits"]["total"] == hit["count"] > 0


@pytest.mark.parametrize("name", TYPES)
def test_6_every_term_has_an_address(asked: Client, name: str) -> None:
    """What a list shows of a term is what the term's own link gives."""
    for hit in asked.get(f"/api/vocabularies/{name}?size=3&sort=oldest").json()["hits"]["hits"]:
        answer = asked.get(hit["links"]["self"].removeprefix(BASE_URL))
        assert (answer.status_code, answer.json()) == (200, hit)
        assert answer.headers["etag"] == f'"{hit["revision_id"]}"'
        assert {"id", "title", "props", "tags", "type", "created", "updated", "links"} <= hit.keys()
        assert (hit["type"], list(hit["title"])) == (name, ["en"])


def test_6_a_licence_says_where_it_is_and_what_it_is_for(asked: Client) -> None:
    """The item of CC BY 4.0, as Zenodo has it."""
    item = asked.get("/api/vocabularies/licenses/cc-by-4.0").json()
    assert item["title"] == {"en": "Creative Commons Attribution 4.0 International"}
    assert item["props"] == {
        "url": "https://creativecommons.org/licenses/by/4.0/legalcode",
        "scheme": "spdx",
        "osi_approved": "",
    }
    assert item["tags"] == ["recommended", "all", "data"]
    assert asked.get("/api/vocabularies/licenses/mit").json()["props"]["osi_approved"] == "y"


def test_6_a_resource_type_says_its_parts(asked: Client) -> None:
    """Type and subtype, and what DataCite and schema.org call it."""
    props = asked.get("/api/vocabularies/resourcetypes/publication-article").json()["props"]
    assert (props["type"], props["subtype"]) == ("publication", "publication-article")
    assert (props["datacite_general"], props["schema.org"]) == (
        "JournalArticle",
        "https://schema.org/ScholarlyArticle",
    )


def test_6_all_licences_are_met_page_by_page(asked: Client) -> None:
    """Following `next` meets every licence once, those of SPDX and the repository's own; `prev` leads back."""
    met: list[str] = []
    path = "/api/vocabularies/licenses?size=200"
    while path:
        body = asked.get(path).json()
        met += [hit["id"] for hit in body["hits"]["hits"]]
        path = body["links"].get("next", "").removeprefix(BASE_URL)
    assert (len(met), set(met)) == (len(vocabulary.licences()), set(vocabulary.licences()))
    assert len(met) >= 519
    assert "page=3" in body["links"]["prev"]


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("licenses?q=cc-by-4.0", "cc-by-4.0"),
        ("licenses?q=id:mit", "mit"),
        ("licenses?q=title:apache*", "apache-1.0"),
        ("licenses?suggest=gnu%20general%20public%20license%20v3.0%20only", "gpl-3.0-only"),
        ("languages?suggest=germ", "deu"),
        ("languages?suggest=eng", "eng"),
        ("languages?suggest=ger", "deu"),
        ("resourcetypes?q=journal%20art*", "publication-article"),
        ("relationtypes?suggest=is%20suppl", "issupplementto"),
        ("code:programmingLanguages?q=python", "python"),
    ],
)
def test_6_what_is_searched_comes_first(asked: Client, path: str, first: str) -> None:
    """By id, title, other codes, and beginnings of words; the nearest leads."""
    assert found(asked, f"/api/vocabularies/{path}")[0] == first


def test_6_a_list_is_narrowed_by_tags(asked: Client) -> None:
    """Each `tags` narrows further, and the links keep all that was asked."""
    recommended = found(asked, "/api/vocabularies/licenses?tags=recommended&size=100")
    software = found(asked, "/api/vocabularies/licenses?tags=recommended&tags=software&size=100")
    assert {"mit", "cc-by-4.0"} <= set(recommended)
    assert set(recommended) > set(software) >= {"mit", "apache-2.0"}
    body = asked.get("/api/vocabularies/licenses?tags=recommended&suggest=cc&size=1").json()
    assert body["links"]["next"] == (
        f"{BASE_URL}/api/vocabularies/licenses?page=2&size=1&sort=bestmatch&suggest=cc&tags=recommended"
    )
    assert body["sortBy"] == "bestmatch"


def test_6_a_list_is_sorted_by_title_unless_asked_otherwise(asked: Client) -> None:
    """`sort=oldest` is the reverse of `newest`."""
    titles = [hit["title"]["en"] for hit in _hits(asked, "/api/vocabularies/datetypes")]
    assert titles == sorted(titles)
    newest = found(asked, "/api/vocabularies/resourcetypes?sort=newest&size=100")
    assert newest == found(asked, "/api/vocabularies/resourcetypes?sort=oldest&size=100")[::-1]


def _hits(client: Client, path: str) -> list[JsonObject]:
    hits: list[JsonObject] = client.get(path).json()["hits"]["hits"]
    return hits


@pytest.mark.parametrize(
    "path",
    [
        "/api/vocabularies/nonsense",
        "/api/vocabularies/nonsense/x",
        "/api/vocabularies/licenses/nonsense",
        "/api/licenses/nonsense",
        "/api/funders/nonsense",
        "/api/affiliations/00k4n6c33",
        "/api/awards/00k4n6c32::871234",
    ],
)
def test_6_what_is_not_listed_is_not_found(asked: Client, path: str) -> None:
    """404 with the words for an identifier that there is not."""
    answer = asked.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"status": 404, "message": "The persistent identifier does not exist."}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("size=1001", "size"),
        ("size=0", "size"),
        ("page=x", "page"),
        ("sort=nonsense", "_schema"),
        ("q=" + "a+" * 33, "q"),
        ("suggest=" + "a+" * 33, "suggest"),
    ],
)
def test_6_wrong_parameters_are_named(asked: Client, query: str, field: str) -> None:
    """400 with the field; a question of very many words is one."""
    answer = asked.get(f"/api/vocabularies/languages?{query}")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("query", ["q=", "q=*", "q=%22", "q=(", "q=-", "q=*:*", "suggest=%20"])
def test_6_what_says_nothing_finds_all(asked: Client, query: str) -> None:
    """Marks alone are no words."""
    assert asked.get(f"/api/vocabularies/titletypes?{query}").json()["hits"]["total"] == 4


def test_6_media_types(asked: Client) -> None:
    """JSON and InvenioRDM's name for it are given; others are not."""
    rdm = "application/vnd.inveniordm.v1+json"
    path = "/api/vocabularies/datetypes"
    assert asked.get(path, Accept=rdm).headers["content-type"] == rdm
    assert asked.get(path).headers["content-type"] == "application/json"
    assert asked.get(path, Accept="text/turtle").status_code == 406


# ---------------------------------------------------------------- licences


@pytest.mark.parametrize("path", ["/api/licenses", "/api/licenses/"])
def test_6_the_old_address_of_licences_redirects(asked: Client, path: str) -> None:
    """301 to the vocabulary, the query kept."""
    answer = asked.get(path + "?q=mit&size=5")
    assert answer.status_code == 301
    assert answer.headers["location"] == f"{BASE_URL}/api/vocabularies/licenses?q=mit&size=5"


@pytest.mark.parametrize(
    ("key", "shown"), [("cc-zero", "cc-zero"), ("CC0-1.0", "cc-zero"), ("mit", "mit-license")]
)
def test_6_an_old_licence_item_is_flat(asked: Client, key: str, shown: str) -> None:
    """By old ids and new, with the fields that clients of before 2023 read."""
    item = asked.get(f"/api/licenses/{key}").json()
    assert item["id"] == shown
    assert item["title"]
    assert item["url"].startswith("https://")
    assert {
        "domain_content",
        "domain_data",
        "domain_software",
        "family",
        "maintainer",
        "status",
    } <= item.keys()
    assert {"od_conformance", "osd_conformance"} <= item.keys()


# ---------------------------------------------------------------- organisations


def test_6_a_funder(asked: Client) -> None:
    """The European Commission, as Zenodo has it."""
    item = asked.get("/api/funders/00k4n6c32").json()
    assert (item["id"], item["name"], item["title"]) == (
        "00k4n6c32",
        "European Commission",
        {"en": "European Commission"},
    )
    assert (item["acronym"], item["country"], item["country_name"]) == ("EC", "BE", "Belgium")
    assert {"identifier": "10.13039/501100000780", "scheme": "doi"} in item["identifiers"]
    assert asked.get(item["links"]["self"].removeprefix(BASE_URL)).json() == item


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("funders?q=EC", "00k4n6c32"),
        ("funders?suggest=fundacao%20para", "00snfqn58"),
        ("funders?suggest=10.13039/501100001659", "018mejw64"),
        ("affiliations?suggest=cern", "01ggx4157"),
        ("affiliations?q=european%20commission", "00k4n6c32"),
    ],
)
def test_6_organisations_are_found(asked: Client, path: str, first: str) -> None:
    """By name, acronym or DOI, with or without accents; funders among the affiliations, too."""
    assert found(asked, f"/api/{path}")[0] == first


def test_6_only_who_gives_money_is_a_funder(asked: Client) -> None:
    """An organisation without a funder's DOI is an affiliation alone."""
    assert found(asked, "/api/funders?q=cern") == []
    assert asked.get("/api/funders/01ggx4157").status_code == 404
    assert (
        asked.get("/api/affiliations/01ggx4157").json()["name"]
        == "European Organization for Nuclear Research"
    )


@pytest.mark.parametrize("name", ["awards", "names", "subjects"])
def test_6_lists_without_entries_are_envelopes(asked: Client, name: str) -> None:
    """A client that suggests from them finds nothing, in the shape that it knows."""
    body = asked.get(f"/api/{name}?suggest=tide&funders=00k4n6c32").json()
    assert body["hits"] == {"hits": [], "total": 0}
    assert body["links"]["self"].startswith(f"{BASE_URL}/api/{name}?")


ROR_RECORD = {
    "id": "https://ror.org/05a28rw58",
    "status": "active",
    "types": ["education", "funder"],
    "names": [
        {"value": "ETHZ", "types": ["acronym"], "lang": None},
        {"value": "Eidgenössische Technische Hochschule", "types": ["label"], "lang": "de"},
        {"value": "ETH Zurich", "types": ["ror_display", "label"], "lang": "en"},
    ],
    "locations": [{"geonames_details": {"country_code": "CH", "country_name": "Switzerland"}}],
    "external_ids": [{"type": "fundref", "preferred": None, "all": ["501100003006"]}],
}


def _with_ror(archive: Archive, file: Path) -> Client:
    settings = archive.services.settings.model_copy(update={"ror": str(file)})
    return Client(create_app(replace(archive.services, settings=settings)))


def test_6_rors_own_data_replaces_the_short_list(archive: Archive, tmp_path: Path) -> None:
    """A file of its records is all that is looked up then; those that are withdrawn, or are none, are left out."""
    others = [ROR_RECORD | {"id": "https://ror.org/00k4n6c32", "status": "withdrawn"}, {"id": "x"}, [], 5]
    file = tmp_path / "ror.jsonl"
    file.write_text("\n".join(json.dumps(each) for each in (ROR_RECORD, *others)), encoding="utf-8")
    client = _with_ror(archive, file)
    assert found(client, "/api/affiliations") == ["05a28rw58"]
    assert found(client, "/api/funders?suggest=eidgenossische") == ["05a28rw58"]
    item = client.get("/api/funders/05a28rw58").json()
    assert (item["name"], item["acronym"], item["country_name"]) == ("ETH Zurich", "ETHZ", "Switzerland")
    assert item["identifiers"][1] == {"identifier": "10.13039/501100003006", "scheme": "doi"}


@pytest.mark.parametrize("content", [None, "", "{", "[]\n"])
def test_a_file_of_ror_that_is_none_is_the_operators_to_mend(
    archive: Archive, tmp_path: Path, content: str | None
) -> None:
    """Missing, empty or damaged: the setting is named, before anything is served."""
    file = tmp_path / "ror.jsonl"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(Misconfigured) as refused:
        _with_ror(archive, file)
    assert refused.value.field == "HEADRACE_ROR"
