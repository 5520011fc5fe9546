"""Telling which form a metadata document is written in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.metadata.datacite import attributes_of, from_datacite
from pipeline.metadata.legacy import from_legacy

if TYPE_CHECKING:
    from datetime import date

    from pipeline.metadata.form import Reading

_DATACITE_ONLY = frozenset(
    {"titles", "types", "publicationYear", "rightsList", "descriptions", "schemaVersion"}
)
_LEGACY_ONLY = frozenset({"metadata", "title", "upload_type", "access_right"})


def read(document: object, *, today: date) -> Reading:
    """Read a metadata document: Zenodo's deposit metadata, or DataCite JSON, each bare or in its envelope.

    Never raises on user data. `today` is the default date of publication, and what embargoes are held
    against. What `validate` would say of the description is among the problems, in the document's own names.
    """
    if _is_datacite(document):
        return from_datacite(document, today=today)
    return from_legacy(document, today=today)


def _is_datacite(document: object) -> bool:
    attributes = attributes_of(document)
    if attributes is None or attributes.keys() & _LEGACY_ONLY:
        return False
    return attributes is not document or bool(attributes.keys() & _DATACITE_ONLY)
