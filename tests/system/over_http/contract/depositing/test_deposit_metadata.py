"""Metadata over the legacy deposit API, by the numbers of the contract: what is refused, what reads back, what
publication is refused for. Each field is in tests/unit/metadata/test_deposit_form.py; here is that answers have it.
"""

import json
from typing import Any

import pytest

from tests import large_deposit
from tests.archive import BASE_URL, Archive
from tests.system.over_http.contract.depositor import DEPOSITIONS, METADATA, Depositor


def refusal(ida: Depositor, **metadata: object) -> list[dict[str, Any]]:
    """The errors of a deposition that is refused, and of which nothing is left."""
    answer = ida.send("POST", DEPOSITIONS, {"metadata": {**METADATA, **metadata}})
    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert answer.json()["message"] == "A validation error occurred."
    assert ida.send("GET", DEPOSITIONS).json() == []
    errors: list[dict[str, Any]] = answer.json()["errors"]
    return errors


def test_b25_a_large_object_reads_back(archive: Archive, ida: Depositor) -> None:
    """In the answer, in a draft that is read again, and once the client has put back what it got; it is published."""
    archive.add_community("tides", "Tide tables")
    answer = ida.send("POST", DEPOSITIONS, {"metadata": large_deposit.METADATA})
    assert answer.status_code == 201
    created = answer.json()
    reserved = created["metadata"]["prereserve_doi"]["doi"]
    expected = large_deposit.read_back(reserved, created["id"])
    assert "errors" not in created
    assert (created["metadata"], created["doi"]) == (expected, "10.1234/tables.1")
    for again in (
        ida.send("GET", created["links"]["self"]),
        ida.send("PUT", created["links"]["self"], {"metadata": created["metadata"]}),
    ):
        assert (again.status_code, again.json()["metadata"]) == (200, expected)
    assert ida.put(created, "tables.csv").status_code == 201
    record = ida.publish(created)
    assert record["state"] == "done"
    assert {**record["metadata"], "communities": expected["communities"]} == expected


@pytest.mark.parametrize(
    ("wrong", "field", "begins"),
    [
        ("10.1234/x", "metadata.related_identifiers", "related_identifiers must be a list"),
        (["10.1234/x"], "metadata.related_identifiers.0", "Each related identifier must be an object"),
        (
            [{"identifier": "10.1234/x", "relation": 5}],
            "metadata.related_identifiers.0.relation",
            "relation must be a string",
        ),
    ],
)
def test_b26_misshapen_related_identifiers_are_refused(
    ida: Depositor, wrong: object, field: str, begins: str
) -> None:
    """400 with exactly one error, on the very place."""
    [error] = refusal(ida, related_identifiers=wrong)
    assert error["field"] == field
    assert error["messages"][0].startswith(begins)


@pytest.mark.parametrize("wrong", [5, ["cc-by-4.0"]])
def test_b27_a_licence_is_text_or_an_object(ida: Depositor, wrong: object) -> None:
    """400 with one error."""
    assert [error["field"] for error in refusal(ida, license=wrong)] == ["metadata.license"]


@pytest.mark.parametrize("wrong", [{"identifier": "tides"}, [{"id": "tides"}], ["tides"]])
def test_b28_misshapen_communities_are_refused(ida: Depositor, wrong: object) -> None:
    """400 on `communities`, whose text names the key that is wanted."""
    [error] = refusal(ida, communities=wrong)
    assert error["field"] == "communities"
    assert "identifier" in error["messages"][0]


@pytest.mark.parametrize("slugs", [["tides"], ["tides", "sea-level"]])
def test_b29_communities_read_back(ida: Depositor, slugs: list[str]) -> None:
    """201 with the identifiers that were given."""
    communities = [{"identifier": slug} for slug in slugs]
    assert ida.create(communities=communities)["metadata"]["communities"] == communities


@pytest.mark.parametrize("licence", ["cc-by-4.0", {"id": "cc-by-4.0"}])
def test_b30_a_licence_may_be_an_id_or_an_object_with_one(ida: Depositor, licence: object) -> None:
    """201 with a plain string."""
    assert ida.create(license=licence)["metadata"]["license"] == "cc-by-4.0"


def test_d2_2_7_an_unknown_term_is_told_in_the_message(ida: Depositor) -> None:
    """400 without a list of errors."""
    answer = ida.send("POST", DEPOSITIONS, {"metadata": {**METADATA, "upload_type": "song"}})
    assert (answer.status_code, answer.json()) == (400, {"status": 400, "message": "Invalid value song."})


@pytest.mark.parametrize("body", [[], None, "metadata", 5, {"metadata": None}, {"metadata": []}])
def test_d2_2_7_odd_bodies_are_refused(ida: Depositor, body: object) -> None:
    """400 with a field, for POST and PUT, and the draft stays as it was."""
    draft = ida.create()
    for method, url in (("POST", DEPOSITIONS), ("PUT", draft["links"]["self"])):
        answer = ida.client.ask(
            method,
            url.removeprefix(BASE_URL),
            content=json.dumps(body).encode(),
            content_type="application/json",
        )
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] in (["_schema"], ["metadata"])
    assert ida.send("GET", draft["links"]["self"]).json()["metadata"] == draft["metadata"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": "ab"}, "metadata.title"),
        ({"notes": "ab"}, "metadata.additional_descriptions.0.description"),
        ({"keywords": [""]}, "metadata.subjects.0.subjects"),
        ({"contributors": [{"name": "Orr, Ben"}]}, "metadata.contributors.0.role"),
        (
            {"creators": [{"name": "Orr, Ben", "orcid": "0000-0002-1694-2330"}]},
            "metadata.creators.0.person_or_org.identifiers.0.identifier",
        ),
        ({"imprint_publisher": ""}, "metadata.publisher"),
        ({"dates": [{"start": "soon", "type": "Valid"}]}, "metadata.dates.0.date"),
        ({"doi": "nonsense"}, "pids.doi"),
        ({"access_right": "embargoed", "embargo_date": "2020-01-01"}, "access.embargo.until"),
    ],
)
def test_d1_2_3_publication_is_refused_under_other_names(
    ida: Depositor, wrong: dict[str, object], field: str
) -> None:
    """The draft is saved; publishing names the field as InvenioRDM does, and mending it is enough."""
    draft = ida.create(**wrong)
    ida.put(draft, "gauge.csv")
    answer = ida.send("POST", draft["links"]["publish"])
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    ida.send("PUT", draft["links"]["self"], {"metadata": METADATA})
    assert ida.publish(draft)["submitted"]


def test_d1_2_6_text_is_kept_as_given(ida: Depositor) -> None:
    """Quotes, ligatures, zero-width characters and blanks are there in the record, too."""
    title = " “Tides” of \u200bﬁords "
    published = ida.published(title=title)
    assert published["metadata"]["title"] == title
    assert ida.send("GET", f"/api/records/{published['id']}").json()["metadata"]["title"] == title
