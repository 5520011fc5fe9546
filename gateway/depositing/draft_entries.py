"""Files of drafts as InvenioRDM's draft files API has them, pending and completed (pure)."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote
from uuid import uuid5

from gateway.depositing import deposition_json
from gateway.depositing.handles import Kind, handle
from gateway.http import content
from pipeline.catalogue.draft_files import DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.pending_files import PendingFile
from pipeline.dissemination import Repository
from pipeline.feeds.crosswalks import facts
from pipeline.model import JsonObject


def address(repository: Repository, record_id: int) -> str:
    """Of all files of a draft."""
    return f"{repository.base_url}/api/records/{record_id}/draft/files"


def pending(repository: Repository, draft: Draft, file: PendingFile) -> JsonObject:
    return {
        "key": file.key,
        "created": facts.timestamp(file.created),
        "updated": facts.timestamp(file.updated),
        "status": "pending",
        **_common(repository, draft, file.key),
    }


def in_parts(
    repository: Repository, draft: Draft, file: PendingFile, expires: datetime, urls: Iterable[str | None]
) -> JsonObject:
    """A pending one that comes in parts; `urls` are where each of them goes, None where that is here."""
    shown = pending(repository, draft, file)
    links, plan = shown["links"], file.announced.plan
    parts = [
        {
            "part": number,
            "url": url or f"{links['content']}/{number}",
            "expiration": facts.timestamp(expires),
        }
        for number, url in enumerate(urls, 1)
    ]
    return {
        **shown,
        "size": plan.size,
        "links": {"self": links["self"], "commit": links["commit"], "parts": parts},
        "transfer": {"type": "M", "parts": plan.count, "part_size": plan.part_size},
    }


def completed(repository: Repository, draft: Draft, file: DraftFile) -> JsonObject:
    at = facts.timestamp(file.taken_at)
    return {
        "key": file.key,
        "created": at,
        "updated": at,
        "status": "completed",
        **_common(repository, draft, file.key),
        "checksum": deposition_json.draft_checksum(file),
        "size": file.size,
        "mimetype": content.type_by_name(file.key),
        "version_id": str(uuid5(handle(repository, Kind.FILE, file.id), file.content)),
        "file_id": deposition_json.file_id(repository, file),
        "bucket_id": deposition_json.bucket_of(repository, draft),
        "storage_class": "L",
    }


def _common(repository: Repository, draft: Draft, key: str) -> JsonObject:
    itself = f"{address(repository, draft.record_id)}/{quote(key)}"
    return {
        "metadata": None,
        "access": {"hidden": False},
        "links": {"self": itself, "content": f"{itself}/content", "commit": f"{itself}/commit"},
        "transfer": {"type": "L"},
    }
