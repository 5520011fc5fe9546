"""What has no fault by our rules is what DataCite takes: its XSD, and what its REST API checks besides."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lxml import etree

from infra.local.datacite_double import rules
from infra.local.datacite_double.kernel import Kernel
from pipeline.dissemination import Dissemination
from pipeline.feeds.crosswalks import concept_datacite_json, datacite_faults, datacite_json
from pipeline.feeds.crosswalks.datacite_rules import LISTS
from tests.reference import reference
from tests.strategies import disseminations

URL = "https://archive.example.org/records/1"
MINIMAL: dict[str, Any] = {
    "doi": "10.5072/archive.1",
    "creators": [{"name": "Marlow, Ida"}],
    "titles": [{"title": "Tides"}],
    "publisher": {"name": "Archive"},
    "publicationYear": "2026",
    "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Dataset"},
}
# A record that is drawn is large: to make it smaller takes minutes, and its fault is named anyhow.
many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


@cache
def kernel() -> Kernel:
    return Kernel(reference("testdata", "datacite", "kernel-4.7", "metadata.xsd"))


@pytest.mark.parametrize("name", LISTS)
def test_the_controlled_lists_are_those_of_the_schema(name: str) -> None:
    path = reference("testdata", "datacite", "kernel-4.7", "include", f"datacite-{name}-v4.xsd")
    assert LISTS[name] == {one.get("value") for one in etree.parse(path).iter("{*}enumeration")}


@given(disseminations())
@many
def test_what_we_write_has_no_fault(d: Dissemination) -> None:
    """Of versions and of works, whatever was deposited."""
    assert datacite_faults(datacite_json(d), d.url) == []
    if d.concept_doi is not None:
        assert datacite_faults(concept_datacite_json(d), d.url) == []


@given(disseminations(), st.data())
@many
def test_what_has_no_fault_is_valid(d: Dissemination, data: st.DataObject) -> None:
    """Also once something of it was left out, emptied or changed for another of its kind."""
    attributes = copy.deepcopy(datacite_json(d))
    for _ in range(data.draw(st.integers(1, 3))):
        spoil(attributes, data)
    if not datacite_faults(attributes, URL):
        assert kernel().errors(attributes["doi"], attributes) == []
        assert rules.errors_of_any({**attributes, "url": URL}) == []
        assert rules.name_of(attributes["doi"]) is not None


def spoil(document: dict[str, Any], data: st.DataObject) -> None:
    places = list(leaves(document))
    if places:
        parent, key = places[data.draw(st.integers(0, len(places) - 1))]
        wrong = data.draw(st.sampled_from(["", "Nonsense", "Dataset", "Cites", [], 400, None]))
        old = parent[key]
        if wrong is None:
            del parent[key]
        elif type(old) is type(wrong):
            parent[key] = wrong


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        for key in list(value):
            yield value, key
            yield from leaves(value[key])
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"doi": "10.5072/<1>"}, "doi"),
        ({"creators": []}, "creators"),
        ({"creators": [{"name": ""}]}, "creators.0.name"),
        ({"titles": []}, "titles"),
        ({"publisher": {}}, "publisher"),
        ({"publicationYear": "26"}, "publicationYear"),
        ({"types": {}}, "types"),
        ({"types": {"resourceTypeGeneral": "Herbarium"}}, "types.resourceTypeGeneral"),
        ({"contributors": [{"name": "A", "contributorType": "Cook"}]}, "contributors.0.contributorType"),
        ({"dates": [{"date": "2026"}]}, "dates.0.dateType"),
        ({"language": "de_DE"}, "language"),
        ({"rightsList": [{"rights": "x" * 2001}]}, "rightsList.0.rights"),
        (
            {"alternateIdentifiers": [{"alternateIdentifier": "10.1/x", "alternateIdentifierType": "DOI"}]},
            "alternateIdentifiers.0",
        ),
        (
            {"geoLocations": [{"geoLocationPoint": {"pointLongitude": 181, "pointLatitude": 0}}]},
            "geoLocations.0.geoLocationPoint",
        ),
        ({"fundingReferences": [{"funderIdentifier": "x"}]}, "fundingReferences.0.funderName"),
    ],
)
def test_a_fault_names_its_field(wrong: dict[str, Any], field: str) -> None:
    assert datacite_faults(MINIMAL, URL) == []
    assert any(one.startswith(f"{field}:") for one in datacite_faults({**MINIMAL, **wrong}, URL))


@pytest.mark.parametrize("url", ["", "nowhere", "ftp://archive.example.org/1"])
def test_a_doi_leads_somewhere(url: str) -> None:
    assert datacite_faults(MINIMAL, url) == ["url: is none"]
