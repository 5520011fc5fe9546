"""The files of a draft on its pages: they are added by a form, read, and removed."""

from collections.abc import Iterator
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.depositing import deposit_files
from gateway.html.page_forms import CSRF_FIELD, FormHere
from gateway.html.templating import redirect
from gateway.http.admission import draft_for
from gateway.http.auth import ServicesHere, ViewerHere
from gateway.http.forms import UploadForm
from gateway.http.methods import READ
from gateway.http.receiving import Receivers
from gateway.http.serving import file_of, readable, served, served_draft
from gateway.http.sessions import require_own_page
from gateway.site import upload_form
from gateway.site.draft_views import MOST_FILES, draft_page, path_of, shown_to
from gateway.site.upload_form import Problem
from gateway.site.visitors import PersonHere
from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import draft_files
from pipeline.catalogue.drafts import Draft
from pipeline.errors import Denied, Rejected
from pipeline.ingest import arrival
from pipeline.model import Right
from pipeline.services import Services

router = APIRouter()
_FILES = "/uploads/{record_id}/files"


@router.post(_FILES)
async def add_file(request: Request, record_id: str, viewer: PersonHere, services: ServicesHere) -> Response:
    """A form with the token of the page, then each `file`, which is taken in as it comes. Where one is refused those
    before it stay."""
    draft = await run_in_threadpool(draft_for, services, record_id, viewer, Right.EDIT)
    receivers: Receivers = request.app.state.receivers
    try:
        await receivers.take(request, partial(_receive, request, services, viewer, draft))
    except (Rejected, Denied) as wrong:
        problem = Problem("files", "Files", f"{wrong.message} {wrong.remedy}".strip())
        return await run_in_threadpool(_file_refused, request, services, record_id, problem, viewer)
    return redirect(services, path_of(draft, "", viewer) + "#files")


def _receive(
    request: Request, services: Services, viewer: Viewer, draft: Draft, blocks: Iterator[bytes]
) -> None:
    form = UploadForm(request.headers.get("content-type", ""), blocks, most_files=MOST_FILES)
    require_own_page(request, form.fields.get(CSRF_FIELD, ""))
    deposit_files.received(services, viewer, draft, form)
    while form.next_file():
        deposit_files.received(services, viewer, draft, form)


def _file_refused(
    request: Request, services: Services, record_id: str, problem: Problem, viewer: Viewer
) -> Response:
    # As it is now: a file may have taken long, and who sent it lost the right to see where it was to be.
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    said = upload_form.shown(draft.description)
    return draft_page(request, services, draft, said, [problem], 400, viewer=viewer)


@router.post(f"{_FILES}/remove")
def remove_file(record_id: str, viewer: PersonHere, form: FormHere, services: ServicesHere) -> Response:
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    arrival.remove(services, draft, form.text("key"))
    return redirect(services, path_of(draft, "", viewer) + "#files")


@router.api_route(_FILES + "/{key:path}", methods=READ)
def read_file(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    """The bytes of a file of a draft; of an edit those that are published."""
    draft = shown_to(services, record_id, viewer)
    with services.catalogue.read() as tx:
        if not draft.has_own_files:
            record = readable(services, tx, record_id, viewer)
            return served(request, services, record, file_of(tx, record, key))
        file = draft_files.find(tx, draft.deposit.id, key)
    if file is None:
        raise refusals.no_file(draft.record_id, key)
    return served_draft(request, services, draft, file)
