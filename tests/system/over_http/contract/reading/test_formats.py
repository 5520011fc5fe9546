"""Formats of records (Zenodo's REST API, records: content negotiation, formats; what clients depend on, number 22)."""

import json

import pytest
from lxml import etree

from tests.system.over_http.contract.conftest import Library

JSON_FORMS = {
    "application/vnd.inveniordm.v1+json": "json",
    "application/ld+json": "json-ld",
    "application/vnd.citationstyles.csl+json": "csl",
    "application/vnd.datacite.datacite+json": "datacite-json",
}
XML_FORMS = {
    "application/vnd.datacite.datacite+xml": "datacite-xml",
    "application/x-dc+xml": "dublincore",
}
BIBTEX = "application/x-bibtex"


@pytest.mark.parametrize("media_type", [*JSON_FORMS, *XML_FORMS, BIBTEX])
def test_a22_a_format_by_accept_and_as_export(library: Library, media_type: str) -> None:
    """Both give the same; the export is a file named by the record."""
    name = (JSON_FORMS | XML_FORMS | {BIBTEX: "bibtex"})[media_type]
    number = library.dataset.id
    answer = library.client.get(f"/api/records/{number}", Accept=media_type)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert f"10.5072/headrace.{number}" in answer.text
    export = library.client.get(f"/records/{number}/export/{name}")
    assert export.content == answer.content
    ending = "bib" if media_type == BIBTEX else "xml" if media_type in XML_FORMS else "json"
    assert export.headers["content-disposition"] == f'attachment; filename="{number}.{ending}"'


def test_3_9_datacite_xml_has_two_names(library: Library) -> None:
    """The shorter one is answered in the same form."""
    path = f"/api/records/{library.dataset.id}"
    one, other = (
        library.client.get(path, Accept=f"application/{name}+xml")
        for name in ("x-datacite", "vnd.datacite.datacite")
    )
    assert one.content == other.content


def test_3_9_bibtex_keys(library: Library) -> None:
    """A key is family name, year and id."""
    entry = library.client.get(f"/api/records/{library.dataset.id}", Accept=BIBTEX).text
    assert entry.startswith(f"@dataset{{marlow_2026_{library.dataset.id},")


def test_3_9_datacite_tells_work_community_and_access(library: Library) -> None:
    """The work's DOI as what it is a version of, each community as what it is part of, and the access right."""
    form = library.client.get(
        f"/api/records/{library.dataset.id}", Accept="application/vnd.datacite.datacite+json"
    ).json()
    relations = {(one["relationType"], one["relatedIdentifier"]) for one in form["relatedIdentifiers"]}
    assert ("IsVersionOf", f"10.5072/headrace.{library.dataset.concept_id}") in relations
    assert ("IsPartOf", "https://archive.example.org/communities/tide-tables") in relations
    assert "info:eu-repo/semantics/openAccess" in {one.get("rightsUri") for one in form["rightsList"]}


@pytest.mark.parametrize(("old", "new"), [("hx", "bibtex"), ("dcite4", "datacite-xml"), ("xd", "dublincore")])
def test_3_13_exports_by_their_old_names(library: Library, old: str, new: str) -> None:
    """They lead to the new ones; an unknown one is 404."""
    path = f"/records/{library.dataset.id}/export"
    answer = library.client.get(f"{path}/{old}")
    assert (answer.status_code, library.path(answer.headers["location"])) == (301, f"{path}/{new}")
    assert library.client.get(f"{path}/nothing").status_code == 404


@pytest.mark.parametrize(
    ("accept", "status", "media_type"),
    [
        ("text/html, application/ld+json;q=0.5, */*;q=0.1", 200, "application/ld+json"),
        ("application/json;q=0.2, application/x-bibtex;q=0.9", 200, BIBTEX),
        ("text/html, */*;q=0.1", 200, "application/json"),
        ("application/*", 406, "application/json"),
        ("text/*, image/png", 406, "application/json"),
        ('application/json;profile="x"', 406, "application/json"),
    ],
)
def test_0_3_negotiation(library: Library, accept: str, status: int, media_type: str) -> None:
    """By quality, by exact names; a range of types matches none of them."""
    answer = library.client.get(f"/api/records/{library.dataset.id}", Accept=accept)
    assert answer.status_code == status
    assert answer.headers["content-type"].partition(";")[0] == media_type
    if status == 406:
        assert answer.json()["message"].startswith(
            "Invalid 'Accept' header. Expected one of: application/json"
        )


@pytest.mark.parametrize("media_type", JSON_FORMS)
def test_d1_3_4_lists_in_a_json_form(library: Library, media_type: str) -> None:
    """The envelope with each hit in that form; in InvenioRDM's it tells the order as well."""
    answer = library.client.get("/api/records?sort=oldest", Accept=media_type)
    assert answer.status_code == 200
    hits = answer.json()["hits"]
    assert (hits["total"], len(hits["hits"])) == (3, 3)
    single = library.client.get(f"/api/records/{library.dataset.id}", Accept=media_type)
    assert hits["hits"][0] == single.json()
    assert answer.json().get("sortBy") == ("oldest" if "inveniordm" in media_type else None)


@pytest.mark.parametrize("media_type", XML_FORMS)
def test_d1_3_4_lists_in_xml(library: Library, media_type: str) -> None:
    """Whole documents, one after the other, each with its declaration; never a failure."""
    answer = library.client.get("/api/records", Accept=media_type)
    assert answer.status_code == 200
    _, *documents = answer.content.split(b"<?xml ")
    assert len(documents) == 3
    for document in documents:
        etree.fromstring(b"<?xml " + document)


def test_d1_3_4_lists_in_bibtex(library: Library) -> None:
    """One entry after the other; of versions, too."""
    answer = library.client.get("/api/records", Accept=BIBTEX)
    assert answer.status_code == 200
    assert answer.text.count("\n}\n") == answer.text.count("@") == 3
    versions = library.client.get(f"/api/records/{library.dataset.id}/versions", Accept=BIBTEX)
    assert versions.text.count("@dataset{") == 2


def test_0_1_pretty_printing(library: Library) -> None:
    """`prettyprint` indents records and lists, and changes nothing else."""
    for path in (f"/api/records/{library.dataset.id}", "/api/records"):
        plain, pretty = library.client.get(path), library.client.get(f"{path}?prettyprint=1")
        assert pretty.text.startswith('{\n  "')
        assert json.loads(pretty.text).keys() == json.loads(plain.text).keys()
