"""Files of published records: their list, one entry, the bytes (Zenodo's REST API, files)."""

from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar
from urllib.parse import quote
from uuid import uuid5

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from gateway import content
from gateway.answers import indentation, json_answer, with_array
from gateway.auth import ServicesHere, ViewerHere
from gateway.headers import CONTENT_POLICY
from gateway.lookup import find, withdrawn
from gateway.problems import Purged
from pipeline import codec
from pipeline.access import Viewer, Withheld, may_read_files, withheld
from pipeline.catalogue import Transaction, drafts, pending_files, records
from pipeline.catalogue.drafts import Draft, DraftFile
from pipeline.catalogue.pending_files import PendingFile
from pipeline.errors import Conflict, Corrupt, Denied, Missing
from pipeline.feeds import crosswalks
from pipeline.model import FileEntry, JsonObject, Record, RecordState
from pipeline.retrieval import read_file
from pipeline.services import Services

router = APIRouter(prefix="/api/records/{record_id}/files")
READ = ["GET", "HEAD"]
_PAGE = 1000
File = TypeVar("File", FileEntry, DraftFile, PendingFile)


@router.api_route("", methods=READ)
def list_files(request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """All files, however many: the answer is made page by page while it is sent."""
    with services.catalogue.read() as tx:
        record = readable(services, tx, record_id, viewer)
    listing = _listing(services, record, indent=indentation(request))
    return streamed(listing, 200, {"Content-Type": "application/json"})


@router.api_route("/{key:path}/content", methods=READ)
def read_content(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    with services.catalogue.read() as tx:
        record = readable(services, tx, record_id, viewer)
        try:
            entry = file_of(tx, record, key)
        except Missing:
            # The address of the entry of a file that is itself called `…/content`.
            other = file_of(tx, record, f"{key}/content", missing=key)
            return json_answer(request, _entry(services, record, other))
    return served(request, services, record, entry)


@router.api_route("/{key:path}", methods=READ)
def read_entry(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    with services.catalogue.read() as tx:
        record = readable(services, tx, record_id, viewer)
        entry = file_of(tx, record, key)
    return json_answer(request, _entry(services, record, entry))


# ---------------------------------------------------------------- rights


def readable(services: Services, tx: Transaction, record_id: str, viewer: Viewer) -> Record:
    """The record whose files the viewer may read. Raises as `find`, and `Denied`."""
    record = find(services, tx, record_id)
    if not may_read_files(record, viewer, today=services.now().date()):
        raise Denied("Permission denied.")
    return record


def file_of(tx: Transaction, record: Record, key: str, *, missing: str = "") -> FileEntry:
    """Raises `Missing`, naming the file as it was asked for."""
    try:
        return records.holding(tx, record.id, key).entry
    except Missing:
        raise Missing(f"Record '{record.id}' has no file '{missing or key}'.") from None


# ---------------------------------------------------------------- bytes


def served(request: Request, services: Services, record: Record, entry: FileEntry) -> Response:
    """The bytes, or the part of them, that are asked for. Whoever asks may read them. Raises as `check_served`, and
    `RangeNotSatisfiable`."""
    check_served(services, entry)
    return _answer(request, entry, record.created, partial(_opened, services, record, entry))


def served_draft(request: Request, services: Services, draft: Draft, file: DraftFile) -> Response:
    """The same of a file of a draft; of one that came with the version before as that one's is served by now."""
    if file.place is None:
        with services.catalogue.read() as tx:
            base = records.get(tx, draft.deposit.base_record_id or 0)
            if base.state is RecordState.WITHDRAWN:
                raise withdrawn(services, tx, base.id)
            entry = file_of(tx, base, file.key)
        return served(request, services, base, entry)
    entry = FileEntry(file.key, file.size, file.digests, file.content, scan=file.scan)
    if withheld(entry.scan, "none") is Withheld.INFECTED:
        raise Denied(f"The file '{entry.key}' is infected and not served.")
    return _answer(request, entry, file.taken_at, partial(_opened_of_draft, services, file.place))


def _answer(
    request: Request, entry: FileEntry, modified: datetime, open_: Callable[[content.Span], Iterator[bytes]]
) -> Response:
    validators = content.Validators(content.entity_tag(entry), modified)
    headers = _headers(request, entry, validators)
    if content.is_unchanged(request.headers, validators):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(entry.size)})
    span = content.requested_span(request.headers, validators, entry.size)
    status = 200 if span is None else 206
    whole = span or content.Span(0, entry.size, entry.size)
    headers["Content-Length"] = str(whole.length)
    if span is not None:
        # The check sum is of the whole.
        headers.pop("Content-MD5", None)
        headers["Content-Range"] = span.content_range
    return streamed(open_(whole), status, headers)


def streamed(blocks: Iterator[bytes], status: int, headers: Mapping[str, str]) -> Response:
    """An answer of blocks of a megabyte, the first of them read already: what fails at once is an error answer."""
    even = content.in_blocks(blocks)
    return _Streamed(_threaded(next(even, b""), even), status, headers)


class _Streamed(StreamingResponse):
    """Gives up its source when it ends, however it ends: most downloads that fail are broken off by the client."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self.body_iterator, AsyncGenerator):
                await self.body_iterator.aclose()


async def _threaded(first: bytes, rest: Generator[bytes, None, None]) -> AsyncGenerator[bytes, None]:
    """The blocks, each read in a thread: one at a time, when the client has taken the one before."""
    try:
        yield first
        while (block := await run_in_threadpool(next, rest, None)) is not None:
            yield block
    finally:
        rest.close()


def _opened(services: Services, record: Record, entry: FileEntry, span: content.Span) -> Iterator[bytes]:
    try:
        return read_file(services, record.id, entry.key, span.start, span.length)
    except Missing as lost:
        # The file is the record's, so this is no mistake of whoever asks.
        raise Corrupt(f"the bytes of {entry.key} of record {record.id} are not in the store") from lost


def _opened_of_draft(services: Services, place: str, span: content.Span) -> Iterator[bytes]:
    try:
        return services.store.read(place, span.start, span.length)
    except Missing:
        # It was published, or deleted, between two questions.
        raise Missing("Not found.") from None


def check_served(services: Services, entry: FileEntry) -> None:
    """Raises `Purged` for a file whose bytes are gone, `Conflict` for one that waits for its scan, `Denied` for an
    infected one."""
    if entry.purged is not None:
        raise Purged(f"The file '{entry.key}' was purged on {entry.purged.at:%Y-%m-%d}.")
    match withheld(entry.scan, services.settings.scan_gate):
        case Withheld.BEING_SCANNED:
            raise Conflict(f"The file '{entry.key}' is being scanned for viruses; please try again later.")
        case Withheld.INFECTED:
            raise Denied(f"The file '{entry.key}' is infected and not served.")


def _headers(request: Request, entry: FileEntry, validators: content.Validators) -> dict[str, str]:
    media_type, may_show = content.served_type(entry)
    wants_attachment = request.query_params.get("download") == "1"
    is_public = "Authorization" not in request.headers and "access_token" not in request.query_params
    return {
        "Content-Type": media_type,
        "Content-Disposition": content.disposition(entry.key, attachment=wants_attachment or not may_show),
        "Content-Security-Policy": CONTENT_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "ETag": validators.etag,
        # Hexadecimal as on Zenodo, which clients compare with `checksum`; RFC 1864 has it in base64.
        **({"Content-MD5": entry.digests["md5"]} if "md5" in entry.digests else {}),
        "Last-Modified": validators.last_modified,
        "Cache-Control": "no-cache" if is_public else "private, no-cache",
        "Vary": "Authorization",
        # Pages of other sites may show open data; the right to read was checked.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


# ---------------------------------------------------------------- entries


def _listing(services: Services, record: Record, *, indent: int | None) -> Iterator[bytes]:
    address = f"{services.repository.base_url}/api/records/{record.id}/files"
    entries = (_entry(services, record, one) for one in all_files(services, record))
    return listing({"self": address, "archive": f"{address}-archive"}, entries, indent=indent)


def listing(links: JsonObject, entries: Iterable[JsonObject], *, indent: int | None) -> Iterator[bytes]:
    """A list of files as InvenioRDM has it, written while its entries come."""
    head = {"enabled": True, "links": links, "default_preview": None, "order": []}
    return with_array(head, "entries", entries, indent=indent)


def all_files(services: Services, record: Record) -> Iterator[FileEntry]:
    return _paged(services, lambda tx, after: records.files(tx, record.id, after=after, limit=_PAGE))


def all_files_of_draft(services: Services, draft: Draft) -> Iterator[DraftFile]:
    return _paged(services, lambda tx, after: drafts.files(tx, draft.deposit.id, after=after, limit=_PAGE))


def all_pending_files(services: Services, draft: Draft) -> Iterator[PendingFile]:
    return _paged(
        services, lambda tx, after: pending_files.page(tx, draft.deposit.id, after=after, limit=_PAGE)
    )


def _paged(services: Services, page_after: Callable[[Transaction, str], Sequence[File]]) -> Iterator[File]:
    """However many there are, in the order of their keys: read page by page, each in a transaction of its own."""
    after = ""
    while True:
        with services.catalogue.read() as tx:
            page = page_after(tx, after)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].key


def _entry(services: Services, record: Record, entry: FileEntry) -> JsonObject:
    """A file as Zenodo describes it, and what we know besides: every digest, what was declared, the format,
    the virus scan."""
    address = f"{services.repository.base_url}/api/records/{record.id}/files/{quote(entry.key)}"
    file_id = crosswalks.file_id(services.repository.id, record.id, entry.key)
    return {
        "key": entry.key,
        "created": record.created.isoformat(timespec="microseconds"),
        "updated": record.created.isoformat(timespec="microseconds"),
        "mimetype": content.guessed_type(entry),
        "version_id": str(uuid5(file_id, content.entity_tag(entry))),
        "file_id": str(file_id),
        "bucket_id": str(crosswalks.file_id(services.repository.id, record.id, "")),
        "metadata": None,
        "access": {"hidden": False},
        "links": {"self": address, "content": f"{address}/content"},
        "storage_class": "L",
        "checksum": content.entity_tag(entry).strip('"'),
        "size": entry.size,
        "transfer": {"type": "L"},
        "status": "completed",
        "digests": dict(entry.digests),
        "declared": dict(entry.declared),
        "identification": codec.identification_to_json(entry.identification),
        "scan": codec.verdict_to_json(entry.scan),
        "purged": codec.time_to_json(entry.purged.at) if entry.purged else None,
    }
