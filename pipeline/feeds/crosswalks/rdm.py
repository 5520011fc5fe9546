"""InvenioRDM's record JSON, `application/vnd.inveniordm.v1+json`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pipeline.feeds.crosswalks import facts
from pipeline.feeds.crosswalks.links import draft_links, record_links
from pipeline.feeds.crosswalks.sharing import parent_access
from pipeline.feeds.crosswalks.zenodo import shown_file, tombstone_json
from pipeline.metadata import vocabulary
from pipeline.metadata.legacy_form import access_right
from pipeline.model import RecordState
from pipeline.pid.doi import same, version_doi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.dissemination import Dissemination, DraftView, ShownFile
    from pipeline.model import JsonObject


def rdm_json(d: Dissemination, *, files_open: bool) -> JsonObject:
    """The record in its canonical form, also of one that was withdrawn. Entries of files are shown only if the asker
    may read them; with whom the work is shared, only where `d` tells."""
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
        "access": _access(d) | ({} if record.file_count else {"status": "metadata-only"}),
        "metadata": {"publisher": d.repository.name} | _metadata(d),
        "custom_fields": record.description.custom_fields,
        "files": _files(d, [shown_file(d, file) for file in d.files] if files_open else None),
        "media_files": _NO_MEDIA_FILES,
        "stats": {scope: dict.fromkeys(_COUNTS, 0) for scope in ("this_version", "all_versions")},
        "deletion_status": {"is_deleted": is_withdrawn, "status": "D" if is_withdrawn else "P"},
        **({"tombstone": tombstone_json(d)["tombstone"]} if is_withdrawn else {}),
        "swh": {},
        "links": record_links(d),
    }


def rdm_draft(draft: DraftView) -> JsonObject:
    """A draft in the same form, as far as it says anything."""
    d = draft.foreseen
    record = d.record
    unpublished = "in_review" if draft.is_in_review else "new_version_draft" if draft.is_version else "draft"
    return {
        "id": str(record.id),
        "created": facts.timestamp(record.created),
        "updated": facts.timestamp(record.modified),
        "revision_id": record.change,
        "is_published": draft.is_edit,
        "is_draft": True,
        "status": "published" if draft.is_edit else unpublished,
        "versions": {
            "index": record.version,
            "is_latest": draft.is_edit and record.is_latest,
            "is_latest_draft": True,
        },
        "parent": _parent(d),
        "pids": _pids(d) if draft.is_edit else _named(d),
        "access": _access(d),
        "metadata": _metadata(d),
        "custom_fields": record.description.custom_fields,
        "files": _files(d, draft.files) | {"enabled": True},
        "media_files": _NO_MEDIA_FILES,
        "deletion_status": {"is_deleted": False, "status": "P"},
        "links": draft_links(draft),
        **({"errors": list(map(facts.fault_json, draft.faults))} if draft.faults else {}),
    }


_NO_MEDIA_FILES: JsonObject = {"enabled": False, "order": [], "count": 0, "total_bytes": 0, "entries": {}}
_COUNTS = ("views", "unique_views", "downloads", "unique_downloads", "data_volume")


def _parent(d: Dissemination) -> JsonObject:
    pids = {"doi": {"identifier": d.concept_doi, "provider": "datacite"}} if d.concept_doi is not None else {}
    default = next((each.id for each in d.communities if each.is_default), None)
    return {
        "id": str(d.record.concept_id),
        "access": parent_access(d.owner_id, d.settings, d.shares),
        "communities": {
            "ids": [community.id for community in d.communities],
            "entries": [
                {"id": each.id, "slug": each.slug, "metadata": {"title": each.title}}
                for each in d.communities
            ],
            **({} if default is None else {"default": default}),
        },
        "pids": pids,
    }


def _pids(d: Dissemination) -> JsonObject:
    return _named(d) | {"oai": {"identifier": facts.oai_identifier(d), "provider": "oai"}}


def _named(d: Dissemination) -> JsonObject:
    given = d.record.description.doi
    is_reserved = given is not None and same(given, version_doi(d.repository, d.record.id))
    provider = "datacite" if given is None or is_reserved else "external"
    return {"doi": {"identifier": d.doi, "provider": provider}} if d.doi else {}


def _access(d: Dissemination) -> JsonObject:
    access = d.record.description.access
    right = access_right(access)
    until = access.embargo_until if right == "embargoed" else None
    embargo = {"active": until is not None, "until": until.isoformat() if until else None}
    return {
        "record": "public",
        "files": access.files.value,
        "embargo": facts.filled(embargo | {"reason": access.embargo_reason}),
        "status": right,
    }


# ---------------------------------------------------------------- metadata


def _metadata(d: Dissemination) -> JsonObject:
    """The description with titles beside ids."""
    metadata = facts.metadata(d)
    titled = {
        "resource_type": _titled(metadata.get("resource_type", {}), vocabulary.resource_types()),
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
    entry = entries.get(reference.get("id", ""))
    if entry is None:
        return reference
    props = {"props": {"url": entry["url"]}} if "url" in entry else {}
    return reference | {"title": {"en": entry["title"]}} | props


def _typed(entry: JsonObject, key: str, entries: vocabulary.Vocabulary) -> JsonObject:
    return entry | {key: _titled(entry[key], entries)} if key in entry else entry


# ---------------------------------------------------------------- files


def _files(d: Dissemination, shown: Sequence[ShownFile] | None) -> JsonObject:
    """`shown` is None where the asker may not read them."""
    view = d.record.description.files
    files: dict[str, Any] = {"enabled": d.record.file_count > 0}
    if shown is None:
        return files | {"order": []}
    files |= {
        "order": list(view.order),
        "count": d.record.file_count,
        "total_bytes": d.record.total_bytes,
        "entries": {file.key: _file(file) for file in shown},
    }
    return files | ({"default_preview": view.default_preview} if view.default_preview else {})


def _file(file: ShownFile) -> JsonObject:
    return {
        "id": file.id,
        "checksum": file.checksum,
        "ext": PurePosixPath(file.key).suffix.removeprefix("."),
        "size": file.size,
        "mimetype": file.mimetype,
        "storage_class": "L",
        "key": file.key,
        "metadata": {},
        "access": {"hidden": False},
        "links": {"self": file.content.removesuffix("/content"), "content": file.content},
    }
