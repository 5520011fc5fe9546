"""InvenioRDM's record JSON, `application/vnd.inveniordm.v1+json`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pipeline.feeds.crosswalks import facts
from pipeline.feeds.crosswalks.links import record_links
from pipeline.feeds.crosswalks.zenodo import file_id, tombstone_json
from pipeline.metadata import vocabulary
from pipeline.metadata.legacy_form import access_right
from pipeline.model import RecordState

if TYPE_CHECKING:
    from pipeline.model import Dissemination, FileEntry, JsonObject


def rdm_json(d: Dissemination, *, files_open: bool) -> JsonObject:
    """The record in its canonical form, also of one that was withdrawn. Entries of files are shown only if the asker
    may read them."""
    record = d.record
    is_withdrawn = record.state is RecordState.WITHDRAWN
    return {
        "id": str(record.id),
        "created": facts.timestamp(record.created),
        "updated": facts.timestamp(record.modified),
        "revision_id": record.change,
        "is_published": True,
        "is_draft": False,
        "status": "published",
        "versions": {"index": record.version, "is_latest": record.is_latest},
        "parent": _parent(d),
        "pids": _pids(d),
        "access": _access(d),
        "metadata": _metadata(d),
        "custom_fields": record.description.custom_fields,
        "files": _files(d, files_open=files_open),
        "media_files": {"enabled": False, "order": [], "count": 0, "total_bytes": 0, "entries": {}},
        "stats": {scope: dict.fromkeys(_COUNTS, 0) for scope in ("this_version", "all_versions")},
        "deletion_status": {"is_deleted": is_withdrawn, "status": "D" if is_withdrawn else "P"},
        **({"tombstone": tombstone_json(d)["tombstone"]} if is_withdrawn else {}),
        "swh": {},
        "links": record_links(d),
    }


_COUNTS = ("views", "unique_views", "downloads", "unique_downloads", "data_volume")


def _parent(d: Dissemination) -> JsonObject:
    pids = {"doi": {"identifier": d.concept_doi, "provider": "datacite"}} if d.concept_doi is not None else {}
    owner = None if d.owner_id is None else {"user": str(d.owner_id)}
    return {
        "id": str(d.record.concept_id),
        "access": {"owned_by": owner, "settings": {}},
        "communities": {
            "ids": [community.slug for community in d.communities],
            "entries": [
                {"id": each.slug, "slug": each.slug, "metadata": {"title": each.title}}
                for each in d.communities
            ],
        },
        "pids": pids,
    }


def _pids(d: Dissemination) -> JsonObject:
    provider = "external" if d.record.description.doi is not None else "datacite"
    return {
        "doi": {"identifier": d.doi, "provider": provider},
        "oai": {"identifier": facts.oai_identifier(d), "provider": "oai"},
    }


def _access(d: Dissemination) -> JsonObject:
    access = d.record.description.access
    right = access_right(access)
    until = access.embargo_until if right == "embargoed" else None
    embargo = {"active": until is not None, "until": until.isoformat() if until else None}
    return {
        "record": "public",
        "files": access.files.value,
        "embargo": facts.filled(embargo | {"reason": access.embargo_reason}),
        "status": right if d.record.file_count else "metadata-only",
    }


# ---------------------------------------------------------------- metadata


def _metadata(d: Dissemination) -> JsonObject:
    """The description with the repository as publisher where it names none, and titles beside ids."""
    metadata: JsonObject = {"publisher": d.repository.name} | facts.metadata(d)
    titled = {
        "resource_type": _titled(metadata["resource_type"], vocabulary.resource_types()),
        "languages": [_titled(each, vocabulary.languages()) for each in metadata.get("languages", [])],
        "rights": [_titled(each, vocabulary.licences()) for each in metadata.get("rights", [])],
        "dates": [_typed(each, "type", vocabulary.date_types()) for each in metadata.get("dates", [])],
        "contributors": [
            _typed(each, "role", vocabulary.contributor_roles()) for each in metadata.get("contributors", [])
        ],
        "related_identifiers": [
            _typed(each, "relation_type", vocabulary.relation_types())
            for each in metadata.get("related_identifiers", [])
        ],
    }
    return metadata | facts.filled(titled)


def _titled(reference: JsonObject, entries: vocabulary.Vocabulary) -> JsonObject:
    if "id" not in reference:
        return reference
    entry = entries[reference["id"]]
    props = {"props": {"url": entry["url"]}} if "url" in entry else {}
    return reference | {"title": {"en": entry["title"]}} | props


def _typed(entry: JsonObject, key: str, entries: vocabulary.Vocabulary) -> JsonObject:
    return entry | {key: _titled(entry[key], entries)}


# ---------------------------------------------------------------- files


def _files(d: Dissemination, *, files_open: bool) -> JsonObject:
    files: dict[str, Any] = {"enabled": d.record.file_count > 0, "order": []}
    if files_open:
        files |= {
            "count": d.record.file_count,
            "total_bytes": d.record.total_bytes,
            "entries": {file.key: _file(d, file) for file in d.files},
        }
    return files


def _file(d: Dissemination, file: FileEntry) -> JsonObject:
    content = facts.file_url(d, file)
    return {
        "id": str(file_id(d.repository.id, d.record.id, file.key)),
        "checksum": f"md5:{file.digests['md5']}",
        "ext": PurePosixPath(file.key).suffix.removeprefix("."),
        "size": file.size,
        "mimetype": file.identification.mime or "application/octet-stream",
        "storage_class": "L",
        "key": file.key,
        "metadata": {},
        "access": {"hidden": False},
        "links": {"self": content.removesuffix("/content"), "content": content},
    }
