"""The index's fields: what can be asked for, by which names, and how each is compared.

Names are InvenioRDM's dotted paths, as on Zenodo (Zenodo's search guide); every implementation of
`SearchIndex` builds its mapping from `FIELDS` and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """How a field's values are compared."""

    TEXT = auto()
    """By folded words, in order (see `analysis`)."""
    KEYWORD = auto()
    """Whole, after folding: identifiers and words of a vocabulary."""
    LABEL = auto()
    """Whole and exactly as given: values that facets show to people."""
    NUMBER = auto()
    """As a signed 64-bit integer."""
    INSTANT = auto()
    """As a NUMBER of seconds since 1970; asked for by dates and times."""
    PERIOD = auto()
    """As two NUMBERs `<name>.first` and `<name>.last` in seconds; asked for by dates that overlap it."""
    STATUS = auto()
    """Not stored: follows from `OPENS` and the time of asking (see `disclosure`)."""


@dataclass(frozen=True, slots=True)
class Field:
    """`everywhere`: found by words without a field name. `of_files`: tells about a record's files, so
    it is hidden while these are closed."""

    kind: Kind
    everywhere: bool = False
    of_files: bool = False


EVERYWHERE: Final = "_all"
"""The words of all `everywhere` fields together: what a word without a field name is looked up in."""
PRESENT: Final = "_fields"
"""The names of the fields that a record has, so that `_exists_` costs no more than a word."""
CHECKSUM: Final = "_checksum"
"""A number that tells what is stored of a document from anything else, so that an index can be compared with the
catalogue."""
OPENS: Final = "access.opens"
"""Seconds since 1970 at which the files open: `OPEN`, an embargo's end, `NEVER`, or `NO_FILES`."""
NO_FILES: Final = -1
OPEN: Final = 0
NEVER: Final = 1 << 40
FILENAMES: Final = "files.entries.key"
FULL_TEXT: Final = "files.text"
TITLE: Final = "metadata.title"
DESCRIPTION: Final = "metadata.description"
LATEST: Final = "versions.is_latest"

_TEXT = Field(Kind.TEXT, everywhere=True)
_KEYWORD = Field(Kind.KEYWORD)
_IDENTIFIER = Field(Kind.KEYWORD, everywhere=True)
_NUMBER = Field(Kind.NUMBER)
_INSTANT = Field(Kind.INSTANT)

_PERSON: Final[Mapping[str, Field]] = {
    "person_or_org.name": _TEXT,
    "person_or_org.identifiers.identifier": _IDENTIFIER,
    "affiliations.name": _TEXT,
    "role.id": _KEYWORD,
}

FIELDS: Final[Mapping[str, Field]] = {
    "id": _NUMBER,
    "parent.id": _NUMBER,
    "pids.doi.identifier": _IDENTIFIER,
    "parent.pids.doi.identifier": _IDENTIFIER,
    "parent.communities.ids": _KEYWORD,
    "parent.access.owned_by.user": _KEYWORD,
    "versions.index": _NUMBER,
    LATEST: _KEYWORD,
    "created": _INSTANT,
    "updated": _INSTANT,
    "access.status": Field(Kind.STATUS),
    "access.files": _KEYWORD,
    "access.embargo.until": _INSTANT,
    OPENS: _NUMBER,
    TITLE: _TEXT,
    "metadata.additional_titles.title": _TEXT,
    DESCRIPTION: _TEXT,
    "metadata.additional_descriptions.description": _TEXT,
    **{f"metadata.creators.{name}": field for name, field in _PERSON.items()},
    **{f"metadata.contributors.{name}": field for name, field in _PERSON.items()},
    "metadata.subjects.subject": _TEXT,
    "metadata.subjects.id": _KEYWORD,
    "metadata.publication_date": Field(Kind.PERIOD),
    "metadata.publication_date.first": _NUMBER,
    "metadata.publication_date.last": _NUMBER,
    "metadata.publisher": _TEXT,
    "metadata.version": _KEYWORD,
    "metadata.resource_type.id": _KEYWORD,
    "metadata.resource_type.props.type": _KEYWORD,
    "metadata.resource_type.props.subtype": _KEYWORD,
    "metadata.languages.id": _KEYWORD,
    "metadata.rights.id": _KEYWORD,
    "metadata.rights.props.url": _KEYWORD,
    "metadata.identifiers.identifier": _IDENTIFIER,
    "metadata.identifiers.scheme": _KEYWORD,
    "metadata.related_identifiers.identifier": _IDENTIFIER,
    "metadata.related_identifiers.scheme": _KEYWORD,
    "metadata.related_identifiers.relation_type.id": _KEYWORD,
    "metadata.references.reference": _TEXT,
    "metadata.funding.award.number": _IDENTIFIER,
    "metadata.funding.award.acronym": _TEXT,
    "metadata.funding.award.program": _KEYWORD,
    "metadata.funding.award.title.en": _TEXT,
    "metadata.funding.funder.name": _TEXT,
    "metadata.funding.funder.identifiers.identifier": _KEYWORD,
    "custom_fields.journal:journal.title": _TEXT,
    "custom_fields.journal:journal.pages": _KEYWORD,
    "custom_fields.journal:journal.volume": _KEYWORD,
    "custom_fields.journal:journal.issue": _KEYWORD,
    "custom_fields.journal:journal.issn": _KEYWORD,
    "custom_fields.meeting:meeting.title": _TEXT,
    "custom_fields.meeting:meeting.acronym": _TEXT,
    "custom_fields.meeting:meeting.dates": Field(Kind.TEXT),
    "custom_fields.meeting:meeting.place": _TEXT,
    "custom_fields.meeting:meeting.url": _KEYWORD,
    "custom_fields.meeting:meeting.session": _KEYWORD,
    "custom_fields.meeting:meeting.session_part": _KEYWORD,
    "custom_fields.imprint:imprint.title": _TEXT,
    "custom_fields.imprint:imprint.isbn": _IDENTIFIER,
    "custom_fields.imprint:imprint.place": _TEXT,
    "custom_fields.imprint:imprint.pages": _KEYWORD,
    "custom_fields.thesis:thesis.university": _TEXT,
    FILENAMES: Field(Kind.TEXT, of_files=True),
    FULL_TEXT: Field(Kind.TEXT, of_files=True),
    "files.entries.checksum": Field(Kind.KEYWORD, of_files=True),
    "files.entries.size": Field(Kind.NUMBER, of_files=True),
    "files.types": Field(Kind.KEYWORD, of_files=True),
    "files.count": Field(Kind.NUMBER, of_files=True),
    "files.totalbytes": Field(Kind.NUMBER, of_files=True),
    "facet.resource_type": Field(Kind.LABEL),
    "facet.subject": Field(Kind.LABEL),
    "facet.year": Field(Kind.LABEL),
    "sort.created": _NUMBER,
    "sort.updated": _NUMBER,
    "sort.published": _NUMBER,
    "sort.version": _NUMBER,
    "sort.views": _NUMBER,
    "sort.downloads": _NUMBER,
    "sort.conference": _NUMBER,
    "sort.journal": _NUMBER,
}

