"""Depositions and their files as Zenodo's legacy deposit API gives them out (pure)."""

from collections.abc import Sequence
from urllib.parse import quote
from uuid import uuid5

from gateway.depositing.handles import Kind, handle
from gateway.http import content
from pipeline.catalogue.draft_files import MULTIPART, DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.dissemination import Dissemination, Repository
from pipeline.feeds import crosswalks
from pipeline.feeds.crosswalks import facts
from pipeline.metadata import deposit_form
from pipeline.model import Description, FileEntry, JsonObject

# ---------------------------------------------------------------- depositions


def of_draft(
    repository: Repository,
    draft: Draft,
    published: Dissemination | None,
    files: Sequence[JsonObject],
    *,
    in_list: bool = False,
) -> JsonObject:
    """An open draft; `published` is what it is an edit of, or the version that it follows. In lists depositions come
    without their bucket."""
    base = _api(repository, draft.record_id)
    edited = published if draft.is_edit else None
    metadata = deposit_form.write(
        draft.description,
        repository=repository,
        record_id=draft.record_id,
        doi=edited.doi if edited is not None else None,
    )
    links: JsonObject = {
        "self": base,
        "html": f"{repository.base_url}/deposit/{draft.record_id}",
        "badge": _badge(repository, _doi(edited, draft.description)),
        "files": f"{base}/files",
        **({} if in_list else {"bucket": bucket_url(repository, bucket_of(repository, draft))}),
        **_actions(repository, draft.record_id),
    }
    if edited is not None:
        links |= {"doi": facts.doi_url(edited.doi), **_record_links(edited)}
    return {
        "created": facts.timestamp(draft.created),
        "modified": facts.timestamp(draft.modified),
        "id": draft.record_id,
        "conceptrecid": str(draft.deposit.concept_id),
        **_dois(edited, draft.description, published),
        "metadata": metadata,
        "title": metadata.get("title", ""),
        "links": links,
        "record_id": draft.record_id,
        "owner": draft.account_id,
        "files": list(files),
        # What waits for its virus scan is submitted, and not done.
        "state": "inprogress" if draft.is_edit or draft.is_submitted else "unsubmitted",
        "submitted": draft.is_edit or draft.is_submitted,
        **({"errors": list(draft.dropped)} if draft.dropped else {}),
    }


def of_record(d: Dissemination, files: Sequence[JsonObject], *, in_list: bool = False) -> JsonObject:
    """A published record without an open edit."""
    repository, record = d.repository, d.record
    links: JsonObject = {
        "self": facts.record_api(d),
        "html": d.url,
        "doi": facts.doi_url(d.doi),
        "badge": _badge(repository, d.doi),
        "files": f"{facts.record_api(d)}/files",
        **({} if in_list else {"bucket": bucket_url(repository, published_bucket(d))}),
        **_actions(repository, record.id),
        **_record_links(d),
    }
    if d.concept_doi is not None:
        links |= {
            "parent_doi": facts.doi_url(d.concept_doi),
            "conceptbadge": _badge(repository, d.concept_doi),
        }
    return {
        "created": facts.timestamp(record.created),
        "modified": facts.timestamp(record.modified),
        "id": record.id,
        "conceptrecid": str(record.concept_id),
        **_dois(d, record.description, d),
        "metadata": deposit_form.write(
            record.description, repository=repository, record_id=record.id, doi=d.doi
        ),
        "title": facts.metadata(d).get("title", ""),
        "links": links,
        "record_id": record.id,
        "owner": d.owner_id or 0,
        "files": list(files),
        "state": "done",
        "submitted": True,
    }


def _doi(published: Dissemination | None, description: Description) -> str:
    return published.doi if published is not None else description.doi or ""


def _dois(
    published: Dissemination | None, description: Description, base: Dissemination | None
) -> JsonObject:
    doi = _doi(published, description)
    concept = base.concept_doi if base is not None else None
    return {
        **({"conceptdoi": concept} if concept else {}),
        **({"doi": doi, "doi_url": facts.doi_url(doi)} if doi else {}),
    }


