"""`/api/records/{id}/draft/files`: files of a draft, for whoever may see it (InvenioRDM's draft files API). Names may
have slashes."""

from collections.abc import Iterator
from itertools import repeat

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.depositing import announcements, draft_entries
from gateway.http.admission import draft_for, still_may
from gateway.http.answers import indentation, json_answer
from gateway.http.auth import (
    GrantHere,
    ReaderHere,
    ServicesHere,
    ViewerHere,
    WriterHere,
    admitted,
    file_reader,
)
from gateway.http.bodies import JsonBody
from gateway.http.checksums import declared_digests
from gateway.http.listings import all_files_of_draft, all_pending_files, listing, listing_head
from gateway.http.lookup import number_of
from gateway.http.methods import READ
from gateway.http.receiving import Receivers, declared_length
from gateway.http.serving import served_draft, streamed
from pipeline import refusals
from pipeline.access import TokenScope, Viewer, permits
from pipeline.catalogue import rights
from pipeline.catalogue.draft_files import DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.pending_files import PendingFile
from pipeline.errors import Missing
from pipeline.ingest import draft_files, multipart
from pipeline.model import JsonObject, Right
from pipeline.services import Services

router = APIRouter(prefix="/api/records/{record_id}/draft/files")
_SECRET = {"Cache-Control": "no-store"}
"""Of answers with URLs that let whoever has them send a part."""


@router.api_route("", methods=READ)
def list_files(request: Request, record_id: str, services: ServicesHere, viewer: ReaderHere) -> Response:
    """All of them, however many, those that are pending first."""
    draft = draft_for(services, record_id, viewer, Right.PREVIEW)
    return listed(request, services, draft, viewer, 200)


def listed(request: Request, services: Services, draft: Draft, viewer: Viewer, status: int) -> Response:
    links = {"self": draft_entries.address(services.repository, draft.record_id)}
    entries = _entries(services, draft, is_writer=_may_write(services, draft, viewer))
    document = listing(draft.description.files, links, entries, indent=indentation(request))
    return streamed(document, status, {"Content-Type": "application/json", **_SECRET})


def _entries(services: Services, draft: Draft, *, is_writer: bool) -> Iterator[JsonObject]:
    # What is committed meanwhile may come twice, and is never left out.
    for pending in all_pending_files(services, draft):
        yield _entry(services, draft, pending, is_writer=is_writer)
    for file in all_files_of_draft(services, draft):
        yield _entry(services, draft, file, is_writer=is_writer)


@router.post("")
def announce(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    """Files that are going to be sent. The answer lists them, not those that the draft has besides."""
    given = announcements.read(body)
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    files = draft_files.announce(services, draft, given.files)
    answer: JsonObject = {
        **listing_head(
            draft.description.files, {"self": draft_entries.address(services.repository, draft.record_id)}
        ),
        "entries": [_entry(services, draft, one, is_writer=True) for one in files],
        **({"errors": list(given.dropped)} if given.dropped else {}),
    }
    return json_answer(request, answer, 201, _SECRET)


@router.delete("")
def delete_all(record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    draft_files.remove_all(services, draft_for(services, record_id, viewer, Right.EDIT))
    return Response(status_code=204)


@router.put("/{key:path}/content")
async def put_content(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    """The body, whatever its type; in the place of what was sent before, until the file is committed."""
    size, declared = declared_length(request), declared_digests(request.headers)
    draft = await run_in_threadpool(draft_for, services, record_id, viewer, Right.EDIT)
    receivers: Receivers = request.app.state.receivers

    def receive(blocks: Iterator[bytes]) -> JsonObject:
        admitted = still_may(services, draft, viewer, Right.EDIT)
        file = draft_files.receive(
            services, draft, key, blocks, size=size, admitted=admitted, declared=declared
        )
        return draft_entries.pending(services.repository, draft, file)

    return json_answer(request, await receivers.take(request, receive))


@router.put("/{key:path}/content/{number}")
async def put_part(
    request: Request, record_id: str, key: str, number: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    """A part of a file that comes in parts, in any order, several at once, again where need be."""
    size = declared_length(request)
    draft = await run_in_threadpool(draft_for, services, record_id, viewer, Right.EDIT)
    receivers: Receivers = request.app.state.receivers

    def receive(blocks: Iterator[bytes]) -> None:
        admitted = still_may(services, draft, viewer, Right.EDIT)
        draft_files.receive_part(
            services, draft, key, number_of(number), blocks, size=size, admitted=admitted
        )

    await receivers.take(request, receive)
    return Response(status_code=200)


@router.api_route("/{key:path}/content", methods=READ)
def read_content(
    request: Request,
    record_id: str,
    key: str,
    services: ServicesHere,
    viewer: ViewerHere,
    grant: GrantHere,
) -> Response:
    """To whoever may see the draft, and to whom one of them signed a resource token for it."""
    reader = admitted(file_reader(viewer, grant, deposit_id=number_of(record_id), key=key))
    draft = draft_for(services, record_id, reader, Right.PREVIEW)
    try:
        file = _found(services, draft, key)
    except Missing:
        if grant is not None:
            raise
        # The address of the entry of a file that is itself called `…/content`.
        file = _found(services, draft, f"{key}/content", key)
        entry = _entry(services, draft, file, is_writer=_may_write(services, draft, reader))
        return json_answer(request, entry, headers=_SECRET)
    if isinstance(file, PendingFile):
        raise Missing(f"The file '{key}' of record '{draft.record_id}' is not committed.")
    return served_draft(request, services, draft, file)


@router.post("/{key:path}/commit")
def commit(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    """The file is in the draft; asked again, the answer is the same."""
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    file = draft_files.commit(services, draft, key)
    return json_answer(request, draft_entries.completed(services.repository, draft, file))


@router.api_route("/{key:path}", methods=READ)
def read_entry(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: ReaderHere
) -> Response:
    draft = draft_for(services, record_id, viewer, Right.PREVIEW)
    file, is_writer = _found(services, draft, key), _may_write(services, draft, viewer)
    entry = _entry(services, draft, file, is_writer=is_writer)
    return json_answer(request, entry, headers=_SECRET)


@router.delete("/{key:path}")
def delete(record_id: str, key: str, services: ServicesHere, viewer: WriterHere) -> Response:
    draft_files.remove(services, draft_for(services, record_id, viewer, Right.EDIT), key)
    return Response(status_code=204)


def _found(services: Services, draft: Draft, key: str, missing: str = "") -> PendingFile | DraftFile:
    """Raises `Missing`, naming the file as it was asked for."""
    with services.catalogue.read() as tx:
        try:
            return draft_files.find(tx, draft, key)
        except Missing:
            raise refusals.no_file(draft.record_id, missing or key) from None


def _may_write(services: Services, draft: Draft, viewer: Viewer) -> bool:
    """A signed URL asks for no token: it must not let anyone write who may only look, or whose token may not."""
    if not permits(viewer, TokenScope.DEPOSIT_WRITE):
        return False
    with services.catalogue.read() as tx:
        return rights.to(tx, draft, viewer, now=services.now()) >= Right.EDIT


def _entry(services: Services, draft: Draft, file: PendingFile | DraftFile, *, is_writer: bool) -> JsonObject:
    if isinstance(file, DraftFile):
        return draft_entries.completed(services.repository, draft, file)
    if file.multipart is None:
        return draft_entries.pending(services.repository, draft, file)
    urls = multipart.urls(services, draft, file) if is_writer else repeat(None, file.announced.plan.count)
    return draft_entries.in_parts(services.repository, draft, file, file.multipart.expires, urls)
