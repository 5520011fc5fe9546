"""`/api/records`: search, one record in its formats, its versions (Zenodo's REST API, records)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gateway.http import kept, openapi
from gateway.http.admission import with_shares
from gateway.http.answers import embedded, indentation, json_answer, to_json
from gateway.http.auth import ServicesHere, ViewerHere
from gateway.http.kept import Documents, keep_for_strangers
from gateway.http.lookup import FILES_IN_RECORD, described, find, find_described, newest_id
from gateway.http.methods import READ
from gateway.http.serving import files_are_readable
from gateway.reading import search as searching
from gateway.reading.formats import (
    RDM,
    VARY,
    ZENODO,
    Format,
    negotiated,
    rendered,
    shared_tag,
)
from gateway.reading.search import Found
from pipeline.access import Viewer, are_files_open, may_read_files
from pipeline.catalogue import Transaction, records, rights
from pipeline.dissemination import Dissemination
from pipeline.index.query import order
from pipeline.model import Record, RecordState, Right
from pipeline.services import Services

router = APIRouter(prefix="/api/records")


@router.api_route("", methods=READ, openapi_extra=openapi.SEARCH)
def search(request: Request, services: ServicesHere, viewer: ViewerHere) -> Response:
    form = negotiated(request)
    question = searching.parse(request.query_params, largest=searching.largest_page(viewer))
    return listed(request, services, viewer, searching.search(services, question), form)


@router.api_route("/", methods=READ)
def search_with_slash(request: Request, services: ServicesHere) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{services.repository.base_url}/api/records{query}", 301)


@router.api_route("/{record_id}", methods=READ, openapi_extra=openapi.RECORD)
def read(request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    form = negotiated(request)
    # Of what was withdrawn administrators see more than the tombstone.
    withdrawn_too = searching.flag(request.query_params, "include_deleted") and viewer.admin
    today, indent = services.now().date(), indentation(request)
    with services.catalogue.read() as tx:
        record = find(services, tx, record_id, withdrawn_too=withdrawn_too)
        files_open = files_are_readable(services, tx, record, viewer)
        keep_for_strangers(request, viewer, shows=record if form is ZENODO else None)

        def make() -> bytes:
            return form.render(show(), files_open=files_open, indent=indent)

        def show() -> Dissemination:
            return described(services, tx, [record.id], files=FILES_IN_RECORD)[record.id]

        if form is RDM:
            return _managed(
                request, services, with_shares(services, tx, show(), viewer), files_open=files_open
            )
        # What this form shows of a record is another whenever its `change` is; whether files are shown, and which
        # embargoes are over, depends on who asks, and when.
        documents: Documents = request.app.state.documents
        key = (record.id, record.change, files_open, today, indent)
        document = partial(kept.get, documents, key, make) if form is ZENODO else make
        return rendered(request, services, record, form, document, files_open=files_open)


def _managed(request: Request, services: Services, shown: Dissemination, *, files_open: bool) -> Response:
    """In the form that tells who may ask for the files, and, to managers, with whom the work is shared."""
    document = partial(RDM.render, shown, files_open=files_open, indent=indentation(request))
    tag = shared_tag(shown)
    answer = rendered(request, services, shown.record, RDM, document, files_open=files_open, shared=tag)
    if shown.shares is not None:
        # For nobody's cache.
        answer.headers["Cache-Control"] = "no-store"
    return answer


@router.api_route("/{record_id}/versions", methods=READ, openapi_extra=openapi.PAGING)
def versions(request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    form = negotiated(request)
    asked = searching.parse(request.query_params, largest=searching.largest_page(viewer))
    question = replace(asked, sort=asked.sort or "version", filters={})
    wanted = order(question.sort, text="")
    with services.catalogue.read() as tx:
        work = find_described(services, tx, record_id, file_limit=0)
        published = [one.record_id for one in work.versions if one.state is RecordState.PUBLISHED]
        # Versions come oldest first, and so does whatever else may be asked for in ascending order.
        ordered = published[::-1] if wanted.descending else published
    shown = ordered[(question.page - 1) * question.size : question.page * question.size]
    found = Found(question, len(published), tuple(shown))
    return listed(request, services, viewer, found, form)


@router.api_route("/{record_id}/versions/latest", methods=READ)
def latest_version(request: Request, record_id: str, services: ServicesHere) -> Response:
    with services.catalogue.read() as tx:
        target = newest_id(tx, record_id)
    location = f"{services.repository.base_url}/api/records/{target}"
    body = {"status": 301, "message": "Redirecting...", "location": location}
    return json_answer(request, body, 301, {"Location": location})


def listed(request: Request, services: Services, viewer: Viewer, found: Found, form: Format) -> Response:
    """The envelope around hits in a JSON format; of any other format, the documents one after the other."""
    documents = _documents(request, services, viewer, found, form)
    headers = {"Vary": VARY, "Cache-Control": "no-cache"}
    if not form.is_json:
        return Response(b"\n".join(documents), media_type=form.served_as, headers=headers)
    indent = indentation(request)
    hits = [embedded(one) if indent is None else json.loads(one) for one in documents]
    body = searching.envelope(found, hits, services.repository.base_url + request.url.path)
    if form is RDM:
        body["sortBy"] = found.question.order
    return Response(to_json(body, indent=indent), media_type=form.served_as, headers=headers)


def _documents(
    request: Request, services: Services, viewer: Viewer, found: Found, form: Format
) -> list[bytes]:
    """The hits that are published, in a format. For strangers those in Zenodo's are kept: what all may see of a record
    is another whenever its `change` is, or the day."""
    documents: Documents = request.app.state.documents
    today = services.now().date()
    with services.catalogue.read() as tx:
        keys = {id_: ("hit", id_, change, today) for id_, change in records.changes(tx, found.ids).items()}
        may_be_kept = form is ZENODO and viewer.is_stranger
        known = {id_: documents.find(key) if may_be_kept else None for id_, key in keys.items()}
        lacking = [id_ for id_, document in known.items() if document is None]
        made = described(services, tx, lacking, files=searching.FILES_IN_HIT) if lacking else {}
        readable = _readable(services, tx, [one.record for one in made.values()], viewer)
    for id_, one in made.items():
        text = _hit(form, one, files_open=id_ in readable)
        known[id_] = text
        if may_be_kept:
            documents.keep(keys[id_], text)
    return [document for id_ in found.ids if (document := known.get(id_)) is not None]


def _readable(services: Services, tx: Transaction, shown: Sequence[Record], viewer: Viewer) -> set[int]:
    """The records whose files the viewer may read. The catalogue is asked of those alone that are not open."""
    now = services.now()
    closed = [one for one in shown if not are_files_open(one, today=now.date())]
    known = rights.to_records(tx, closed, viewer, now=now)
    return {one.id for one in shown if may_read_files(one, known.get(one.id, Right.NONE), today=now.date())}


def _hit(form: Format, one: Dissemination, *, files_open: bool) -> bytes:
    """What Zenodo's form has as an empty `swh` in a record is null in a hit, as on Zenodo."""
    converted = form.convert(one, files_open)
    if form is ZENODO and isinstance(converted, dict):
        return to_json(converted | {"swh": None})
    return form.render(one, files_open=files_open)
