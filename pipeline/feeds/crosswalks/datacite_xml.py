"""DataCite XML, kernel 4.7: the JSON form written as the XSD orders it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.feeds.crosswalks.datacite import SCHEMA_VERSION, datacite_json
from pipeline.feeds.crosswalks.xml import add, root

if TYPE_CHECKING:
    from lxml.etree import _Element

    from pipeline.dissemination import Dissemination
    from pipeline.model import JsonObject

SCHEMA = "http://schema.datacite.org/meta/kernel-4.7/metadata.xsd"
OAI_NAMESPACE = "http://schema.datacite.org/oai/oai-1.1/"
OAI_SCHEMA = "http://schema.datacite.org/oai/oai-1.1/oai.xsd"


def datacite_xml(d: Dissemination) -> _Element:
    """The bare `resource` element."""
    return resource_xml(datacite_json(d))


def resource_xml(attributes: JsonObject) -> _Element:
    """The same, of the JSON form that has no faults (`datacite_rules`)."""
    resource = root(SCHEMA_VERSION, "resource", SCHEMA)
    add(resource, "identifier", attributes["doi"], identifierType="DOI")
    for write in _PARTS:
        write(resource, attributes)
    return resource


def oai_datacite(d: Dissemination) -> _Element:
    """The `resource` element inside DataCite's OAI-PMH wrapper 1.1, which names schema and repository."""
    wrapper = root(OAI_NAMESPACE, "oai_datacite", OAI_SCHEMA)
    add(wrapper, "schemaVersion", "4.7")
    add(wrapper, "datacentreSymbol", d.repository.id)
    add(wrapper, "payload").append(datacite_xml(d))
    return wrapper


# ---------------------------------------------------------------- people


def _creators(resource: _Element, attributes: JsonObject) -> None:
    wrapper = add(resource, "creators")
    for each in attributes["creators"]:
        _person(add(wrapper, "creator"), "creatorName", each)


def _contributors(resource: _Element, attributes: JsonObject) -> None:
    if "contributors" in attributes:
        wrapper = add(resource, "contributors")
        for each in attributes["contributors"]:
            contributor = add(wrapper, "contributor", contributorType=each["contributorType"])
            _person(contributor, "contributorName", each)


def _person(parent: _Element, name: str, person: JsonObject) -> None:
    # The inside of a person is an ordered sequence.
    add(parent, name, person["name"], nameType=person["nameType"])
    for key in ("givenName", "familyName"):
        if key in person:
            add(parent, key, person[key])
    for each in person.get("nameIdentifiers", []):
        add(
            parent,
            "nameIdentifier",
            each["nameIdentifier"],
            nameIdentifierScheme=each["nameIdentifierScheme"],
            schemeURI=each["schemeUri"],
        )
    for each in person.get("affiliation", []):
        add(
            parent,
            "affiliation",
            each["name"],
            affiliationIdentifier=each.get("affiliationIdentifier"),
            affiliationIdentifierScheme=each.get("affiliationIdentifierScheme"),
            schemeURI=each.get("schemeUri"),
        )


# ---------------------------------------------------------------- texts


def _texts(resource: _Element, attributes: JsonObject) -> None:
    titles = add(resource, "titles")
    for each in attributes["titles"]:
        add(titles, "title", each["title"], titleType=each.get("titleType"), lang=each.get("lang"))
    add(resource, "publisher", attributes["publisher"]["name"])
    add(resource, "publicationYear", attributes["publicationYear"])
    types = attributes["types"]
    add(resource, "resourceType", types["resourceType"], resourceTypeGeneral=types["resourceTypeGeneral"])
    for key in ("language", "version"):
        if key in attributes:
            add(resource, key, attributes[key])


def _lists(resource: _Element, attributes: JsonObject) -> None:
    for wrapper_name, (name, text, names) in _LISTS.items():
        if wrapper_name in attributes:
            wrapper = add(resource, wrapper_name)
            for each in attributes[wrapper_name]:
                _entry(wrapper, name, {text: each} if isinstance(each, str) else each, text, names)


