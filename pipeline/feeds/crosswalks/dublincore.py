"""Simple Dublin Core as OAI-PMH 2.0 carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from lxml.etree import Element, SubElement, _Element

from pipeline.feeds.crosswalks import facts
from pipeline.feeds.crosswalks.xml import XSI
from pipeline.metadata import vocabulary
from pipeline.metadata.legacy_form import access_right
from pipeline.metadata.text import clean, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.dissemination import Dissemination
    from pipeline.model import JsonObject

NAMESPACE = "http://www.openarchives.org/OAI/2.0/oai_dc/"
SCHEMA = "http://www.openarchives.org/OAI/2.0/oai_dc.xsd"
_DC = "http://purl.org/dc/elements/1.1/"


def oai_dc(d: Dissemination) -> _Element:
    """The `oai_dc:dc` element: plain text only, the DOI's address the first of the identifiers."""
    element = Element(f"{{{NAMESPACE}}}dc", nsmap={"oai_dc": NAMESPACE, "dc": _DC, "xsi": XSI})
    element.set(f"{{{XSI}}}schemaLocation", f"{NAMESPACE} {SCHEMA}")
    for name, text in facts.distinct(_elements(d)):
        if cleaned := clean(text):
            SubElement(element, f"{{{_DC}}}{name}").text = cleaned
    return element


def _elements(d: Dissemination) -> Iterator[tuple[str, str]]:
    metadata = facts.metadata(d)
    yield "title", metadata["title"]
    for each in metadata.get("additional_titles", []):
        yield "title", each["title"]
    for role, people in (("creator", "creators"), ("contributor", "contributors")):
        for person in metadata.get(people, []):
            yield role, person["person_or_org"]["name"]
    for keyword in facts.keywords(d):
        yield "subject", keyword
    yield from _descriptions(metadata)
    yield "publisher", facts.publisher(d)
    yield from _dates(d)
    yield from _types(d)
    yield from _formats(d)
    yield from _identifiers(d)
    for language in metadata.get("languages", []):
        yield "language", language["id"]
    yield from _relations(d)
    for feature in metadata.get("locations", {}).get("features", []):
        if "place" in feature:
            yield "coverage", feature["place"]
    yield from _rights(d)


def _descriptions(metadata: JsonObject) -> Iterator[tuple[str, str]]:
    yield "description", plain(metadata.get("description", ""))
    for each in metadata.get("additional_descriptions", []):
        yield "description", plain(each["description"])


def _dates(d: Dissemination) -> Iterator[tuple[str, str]]:
    yield "date", facts.metadata(d)["publication_date"]
    until = d.record.description.access.embargo_until
    if until and not facts.is_open(d):
        yield "date", f"info:eu-repo/date/embargoEnd/{until.isoformat()}"


def _types(d: Dissemination) -> Iterator[tuple[str, str]]:
    type_ = facts.resource_type(d)
    yield "type", f"info:eu-repo/semantics/{type_['eu_repo']}"
    yield "type", type_["title"]


def _formats(d: Dissemination) -> Iterator[tuple[str, str]]:
    for format_ in facts.metadata(d).get("formats", []):
        yield "format", format_
    if facts.is_open(d):
        for mime in facts.mime_types(d):
            yield "format", mime


def _identifiers(d: Dissemination) -> Iterator[tuple[str, str]]:
    yield "identifier", facts.doi_url(d.doi)
    yield "identifier", facts.oai_identifier(d)
    for each in facts.metadata(d).get("identifiers", []):
        yield "identifier", facts.work_url(each) or each["identifier"]


def _relations(d: Dissemination) -> Iterator[tuple[str, str]]:
    metadata = facts.metadata(d)
    for each in metadata.get("funding", []):
        if grant := _grant_agreement(each):
            yield "relation", grant
    for each in metadata.get("related_identifiers", []):
        yield "relation", facts.work_url(each) or each["identifier"]
    for url in facts.community_urls(d):
        yield "relation", url
    if d.concept_doi is not None:
        yield "relation", facts.doi_url(d.concept_doi)


def _grant_agreement(funding: JsonObject) -> str | None:
    """`info:eu-repo/grantAgreement/<funder>/<programme>/<number>`; of the programme nothing is known here."""
    funder = vocabulary.funders().get(funding.get("funder", {}).get("id", ""))
    number = funding.get("award", {}).get("number")
    if funder is None or not number:
        return None
    return f"info:eu-repo/grantAgreement/{funder['acronym']}//{quote(number, safe='')}"


def _rights(d: Dissemination) -> Iterator[tuple[str, str]]:
    yield "rights", facts.EU_REPO_ACCESS[access_right(d.record.description.access)][1]
    for licence in facts.licences(d):
        yield "rights", licence["title"]
        if "url" in licence:
            yield "rights", licence["url"]
