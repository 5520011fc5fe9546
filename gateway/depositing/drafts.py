"""`/api/records`, `/api/records/{id}/draft`, `/api/user/records`: drafts and what is done with them, by InvenioRDM's
draft API. They are the same drafts that the legacy deposit API sees."""

import dataclasses
from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request, Response

from gateway.depositing import deposit_search, draft_files, draft_json
from gateway.http import openapi
from gateway.http.admission import account_of, draft_for, may_follow, published_in, standing_in, with_shares
from gateway.http.answers import indentation, to_json
from gateway.http.auth import ActorHere, KnownHere, ReaderHere, ServicesHere, WriterHere
from gateway.http.bodies import JsonBody, OptionalJsonBody
from gateway.http.conditions import expected_revision, tag_of
from gateway.http.lookup import FILES_IN_RECORD, described, number_of
from gateway.http.methods import READ
from gateway.reading import search as searching
from gateway.reading.formats import RDM, VARY, Format, entity_tag, negotiated, shared_tag
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, sharing
from pipeline.catalogue.drafts import Draft
from pipeline.dissemination import Dissemination
from pipeline.ingest import deposit, reservation
from pipeline.metadata import rdm_form
from pipeline.metadata.deposit_form import DepositMetadata
from pipeline.model import JsonObject, Right
from pipeline.services import Services

router = APIRouter(prefix="/api")


@router.post("/records")
def create(request: Request, services: ServicesHere, viewer: WriterHere, body: OptionalJsonBody) -> Response:
    """A draft of a new work; without a body an empty one."""
    form = negotiated(request, draft_json.FORMS)
    draft = deposit.create(services, _given(services, body, None), account_of(viewer))
    return _shown(request, services, draft, form, viewer, 201)


@router.api_route("/records/{record_id}/draft", methods=READ)
def read(request: Request, record_id: str, services: ServicesHere, viewer: ReaderHere) -> Response:
    form = negotiated(request, draft_json.FORMS)
    draft = draft_for(services, record_id, viewer, Right.PREVIEW)
    return _shown(request, services, draft, form, viewer, 200)


