"""Zenodo's own record JSON, the default of its records API, and its tombstone."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import NAMESPACE_DNS, UUID, uuid5

from pipeline.dissemination import ShownFile
from pipeline.feeds.crosswalks import facts
from pipeline.feeds.crosswalks.citation import citation
from pipeline.feeds.crosswalks.links import draft_links, record_links
from pipeline.metadata import legacy_form, vocabulary

if TYPE_CHECKING:
    from pipeline.dissemination import Dissemination, DraftView
    from pipeline.model import FileEntry, JsonObject

_COUNTS = ("downloads", "unique_downloads", "views", "unique_views")


def zenodo_json(d: Dissemination, *, files_open: bool) -> JsonObject:
    """The record as `application/json`. `files` is empty unless the asker may read them (`files_open`).

    The counts in `stats` are the gateway's to fill in.
    """
    record = d.record
    return {
        "created": facts.timestamp(record.created),
        "modified": facts.timestamp(record.modified),
        "updated": facts.timestamp(record.modified),
        "id": record.id,
        "recid": str(record.id),
        "conceptrecid": str(record.concept_id),
        "doi": d.doi,
        **({"conceptdoi": d.concept_doi} if d.concept_doi is not None else {}),
        "doi_url": facts.doi_url(d.doi),
        "revision": record.change,
        "title": facts.metadata(d)["title"],
        "metadata": _metadata(d),
        "files": [_file(shown_file(d, file)) for file in d.files] if files_open else [],
        "owners": _owners(d),
        "status": "published",
        "state": "done",
        "submitted": True,
        "stats": {f"{scope}{count}": 0 for scope in ("", "version_") for count in _COUNTS},
        "swh": {},
        "links": record_links(d),
    }


def zenodo_draft(draft: DraftView) -> JsonObject:
    """A draft in the same form, as far as it says anything."""
    d = draft.foreseen
    record = d.record
    submitted = draft.is_edit or draft.is_submitted
    return {
        "created": facts.timestamp(record.created),
        "modified": facts.timestamp(record.modified),
        "updated": facts.timestamp(record.modified),
        "id": record.id,
        "recid": str(record.id),
        "conceptrecid": str(record.concept_id),
        **({"doi": d.doi} if d.doi else {}),
        **({"conceptdoi": d.concept_doi} if d.concept_doi is not None else {}),
        **({"doi_url": facts.doi_url(d.doi)} if d.doi else {}),
        "revision": record.change,
        "title": facts.metadata(d).get("title", ""),
        "metadata": _metadata(d),
        "files": [_file(file) for file in draft.files],
        "owners": _owners(d),
        "status": "draft",
        # What waits for its virus scan is submitted, and not done.
        "state": "inprogress" if submitted else "unsubmitted",
        "submitted": submitted,
        "links": draft_links(draft),
        **({"errors": list(map(facts.fault_json, draft.faults))} if draft.faults else {}),
    }


def _owners(d: Dissemination) -> list[JsonObject]:
    return [] if d.owner_id is None else [{"id": str(d.owner_id)}]


def tombstone_json(d: Dissemination) -> JsonObject:
    """What is answered for a withdrawn record. Raises `ValueError` for one that is not withdrawn.

    Of the person who removed it no more is told than the account, where it was the owner.
    """
    tombstone = d.record.tombstone
    if tombstone is None:
        raise ValueError(f"record {d.record.id} has no tombstone")
    by_owner = d.owner_id is not None and tombstone.removed_by == d.record.owner
    return {
        "status": 410,
        "message": "Record deleted",
        "tombstone": {
            "removal_reason": {"id": tombstone.reason},
            "note": tombstone.note,
            "removed_by": {"user": str(d.owner_id) if by_owner else "system"},
            "removal_date": facts.timestamp(tombstone.removed_at),
            "citation_text": citation(d),
            "is_visible": True,
            **({"deletion_policy": {"id": tombstone.policy}} if tombstone.policy else {}),
        },
    }


def file_id(repository_id: str, record_id: int, key: str) -> UUID:
    """The id of a published file: the same for ever, as published files never change."""
    return uuid5(_namespace(repository_id), f"{record_id}/{key}")


@lru_cache
def _namespace(repository_id: str) -> UUID:
    return uuid5(NAMESPACE_DNS, repository_id)


def shown_file(d: Dissemination, file: FileEntry) -> ShownFile:
    """A file of a published record."""
    return ShownFile(
        id=str(file_id(d.repository.id, d.record.id, file.key)),
        key=file.key,
        size=file.size,
        checksum=f"md5:{file.digests['md5']}",
        mimetype=file.identification.mime or "application/octet-stream",
        content=facts.file_url(d, file),
    )


def _file(file: ShownFile) -> JsonObject:
    return {
        "id": file.id,
        "key": file.key,
        "size": file.size,
        "checksum": file.checksum,
        "links": {"self": file.content},
    }


# ---------------------------------------------------------------- metadata


def _metadata(d: Dissemination) -> JsonObject:
    metadata, custom_fields = facts.metadata(d), d.record.description.custom_fields
    access = d.record.description.access
    right = legacy_form.access_right(access)
    until = access.embargo_until if right == "embargoed" else None
    always = {
        "title": metadata.get("title", ""),
        **facts.filled({"doi": d.doi, "publication_date": metadata.get("publication_date")}),
        "description": metadata.get("description", ""),
        "access_right": right,
    }
    optional = {
        "embargo_date": until.isoformat() if until else None,
        "creators": legacy_form.legacy_people(metadata.get("creators", [])),
        "contributors": legacy_form.legacy_contributors(metadata.get("contributors", [])),
        "keywords": legacy_form.legacy_keywords(metadata),
        "subjects": legacy_form.legacy_subjects(metadata),
        "version": metadata.get("version"),
        "language": next((each.get("id") for each in metadata.get("languages", [])), None),
        "notes": legacy_form.additional_description(metadata, "notes"),
        "method": legacy_form.additional_description(metadata, "methods"),
        "resource_type": _resource_type(d),
        "license": _licence(metadata),
        "related_identifiers": legacy_form.legacy_relations(metadata),
        "alternate_identifiers": [
            {"identifier": each["identifier"]}
            for each in metadata.get("identifiers", [])
            if "identifier" in each
        ],
        "references": [each["reference"] for each in metadata.get("references", []) if "reference" in each],
        "locations": legacy_form.legacy_locations(metadata),
        "dates": legacy_form.legacy_dates(metadata),
        "grants": _grants(metadata),
        "communities": [{"id": community.slug} for community in d.communities],
        "custom": legacy_form.legacy_custom(custom_fields),
    }
    publishing = _publishing(custom_fields, metadata.get("publication_date", "")[:4])
    return always | facts.filled(optional | publishing) | {"relations": _relations(d)}


def _resource_type(d: Dissemination) -> JsonObject:
    key = facts.metadata(d).get("resource_type", {}).get("id", "")
    main, _, sub = key.partition("-")
    title = vocabulary.resource_types().get(key, {}).get("title")
    return facts.filled({"title": title, "type": main, "subtype": sub})


def _licence(metadata: JsonObject) -> JsonObject | None:
    key = legacy_form.legacy_licence(metadata)
    return {"id": key} if key else None


def _publishing(custom_fields: JsonObject, year: str) -> JsonObject:
    journal = custom_fields.get("journal:journal", {})
    imprint = custom_fields.get("imprint:imprint", {})
    thesis = custom_fields.get("thesis:thesis", {})
    return {
        "journal": facts.filled(journal | {"year": year}) if journal else {},
        "meeting": custom_fields.get("meeting:meeting"),
        "imprint": {key: imprint[key] for key in ("place", "isbn") if key in imprint},
        "part_of": {key: imprint[key] for key in ("title", "pages") if key in imprint},
        "thesis": {"university": thesis["university"]} if "university" in thesis else {},
    }


def _grants(metadata: JsonObject) -> list[JsonObject]:
    """Entries that lack funder or award are left out."""
    return [grant for each in metadata.get("funding", []) if (grant := _grant(each))]


def _grant(funding: JsonObject) -> JsonObject | None:
    funder, award = funding.get("funder", {}), funding.get("award", {})
    if not funder or "number" not in award:
        return None
    known = vocabulary.funders().get(funder.get("id", ""), {})
    doi = known.get("doi")
    return facts.filled(
        {
            "code": award["number"],
            "internal_id": f"{doi or funder.get('id', '')}::{award['number']}",
            "funder": facts.filled(
                {
                    "name": funder.get("name") or known.get("title"),
                    "doi": doi,
                    "acronym": known.get("acronym"),
                    "country": known.get("country"),
                }
            ),
            "title": award.get("title", {}).get("en"),
            "url": next((facts.work_url(each) for each in award.get("identifiers", [])), None),
        }
    )


def _relations(d: Dissemination) -> JsonObject:
    version = {
        "index": d.record.version - 1,
        "is_last": d.record.is_latest,
        "parent": {"pid_type": "recid", "pid_value": str(d.record.concept_id)},
    }
    return {"version": [version]}
