"""Reading DataCite JSON, kernel 4 as DataCite's REST API has it."""

from __future__ import annotations

import re
from datetime import date

from pipeline.metadata import dates, vocabulary
from pipeline.metadata.datacite.funding import read_funding
from pipeline.metadata.datacite.links import read_identifiers, read_related, read_related_items
from pipeline.metadata.datacite.people import read_people
from pipeline.metadata.datacite.places import read_places
from pipeline.metadata.datacite.types import read_types
from pipeline.metadata.datacite.values import listed, primary, put_language, put_type, text_of_number
from pipeline.metadata.form import Form, Reading, finish
from pipeline.metadata.problems import IGNORED, INVALID, WRONG_TYPE, FieldProblem
from pipeline.model import Access, FilesAccess, JsonObject

_READ_ONLY = (
    "prefix suffix xml url contentUrl metadataVersion schemaVersion source isActive state reason landingPage"
    " event created registered published updated id agency clientId providerId providerUpdated viewCount"
    " viewsOverTime downloadCount downloadsOverTime referenceCount citationCount citationsOverTime partCount"
    " partOfCount versionCount versionOfCount mode should_validate citation"
)
"""What the API says of a DOI besides its description."""

_TIME = re.compile(r"T[0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2})?")
_ACCESS_STATEMENT = re.compile(
    r"info:eu-repo/semantics/(open|embargoed|restricted|closed)Access", re.IGNORECASE
)
_COAR_ACCESS = {"c_abf2": "open", "c_f1cf": "embargoed", "c_16ec": "restricted", "c_14cb": "closed"}


def from_datacite(document: object, *, today: date) -> Reading:
    """Read a DOI's metadata, bare or as `{"data": {"attributes": {…}}}`. Never raises on user data.

    Fields of problems are named within the attributes (`creators.0.nameIdentifiers.0.nameIdentifier`).
    """
    attributes = attributes_of(document)
    if attributes is None:
        return Reading(
            None, (FieldProblem("data", WRONG_TYPE, "Invalid input type.", "Write it as an object."),)
        )
    form = Form(sources=dict(_REQUIRED))
    for read_part in _PARTS:
        read_part(form, attributes)
    for key in sorted(map(str, attributes.keys() - {*_FIELDS.split(), *_READ_ONLY.split()})):
        form.problem(key, IGNORED, "Unknown field.", "Remove it, or correct its name.")
    return finish(form, today=today)


def attributes_of(document: object) -> JsonObject | None:
    """The attributes inside the API's envelope, if there is one; None where that is no object."""
    node = document
    for step in ("data", "attributes"):
        if isinstance(node, dict) and step in node:
            node = node[step]
    return node if isinstance(node, dict) else None


_REQUIRED = {
    "metadata.title": "titles",
    "metadata.creators": "creators",
    "metadata.resource_type": "types.resourceTypeGeneral",
    "metadata.publication_date": "publicationYear",
    "access.embargo.until": "dates",
    "pids.doi": "doi",
}


# ---------------------------------------------------------------- titles, texts, type


def _titles(form: Form, attributes: JsonObject) -> None:
    for source, entry in form.objects(listed(attributes.get("titles")), "titles"):
        kind = form.word(entry.get("titleType"), f"{source}.titleType")
        if kind is None and form.get(("metadata", "title")) is None:
            form.put(("metadata", "title"), entry.get("title"), f"{source}.title")
            continue
        path = form.append(("metadata", "additional_titles"), {}, source)
        form.put((*path, "title"), entry.get("title"), f"{source}.title")
        put_type(form, path, "title_types", kind or "AlternativeTitle", f"{source}.titleType")
        put_language(form, path, entry, source)


def _descriptions(form: Form, attributes: JsonObject) -> None:
    for source, entry in form.objects(listed(attributes.get("descriptions")), "descriptions"):
        kind = form.word(entry.get("descriptionType"), f"{source}.descriptionType") or "Other"
        text = form.text(entry.get("description"), f"{source}.description")
        if text is None:
            continue
        if kind.lower() == "abstract" and form.get(("metadata", "description")) is None:
            form.put(("metadata", "description"), text, f"{source}.description")
            continue
        path = form.append(("metadata", "additional_descriptions"), {}, source)
        form.put((*path, "description"), text, f"{source}.description")
        kind_id = "other" if kind == "Other" else kind
        put_type(form, path, "description_types", kind_id, f"{source}.descriptionType")
        put_language(form, path, entry, source)


