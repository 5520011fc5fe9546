"""Files of a record or a draft as lists, however many there are: read page by page while they are sent."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from gateway.http.answers import with_array
from pipeline.catalogue import Transaction, draft_files, pending_files, record_files
from pipeline.catalogue.draft_files import DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.pending_files import PendingFile
from pipeline.model import FileEntry, FilesView, JsonObject, Record
from pipeline.services import Services

_PAGE = 1000
File = TypeVar("File", FileEntry, DraftFile, PendingFile)


def listing(
    view: FilesView, links: JsonObject, entries: Iterable[JsonObject], *, indent: int | None
) -> Iterator[bytes]:
    """A list of files as InvenioRDM has it, written while its entries come."""
    return with_array(listing_head(view, links), "entries", entries, indent=indent)


def listing_head(view: FilesView, links: JsonObject) -> JsonObject:
    """What it says besides its entries."""
    preview = view.default_preview or None
    return {"enabled": True, "links": links, "default_preview": preview, "order": list(view.order)}


def all_files(services: Services, record: Record) -> Iterator[FileEntry]:
    return _paged(services, lambda tx, after: record_files.files(tx, record.id, after=after, limit=_PAGE))


def all_files_of_draft(services: Services, draft: Draft) -> Iterator[DraftFile]:
    return _paged(
        services, lambda tx, after: draft_files.page(tx, draft.deposit.id, after=after, limit=_PAGE)
    )


def all_pending_files(services: Services, draft: Draft) -> Iterator[PendingFile]:
    return _paged(
        services, lambda tx, after: pending_files.page(tx, draft.deposit.id, after=after, limit=_PAGE)
    )


def _paged(services: Services, page_after: Callable[[Transaction, str], Sequence[File]]) -> Iterator[File]:
    """However many there are, in the order of their keys: read page by page, each in a transaction of its own."""
    after = ""
    while True:
        with services.catalogue.read() as tx:
            page = page_after(tx, after)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].key
