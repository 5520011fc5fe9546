"""`/api/records/{id}/draft/files`: files of a draft, for its owner (InvenioRDM's draft files API). Names may have
slashes."""

from collections.abc import Iterator
from itertools import repeat

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import announcements, draft_entries
from gateway.answers import indentation, json_answer
from gateway.auth import GrantHere, KnownHere, ServicesHere, ViewerHere, WriterHere, file_reader, known_viewer
from gateway.bodies import JsonBody
from gateway.checksums import declared_digests
from gateway.listings import all_files_of_draft, all_pending_files, listing, listing_head
from gateway.lookup import number_of
from gateway.methods import READ
from gateway.ownership import own_draft
from gateway.receiving import Receivers, declared_length
from gateway.serving import served_draft, streamed
from pipeline import refusals
from pipeline.access import TokenScope, Viewer, permits
from pipeline.catalogue.drafts import Draft, DraftFile
from pipeline.catalogue.pending_files import PendingFile
from pipeline.errors import Missing
from pipeline.ingest import draft_files, multipart
from pipeline.model import JsonObject
from pipeline.services import Services

router = APIRouter(prefix="/api/records/{record_id}/draft/files")
_SECRET = {"Cache-Control": "no-store"}
"""Of answers with URLs that let whoever has them send a part."""


@router.api_route("", methods=READ)
def list_files(request: Request, record_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """All of them, however many, those that are pending first."""
    return listed(request, services, own_draft(services, record_id, viewer), viewer, 200)


def listed(request: Request, services: Services, draft: Draft, viewer: Viewer, status: int) -> Response:
    links = {"self": draft_entries.address(services.repository, draft.record_id)}
    entries = _entries(services, draft, viewer)
    document = listing(draft.description.files, links, entries, indent=indentation(request))
    return streamed(document, status, {"Content-Type": "application/json", **_SECRET})


def _entries(services: Services, draft: Draft, viewer: Viewer) -> Iterator[JsonObject]:
    # What is committed meanwhile may come twice, and is never left out.
    for pending in all_pending_files(services, draft):
        yield _entry(services, draft, pending, viewer)
    for file in all_files_of_draft(services, draft):
        yield _entry(services, draft, file, viewer)


@router.post("")
def announce(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    """Files that are going to be sent. The answer lists them, not those that the draft has besides."""
    given = announcements.read(body)
    draft = own_draft(services, record_id, viewer)
    files = draft_files.announce(services, draft, given.files)
    answer: JsonObject = {
        **listing_head(
            draft.description.files, {"self": draft_entries.address(services.repository, draft.record_id)}
        ),
        "entries": [_entry(services, draft, one, viewer) for one in files],
        **({"errors": list(given.dropped)} if given.dropped else {}),
    }
    return json_answer(request, answer, 201, _SECRET)


@router.delete("")
def delete_all(record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    draft_files.remove_all(services, own_draft(services, record_id, viewer))
    return Response(status_code=204)


@router.put("/{key:path}/content")
async def put_content(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    """The body, whatever its type; in the place of what was sent before, until the file is committed."""
    size, declared = declared_length(request), declared_digests(request.headers)
    draft = await run_in_threadpool(own_draft, services, record_id, viewer)
    receivers: Receivers = request.app.state.receivers

    def receive(blocks: Iterator[bytes]) -> JsonObject:
        file = draft_files.receive(services, draft, key, blocks, size=size, declared=declared)
        return draft_entries.pending(services.repository, draft, file)

    return json_answer(request, await receivers.take(request, receive))


@router.put("/{key:path}/content/{number}")
async def put_part(
    request: Request, record_id: str, key: str, number: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    """A part of a file that comes in parts, in any order, several at once, again where need be."""
    size = declared_length(request)
    draft = await run_in_threadpool(own_draft, services, record_id, viewer)
    receivers: Receivers = request.app.state.receivers

    def receive(blocks: Iterator[bytes]) -> None:
        draft_files.receive_part(services, draft, key, number_of(number), blocks, size=size)

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
    """To the owner, and to whom the owner signed a resource token for it."""
    reader = known_viewer(file_reader(viewer, grant, deposit_id=number_of(record_id), key=key))
    draft = own_draft(services, record_id, reader)
    try:
        file = _found(services, draft, key)
    except Missing:
        if grant is not None:
            raise
        # The address of the entry of a file that is itself called `…/content`.
        entry = _entry(services, draft, _found(services, draft, f"{key}/content", key), reader)
        return json_answer(request, entry, headers=_SECRET)
    if isinstance(file, PendingFile):
        raise Missing(f"The file '{key}' of record '{draft.record_id}' is not committed.")
    return served_draft(request, services, draft, file)


@router.post("/{key:path}/commit")
def commit(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    """The file is in the draft; asked again, the answer is the same."""
    draft = own_draft(services, record_id, viewer)
    file = draft_files.commit(services, draft, key)
    return json_answer(request, draft_entries.completed(services.repository, draft, file))


@router.api_route("/{key:path}", methods=READ)
def read_entry(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: KnownHere
) -> Response:
    draft = own_draft(services, record_id, viewer)
    entry = _entry(services, draft, _found(services, draft, key), viewer)
    return json_answer(request, entry, headers=_SECRET)


@router.delete("/{key:path}")
def delete(record_id: str, key: str, services: ServicesHere, viewer: WriterHere) -> Response:
    draft_files.remove(services, own_draft(services, record_id, viewer), key)
    return Response(status_code=204)


def _found(services: Services, draft: Draft, key: str, missing: str = "") -> PendingFile | DraftFile:
    """Raises `Missing`, naming the file as it was asked for."""
    with services.catalogue.read() as tx:
        try:
            return draft_files.find(tx, draft, key)
        except Missing:
            raise refusals.no_file(draft.record_id, missing or key) from None


def _entry(services: Services, draft: Draft, file: PendingFile | DraftFile, viewer: Viewer) -> JsonObject:
    if isinstance(file, DraftFile):
        return draft_entries.completed(services.repository, draft, file)
    if file.multipart is None:
        return draft_entries.pending(services.repository, draft, file)
    # A signed URL asks for no token: it must not let anyone write whose token does not.
    is_writer = permits(viewer, TokenScope.DEPOSIT_WRITE)
    urls = multipart.urls(services, draft, file) if is_writer else repeat(None, file.announced.plan.count)
    return draft_entries.in_parts(services.repository, draft, file, file.multipart.expires, urls)
