"""What the index holds of a record, as plain values by field name (`fields.FIELDS`), and those values
as the words and numbers that an engine stores.

Facts about files that stay closed are left out. Those under an embargo are in, and hidden until it ends
(`disclosure`).
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import orjson

from pipeline.dissemination import Dissemination
from pipeline.errors import Rejected
from pipeline.index import dates
from pipeline.index.analysis import keyword, label, words
from pipeline.index.fields import (
    CHECKSUM,
    EVERYWHERE,
    FIELDS,
    FULL_TEXT,
    LATEST,
    NESTED,
    NEVER,
    NO_FILES,
    OPEN,
    OPENS,
    PRESENT,
    Field,
    Kind,
)
from pipeline.metadata import text, vocabulary
from pipeline.model import Access, FileEntry, FilesAccess, JsonObject, Record, RecordState
from pipeline.ports import IndexDocument, IndexEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Terms: TypeAlias = dict[str, list[str] | list[int]]
"""Index field → folded words (TEXT, as one blank-separated string a value), whole values, or numbers."""


class Entry(NamedTuple):
    """A document as an engine stores it; `terms` is None where it is deleted, and its version still counts."""

    id: int
    version: int
    terms: Terms | None


_ID_BITS: Final = 31
_MOST: Final = (1 << 63) - 1
_RANK_BITS: Final = 16

Steps: TypeAlias = tuple[str, ...]


def _paths(prefix: str, *derived: str) -> tuple[tuple[str, Steps], ...]:
    """The fields below `prefix` and where their values are, without those that are `derived`."""
    return tuple(
        (name, tuple(name.removeprefix(prefix).split(".")))
        for name in FIELDS
        if name.startswith(prefix) and not name.startswith(derived)
    )


_METADATA: Final = _paths("metadata.", "metadata.publication_date", "metadata.resource_type.props")
_CUSTOM_FIELDS: Final = _paths("custom_fields.")


def document(
    d: Dissemination, *, version: int, texts: Sequence[str] = (), views: int = 0, downloads: int = 0
) -> IndexDocument:
    """The index's document of a record; `texts` are those of its files, `views` and `downloads` those of unique
    visitors over all its versions. A withdrawn record is deleted from the index."""
    if d.record.state is RecordState.WITHDRAWN:
        return IndexDocument(d.record.id, version, None)
    metadata = d.record.description.metadata
    values = {
        **_identity(d),
        **_described(metadata),
        **{name: list(_at(d.record.description.custom_fields, path)) for name, path in _CUSTOM_FIELDS},
        **_access(d.record),
        **_files(d, texts),
        **_facets(metadata),
        **_sorts(d, views, downloads),
    }
    return IndexDocument(d.record.id, version, {name: found for name, found in values.items() if found != []})


def _identity(d: Dissemination) -> JsonObject:
    record = d.record
    return {
        "id": record.id,
        "parent.id": record.concept_id,
        "pids.doi.identifier": d.doi or [],
        "parent.pids.doi.identifier": d.concept_doi or [],
        "parent.communities.ids": [community.slug for community in d.communities],
        "parent.access.owned_by.user": str(d.owner_id) if d.owner_id is not None else [],
        "versions.index": record.version,
        LATEST: str(record.is_latest).lower(),
        "created": dates.seconds(record.created),
        "updated": dates.seconds(record.modified),
    }


def _described(metadata: JsonObject) -> JsonObject:
    found: JsonObject = {name: list(_at(metadata, path)) for name, path in _METADATA}
    for name in ("metadata.description", "metadata.additional_descriptions.description"):
        found[name] = [text.plain(markup) for markup in found[name]]
    if period := dates.span(str(metadata.get("publication_date", ""))):
        found["metadata.publication_date.first"], found["metadata.publication_date.last"] = period
    kind, subtype = _resource_type(metadata)
    found["metadata.resource_type.props.type"] = kind or []
    found["metadata.resource_type.props.subtype"] = subtype or []
    found["metadata.rights.props.url"] = list(_licence_urls(metadata))
    for entry in _funders(metadata):
        found["metadata.funding.funder.name"].append(entry["title"])
        found["metadata.funding.funder.identifiers.identifier"].append(entry["doi"])
    return found


def _at(value: Any, path: Steps) -> Iterator[str]:
    """The strings at `path`; a list on the way stands for each of its items."""
    if isinstance(value, list):
        for item in value:
            yield from _at(item, path)
    elif not path:
        if isinstance(value, str) and value.strip():
            yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _resource_type(metadata: JsonObject) -> tuple[str, str]:
    """Type and subtype as Zenodo's vocabulary has them: `publication` and `publication-article`."""
    name = next(_at(metadata, ("resource_type", "id")), "")
    kind, dash, _ = name.partition("-")
    return kind, name if dash else ""


def _licence_urls(metadata: JsonObject) -> Iterator[str]:
    yield from _at(metadata, ("rights", "link"))
    for name in _at(metadata, ("rights", "id")):
        if url := vocabulary.licences().get(name, {}).get("url"):
            yield url


def _funders(metadata: JsonObject) -> Iterator[Mapping[str, Any]]:
    for name in _at(metadata, ("funding", "funder", "id")):
        if entry := vocabulary.funders().get(name):
            yield entry


def _access(record: Record) -> JsonObject:
    access = record.description.access
    return {
        "access.files": access.files.value,
        "access.embargo.until": dates.start_of_day(access.embargo_until) if access.embargo_until else [],
        OPENS: NO_FILES if record.file_count == 0 else _opens(access),
    }


