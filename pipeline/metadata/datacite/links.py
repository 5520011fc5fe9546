"""Identifiers of the work itself, and its relations to other works, in DataCite JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.metadata import identifiers, vocabulary
from pipeline.metadata.datacite.types import resource_type
from pipeline.metadata.datacite.values import listed, put_type, text_of_number
from pipeline.metadata.problems import UNKNOWN_VALUE
from pipeline.metadata.text import clean
from pipeline.pid import doi

if TYPE_CHECKING:
    from pipeline.metadata.form import Form, Path
    from pipeline.model import JsonObject


def read_identifiers(form: Form, attributes: JsonObject) -> None:
    given = form.word(attributes.get("doi"), "doi")
    for key, theirs in {"alternateIdentifiers": "alternateIdentifier", "identifiers": "identifier"}.items():
        for source, entry in form.objects(listed(attributes.get(key)), key):
            value = form.word(entry.get(theirs), f"{source}.{theirs}")
            kind = (form.word(entry.get(f"{theirs}Type"), f"{source}.{theirs}Type") or "").lower()
            if key == "identifiers" and kind == "doi":
                # Kernel 4.3's JSON has the DOI itself among these.
                given = given or value
            elif value is not None:
                entry = {"identifier": value, "scheme": _scheme(kind, value) or "other"}
                if entry not in (form.get(("metadata", "identifiers")) or []):
                    form.append(("metadata", "identifiers"), entry, f"{source}.{theirs}")
    form.doi = (doi.parse(given) or given) if given else None


def _scheme(kind: str, value: str) -> str | None:
    return vocabulary.datacite_id("identifier_schemes", kind) or identifiers.detect(value)


def read_related(form: Form, attributes: JsonObject) -> None:
    for source, entry in form.objects(listed(attributes.get("relatedIdentifiers")), "relatedIdentifiers"):
        path = form.append(("metadata", "related_identifiers"), {}, source)
        value = form.word(entry.get("relatedIdentifier"), f"{source}.relatedIdentifier")
        kind = (
            form.word(entry.get("relatedIdentifierType"), f"{source}.relatedIdentifierType") or ""
        ).lower()
        form.name((*path, "identifier"), f"{source}.relatedIdentifier")
        form.put((*path, "identifier"), value, f"{source}.relatedIdentifier")
        form.put((*path, "scheme"), _scheme(kind, value or ""), f"{source}.relatedIdentifierType")
        form.name((*path, "relation_type"), f"{source}.relationType")
        if word := form.word(entry.get("relationType"), f"{source}.relationType"):
            put_type(form, path, "relation_types", word, f"{source}.relationType", key="relation_type")
        if general := form.word(entry.get("resourceTypeGeneral"), f"{source}.resourceTypeGeneral"):
            kind_of_work = resource_type(general) or general
            form.put((*path, "resource_type", "id"), kind_of_work, f"{source}.resourceTypeGeneral")


def read_related_items(form: Form, attributes: JsonObject) -> None:
    """The item it is published in becomes the journal; every other a reference, in words."""
    container = attributes.get("container")
    if isinstance(container, dict):
        _journal(form, container, "container", container.get("title"))
    for source, item in form.objects(listed(attributes.get("relatedItems")), "relatedItems"):
        titles = listed(item.get("titles"))
        first: object = titles[0] if isinstance(titles, list) and titles else None
        title = first.get("title") if isinstance(first, dict) else first
        published_in = item.get("relationType") == "IsPublishedIn"
        if published_in and form.get(("custom_fields", "journal:journal")) is None:
            _journal(form, item, source, title)
        else:
            parts = (
                title,
                item.get("publisher"),
                item.get("publicationYear"),
                item.get("volume"),
                item.get("issue"),
            )
            words = [clean(str(part)).strip() for part in parts if isinstance(part, str | int) and part]
            if words:
                form.append(("metadata", "references"), {"reference": ", ".join(words)}, source)
            _item_identifier(form, item, source)


def _journal(form: Form, item: JsonObject, source: str, title: object) -> None:
    path: Path = ("custom_fields", "journal:journal")
    form.put((*path, "title"), title, f"{source}.title")
    form.put((*path, "volume"), text_of_number(item.get("volume")), f"{source}.volume")
    form.put((*path, "issue"), text_of_number(item.get("issue")), f"{source}.issue")
    pages = [
        clean(str(item[key])).strip()
        for key in ("firstPage", "lastPage")
        if isinstance(item.get(key), str | int)
    ]
    if pages:
        form.put((*path, "pages"), "-".join(dict.fromkeys(pages)), f"{source}.firstPage")
    _item_identifier(form, item, source)


def _item_identifier(form: Form, item: JsonObject, source: str) -> None:
    given, kind = item.get("relatedItemIdentifier", item.get("identifier")), item.get("identifierType")
    if isinstance(given, dict):
        inner: JsonObject = given
        given, kind = inner.get("relatedItemIdentifier"), inner.get("relatedItemIdentifierType")
    value = form.word(given, f"{source}.relatedItemIdentifier")
    related = form.get(("metadata", "related_identifiers")) or []
    # DataCite repeats an item's identifier among the related ones, and in the container it derives.
    if value is None or any(each.get("identifier") == value for each in related):
        return
    relation = item.get("relationType", "IsPublishedIn")
    path = form.append(("metadata", "related_identifiers"), {}, source)
    form.put((*path, "identifier"), value, f"{source}.relatedItemIdentifier")
    form.put((*path, "scheme"), _scheme(str(kind).lower(), value), f"{source}.relatedItemIdentifier")
    if isinstance(relation, str):
        put_type(form, path, "relation_types", relation, f"{source}.relationType", key="relation_type")
    else:
        form.problem(
            f"{source}.relationType", UNKNOWN_VALUE, "Not a valid relation.", "Write e.g. IsPublishedIn."
        )
