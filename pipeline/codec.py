"""The nouns of `model` as plain JSON, and back where somebody reads it, for whatever keeps them as text: the
survey, the catalogue, the record's own JSON in its OCFL object.

`x_to_json` answers objects whose keys stand in a fixed order, so that equal nouns give equal text;
`x_from_json` reads what `x_to_json` wrote, filling what an older writer left out with the noun's own
default. They raise `KeyError`, `TypeError` or `ValueError` for a document that is something else.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

from pipeline.model import (
    Access,
    Decision,
    Description,
    Event,
    FileEntry,
    FilesAccess,
    FilesView,
    Identification,
    JsonObject,
    Outcome,
    Problem,
    ScanStatus,
    ScanVerdict,
)

# ---------------------------------------------------------------- text


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_text(document: object) -> str:
    """Canonical JSON text: keys sorted, no blanks, ASCII only. Equal documents give equal text."""
    return _CANONICAL.encode(document)


def to_texts(document: JsonObject, name: str, items: Iterable[object]) -> Iterator[str]:
    """The canonical text of the document with one member more, a list, in pieces: of its items one at a time is
    looked at."""
    separator = "{"
    for member in sorted([*document, name]):
        yield f"{separator}{to_text(member)}:"
        if member == name:
            yield from _list_to_texts(items)
        else:
            yield to_text(document[member])
        separator = ","
    yield "}"


def _list_to_texts(items: Iterable[object]) -> Iterator[str]:
    separator = "["
    for one in items:
        yield separator + to_text(one)
        separator = ","
    yield "[]" if separator == "[" else "]"


def time_to_json(at: datetime) -> str:
    """RFC 3339 in UTC with `Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def time_from_json(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _path_to_json(path: str) -> str | JsonObject:
    """A path as it is, or its bytes in base64 where it is not UTF-8: a lone surrogate in JSON is refused
    by PostgreSQL and by most readers (RFC 8259, section 8.2)."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return {"base64": base64.b64encode(os.fsencode(path)).decode()}
    return path


# ---------------------------------------------------------------- description


def access_to_json(access: Access) -> JsonObject:
    until = access.embargo_until
    return {
        "files": access.files.value,
        "embargo_until": until.isoformat() if until else None,
        "embargo_reason": access.embargo_reason,
    }


def access_from_json(document: JsonObject) -> Access:
    until = document.get("embargo_until")
    return Access(
        files=FilesAccess(document["files"]),
        embargo_until=date.fromisoformat(until) if until else None,
        embargo_reason=document.get("embargo_reason", ""),
    )


def description_to_json(description: Description) -> JsonObject:
    """`files` is there only where the depositor said how they are to be shown."""
    files = description.files
    return {
        "metadata": description.metadata,
        "custom_fields": description.custom_fields,
        "access": access_to_json(description.access),
        "doi": description.doi,
        "communities": list(description.communities),
        **({} if files == FilesView() else {"files": _files_view_to_json(files)}),
    }


def _files_view_to_json(files: FilesView) -> JsonObject:
    return {"default_preview": files.default_preview, "order": list(files.order)}


def description_from_json(document: JsonObject) -> Description:
    return Description(
        metadata=document["metadata"],
        custom_fields=document.get("custom_fields", {}),
        access=access_from_json(document["access"]) if "access" in document else Access(),
        doi=document.get("doi"),
        communities=tuple(document.get("communities", ())),
        files=_files_view_from_json(document.get("files", {})),
    )


def _files_view_from_json(document: JsonObject) -> FilesView:
    return FilesView(document.get("default_preview", ""), tuple(document.get("order", ())))


# ---------------------------------------------------------------- files


def verdict_to_json(verdict: ScanVerdict) -> JsonObject:
    return {
        "status": verdict.status.value,
        "engine": verdict.engine,
        "method": verdict.method,
        "signature": verdict.signature,
        "database": verdict.database,
        "at": time_to_json(verdict.at) if verdict.at else None,
        "scanned": [list(each) for each in verdict.scanned],
        "reason": verdict.reason,
    }


def verdict_from_json(document: JsonObject) -> ScanVerdict:
    at = document.get("at")
    return ScanVerdict(
        status=ScanStatus(document["status"]),
        engine=document["engine"],
        method=document.get("method", "none"),
        signature=document.get("signature", ""),
        database=document.get("database", ""),
        at=time_from_json(at) if at else None,
        scanned=tuple((start, end) for start, end in document.get("scanned", ())),
        reason=document.get("reason", ""),
    )


def identification_to_json(identification: Identification) -> JsonObject:
    return {
        "puid": identification.puid,
        "format": identification.format,
        "version": identification.version,
        "mime": identification.mime,
        "basis": identification.basis,
        "warning": identification.warning,
        "tool": identification.tool,
    }


def identification_from_json(document: JsonObject) -> Identification:
    return Identification(**document)


def file_to_json(entry: FileEntry) -> JsonObject:
    """`purged` is there only where the file was."""
    purged = {"purged": decision_to_json(entry.purged)} if entry.purged else {}
    return {
        "key": entry.key,
        "size": entry.size,
        "digests": dict(sorted(entry.digests.items())),
        "content": entry.content,
        "holder": entry.holder,
        "declared": dict(sorted(entry.declared.items())),
        "identification": identification_to_json(entry.identification),
        "scan": verdict_to_json(entry.scan),
        "mtime_ns": entry.mtime_ns,
        "original_path": _path_to_json(entry.original_path),
        "taken_at": time_to_json(entry.taken_at) if entry.taken_at else None,
        **purged,
    }


def decision_to_json(decision: Decision) -> JsonObject:
    return {"by": decision.by, "reason": decision.reason, "at": time_to_json(decision.at)}


# ---------------------------------------------------------------- reports and events


def problem_to_json(problem: Problem) -> JsonObject:
    return {
        "path": problem.path,
        "record": problem.record,
        "outcome": problem.outcome.value,
        "code": problem.code,
        "field": problem.field,
        "reason": problem.reason,
        "remedy": problem.remedy,
    }


def problem_from_json(document: JsonObject) -> Problem:
    return Problem(**{**document, "outcome": Outcome(document["outcome"])})


def event_to_json(event: Event) -> JsonObject:
    return {
        "id": event.id,
        "type": event.type.value,
        "at": time_to_json(event.at),
        "agent": event.agent,
        "outcome": event.outcome,
        "record_id": event.record_id,
        "objects": list(event.objects),
        "detail": event.detail,
    }
