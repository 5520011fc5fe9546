"""`/api/deposit/depositions`: depositions and what is done with them (Zenodo's legacy deposit API)."""

from collections.abc import Mapping, Sequence
from functools import partial

from fastapi import APIRouter, Request, Response

from gateway import deposition_json, own_depositions, search
from gateway.answers import json_answer
from gateway.auth import ActorHere, KnownHere, ServicesHere, WriterHere
from gateway.bodies import JsonBody
from gateway.headers import whole_number
from gateway.lookup import number_of
from gateway.methods import READ
from gateway.ownership import account_of, editable, own_draft, own_record
from pipeline.access import Viewer, as_of, owns
from pipeline.catalogue import Transaction, drafts, records
from pipeline.catalogue.drafts import Draft
from pipeline.errors import Rejected
from pipeline.ingest import deposit
from pipeline.metadata import deposit_form
from pipeline.model import Dissemination, JsonObject
from pipeline.services import Services

router = APIRouter(prefix="/api/deposit/depositions")
_FILES_SHOWN = 1_000
"""Files in one deposition; its `files` link leads to all of them."""
_FILES_LISTED = 100
"""Files of a published deposition in a list: as many as Zenodo has in one (Zenodo's REST API, limits)."""


@router.api_route("", methods=READ)
def list_depositions(request: Request, services: ServicesHere, viewer: KnownHere) -> Response:
    """One's own drafts and records, also by a question as of all records: of the newest thousand, and drafts not by
    their files."""
    asked = search.parse(request.query_params, largest=search.largest_page(viewer))
    with services.catalogue.read() as tx:
        page = own_depositions.page(services, tx, account_of(viewer), asked)
        named = [one.deposit.base_record_id if isinstance(one, Draft) else one for one in page]
        described = _described(services, tx, [one for one in named if one is not None], files=_FILES_LISTED)
    return json_answer(request, [_listed(services, one, described) for one in page])


@router.post("")
def create(request: Request, services: ServicesHere, viewer: WriterHere, body: JsonBody) -> Response:
    given = deposit_form.read(body, today=services.now().date())
    draft = deposit.create(services, given, account_of(viewer))
    return _shown(request, services, draft, 201)


@router.api_route("/{record_id}", methods=READ)
def read(request: Request, record_id: str, services: ServicesHere, viewer: KnownHere) -> Response:
    """The draft where one is open, else the published record."""
    return _standing(request, services, number_of(record_id), viewer, 200)


@router.put("/{record_id}")
def replace(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    draft = own_draft(services, record_id, viewer)
    given = deposit_form.read(body, today=services.now().date())
    changed = deposit.replace_description(services, draft, given, expected=_expected(request))
    return _shown(request, services, changed, 200)


@router.delete("/{record_id}")
def delete(record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    deposit.discard(services, own_draft(services, record_id, viewer))
    return Response(status_code=204)


@router.post("/{record_id}/actions/publish")
def publish(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    """The record, or the draft where it waits for verdicts on its files."""
    draft = own_draft(services, record_id, viewer)
    deposit.publish(services, draft)
    return _standing(request, services, draft.record_id, viewer, 202)


@router.post("/{record_id}/actions/edit")
def edit(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    """Of what was never published this is the draft that there is."""
    with services.catalogue.read() as tx:
        editable(tx, number_of(record_id), viewer)
    draft = deposit.edit(services, number_of(record_id), account_of(viewer))
    return _shown(request, services, draft, 201)


@router.post("/{record_id}/actions/discard")
def discard(record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    deposit.discard(services, own_draft(services, record_id, viewer))
    return Response(status_code=204)


@router.post("/{record_id}/actions/newversion")
def new_version(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    with services.catalogue.read() as tx:
        record = own_record(tx, number_of(record_id), viewer)
    draft = deposit.new_version(services, record.id, account_of(viewer), partial(owns, viewer=viewer))
    return _shown(request, services, draft, 201)


# ---------------------------------------------------------------- answers


def _standing(request: Request, services: Services, record_id: int, viewer: Viewer, status: int) -> Response:
    with services.catalogue.read() as tx:
        found = editable(tx, record_id, viewer)
        if isinstance(found, Draft):
            return json_answer(request, _of_draft(services, tx, found), status, _etag(found))
        return json_answer(request, _of_record(services, tx, found.id), status)


def _shown(request: Request, services: Services, draft: Draft, status: int) -> Response:
    with services.catalogue.read() as tx:
        return json_answer(request, _of_draft(services, tx, draft), status, _etag(draft))


def _listed(services: Services, one: Draft | int, described: Mapping[int, Dissemination]) -> JsonObject:
    """A draft, which in lists comes without its files, or a record."""
    if isinstance(one, Draft):
        base = one.deposit.base_record_id
        published = None if base is None else described[base]
        return deposition_json.of_draft(services.repository, one, published, [], in_list=True)
    return deposition_json.of_record(described[one], _files_of(described[one]), in_list=True)


def _of_draft(services: Services, tx: Transaction, draft: Draft) -> JsonObject:
    repository, base = services.repository, draft.deposit.base_record_id
    files_shown = _FILES_SHOWN if draft.is_edit else 0
    published = None if base is None else _described(services, tx, [base], files=files_shown)[base]
    if published is not None and draft.is_edit:
        files = _files_of(published)
    else:
        held = drafts.files(tx, draft.deposit.id, limit=_FILES_SHOWN)
        files = [deposition_json.draft_file(repository, draft, one) for one in held]
    return deposition_json.of_draft(repository, draft, published, files)


def _of_record(services: Services, tx: Transaction, record_id: int) -> JsonObject:
    described = _described(services, tx, [record_id], files=_FILES_SHOWN)[record_id]
    return deposition_json.of_record(described, _files_of(described))


def _files_of(described: Dissemination) -> list[JsonObject]:
    return [deposition_json.record_file(described, one) for one in described.files]


def _described(
    services: Services, tx: Transaction, record_ids: Sequence[int], *, files: int
) -> dict[int, Dissemination]:
    """Published records as they are today, each with so many of its files at most."""
    today = services.now().date()
    found = records.disseminate(tx, services.repository, record_ids, file_limit=files)
    return {number: as_of(one, today=today) for number, one in found.items()}


def _etag(draft: Draft) -> dict[str, str]:
    return {"ETag": f'"{draft.revision}"'}


def _expected(request: Request) -> int | None:
    """The revision that `If-Match` asks for."""
    text = request.headers.get("if-match", "*").strip().strip('"')
    if text == "*":
        return None
    revision = whole_number(text)
    if revision is None:
        raise Rejected("If-Match is not a revision.", field="If-Match")
    return revision