def _opens(access: Access) -> int:
    if access.files is FilesAccess.PUBLIC:
        return OPEN
    return NEVER if access.embargo_until is None else dates.start_of_day(access.embargo_until)


def _files(d: Dissemination, texts: Sequence[str]) -> JsonObject:
    if _opens(d.record.description.access) == NEVER:
        return {}
    return {
        "files.entries.key": [file.key for file in d.files],
        FULL_TEXT: list(texts),
        "files.entries.checksum": list(chain.from_iterable(map(_checksums, d.files))),
        "files.entries.size": [file.size for file in d.files],
        "files.types": [suffix for file in d.files if (suffix := PurePosixPath(file.key).suffix[1:])],
        "files.count": d.record.file_count,
        "files.totalbytes": d.record.total_bytes,
    }


def _checksums(file: FileEntry) -> list[str]:
    return [f"{algorithm}:{digest}" for algorithm, digest in file.digests.items()]


def _facets(metadata: JsonObject) -> JsonObject:
    kind, subtype = _resource_type(metadata)
    published = str(metadata.get("publication_date", ""))
    return {
        "facet.resource_type": (f"{kind}{NESTED}{subtype}" if subtype else kind) or [],
        "facet.subject": list(_at(metadata, ("subjects", "subject"))),
        "facet.year": published[:4] if dates.span(published) else [],
    }


# ---------------------------------------------------------------- orders


def _sorts(d: Dissemination, views: int, downloads: int) -> JsonObject:
    """One number an order, the record's id in its low bits: no two records are equal in any order."""
    record = d.record
    custom_fields = record.description.custom_fields
    published = dates.span(str(record.description.metadata.get("publication_date", "")))
    keys = {
        "created": dates.seconds(record.created),
        "updated": dates.seconds(record.modified),
        "published": dates.day_number(published[0]) if published else 0,
        "version": record.version,
        "views": views,
        "downloads": downloads,
        "conference": _ranks(custom_fields, "meeting:meeting", "session", "session_part"),
        "journal": _ranks(custom_fields, "journal:journal", "volume", "issue"),
    }
    return {f"sort.{name}": min(key << _ID_BITS | record.id, _MOST) for name, key in keys.items()}


def _ranks(custom_fields: JsonObject, name: str, *parts: str) -> int:
    """The numbers with which these parts of a custom field begin, the first the weightiest."""
    rank = 0
    for part in parts:
        rank = rank << _RANK_BITS | _leading_number(next(_at(custom_fields, (name, part)), ""))
    return rank


def _leading_number(label: str) -> int:
    found = words(label)
    digits = found[0] if found and found[0].isdecimal() else "0"
    return min(int(digits), (1 << _RANK_BITS) - 1)


# ---------------------------------------------------------------- terms


def terms(body: JsonObject) -> Terms:
    """What an engine stores of a document's `body`. Raises `Rejected` (with the field) for a field that
    the index does not have or a value of the wrong type."""
    found: Terms = {}
    everywhere: list[str] = []
    for name, given in body.items():
        field = FIELDS.get(name)
        if field is None:
            raise Rejected(f"The index has no field {name!r}.", field=name)
        values = given if isinstance(given, list) else [given]
        stored = [term for term in dict.fromkeys(_term(name, field, value) for value in values) if term != ""]
        found[name] = stored
        if field.everywhere:
            texts = stored if field.kind is Kind.TEXT else [" ".join(words(value)) for value in values]
            everywhere += filter(None, texts)
    return found | {EVERYWHERE: everywhere, PRESENT: _present(found)}


def prepared(documents: Sequence[IndexDocument]) -> tuple[list[Entry], dict[int, str]]:
    """The newest document of each id as an engine stores it, and the reasons of those that it cannot store, by id."""
    newest: dict[int, IndexDocument] = {}
    for one in documents:
        if one.id not in newest or one.version > newest[one.id].version:
            newest[one.id] = one
    ready: list[Entry] = []
    refused: dict[int, str] = {}
    for one in newest.values():
        try:
            found = _stored(one)
        except Rejected as error:
            refused[one.id] = error.message
        else:
            ready.append(Entry(one.id, one.version, found))
    return ready, refused


def _stored(document: IndexDocument) -> Terms | None:
    if document.body is None:
        return None
    found = terms({**document.body, "id": document.id})
    return {**found, CHECKSUM: [_checksum(found)]}


def entry(document: IndexDocument) -> IndexEntry | None:
    """What an index that is right has of a document; None where it has none. Raises `Rejected` as `terms` does."""
    found = _stored(document)
    return None if found is None else IndexEntry(document.id, document.version, int(found[CHECKSUM][0]))


def _checksum(found: Terms) -> int:
    digest = blake2b(orjson.dumps(found, option=orjson.OPT_SORT_KEYS), digest_size=8).digest()
    return int.from_bytes(digest) >> 1  # engines have signed numbers


def _term(name: str, field: Field, value: Any) -> Any:
    if field.kind in (Kind.NUMBER, Kind.INSTANT):
        fits = isinstance(value, int) and -_MOST <= value <= _MOST
    else:
        fits = isinstance(value, str) and field.kind not in (Kind.PERIOD, Kind.STATUS)
    if not fits:
        raise Rejected(f"The index cannot hold {value!r} in {name!r}.", field=name)
    match field.kind:
        case Kind.TEXT:
            return " ".join(words(value))
        case Kind.KEYWORD:
            return keyword(value)
        case Kind.LABEL:
            return label(value)
        case _:
            return value


def _present(found: Terms) -> list[str]:
    names = [name for name, values in found.items() if values]
    if "metadata.publication_date.first" in found:
        names.append("metadata.publication_date")
    return names
