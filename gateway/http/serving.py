"""Bytes of files as answers: which files somebody may read, the part of one that is asked for, sent as the client takes
it (Zenodo's REST API, files; RFC 9110)."""

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from datetime import datetime
from functools import partial

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from gateway.http import content
from gateway.http.headers import CONTENT_POLICY
from gateway.http.lookup import find, withdrawn
from gateway.http.problems import Purged
from pipeline import refusals
from pipeline.access import Viewer, Withheld, withheld
from pipeline.catalogue import Transaction, record_files, records, rights
from pipeline.catalogue.draft_files import DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.errors import Conflict, Corrupt, Denied, Missing
from pipeline.model import FileEntry, Record, RecordState
from pipeline.services import Services
from pipeline.stewardship.retrieval import read_file

# ---------------------------------------------------------------- rights


def readable(services: Services, tx: Transaction, record_id: str, viewer: Viewer) -> Record:
    """The record whose files the viewer may read. Raises as `find`, and `Denied`."""
    record = find(services, tx, record_id)
    if not files_are_readable(services, tx, record, viewer):
        raise refusals.not_permitted()
    return record


def files_are_readable(services: Services, tx: Transaction, record: Record, viewer: Viewer) -> bool:
    """Whether the viewer may read the record's files now."""
    return rights.lets_read_files(tx, record, viewer, now=services.now())


def file_of(tx: Transaction, record: Record, key: str, *, missing: str = "") -> FileEntry:
    """Raises `Missing`, naming the file as it was asked for."""
    try:
        return record_files.holding(tx, record.id, key).entry
    except Missing:
        raise refusals.no_file(record.id, missing or key) from None


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
        raise refusals.not_found() from None


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
        "Cache-Control": "no-cache",
        "Vary": "Authorization",
        # Pages of other sites may show open data; the right to read was checked.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
