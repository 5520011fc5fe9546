"""Archival information packages (OAIS, ISO 14721 §4.2.2): what is kept of a record besides its files, so that it can be
known again without the catalogue (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from itertools import chain

from pipeline import codec
from pipeline.catalogue.record_files import Holding
from pipeline.dissemination import Dissemination
from pipeline.feeds import crosswalks
from pipeline.model import (
    AGENT,
    Concept,
    Event,
    EventType,
    FileEntry,
    JsonObject,
    Record,
    RecordState,
    ScanStatus,
)


@dataclass(frozen=True, slots=True)
class Package:
    """Everything that a record's version in the storage root is made of."""

    record: Record
    concept: Concept
    holdings: Sequence[Holding]
    events: Sequence[Event]
    dissemination: Dissemination
    is_interim: bool = False
    """The record as it was before it was withdrawn: its bytes go first, the tombstone into the next version."""


def is_withdrawn_early(record: Record) -> bool:
    """Withdrawn before it was written to the root."""
    return record.state is RecordState.WITHDRAWN and record.staged is not None


def before_withdrawal(package: Package) -> Package:
    """The interim package of a record that was withdrawn early."""
    record = replace(package.record, state=RecordState.PUBLISHED, tombstone=None)
    return replace(
        package,
        record=record,
        dissemination=replace(package.dissemination, record=record),
        events=[one for one in package.events if one.type is not EventType.DEACCESSION],
        is_interim=True,
    )


def documents(package: Package, algorithm: str) -> dict[str, bytes]:
    """Name → content of the files below metadata/: the record's own JSON, its PREMIS events, one a line, and while it
    is published its DataCite metadata. Files are named by their digest by `algorithm`, the storage root's."""
    files = (_file_json(one.entry) for one in package.holdings)
    found = {
        "record.json": _bytes(chain(codec.to_texts(_record_json(package), "files", files), "\n")),
        "premis.jsonl": _bytes(codec.to_text(one) + "\n" for one in _premis(package, algorithm)),
    }
    if package.record.state is RecordState.PUBLISHED:
        datacite = crosswalks.datacite_json(package.dissemination)
        found["datacite.json"] = _bytes([codec.to_text(datacite), "\n"])
    return found


def _record_json(package: Package) -> JsonObject:
    """All but its files."""
    record, shown = package.record, package.dissemination
    return {
        "format": "headrace-record/1",
        "id": record.id,
        "concept_id": record.concept_id,
        "collection": package.concept.collection,
        "key": package.concept.key,
        "version": record.version,
        "revision": record.revision,
        "state": record.state,
        "doi": shown.doi,
        "concept_doi": shown.concept_doi,
        "owner": record.owner,
        "created": codec.time_to_json(record.created),
        "modified": codec.time_to_json(record.modified),
        "accession": record.accession_id,
        "communities": [one.slug for one in shown.communities],
        "description": codec.description_to_json(record.description),
        "missing_files": list(record.missing_files),
        "tombstone": None
        if record.tombstone is None
        else {
            "reason": record.tombstone.reason,
            "note": record.tombstone.note,
            "removed_by": record.tombstone.removed_by,
            "removed_at": codec.time_to_json(record.tombstone.removed_at),
        },
    }


def _file_json(entry: FileEntry) -> JsonObject:
    document = codec.file_to_json(entry)
    # Where the bytes lie is the inventory's to say.
    del document["content"]
    return document


def _premis(package: Package, algorithm: str) -> Iterator[JsonObject]:
    """PREMIS events: the record's own, then of each file what the one read of it found."""
    for one in package.events:
        yield codec.event_to_json(one)
    for holding in package.holdings:
        yield from _file_events(package.record, holding.entry, algorithm)


def _file_events(record: Record, entry: FileEntry, algorithm: str) -> list[JsonObject]:
    object_ = f"{algorithm}:{entry.digests[algorithm]}"
    scan = entry.scan

    def event(
        type_: EventType, agent: str, outcome: str, detail: JsonObject, at: datetime = record.created
    ) -> JsonObject:
        return {
            "type": type_,
            "at": codec.time_to_json(at),
            "agent": agent,
            "outcome": outcome,
            "objects": [object_],
            "detail": {"key": entry.key, **detail},
        }

    compared = sorted(set(entry.declared) & set(entry.digests))
    found = [
        event(EventType.DIGEST, AGENT, "success", {"digests": dict(sorted(entry.digests.items()))}),
        event(
            EventType.IDENTIFICATION,
            entry.identification.tool or "siegfried",
            "success" if entry.identification.puid else "unknown",
            {"puid": entry.identification.puid, "basis": entry.identification.basis},
        ),
        event(
            EventType.VIRUS,
            scan.engine,
            VIRUS_OUTCOMES[scan.status],
            {
                "verdict": scan.status,
                "method": scan.method,
                "database": scan.database,
                "scanned": scan.scanned,
                "reason": scan.reason,
            },
            scan.at or record.created,
        ),
    ]
    if compared:
        found.append(event(EventType.FIXITY, AGENT, "pass", {"declared": compared}))
    return found


VIRUS_OUTCOMES = {
    ScanStatus.CLEAN: "pass",
    ScanStatus.INFECTED: "fail",
    ScanStatus.PARTIAL: "warning",
    ScanStatus.STALE: "warning",
    ScanStatus.RELEASED: "warning",
    ScanStatus.UNSCANNED: "skipped",
}


def _bytes(texts: Iterable[str]) -> bytes:
    """Of very many texts, none of which is kept."""
    joined = BytesIO()
    joined.writelines(one.encode() for one in texts)
    return joined.getvalue()
