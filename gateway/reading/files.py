"""Files of published records: their list, one entry, the bytes (Zenodo's REST API, files)."""

from collections.abc import Iterator
from urllib.parse import quote
from uuid import uuid5

from fastapi import APIRouter, Request, Response

from gateway.http import content
from gateway.http.answers import indentation, json_answer
from gateway.http.auth import ServicesHere, ViewerHere
from gateway.http.listings import all_files, listing
from gateway.http.methods import READ
from gateway.http.serving import file_of, readable, served, streamed
from pipeline import codec
from pipeline.errors import Missing
from pipeline.feeds import crosswalks
from pipeline.model import FileEntry, JsonObject, Record
from pipeline.services import Services

router = APIRouter(prefix="/api/records/{record_id}/files")


@router.api_route("", methods=READ)
def list_files(request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """All files, however many: the answer is made page by page while it is sent."""
    with services.catalogue.read() as tx:
        record = readable(services, tx, record_id, viewer)
    listing = _listing(services, record, indent=indentation(request))
    return streamed(listing, 200, {"Content-Type": "application/json"})


@router.api_route("/{key:path}/content", methods=READ)
def read_content(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    with services.catalogue.read() as tx:
        record = readable(services, tx, record_id, viewer)
        try:
            entry = file_of(tx, record, key)
        except Missing:
            # The address of the entry of a file that is itself called `…/content`.
            other = file_of(tx, record, f"{key}/content", missing=key)
            return json_answer(request, _entry(services, record, other))
    return served(request, services, record, entry)


@router.api_route("/{key:path}", methods=READ)
def read_entry(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    with services.catalogue.read() as tx:
        record = readable(services, tx, record_id, viewer)
        entry = file_of(tx, record, key)
    return json_answer(request, _entry(services, record, entry))


# ---------------------------------------------------------------- entries


def _listing(services: Services, record: Record, *, indent: int | None) -> Iterator[bytes]:
    address = f"{services.repository.base_url}/api/records/{record.id}/files"
    entries = (_entry(services, record, one) for one in all_files(services, record))
    links = {"self": address, "archive": f"{address}-archive"}
    return listing(record.description.files, links, entries, indent=indent)


def _entry(services: Services, record: Record, entry: FileEntry) -> JsonObject:
    """A file as Zenodo describes it, and what we know besides: every digest, what was declared, the format,
    the virus scan."""
    address = f"{services.repository.base_url}/api/records/{record.id}/files/{quote(entry.key)}"
    file_id = crosswalks.file_id(services.repository.id, record.id, entry.key)
    return {
        "key": entry.key,
        "created": record.created.isoformat(timespec="microseconds"),
        "updated": record.created.isoformat(timespec="microseconds"),
        "mimetype": content.guessed_type(entry),
        "version_id": str(uuid5(file_id, content.entity_tag(entry))),
        "file_id": str(file_id),
        "bucket_id": str(crosswalks.file_id(services.repository.id, record.id, "")),
        "metadata": None,
        "access": {"hidden": False},
        "links": {"self": address, "content": f"{address}/content"},
        "storage_class": "L",
        "checksum": content.entity_tag(entry).strip('"'),
        "size": entry.size,
        "transfer": {"type": "L"},
        "status": "completed",
        "digests": dict(entry.digests),
        "declared": dict(entry.declared),
        "identification": codec.identification_to_json(entry.identification),
        "scan": codec.verdict_to_json(entry.scan),
        "purged": codec.time_to_json(entry.purged.at) if entry.purged else None,
    }
