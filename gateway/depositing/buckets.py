"""`/api/files`: the files of a draft, or of a published record, in its bucket (Zenodo's bucket API)."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.depositing import deposition_json, file_names
from gateway.depositing.handles import Kind, number_of, required
from gateway.http.admission import require, still_may
from gateway.http.answers import indentation, json_answer, with_array
from gateway.http.auth import GrantHere, ServicesHere, ViewerHere, WriterHere, file_reader
from gateway.http.checksums import declared_digests
from gateway.http.listings import all_files_of_draft
from gateway.http.methods import READ
from gateway.http.receiving import Receivers, declared_length
from gateway.http.serving import file_of, readable, served, served_draft, streamed
from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, draft_files, drafts, records
from pipeline.catalogue.draft_files import DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.errors import Missing
from pipeline.feeds.crosswalks import facts
from pipeline.ingest import arrival, bounds
from pipeline.model import JsonObject, Right
from pipeline.services import Services

router = APIRouter(prefix="/api/files/{bucket}")


@router.put("/{key:path}")
async def put(
    request: Request, bucket: str, key: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    """The body, whatever its type, takes the place of the file of this name, if there is one."""
    key = file_names.segment(key)
    size, declared = declared_length(request), declared_digests(request.headers)
    draft = await run_in_threadpool(_writable, services, bucket, viewer)
    receivers: Receivers = request.app.state.receivers
    receive = partial(_receive, services, viewer, draft, key, size, declared)
    file = await receivers.take(request, receive)
    return json_answer(request, deposition_json.bucket_object(services.repository, bucket, file), 201)


def _receive(
    services: Services,
    viewer: Viewer,
    draft: Draft,
    key: str,
    size: int | None,
    declared: dict[str, str],
    blocks: Iterator[bytes],
) -> DraftFile:
    admitted = still_may(services, draft, viewer, Right.EDIT)
    return arrival.receive(services, draft, key, blocks, size=size, admitted=admitted, declared=declared)


@router.delete("/{key:path}")
def delete(bucket: str, key: str, services: ServicesHere, viewer: WriterHere) -> Response:
    arrival.remove(services, _writable(services, bucket, viewer), key)
    return Response(status_code=204)


@router.api_route("/{key:path}", methods=READ)
def read(
    request: Request, bucket: str, key: str, services: ServicesHere, viewer: ViewerHere, grant: GrantHere
) -> Response:
    """The bytes: of a draft to whoever may see it and to whom one of them signed a resource token, of a published
    record to whoever may read its files; also of files that came otherwise, with slashes in their names."""
    with services.catalogue.read() as tx:
        draft = _draft_of(services, tx, bucket)
        if draft is None or not _holds(services, bucket, draft):
            record_id = draft.record_id if draft else required(services.repository, Kind.RECORD, bucket)
            # Works have no buckets: nothing leads on from here to a newest version.
            record = readable(services, tx, str(records.get(tx, record_id).id), viewer)
            return served(request, services, record, file_of(tx, record, key))
        reader = file_reader(viewer, grant, deposit_id=draft.record_id, key=key)
        require(services, tx, draft, reader, Right.PREVIEW)
        file = draft_files.find(tx, draft.deposit.id, key)
    if file is None:
        raise refusals.no_file(draft.record_id, key)
    return served_draft(request, services, draft, file)


@router.api_route("", methods=READ)
def list_files(request: Request, bucket: str, services: ServicesHere, viewer: WriterHere) -> Response:
    """The bucket of a draft and all that is in it, however much."""
    with services.catalogue.read() as tx:
        draft = _draft_of(services, tx, bucket)
        if draft is None:
            raise refusals.not_found()
        require(services, tx, draft, viewer, Right.PREVIEW)
    contents = (
        deposition_json.bucket_object(services.repository, bucket, one)
        for one in all_files_of_draft(services, draft)
    )
    described = _bucket(services, bucket, draft)
    listing = with_array(described, "contents", contents, indent=indentation(request))
    return streamed(listing, 200, {"Content-Type": "application/json"})


def _bucket(services: Services, bucket: str, draft: Draft) -> JsonObject:
    url, most = deposition_json.bucket_url(services.repository, bucket), bounds.of_draft(services, draft)
    return {
        "id": bucket,
        "created": facts.timestamp(draft.created),
        "updated": facts.timestamp(draft.modified),
        "size": draft.deposit.bytes_total,
        "quota_size": most.size if most else None,
        "max_file_size": most.file_size if most else None,
        "locked": not draft.has_own_files,
        "links": {"self": url, "versions": f"{url}?versions", "uploads": f"{url}?uploads"},
    }


# ---------------------------------------------------------------- which draft a bucket is of


def _writable(services: Services, bucket: str, viewer: Viewer) -> Draft:
    """The draft whose files may be changed. Raises `Missing`, and `Denied` where they may not, or not by the asker."""
    with services.catalogue.read() as tx:
        draft = _draft_of(services, tx, bucket)
        if draft is None:
            raise refusals.not_found()
        require(services, tx, draft, viewer, Right.EDIT)
    if not _holds(services, bucket, draft):
        raise refusals.files_locked()
    return draft


def _holds(services: Services, bucket: str, draft: Draft) -> bool:
    """Whether the bucket has the draft's own files: that of a published record stays as it is, whatever becomes of the
    files of its edit."""
    return draft.has_own_files and bucket == deposition_json.bucket_of(services.repository, draft)


def _draft_of(services: Services, tx: Transaction, bucket: str) -> Draft | None:
    """The open draft that a bucket is of; None where its record is published, or was never."""
    deposit_id = number_of(services.repository, Kind.EDIT, bucket)
    with suppress(Missing):
        if deposit_id is not None:
            return drafts.by_deposit(tx, deposit_id)
        return drafts.get(tx, required(services.repository, Kind.RECORD, bucket))
    return None