_PERSON_ALIASES: Final[Mapping[str, str]] = {
    "name": "person_or_org.name",
    "affiliation": "affiliations.name",
    "orcid": "person_or_org.identifiers.identifier",
    "gnd": "person_or_org.identifiers.identifier",
}
_MEETING = "custom_fields.meeting:meeting"
_JOURNAL = "custom_fields.journal:journal"
_IMPRINT = "custom_fields.imprint:imprint"

ALIASES: Final[Mapping[str, str]] = {
    "recid": "id",
    "doi": "pids.doi.identifier",
    "conceptdoi": "parent.pids.doi.identifier",
    "conceptrecid": "parent.id",
    "title": TITLE,
    "description": DESCRIPTION,
    **{f"creators.{alias}": f"metadata.creators.{name}" for alias, name in _PERSON_ALIASES.items()},
    **{f"contributors.{alias}": f"metadata.contributors.{name}" for alias, name in _PERSON_ALIASES.items()},
    "contributors.type": "metadata.contributors.role.id",
    "keywords": "metadata.subjects.subject",
    "access_right": "access.status",
    "communities": "parent.communities.ids",
    "resource_type.type": "metadata.resource_type.props.type",
    "type": "metadata.resource_type.props.type",
    "resource_type.subtype": "metadata.resource_type.props.subtype",
    "grants.code": "metadata.funding.award.number",
    "grants.acronym": "metadata.funding.award.acronym",
    "grants.program": "metadata.funding.award.program",
    "grants.title": "metadata.funding.award.title.en",
    "grants.funder.doi": "metadata.funding.funder.identifiers.identifier",
    "grants.funder.name": "metadata.funding.funder.name",
    "language": "metadata.languages.id",
    "license.identifier": "metadata.rights.id",
    "license.url": "metadata.rights.props.url",
    "publication_date": "metadata.publication_date",
    "publicationdate": "metadata.publication_date",
    "embargodate": "access.embargo.until",
    "related.identifier": "metadata.related_identifiers.identifier",
    "related.scheme": "metadata.related_identifiers.scheme",
    "related.relation": "metadata.related_identifiers.relation_type.id",
    "alternate.identifier": "metadata.identifiers.identifier",
    "alternate.scheme": "metadata.identifiers.scheme",
    "notes": "metadata.additional_descriptions.description",
    **{f"journal.{name}": f"{_JOURNAL}.{name}" for name in ("title", "pages", "volume", "issn")},
    **{
        f"meeting.{name}": f"{_MEETING}.{name}"
        for name in ("title", "acronym", "dates", "place", "url", "session", "session_part")
    },
    "imprint.isbn": f"{_IMPRINT}.isbn",
    "imprint.place": f"{_IMPRINT}.place",
    "imprint.publisher": "metadata.publisher",
    "part_of.title": f"{_IMPRINT}.title",
    "part_of.pages": f"{_IMPRINT}.pages",
    "thesis.university": "custom_fields.thesis:thesis.university",
    "filename": FILENAMES,
    "filetype": "files.types",
    "filecount": "files.count",
    "filesize": "files.totalbytes",
    "size": "files.totalbytes",
    "_files.checksum": "files.entries.checksum",
    "_files.size": "files.entries.size",
    "owners": "parent.access.owned_by.user",
    "user": "parent.access.owned_by.user",
    "version": "versions.index",
}
"""What users type → the stored field (Zenodo's search guide)."""

FACETS: Final[Mapping[str, str]] = {
    "resource_type": "facet.resource_type",
    "access_status": "access.status",
    "communities": "parent.communities.ids",
    "year": "facet.year",
    "file_type": "files.types",
    "subject": "facet.subject",
}
"""Facet → the field whose values it counts. A `resource_type` is stored as `type`, or as `type::subtype`
where it has a subtype; answers and choices have the types with subtypes as well (`selection`)."""
NESTED: Final = "::"


def stored_name(name: str) -> str | None:
    """The stored field behind an alias or a stored name; None for a field that does not exist."""
    stored = ALIASES.get(name, name)
    return stored if stored in FIELDS else None


def fields_within(name: str) -> tuple[str, ...]:
    """The stored field behind an alias or a stored name, or those of the object of that name (`pids.doi`)."""
    stored = stored_name(name)
    return (stored,) if stored else tuple(field for field in FIELDS if field.startswith(f"{name}."))
