"""Handler of the *extract* effect: read the text of files, so that search finds records by it (`HEADRACE_FULL_TEXT`).

Only files that everybody may read just then are read. Publishing, and search by all else, wait for none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from pipeline.catalogue import file_texts, records
from pipeline.catalogue.file_texts import MOST_CHARACTERS, Unread
from pipeline.errors import HeadraceError, Missing
from pipeline.index import indexer, pdf, plain_text
from pipeline.lifecycle import RecordEvent
from pipeline.services import Services
from pipeline.stewardship import retrieval

_PDF = "application/pdf"


def extract(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError]:
    """Read what is left to be read of each record, keep it, and have search hold it. Raises `Unavailable`."""
    for record_id in record_ids:
        _extract(services, record_id)
    return {}


def _extract(services: Services, record_id: int) -> None:
    with services.catalogue.read() as tx:
        left = indexer.unread(services, tx, [records.get(tx, record_id)])
    has_more = not left
    for one in {each.digest: each for each in left}.values():
        # Gone where it was purged, or another took its place meanwhile.
        with suppress(Missing):
            text = _read(services, one)
            with services.catalogue.write() as tx:
                file_texts.add(tx, {one.digest: text}, now=services.now())
            has_more |= bool(text)
    # Where nothing was left the same bytes were read for another record meanwhile.
    with services.catalogue.write() as tx:
        if has_more and file_texts.characters(tx, [record_id], largest=services.settings.full_text):
            records.tell(tx, RecordEvent.EXTRACT, [record_id], now=services.now())


def _read(services: Services, one: Unread) -> str:
    if one.identification.mime == _PDF:
        return pdf.read(retrieval.read_file(services, one.record_id, one.key), MOST_CHARACTERS)
    length = min(one.size, MOST_CHARACTERS * plain_text.BYTES_PER_CHARACTER)
    data = b"".join(retrieval.read_file(services, one.record_id, one.key, 0, length))
    return plain_text.read(data, one.identification)[:MOST_CHARACTERS]
