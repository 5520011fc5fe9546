"""Funding references of DataCite JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.metadata import vocabulary
from pipeline.metadata.datacite.values import listed, text_of_number
from pipeline.pid import doi

if TYPE_CHECKING:
    from pipeline.metadata.form import Form, Path
    from pipeline.model import JsonObject


def read_funding(form: Form, attributes: JsonObject) -> None:
    for source, entry in form.objects(listed(attributes.get("fundingReferences")), "fundingReferences"):
        path = form.append(("metadata", "funding"), {}, source)
        form.put((*path, "funder"), {}, f"{source}.funderName")
        form.put((*path, "funder", "name"), entry.get("funderName"), f"{source}.funderName")
        _funder_identifier(form, (*path, "funder"), entry, source)
        number = text_of_number(entry.get("awardNumber"))
        form.put((*path, "award", "number"), number, f"{source}.awardNumber")
        form.put((*path, "award", "title", "en"), entry.get("awardTitle"), f"{source}.awardTitle")
        if uri := form.word(entry.get("awardUri"), f"{source}.awardUri"):
            form.append(
                (*path, "award", "identifiers"), {"scheme": "url", "identifier": uri}, f"{source}.awardUri"
            )


def _funder_identifier(form: Form, path: Path, entry: JsonObject, source: str) -> None:
    field = f"{source}.funderIdentifier"
    value = form.word(entry.get("funderIdentifier"), field)
    kind = (form.word(entry.get("funderIdentifierType"), f"{source}.funderIdentifierType") or "").lower()
    if value is None:
        return
    bare = doi.parse(value) or value
    if key := vocabulary.funder_id(bare):
        form.put((*path, "id"), key, field)
    elif kind == "ror" or "ror.org/" in value:
        form.put((*path, "id"), value, field)
    else:
        scheme = {"crossref funder id": "crossreffunderid", "isni": "isni", "grid": "grid"}.get(kind, "other")
        form.append((*path, "identifiers"), {"scheme": scheme, "identifier": bare}, field)
