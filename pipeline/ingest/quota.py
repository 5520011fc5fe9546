"""How much a record that is deposited over HTTP may hold (Zenodo's REST API, limits), and how much may be on its way
into it. What is known to be too much is refused before it is sent; what was not known then, when the draft is
published."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.catalogue import Transaction, drafts, pending_files, resumables
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


def require_open_uploads(tx: Transaction, services: Services, one: Deposit, more: int) -> None:
    """Raises `Rejected` where a draft, which is locked, would have more uploads open than it may: in several requests,
    or in parts, each of which keeps something in the store and in the catalogue until it is whole or ended."""
    most = services.settings.open_uploads
    begun = resumables.count_open(tx, one.id, now=services.now()) + pending_files.count_in_parts(tx, one.id)
    if more and begun + more > most:
        raise Rejected(
            f"Too many uploads into the draft are open: {begun:,}, and {more:,} more.",
            remedy=f"A draft has {most:,} open at most: complete some, or end them with DELETE, and begin again.",
        )


def faults(services: Services, one: Deposit) -> Iterator[FieldFault]:
    """What a draft that holds too much is not published for."""
    settings = services.settings
    if 0 < settings.record_bytes < one.bytes_total:
        yield FieldFault("files", (_TOO_MUCH,), f"A record has {settings.record_bytes:,} bytes at most.")
    if 0 < settings.record_files < one.files_total:
        yield FieldFault("files", (_TOO_MANY,), f"A record has {settings.record_files:,} files at most.")