@router.put("/records/{record_id}/draft")
def replace(
    request: Request, record_id: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    form = negotiated(request, draft_json.FORMS)
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    given = _given(services, body, reservation.own_doi(services, draft))
    changed = deposit.replace_description(services, draft, given, expected=expected_revision(request))
    return _shown(request, services, changed, form, viewer, 200)


@router.delete("/records/{record_id}/draft")
def delete(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    """A draft that was never published is gone, an edit discarded."""
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    deposit.discard(services, draft, expected=expected_revision(request))
    return Response(status_code=204)


@router.post("/records/{record_id}/draft")
def edit(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    """Of what was never published this is the draft that there is."""
    form = negotiated(request, draft_json.FORMS)
    with services.catalogue.read() as tx:
        standing_in(services, tx, number_of(record_id), viewer, Right.EDIT)
    draft = deposit.edit(services, number_of(record_id), account_of(viewer))
    return _shown(request, services, draft, form, viewer, 201)


@router.post("/records/{record_id}/draft/actions/publish")
def publish(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    """The record, or the draft where it waits for verdicts on its files."""
    form = negotiated(request, draft_json.FORMS)
    deposit.publish(services, draft_for(services, record_id, viewer, Right.EDIT))
    with services.catalogue.read() as tx:
        found = standing_in(services, tx, number_of(record_id), viewer, Right.EDIT)
        if isinstance(found, Draft):
            document = _in_form(services, tx, found, form, viewer)
            return _answer(request, document, form, 202, tag_of(found))
        published = described(services, tx, [found.id], files=FILES_IN_RECORD)[found.id]
        if form is RDM:
            published = with_shares(services, tx, published, viewer)
    tag = entity_tag(published.record, form, files_open=True, shared=shared_tag(published))
    return _answer(request, form.convert(published, True), form, 202, {"ETag": tag})  # noqa: FBT003


@router.post("/records/{record_id}/draft/pids/doi")
def reserve_doi(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    form = negotiated(request, draft_json.FORMS)
    draft = reservation.reserve_doi(services, draft_for(services, record_id, viewer, Right.EDIT))
    return _shown(request, services, draft, form, viewer, 201)


@router.delete("/records/{record_id}/draft/pids/doi")
def give_up_doi(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    form = negotiated(request, draft_json.FORMS)
    draft = reservation.give_up_doi(services, draft_for(services, record_id, viewer, Right.EDIT))
    return _shown(request, services, draft, form, viewer, 200)


@router.post("/records/{record_id}/versions")
def new_version(request: Request, record_id: str, services: ServicesHere, viewer: ActorHere) -> Response:
    """Without files; they can be taken over from the version before."""
    form = negotiated(request, draft_json.FORMS)
    with services.catalogue.read() as tx:
        record = published_in(services, tx, number_of(record_id), viewer, Right.EDIT)
        is_open_to_them = may_follow(services, tx, record, viewer)
    draft = deposit.new_version(services, record.id, account_of(viewer), is_open_to_them, with_files=False)
    return _shown(request, services, draft, form, viewer, 201)


@router.post("/records/{record_id}/draft/actions/files-import")
def import_files(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    draft = deposit.import_files(services, draft_for(services, record_id, viewer, Right.EDIT))
    return draft_files.listed(request, services, draft, viewer, 201)


@router.api_route("/user/records", methods=READ, openapi_extra=openapi.OWN_RECORDS)
def list_own(request: Request, services: ServicesHere, viewer: KnownHere) -> Response:
    """One's own drafts and records, found as depositions are; or what others share with the asker."""
    form = negotiated(request, draft_json.FORMS)
    params = request.query_params
    asked = searching.parse(params, largest=searching.largest_page(viewer))
    is_published = searching.flag(params, "is_published") if "is_published" in params else None
    with services.catalogue.read() as tx:
        is_shared = searching.flag(params, "shared_with_me")
        page = deposit_search.find(
            services, tx, viewer, asked, is_shared=is_shared, is_published=is_published
        )
        hits = _hits(services, tx, page.found, form)
    kept = {name: (params[name],) for name in ("is_published", "shared_with_me") if name in params}
    found = searching.Found(dataclasses.replace(asked, filters=kept), page.total, ())
    body = searching.envelope(found, hits, services.repository.base_url + request.url.path)
    return _answer(request, body | ({"sortBy": asked.order} if form is RDM else {}), form, 200)


# ---------------------------------------------------------------- answers


def _given(services: Services, body: object, own_doi: str | None) -> DepositMetadata:
    today = services.now().date()
    return rdm_form.read(body, repository=services.repository, own_doi=own_doi, today=today)


def _shown(
    request: Request, services: Services, draft: Draft, form: Format, viewer: Viewer, status: int
) -> Response:
    with services.catalogue.read() as tx:
        document = _in_form(services, tx, draft, form, viewer)
    return _answer(request, document, form, status, tag_of(draft))


def _in_form(services: Services, tx: Transaction, draft: Draft, form: Format, viewer: Viewer) -> JsonObject:
    number = draft.deposit.base_record_id
    files = 0 if draft.has_own_files else draft_json.FILES_SHOWN
    base = None if number is None else described(services, tx, [number], files=files)[number]
    view = draft_json.shown(services, tx, draft, base)
    settings = sharing.settings(tx, draft.deposit.concept_id)
    known = with_shares(services, tx, dataclasses.replace(view.foreseen, settings=settings), viewer)
    return draft_json.in_form(dataclasses.replace(view, foreseen=known), form)


def _hits(
    services: Services, tx: Transaction, found: Sequence[Draft | int], form: Format
) -> list[JsonObject]:
    named = [one.deposit.base_record_id if isinstance(one, Draft) else one for one in found]
    numbers = [one for one in named if one is not None]
    records = described(services, tx, numbers, files=searching.FILES_IN_HIT)
    return [_hit(services, one, records, form) for one in found]


def _hit(
    services: Services, one: Draft | int, records: Mapping[int, Dissemination], form: Format
) -> JsonObject:
    if isinstance(one, Draft):
        base = one.deposit.base_record_id
        view = draft_json.listed(services.repository, one, None if base is None else records[base])
        return draft_json.in_form(view, form)
    converted = form.convert(records[one], True)  # noqa: FBT003 - they are the asker's own
    return converted if isinstance(converted, dict) else {}


def _answer(
    request: Request,
    document: object,
    form: Format,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    text = to_json(document, indent=indentation(request))
    # For nobody's cache: to managers drafts tell the tokens of links.
    given = {**(headers or {}), "Vary": VARY, "Cache-Control": "no-store"}
    return Response(text, status, given, media_type=form.served_as)
