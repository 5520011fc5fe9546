"""Handler of the *index* effect, and the rebuild of the whole index from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.catalogue import records
from pipeline.errors import HeadraceError, Rejected
from pipeline.index.document import document
from pipeline.services import Services


def index(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError]:
    """Write records into search as they are now; what was refused, by id."""
    with services.catalogue.read() as tx:
        shown = records.disseminate(tx, services.repository, record_ids)
    refused = services.index.write([document(one, version=one.record.change) for one in shown.values()])
    return {record_id: Rejected(reason) for record_id, reason in refused.items()}
