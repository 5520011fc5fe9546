"""`/api/deposit/depositions/{id}/files`: the files of a deposition (Zenodo's legacy deposit API, old files)."""

from collections.abc import Iterator
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.depositing import deposition_json, file_names
from gateway.depositing.handles import Kind, number_of
from gateway.http.admission import draft_for, require, standing_in, still_may
from gateway.http.answers import array, json_answer
from gateway.http.auth import ReaderHere, ServicesHere, ViewerHere, WriterHere
from gateway.http.forms import UploadForm
from gateway.http.listings import all_files, all_files_of_draft
from gateway.http.lookup import number_of as record_number
from gateway.http.methods import READ
from gateway.http.receiving import Receivers
from gateway.http.serving import file_of, readable, streamed
from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import draft_files, drafts, record_files, records, rights
from pipeline.catalogue.draft_files import DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.dissemination import Dissemination
from pipeline.errors import Missing, Rejected
from pipeline.feeds import crosswalks
from pipeline.ingest import arrival
from pipeline.model import FileEntry, JsonObject, Record, Right
from pipeline.services import Services

router = APIRouter(prefix="/api/deposit/depositions/{record_id}/files")
_UNNAMED = "file"


@router.api_route("", methods=READ)
def list_files(record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """All of them, however many: of a published record to whoever may read its files."""
    try:
        draft = _draft(services, record_id, viewer)
    except Missing:
        # The id of a work is no deposition's: nothing leads on from here to its newest version.
        published = _published(services, record_number(record_id))
        with services.catalogue.read() as tx:
            record = readable(services, tx, str(published.id), viewer)
        return _streamed(_of_record(services, record))
    return _streamed(_of_draft(services, draft))


@router.post("")
async def add(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    """A form with the `file`, and before or behind it a `name` for it, which need not be there."""
    draft = await run_in_threadpool(draft_for, services, record_id, viewer, Right.EDIT)
    receivers: Receivers = request.app.state.receivers
    receive = partial(_receive, services, viewer, draft, request.headers.get("content-type", ""))
    file = await receivers.take(request, receive)
    return json_answer(request, _shown(services, draft, file), 201)


def _receive(
    services: Services, viewer: Viewer, draft: Draft, content_type: str, blocks: Iterator[bytes]
) -> DraftFile:
    return received(services, viewer, draft, UploadForm(content_type, blocks))


def received(services: Services, viewer: Viewer, draft: Draft, form: UploadForm) -> DraftFile:
    """The form's file, taken into the draft. Raises as `arrival.receive`, and `Rejected` where it has no name, or that
    of a file that is there."""
    named = partial(_new_key, services, draft, form)
    # Told before, a name that will not do costs no transfer.
    key = named() if form.fields.get("name") else _UNNAMED
    admitted = still_may(services, draft, viewer, Right.EDIT)
    return arrival.receive(services, draft, key, form.content(), size=None, admitted=admitted, named=named)


def _new_key(services: Services, draft: Draft, form: UploadForm) -> str:
    """Of what has come of the form. Raises `Rejected` where there is no name, or a file of that name."""
    key = file_names.from_form(form.fields.get("name") or form.filename)
    if not key:
        raise Rejected("The file has no name.", field="name")
    with services.catalogue.read() as tx:
        if draft_files.find(tx, draft.deposit.id, key) is not None:
            raise refusals.file_exists(key)
    return key


@router.api_route("/{file_id}", methods=READ)
def read(
    request: Request, record_id: str, file_id: str, services: ServicesHere, viewer: ReaderHere
) -> Response:
    with services.catalogue.read() as tx:
        found = standing_in(services, tx, record_number(record_id), viewer, Right.PREVIEW)
    if isinstance(found, Draft) and found.has_own_files:
        return json_answer(request, _shown(services, found, _file_of(services, found, file_id)))
    record = found if isinstance(found, Record) else _published(services, found.record_id)
    entry = _entry_of(services, record, file_id)
    return json_answer(request, _shown_published(_described(services, record), entry))


@router.delete("/{file_id}")
def delete(record_id: str, file_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    with services.catalogue.read() as tx:
        found = standing_in(services, tx, record_number(record_id), viewer, Right.EDIT)
    if not isinstance(found, Draft):
        raise refusals.not_permitted()
    file = _file_of(services, found, file_id)
    arrival.remove(services, found, file.key)
    return Response(status_code=204)


# ---------------------------------------------------------------- which files


def _draft(services: Services, record_id: str, viewer: Viewer) -> Draft:
    """An open draft whose files are its own. Raises `Missing`, and as `require`."""
    with services.catalogue.read() as tx:
        draft = drafts.get(tx, record_number(record_id))
        is_seen = rights.to(tx, draft, viewer, now=services.now()) >= Right.PREVIEW
        if not draft.has_own_files or (draft.is_edit and not is_seen):
            # Whatever becomes of its edit, a published record has the files that it has.
            raise refusals.not_found()
        require(services, tx, draft, viewer, Right.PREVIEW)
    return draft


def _file_of(services: Services, draft: Draft, file_id: str) -> DraftFile:
    number = number_of(services.repository, Kind.FILE, file_id)
    with services.catalogue.read() as tx:
        found = None if number is None else draft_files.by_id(tx, draft.deposit.id, number)
    if found is None:
        raise refusals.not_found()
    return found


def _entry_of(services: Services, record: Record, file_id: str) -> FileEntry:
    """The id of a published file does not tell its key, so the keys are gone through, and nothing else of the files."""
    with services.catalogue.read() as tx:
        for key in record_files.keys(tx, record.id):
            if str(crosswalks.file_id(services.repository.id, record.id, key)) == file_id:
                return file_of(tx, record, key)
    raise refusals.not_found()


def _published(services: Services, record_id: int) -> Record:
    with services.catalogue.read() as tx:
        return records.get(tx, record_id)


def _shown(services: Services, draft: Draft, file: DraftFile) -> JsonObject:
    # A float here, and in a deposition a whole number: so it is on Zenodo.
    return {**deposition_json.draft_file(services.repository, draft, file), "filesize": float(file.size)}


def _of_draft(services: Services, draft: Draft) -> Iterator[JsonObject]:
    for one in all_files_of_draft(services, draft):
        yield _shown(services, draft, one)


def _of_record(services: Services, record: Record) -> Iterator[JsonObject]:
    described = _described(services, record)
    for one in all_files(services, record):
        yield _shown_published(described, one)


def _described(services: Services, record: Record) -> Dissemination:
    with services.catalogue.read() as tx:
        return records.disseminate(tx, services.repository, [record.id], file_limit=0)[record.id]


def _shown_published(described: Dissemination, entry: FileEntry) -> JsonObject:
    return {**deposition_json.record_file(described, entry), "filesize": float(entry.size)}


def _streamed(files: Iterator[JsonObject]) -> Response:
    return streamed(array(files), 200, {"Content-Type": "application/json"})