def _entry(parent: _Element, name: str, entry: JsonObject, text: str, names: dict[str, str]) -> None:
    add(parent, name, entry.get(text), **{names[key]: entry[key] for key in names if key in entry})


_LISTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "subjects": ("subject", "subject", {"subjectScheme": "subjectScheme", "valueUri": "valueURI"}),
    "dates": ("date", "date", {"dateType": "dateType", "dateInformation": "dateInformation"}),
    "alternateIdentifiers": (
        "alternateIdentifier",
        "alternateIdentifier",
        {"alternateIdentifierType": "alternateIdentifierType"},
    ),
    "relatedIdentifiers": (
        "relatedIdentifier",
        "relatedIdentifier",
        {
            "relatedIdentifierType": "relatedIdentifierType",
            "relationType": "relationType",
            "resourceTypeGeneral": "resourceTypeGeneral",
        },
    ),
    "sizes": ("size", "size", {}),
    "formats": ("format", "format", {}),
    "rightsList": (
        "rights",
        "rights",
        {
            "rightsUri": "rightsURI",
            "rightsIdentifier": "rightsIdentifier",
            "rightsIdentifierScheme": "rightsIdentifierScheme",
            "schemeUri": "schemeURI",
        },
    ),
    "descriptions": ("description", "description", {"descriptionType": "descriptionType", "lang": "lang"}),
}
"""Lists of one text with attributes: element, the key of its text, and keys of JSON with their attributes."""


# ---------------------------------------------------------------- places, funding, items


def _places(resource: _Element, attributes: JsonObject) -> None:
    if "geoLocations" not in attributes:
        return
    wrapper = add(resource, "geoLocations")
    for each in attributes["geoLocations"]:
        location = add(wrapper, "geoLocation")
        if "geoLocationPlace" in each:
            add(location, "geoLocationPlace", each["geoLocationPlace"])
        for key in ("geoLocationPoint", "geoLocationBox"):
            if key in each:
                _numbers(add(location, key), each[key])
        if "geoLocationPolygon" in each:
            polygon = add(location, "geoLocationPolygon")
            for point in each["geoLocationPolygon"]:
                _numbers(add(polygon, "polygonPoint"), point["polygonPoint"])


def _numbers(parent: _Element, numbers: dict[str, Any]) -> None:
    for key, number in numbers.items():
        add(parent, key, str(number))


def _funding(resource: _Element, attributes: JsonObject) -> None:
    if "fundingReferences" not in attributes:
        return
    wrapper = add(resource, "fundingReferences")
    for each in attributes["fundingReferences"]:
        reference = add(wrapper, "fundingReference")
        add(reference, "funderName", each["funderName"])
        if "funderIdentifier" in each:
            kind = each["funderIdentifierType"]
            add(reference, "funderIdentifier", each["funderIdentifier"], funderIdentifierType=kind)
        if "awardNumber" in each:
            add(reference, "awardNumber", each["awardNumber"], awardURI=each.get("awardUri"))
        if "awardTitle" in each:
            add(reference, "awardTitle", each["awardTitle"])


def _related_items(resource: _Element, attributes: JsonObject) -> None:
    if "relatedItems" not in attributes:
        return
    wrapper = add(resource, "relatedItems")
    for each in attributes["relatedItems"]:
        kinds = {key: each[key] for key in ("relatedItemType", "relationType")}
        item = add(wrapper, "relatedItem", **kinds)
        if identifier := each.get("relatedItemIdentifier"):
            kind = identifier["relatedItemIdentifierType"]
            value = identifier["relatedItemIdentifier"]
            add(item, "relatedItemIdentifier", value, relatedItemIdentifierType=kind)
        titles = add(item, "titles")
        for title in each["titles"]:
            add(titles, "title", title["title"])
        for key in ("volume", "issue", "firstPage", "lastPage", "edition"):
            if key in each:
                add(item, key, each[key])


_PARTS = (_creators, _texts, _contributors, _lists, _places, _funding, _related_items)
