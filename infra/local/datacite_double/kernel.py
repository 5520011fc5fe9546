"""Attributes as DataCite XML, and what an XSD of kernel 4 says of it. Written apart from Headrace's own XML, so that a
mistake of one is not hidden by the same mistake of the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lxml import etree

from infra.local.datacite_double.rules import Attributes, Error

_NAMESPACE = "http://datacite.org/schema/kernel-4"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

# Wrapper → (its child, the key of the child's text).
_WRAPPED = {
    "titles": ("title", "title"),
    "subjects": ("subject", "subject"),
    "dates": ("date", "date"),
    "alternateIdentifiers": ("alternateIdentifier", "alternateIdentifier"),
    "relatedIdentifiers": ("relatedIdentifier", "relatedIdentifier"),
    "sizes": ("size", ""),
    "formats": ("format", ""),
    "rightsList": ("rights", "rights"),
    "descriptions": ("description", "description"),
}
_PLAIN = ("publicationYear", "language", "version")
_ORDERED_ITEM = ("volume", "issue", "number", "firstPage", "lastPage", "publisher", "edition")


class Kernel:
    """Judges attributes by the XSD in a file; without one, only by what is mandatory."""

    def __init__(self, schema: Path | None) -> None:
        self._schema = None if schema is None else etree.XMLSchema(etree.parse(schema))

    def errors(self, doi: str, attributes: Attributes) -> list[Error]:
        """Errors as the REST API words them: the element, and what libxml says."""
        resource = _resource(doi, attributes)
        if self._schema is None:
            return _lacking(doi, attributes)
        if self._schema.validate(resource):
            return []
        return [_told(doi, entry) for entry in self._schema.error_log][:1]


def _lacking(doi: str, attributes: Attributes) -> list[Error]:
    mandatory = ("creators", "titles", "publisher", "publicationYear", "types")
    return [(key, f"DOI {doi}: Missing child element(s).") for key in mandatory if not attributes.get(key)]


def _told(doi: str, entry: Any) -> Error:
    found = re.match(r"Element '\{[^}]*\}([^']*)(.*)", entry.message, re.DOTALL)
    source, said = (found[1], found[2].lstrip("':, ")) if found else ("xml", entry.message)
    return source, f"DOI {doi}: {said} at line {entry.line}, column 0"


def _resource(doi: str, attributes: Attributes) -> etree._Element:
    resource = etree.Element(f"{{{_NAMESPACE}}}resource", nsmap={None: _NAMESPACE})
    _add(resource, "identifier", doi, {"identifierType": "DOI"})
    for key, name in (("creators", "creator"), ("contributors", "contributor")):
        people = attributes.get(key)
        if people or key == "creators":
            wrapper = _add(resource, key)
            for one in people or []:
                kind = one.get("contributorType")
                _person(_add(wrapper, name, attributes={"contributorType": kind}), f"{name}Name", one)
    if publisher := attributes.get("publisher"):
        named = {"name": publisher} if isinstance(publisher, str) else publisher
        _add(resource, "publisher", named.get("name"), _rest(named, "name"))
    if types := attributes.get("types"):
        general = {"resourceTypeGeneral": types.get("resourceTypeGeneral")}
        _add(resource, "resourceType", types.get("resourceType"), general)
    for key in _PLAIN:
        if value := attributes.get(key):
            _add(resource, key, value)
    for key, (name, text) in _WRAPPED.items():
        entries = attributes.get(key)
        if entries or key == "titles":
            wrapper = _add(resource, key)
            for one in entries or []:
                if isinstance(one, dict):
                    _add(wrapper, name, one.get(text), _rest(one, text))
                else:
                    _add(wrapper, name, one)
    _places(resource, attributes.get("geoLocations"))
    _funding(resource, attributes.get("fundingReferences"))
    _items(resource, attributes.get("relatedItems"))
    return resource


def _person(parent: etree._Element, name: str, one: Attributes) -> None:
    _add(parent, name, one.get("name"), {"nameType": one.get("nameType")})
    for key in ("givenName", "familyName"):
        if one.get(key):
            _add(parent, key, one[key])
    for each in one.get("nameIdentifiers") or []:
        _add(parent, "nameIdentifier", each.get("nameIdentifier"), _rest(each, "nameIdentifier"))
    for each in one.get("affiliation") or []:
        named = {"name": each} if isinstance(each, str) else each
        _add(parent, "affiliation", named.get("name"), _rest(named, "name"))


def _places(resource: etree._Element, places: Any) -> None:
    wrapper = _add(resource, "geoLocations") if places else None
    for one in places or []:
        assert wrapper is not None
        location = _add(wrapper, "geoLocation")
        for key, value in one.items():
            if key == "geoLocationPolygon":
                polygon = _add(location, key)
                for point in value:
                    for name, numbers in point.items():
                        _numbers(_add(polygon, name), numbers)
            elif isinstance(value, dict):
                _numbers(_add(location, key), value)
            else:
                _add(location, key, value)


def _numbers(parent: etree._Element, numbers: Attributes) -> None:
    for key, number in numbers.items():
        _add(parent, key, number)


def _funding(resource: etree._Element, references: Any) -> None:
    wrapper = _add(resource, "fundingReferences") if references else None
    for one in references or []:
        assert wrapper is not None
        reference = _add(wrapper, "fundingReference")
        _add(reference, "funderName", one.get("funderName"))
        if one.get("funderIdentifier"):
            kind = {"funderIdentifierType": one.get("funderIdentifierType")}
            _add(reference, "funderIdentifier", one["funderIdentifier"], kind)
        if one.get("awardNumber"):
            _add(reference, "awardNumber", one["awardNumber"], {"awardURI": one.get("awardUri")})
        if one.get("awardTitle"):
            _add(reference, "awardTitle", one["awardTitle"])


def _items(resource: etree._Element, items: Any) -> None:
    wrapper = _add(resource, "relatedItems") if items else None
    for one in items or []:
        assert wrapper is not None
        kinds = {key: one.get(key) for key in ("relatedItemType", "relationType", "relationTypeInformation")}
        item = _add(wrapper, "relatedItem", attributes=kinds)
        if identifier := one.get("relatedItemIdentifier"):
            text = "relatedItemIdentifier"
            _add(item, text, identifier.get(text), _rest(identifier, text))
        titles = _add(item, "titles")
        for each in one.get("titles") or []:
            _add(titles, "title", each.get("title"), _rest(each, "title"))
        for key in _ORDERED_ITEM:
            if one.get(key):
                _add(item, key, one[key])


def _rest(entry: Attributes, text: str) -> dict[str, Any]:
    """What else an entry says, as attributes of its element."""
    names = {"lang": _LANG}
    return {names.get(key, re.sub("Uri$", "URI", key)): value for key, value in entry.items() if key != text}


def _add(
    parent: etree._Element, name: str, text: object = None, attributes: dict[str, Any] | None = None
) -> etree._Element:
    child = etree.SubElement(parent, f"{{{_NAMESPACE}}}{name}")
    child.text = None if text is None else str(text)
    for key, value in (attributes or {}).items():
        if value is not None:
            child.set(key, str(value))
    return child
