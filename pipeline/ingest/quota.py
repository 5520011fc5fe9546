"""How much a record that is deposited over HTTP may hold (Zenodo's REST API, limits). What is known to be too much is
refused before it is sent; what was not known then, when the draft is published."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.catalogue import drafts, pending_files
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.drafts import Draft
from pipeline.errors import FieldFault, Rejected
from pipeline.services import Services

_TOO_MUCH = "Bucket quota exceeded."
_TOO_LARGE = "Maximum file size exceeded."
_TOO_MANY = "Uploading selected files will result in exceeding the max amount per record."


def require_fits(services: Services, draft: Draft, key: str, size: int | None) -> None:
    """Raises `Rejected` where a file of that key and size, in the place of the one that the draft has, is too much."""
    settings, one, come = services.settings, draft.deposit, size or 0
    most = settings.record_bytes
    if 0 < most < come:
        raise Rejected(_TOO_LARGE, remedy=f"A record has {most:,} bytes at most.")
    files = one.files_total + one.files_open
    if not (0 < most < one.bytes_total + come or 0 < settings.record_files <= files):
        return
    with services.catalogue.read() as tx:
        before = drafts.file(tx, one.id, key)
        is_new = not pending_files.taken(tx, one.id, [key])
    if 0 < most < one.bytes_total + come - (before.size if before else 0):
        raise Rejected(_TOO_MUCH, remedy=f"A record has {most:,} bytes at most.")
    if is_new and 0 < settings.record_files <= files:
        raise Rejected(_TOO_MANY, remedy=f"A record has {settings.record_files:,} files at most.")


def faults(services: Services, one: Deposit) -> Iterator[FieldFault]:
    """What a draft that holds too much is not published for."""
    settings = services.settings
    if 0 < settings.record_bytes < one.bytes_total:
        yield FieldFault("files", (_TOO_MUCH,), f"A record has {settings.record_bytes:,} bytes at most.")
    if 0 < settings.record_files < one.files_total:
        yield FieldFault("files", (_TOO_MANY,), f"A record has {settings.record_files:,} files at most.")
