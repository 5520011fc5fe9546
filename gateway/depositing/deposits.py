"""`/api/deposit/depositions`: depositions and what is done with them (Zenodo's legacy deposit API)."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from gateway.depositing import deposit_search, deposition_json
from gateway.http.admission import (
    account_of,
    draft_for,
    draft_in,
    may_follow,
    names_communities,
    published_in,
    standing_in,
)
from gateway.http.answers import json_answer
from gateway.http.auth import ActorHere, KnownHere, ReaderHere, ServicesHere, WriterHere
from gateway.http.bodies import JsonBody
from gateway.http.conditions import expected_revision, tag_of
from gateway.http.lookup import described, number_of
from gateway.http.methods import READ
from gateway.reading import search
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, draft_files
from pipeline.catalogue.drafts import Draft
from pipeline.dissemination import Dissemination
from pipeline.ingest import deposit
from pipeline.metadata import deposit_form
from pipeline.model import JsonObject, Right
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
        page = deposit_search.find(services, tx, viewer, asked).found
        named = [one.deposit.base_record_id if isinstance(one, Draft) else one for one in page]
        shown = described(services, tx, [one for one in named if one is not None], files=_FILES_LISTED)
    return json_answer(request, [_listed(services, one, shown) for one in page])


@router.post("")
def create(request: Request, services: ServicesHere, viewer: WriterHere, body: JsonBody) -> Response:
    given = deposit_form.read(body, today=services.now().date())
    draft = deposit.create(services, given, account_of(viewer))
    return _shown(request, services, draft, 201)


@router.api_route("/{record_id}", methods=READ)
def read(request: Request, record_id: str, services: ServicesHere, viewer: ReaderHere) -> Response:
    """The draft where one is open, else the published record."""
    return _standing(request, services, number_of(record_id), viewer, 200)


@router.put("/{record_id}")
def replace(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    with services.catalogue.read() as tx:
        draft = draft_in(services, tx, number_of(record_id), viewer, Right.EDIT)
        is_theirs_to_name = names_communities(services, tx, draft, viewer)
    given = deposit_form.read(body, today=services.now().date())
    if not is_theirs_to_name:
        given = given.without_communities(draft.description.communities)
    changed = deposit.replace_description(services, draft, given, expected=expected_revision(request))
    return _shown(request, services, changed, 200)


@router.delete("/{record_id}")
def delete(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    deposit.discard(services, draft, expected=expected_revision(request))
    return Response(status_code=204)


@router.post("/{record_id}/actions/publish")
def publish(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    """The record, or the draft where it waits for verdicts on its files."""
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    if not deposit.publish(services, draft):
        return _standing(request, services, draft.record_id, viewer, 202)
    with services.catalogue.read() as tx:
        return json_answer(request, _of_record(services, tx, draft.record_id), 202)


@router.post("/{record_id}/actions/edit")
def edit(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    """Of what was never published this is the draft that there is."""
    with services.catalogue.read() as tx:
        standing_in(services, tx, number_of(record_id), viewer, Right.EDIT)
    draft = deposit.edit(services, number_of(record_id), account_of(viewer))
    return _shown(request, services, draft, 201)


@router.post("/{record_id}/actions/discard")
def discard(record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    deposit.discard(services, draft_for(services, record_id, viewer, Right.EDIT))
    return Response(status_code=204)


@router.post("/{record_id}/actions/newversion")
def new_version(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    with services.catalogue.read() as tx:
        record = published_in(services, tx, number_of(record_id), viewer, Right.EDIT)
        is_open_to_them = may_follow(services, tx, record, viewer)
    draft = deposit.new_version(services, record.id, account_of(viewer), is_open_to_them, with_files=True)
    return _shown(request, services, draft, 201)


# ---------------------------------------------------------------- answers


def _standing(request: Request, services: Services, record_id: int, viewer: Viewer, status: int) -> Response:
    with services.catalogue.read() as tx:
        found = standing_in(services, tx, record_id, viewer, Right.PREVIEW)
        if isinstance(found, Draft):
            return json_answer(request, _of_draft(services, tx, found), status, tag_of(found))
        return json_answer(request, _of_record(services, tx, found.id), status)


def _shown(request: Request, services: Services, draft: Draft, status: int) -> Response:
    with services.catalogue.read() as tx:
        return json_answer(request, _of_draft(services, tx, draft), status, tag_of(draft))


def _listed(services: Services, one: Draft | int, shown: Mapping[int, Dissemination]) -> JsonObject:
    """A draft, which in lists comes without its files, or a record."""
    if isinstance(one, Draft):
        base = one.deposit.base_record_id
        published = None if base is None else shown[base]
        return deposition_json.of_draft(services.repository, one, published, [], in_list=True)
    return deposition_json.of_record(shown[one], _files_of(shown[one]), in_list=True)


def _of_draft(services: Services, tx: Transaction, draft: Draft) -> JsonObject:
    repository, base = services.repository, draft.deposit.base_record_id
    files_shown = 0 if draft.has_own_files else _FILES_SHOWN
    published = None if base is None else described(services, tx, [base], files=files_shown)[base]
    if published is not None and not draft.has_own_files:
        files = _files_of(published)
    else:
        held = draft_files.page(tx, draft.deposit.id, limit=_FILES_SHOWN) if draft.deposit.files_total else []
        files = [deposition_json.draft_file(repository, draft, one) for one in held]
    return deposition_json.of_draft(repository, draft, published, files)


def _of_record(services: Services, tx: Transaction, record_id: int) -> JsonObject:
    record = described(services, tx, [record_id], files=_FILES_SHOWN)[record_id]
    return deposition_json.of_record(record, _files_of(record))


def _files_of(record: Dissemination) -> list[JsonObject]:
    return [deposition_json.record_file(record, one) for one in record.files]
