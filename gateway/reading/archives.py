"""All files of a record as one ZIP, made while it is sent, without a limit on its size (Zenodo's REST API, files)."""

from collections.abc import Iterator
from io import RawIOBase
from typing import Any
from zipfile import ZipFile, ZipInfo

from fastapi import APIRouter, Response

from gateway.http.auth import ServicesHere, ViewerHere
from gateway.http.listings import all_files
from gateway.http.methods import READ
from gateway.http.serving import check_served, readable, streamed
from pipeline.model import FileEntry, Record
from pipeline.services import Services
from pipeline.stewardship.retrieval import read_file

router = APIRouter(prefix="/api/records/{record_id}/files-archive")

# Sizes from here on need ZIP64's wider fields, which must be announced before the bytes.
_WIDE = 1 << 31
_REGULAR_FILE = 0o100644 << 16


@router.api_route("", methods=READ)
def read_all(record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """The files under their keys, stored uncompressed; those that were purged are left out. Raises as reading each of
    the others would."""
    with services.catalogue.read() as tx:
        record = readable(services, tx, record_id, viewer)
    for entry in _kept(services, record):
        check_served(services, entry)
    headers = {
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{record.id}.zip"',
        "Cache-Control": "private, no-cache",
    }
    return streamed(_zipped(services, record), 200, headers)


class _Outlet(RawIOBase):
    """Where the ZIP writer writes to: bytes wait here until they are taken on."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


def _zipped(services: Services, record: Record) -> Iterator[bytes]:
    outlet = _Outlet()
    with ZipFile(outlet, "w") as archive:
        for entry in _kept(services, record):
            with archive.open(_member(record, entry), "w", force_zip64=entry.size >= _WIDE) as member:
                for block in read_file(services, record.id, entry.key):
                    member.write(block)
                    yield outlet.take()
    yield outlet.take()


def _kept(services: Services, record: Record) -> Iterator[FileEntry]:
    return (entry for entry in all_files(services, record) if entry.purged is None)


def _member(record: Record, entry: FileEntry) -> ZipInfo:
    member = ZipInfo(entry.key, record.created.timetuple()[:6])
    member.external_attr = _REGULAR_FILE
    return member
