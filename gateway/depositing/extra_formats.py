"""`…/formats`: other serialisations of a record, one of a media type, that its depositor attaches (Zenodo's REST API,
extra formats). They are given out as they came, never to be run by a browser."""

import re
from typing import Annotated
from uuid import uuid5

from fastapi import APIRouter, Depends, Request, Response

from gateway.depositing.handles import Kind, handle
from gateway.http.admission import standing_in, still_may
from gateway.http.answers import json_answer
from gateway.http.auth import ReaderHere, ServicesHere, ViewerHere, WriterHere
from gateway.http.bodies import whole_body
from gateway.http.headers import CONTENT_POLICY
from gateway.http.lookup import number_of
from gateway.http.methods import READ
from gateway.http.serving import readable
from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import extra_formats
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.extra_formats import ExtraFormat
from pipeline.errors import Rejected
from pipeline.feeds.crosswalks import facts
from pipeline.ingest.extra_formats import attach, detach
from pipeline.model import JsonObject, Record, Right
from pipeline.services import Services

router = APIRouter(prefix="/api")
_DEPOSITION = "/deposit/depositions/{record_id}/formats"
_RECORD = "/records/{record_id}/formats"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}", re.IGNORECASE)
_LARGEST = 5_000_000
_INVALID = "Invalid extra format MIMEType."


async def _content(request: Request) -> bytes:
    content = await whole_body(request, _LARGEST, "The extra format")
    if not content:
        raise refusals.empty_file()
    return content


@router.put(_DEPOSITION)
def put(
    request: Request,
    record_id: str,
    services: ServicesHere,
    viewer: WriterHere,
    content: Annotated[bytes, Depends(_content)],
) -> Response:
    """The body, under its Content-Type, once the virus scanner has seen it. A published record needs no open edit for
    it."""
    media_type = _media_type(request.headers.get("content-type", ""))
    to = _standing(services, record_id, viewer, Right.EDIT)
    attach(services, to, media_type, content, admitted=still_may(services, to, viewer, Right.EDIT))
    return json_answer(request, {"message": f'Extra format "{media_type}" updated.'})


@router.delete(_DEPOSITION)
def delete(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    media_type = _media_type(request.headers.get("content-type", ""))
    detach(services, _standing(services, record_id, viewer, Right.EDIT), media_type)
    return json_answer(request, {"message": f'Extra format "{media_type}" deleted.'})


@router.api_route(_DEPOSITION, methods=READ)
def read(request: Request, record_id: str, services: ServicesHere, viewer: ReaderHere) -> Response:
    _standing(services, record_id, viewer, Right.PREVIEW)
    return _served(request, services, number_of(record_id))


@router.api_route(_RECORD, methods=READ)
def read_published(request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    with services.catalogue.read() as tx:
        record = readable(services, tx, record_id, viewer)
    return _served(request, services, record.id)


@router.options(_DEPOSITION)
def listed(request: Request, record_id: str, services: ServicesHere, viewer: ReaderHere) -> Response:
    _standing(services, record_id, viewer, Right.PREVIEW)
    return _listed(request, services, number_of(record_id))


@router.options(_RECORD)
def listed_published(
    request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    with services.catalogue.read() as tx:
        record = readable(services, tx, record_id, viewer)
    return _listed(request, services, record.id)


def _standing(services: Services, record_id: str, viewer: Viewer, right: Right) -> Draft | Record:
    with services.catalogue.read() as tx:
        return standing_in(services, tx, number_of(record_id), viewer, right)


def _served(request: Request, services: Services, record_id: int) -> Response:
    # A `+` that was not encoded has become a blank.
    named = request.query_params.get("mimetype", "").replace(" ", "+")
    asked = named or request.headers.get("accept", "").partition(",")[0]
    media_type = _media_type(asked)
    with services.catalogue.read() as tx:
        found = extra_formats.content(tx, record_id, media_type)
    if found is None:
        raise refusals.not_found()
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": "attachment",
        "Content-Security-Policy": CONTENT_POLICY,
        "X-Content-Type-Options": "nosniff",
    }
    return Response(found, headers=headers)


def _listed(request: Request, services: Services, record_id: int) -> Response:
    with services.catalogue.read() as tx:
        found = extra_formats.of_record(tx, record_id)
    return json_answer(request, [_entry(services, record_id, one) for one in found])


def _entry(services: Services, record_id: int, one: ExtraFormat) -> JsonObject:
    id_ = uuid5(handle(services.repository, Kind.RECORD, record_id), one.media_type)
    return {
        "key": one.media_type,
        "created": facts.timestamp(one.created),
        "updated": facts.timestamp(one.updated),
        "size": one.size,
        "checksum": f"md5:{one.md5}",
        "mimetype": "application/octet-stream",
        "file_id": str(id_),
        "version_id": str(uuid5(id_, one.md5)),
        "metadata": None,
        "access": {"hidden": False},
        "status": "completed",
        "storage_class": "L",
    }


def _media_type(text: str) -> str:
    """Raises `Rejected` for what names no one media type."""
    media_type = text.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise Rejected(_INVALID)
    return media_type
