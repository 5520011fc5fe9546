"""How much a record that is deposited over HTTP may hold (Zenodo's REST API, limits), and how much may be on its way
into it. What is known to be too much is refused before it is sent; what was not known then, when the draft is
published."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.catalogue import Transaction, draft_files, pending_files, resumables
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.drafts import Draft
from pipeline.errors import FieldFault, Rejected
from pipeline.model import Quota
from pipeline.services import Services

_TOO_MUCH = "Bucket quota exceeded."
_TOO_LARGE = "Maximum file size exceeded."
_TOO_MANY = "Uploading selected files will result in exceeding the max amount per record."


def of_draft(services: Services, draft: Draft) -> Quota | None:
    """How much the draft may hold: what was said of its work, else of its owner's works, else of all; None where there
    is no bound."""
    most = services.settings.record_bytes
    return draft.quota or (Quota(most, most) if most else None)


def require_fits(services: Services, draft: Draft, key: str, size: int | None) -> None:
    """Raises `Rejected` where a file of that key and size, in the place of the one that the draft has, is too much."""
    one, come, most = draft.deposit, size or 0, of_draft(services, draft)
    if most is not None and come > min(most.file_size, most.size):
        raise Rejected(_TOO_LARGE, remedy=_told(most))
    files, most_files = one.files_total + one.files_open, services.settings.record_files
    may_be_too_much = most is not None and one.bytes_total + come > most.size
    if not (may_be_too_much or 0 < most_files <= files):
        return
    with services.catalogue.read() as tx:
        before = draft_files.find(tx, one.id, key)
        is_new = not pending_files.taken(tx, one.id, [key])
    if most is not None and one.bytes_total + come - (before.size if before else 0) > most.size:
        raise Rejected(_TOO_MUCH, remedy=_told(most))
    if is_new and 0 < most_files <= files:
        raise Rejected(_TOO_MANY, remedy=f"A record has {most_files:,} files at most.")


def _told(most: Quota) -> str:
    one = "" if most.file_size >= most.size else f", each of its files {most.file_size:,}"
    return f"This record may have {most.size:,} bytes{one}."


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


def faults(tx: Transaction, services: Services, draft: Draft) -> Iterator[FieldFault]:
    """What a draft that holds too much is not published for."""
    one, most, most_files = draft.deposit, of_draft(services, draft), services.settings.record_files
    if most is not None and one.bytes_total > most.size:
        yield FieldFault("files", (_TOO_MUCH,), _told(most))
    elif most is not None and draft_files.largest(tx, one.id) > most.file_size:
        yield FieldFault("files", (_TOO_LARGE,), _told(most))
    if 0 < most_files < one.files_total:
        yield FieldFault("files", (_TOO_MANY,), f"A record has {most_files:,} files at most.")
