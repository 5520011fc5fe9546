"""Handler of the *index* effect, and the rebuild of the whole index from the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from pipeline.catalogue import records
from pipeline.errors import HeadraceError, Rejected
from pipeline.index.document import document
from pipeline.ports import SearchIndex
from pipeline.services import Services

_BATCH = 500


def index(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError]:
    """Write records into search as they are now; what was refused, by id."""
    return _write(services, services.index, record_ids)


def rebuild(
    services: Services, *, on_batch: Callable[[int], None] = lambda _number: None
) -> Mapping[int, HeadraceError]:
    """Fill a new index from the catalogue and swap it in for the one in use, which need not be readable; what was
    refused, by record id. `on_batch` is told how many records each batch had. Raises `Conflict` where another
    rebuild began meanwhile, `Unavailable`."""
    refused: dict[int, HeadraceError] = {}
    with closing(services.index.begin_rebuild()) as fresh:
        last = 0
        while batch := _following(services, last):
            refused |= _write(services, fresh, batch)
            last = batch[-1]
            on_batch(len(batch))
        fresh.finish_rebuild()
    return refused


def _following(services: Services, last: int) -> list[int]:
    with services.catalogue.read() as tx:
        return records.ids(tx, after=last, limit=_BATCH)


def _write(services: Services, index_: SearchIndex, record_ids: Sequence[int]) -> Mapping[int, HeadraceError]:
    with services.catalogue.read() as tx:
        shown = records.disseminate(tx, services.repository, record_ids)
    refused = index_.write([document(one, version=one.record.change) for one in shown.values()])
    return {record_id: Rejected(reason) for record_id, reason in refused.items()}