def _texts(form: Form, attributes: JsonObject) -> None:
    publisher = attributes.get("publisher")
    if isinstance(publisher, dict):
        form.put(("metadata", "publisher"), publisher.get("name"), "publisher.name")
        if publisher.get("publisherIdentifier"):
            form.problem("publisher.publisherIdentifier", IGNORED, "A publisher's identifier is not kept.")
    else:
        form.put(("metadata", "publisher"), publisher, "publisher")
    form.put(("metadata", "version"), text_of_number(attributes.get("version")), "version")
    for key in ("sizes", "formats"):
        form.put(("metadata", key), listed(attributes.get(key)), key)
    if language := form.word(attributes.get("language"), "language"):
        form.append(("metadata", "languages"), {"id": primary(language)}, "language")


# ---------------------------------------------------------------- dates and access


def _published(form: Form, attributes: JsonObject) -> None:
    """The year, and the whole date where an `Issued` one agrees with it; every other date as it is."""
    year = form.word(text_of_number(attributes.get("publicationYear")), "publicationYear")
    form.put(("metadata", "publication_date"), year, "publicationYear")
    taken = False
    for source, entry in form.objects(listed(attributes.get("dates")), "dates"):
        kind = form.word(entry.get("dateType"), f"{source}.dateType") or ""
        given = form.word(text_of_number(entry.get("date")), f"{source}.date")
        when = _TIME.sub("", given) if given else None
        if kind.lower() == "issued" and not taken and when and (year is None or when.startswith(year)):
            form.put(("metadata", "publication_date"), when, f"{source}.date")
            taken = True
            continue
        path = form.append(("metadata", "dates"), {}, source)
        form.put((*path, "date"), when, f"{source}.date")
        form.name((*path, "type"), f"{source}.dateType")
        form.put((*path, "description"), entry.get("dateInformation"), f"{source}.dateInformation")
        if kind:
            put_type(form, path, "date_types", kind, f"{source}.dateType")


def _rights(form: Form, attributes: JsonObject) -> None:
    for source, entry in form.objects(listed(attributes.get("rightsList")), "rightsList"):
        texts = {
            key: form.word(entry.get(key), f"{source}.{key}") or ""
            for key in ("rights", "rightsUri", "rightsIdentifier")
        }
        if right := _access_right(*texts.values()):
            form.access = _access(form, right)
            continue
        licence = vocabulary.licence_id(texts["rightsIdentifier"]) or vocabulary.licence_at(
            texts["rightsUri"]
        )
        if licence:
            form.append(("metadata", "rights"), {"id": licence}, source)
        elif any(texts.values()):
            title = texts["rights"] or texts["rightsIdentifier"] or texts["rightsUri"]
            path = form.append(("metadata", "rights"), {"title": {"en": title}}, source)
            form.put((*path, "link"), texts["rightsUri"] or None, f"{source}.rightsUri")


def _access_right(*statements: str) -> str | None:
    for statement in statements:
        if found := _ACCESS_STATEMENT.search(statement):
            return found[1].lower()
        if "purl.org/coar/access_right/" in statement:
            return _COAR_ACCESS.get(statement.rpartition("/")[2])
    return None


def _access(form: Form, right: str) -> Access:
    if right == "open":
        return Access()
    if right != "embargoed":
        return Access(FilesAccess.RESTRICTED)
    given = next(
        (
            each["date"]
            for each in form.get(("metadata", "dates")) or []
            if _is_available(each) and "date" in each
        ),
        "",
    )
    if not dates.full_day(given) or given.startswith("0000"):
        reason = "An embargo needs the day on which it ends."
        form.problem("dates", INVALID, reason, "Give it as the date of type Available, YYYY-MM-DD.")
        return Access(FilesAccess.RESTRICTED)
    return Access(FilesAccess.RESTRICTED, date.fromisoformat(given))


def _is_available(entry: JsonObject) -> bool:
    return bool(entry.get("type", {}).get("id") == "available")


def _subjects(form: Form, attributes: JsonObject) -> None:
    for source, entry in form.objects(listed(attributes.get("subjects")), "subjects"):
        path = form.append(("metadata", "subjects"), {}, f"{source}.subject")
        form.put((*path, "subject"), entry.get("subject"), f"{source}.subject")
        form.put((*path, "scheme"), entry.get("subjectScheme"), f"{source}.subjectScheme")
        key = "valueUri" if entry.get("valueUri") else "classificationCode"
        form.put((*path, "identifier"), entry.get(key), f"{source}.{key}")


_PARTS = (
    _titles,
    _descriptions,
    read_types,
    _texts,
    _published,
    _rights,
    read_people,
    _subjects,
    read_places,
    read_funding,
    read_identifiers,
    read_related,
    read_related_items,
)
_FIELDS = (
    "doi creators contributors titles publisher publicationYear subjects dates language types identifiers"
    " alternateIdentifiers relatedIdentifiers relatedItems container sizes formats version rightsList"
    " descriptions geoLocations fundingReferences"
)
