"""`/api/deposit/depositions/{id}/uploads`: files that come into a draft in several requests, by the protocol tus 1.0.0
(tus.io/protocols/resumable-upload) with its extensions creation, checksum, expiration and termination."""

import base64
import binascii
from collections.abc import Iterator
from email.utils import format_datetime

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.http.admission import draft_for, still_may
from gateway.http.auth import ServicesHere, WriterHere
from gateway.http.headers import whole_number
from gateway.http.lookup import number_of
from gateway.http.problems import UnsupportedVersion
from gateway.http.receiving import Receivers
from pipeline.catalogue.resumables import Resumable
from pipeline.errors import Rejected
from pipeline.ingest import abandonment, resumption
from pipeline.model import Right

_VERSION = "1.0.0"
_ALGORITHMS = ("md5", "sha1", "sha256", "sha512")
_ABOUT = {
    "Tus-Resumable": _VERSION,
    "Tus-Version": _VERSION,
    "Tus-Extension": "creation,checksum,expiration,termination",
    "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
}
_CONTENT_TYPE = "application/offset+octet-stream"


def _require_version(request: Request, viewer: WriterHere) -> None:  # noqa: ARG001 - who asks comes first
    if request.headers.get("tus-resumable") != _VERSION:
        raise UnsupportedVersion(_VERSION)


router = APIRouter(prefix="/api/deposit/depositions/{record_id}/uploads")
_SPOKEN = [Depends(_require_version)]
"""Every request but OPTIONS says which version it speaks."""


@router.options("")
def options(record_id: str) -> Response:  # noqa: ARG001 - the same for all
    return Response(status_code=204, headers=_ABOUT)


@router.post("", dependencies=_SPOKEN)
def create(request: Request, record_id: str, services: ServicesHere, viewer: WriterHere) -> Response:
    """An upload, of `Upload-Length` bytes, of the file that `Upload-Metadata` names as `filename`."""
    size = _number(request, "Upload-Length")
    key = _filename(request.headers.get("upload-metadata", ""))
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    one = resumption.create(services, draft, key, size)
    base = services.repository.base_url
    location = f"{base}/api/deposit/depositions/{draft.record_id}/uploads/{one.id}"
    return Response(status_code=201, headers={"Location": location, **_standing(one)})


@router.head("/{number}", dependencies=_SPOKEN)
def look(record_id: str, number: str, services: ServicesHere, viewer: WriterHere) -> Response:
    one = resumption.find(services, draft_for(services, record_id, viewer, Right.EDIT), number_of(number))
    length = {"Upload-Length": str(one.size), "Cache-Control": "no-store"}
    return Response(headers={**length, **_standing(one)})


@router.patch("/{number}", dependencies=_SPOKEN)
async def go_on(
    request: Request, record_id: str, number: str, services: ServicesHere, viewer: WriterHere
) -> Response:
    """The bytes behind `Upload-Offset`; with the last of them the file is in the draft."""
    if request.headers.get("content-type") != _CONTENT_TYPE:
        raise Rejected(f"Send bytes as {_CONTENT_TYPE}.", field="Content-Type")
    offset = _number(request, "Upload-Offset")
    checksum = _checksum(request.headers.get("upload-checksum"))
    draft = await run_in_threadpool(draft_for, services, record_id, viewer, Right.EDIT)
    receivers: Receivers = request.app.state.receivers

    def receive(blocks: Iterator[bytes]) -> Resumable:
        admitted = still_may(services, draft, viewer, Right.EDIT)
        return resumption.go_on(
            services, draft, number_of(number), offset, blocks, checksum, admitted=admitted
        )

    one = await receivers.take(request, receive)
    return Response(status_code=204, headers=_standing(one))


@router.delete("/{number}", dependencies=_SPOKEN)
def end(record_id: str, number: str, services: ServicesHere, viewer: WriterHere) -> Response:
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    abandonment.give_up(services, resumption.find(services, draft, number_of(number)))
    return Response(status_code=204, headers={"Tus-Resumable": _VERSION})


def _standing(one: Resumable) -> dict[str, str]:
    return {
        "Tus-Resumable": _VERSION,
        "Upload-Offset": str(one.offset),
        "Upload-Expires": format_datetime(one.expires, usegmt=True),
    }


def _number(request: Request, name: str) -> int:
    number = whole_number(request.headers.get(name, ""))
    if number is None:
        raise Rejected(f"{name} is not a number of bytes.", field=name)
    return number


def _filename(metadata: str) -> str:
    """Out of pairs of a key and a value in base64, set apart by commas."""
    for pair in metadata.split(","):
        key, _, value = pair.strip().partition(" ")
        if key == "filename":
            return _text(_decoded(value, "Upload-Metadata"))
    raise Rejected("Upload-Metadata has no filename.", field="Upload-Metadata")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Rejected("The filename is not UTF-8.", field="Upload-Metadata") from None


def _checksum(header: str | None) -> tuple[str, str] | None:
    """(algorithm, hex) of what the request sends; None where it tells none."""
    if header is None:
        return None
    algorithm, _, value = header.partition(" ")
    if algorithm not in _ALGORITHMS:
        raise Rejected(f"Checksums are known by {', '.join(_ALGORITHMS)}.", field="Upload-Checksum")
    return algorithm, _decoded(value, "Upload-Checksum").hex()


def _decoded(value: str, header: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected(f"{header} is not base64.", field=header) from None