# ---------------------------------------------------------------- links


def _api(repository: Repository, record_id: int) -> str:
    return f"{repository.base_url}/api/deposit/depositions/{record_id}"


def _badge(repository: Repository, doi: str) -> str:
    return f"{repository.base_url}/badge/doi/{quote(doi, safe='')}.svg"


def _actions(repository: Repository, record_id: int) -> JsonObject:
    base = _api(repository, record_id)
    return {
        "latest_draft": base,
        "latest_draft_html": f"{repository.base_url}/deposit/{record_id}",
        **{name: f"{base}/actions/{name}" for name in ("publish", "edit", "discard", "newversion")},
    }


def _record_links(d: Dissemination) -> JsonObject:
    base, id_ = d.repository.base_url, d.record.id
    return {
        "record": facts.record_api(d),
        "record_html": f"{base}/record/{id_}",
        "latest": f"{facts.record_api(d)}/versions/latest",
        "latest_html": f"{d.url}/latest",
    }


def bucket_of(repository: Repository, draft: Draft) -> str:
    kind, number = (Kind.EDIT, draft.deposit.id) if draft.is_edit else (Kind.RECORD, draft.record_id)
    return str(handle(repository, kind, number))


def published_bucket(d: Dissemination) -> str:
    return str(handle(d.repository, Kind.RECORD, d.record.id))


def bucket_url(repository: Repository, bucket: str) -> str:
    return f"{repository.base_url}/api/files/{bucket}"


# ---------------------------------------------------------------- files


def draft_file(repository: Repository, draft: Draft, file: DraftFile) -> JsonObject:
    """A file of a draft, as the old files API has it: its checksum an MD5 without a prefix."""
    base = repository.base_url
    id_ = file_id(repository, file)
    download = f"{base}/api/records/{draft.record_id}/draft/files/{quote(file.key)}/content"
    return {
        "id": id_,
        "filename": file.key,
        "filesize": file.size,
        "checksum": draft_checksum(file).removeprefix("md5:"),
        "links": {"self": f"{_api(repository, draft.record_id)}/files/{id_}", "download": download},
    }


def draft_checksum(file: DraftFile) -> str:
    """`md5:…`; of a file that came in parts and was not read yet `multipart:…`, which is no digest of it."""
    algorithm = "md5" if "md5" in file.digests else MULTIPART
    return f"{algorithm}:{file.digests[algorithm]}"


def file_id(repository: Repository, file: DraftFile) -> str:
    return str(handle(repository, Kind.FILE, file.id))


def record_file(d: Dissemination, file: FileEntry) -> JsonObject:
    """A file of a published record, as the old files API has it; unlike Zenodo's, its links work."""
    id_ = str(crosswalks.file_id(d.repository.id, d.record.id, file.key))
    return {
        "id": id_,
        "filename": file.key,
        "filesize": file.size,
        "checksum": file.digests["md5"],
        "links": {
            "self": f"{_api(d.repository, d.record.id)}/files/{id_}",
            "download": facts.file_url(d, file),
        },
    }


def bucket_object(repository: Repository, bucket: str, file: DraftFile) -> JsonObject:
    """A file as the bucket API has it: its checksum an MD5 with its prefix."""
    url = f"{bucket_url(repository, bucket)}/{quote(file.key, safe='')}"
    at = facts.timestamp(file.taken_at)
    version = str(uuid5(handle(repository, Kind.FILE, file.id), file.content))
    return {
        "created": at,
        "updated": at,
        "version_id": version,
        "key": file.key,
        "size": file.size,
        "mimetype": content.type_by_name(file.key),
        "checksum": draft_checksum(file),
        "is_head": True,
        "delete_marker": False,
        "links": {"self": url, "version": f"{url}?version_id={version}", "uploads": f"{url}?uploads=1"},
    }
