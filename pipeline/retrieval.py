"""Use case: finding and reading the bytes of a published file, wherever they are just now."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.catalogue import records
from pipeline.catalogue.records import Holding
from pipeline.errors import Missing
from pipeline.services import Services
from pipeline.store import layout


def storage_key(repository_id: str, holding: Holding) -> str:
    """The object store's key of a file's bytes."""
    content = f"content/{holding.entry.content}"
    if holding.staged is not None:
        return f"{holding.staged}/{content}"
    root = layout.object_root(layout.concept_object(repository_id, holding.concept_id))
    return f"{root}/v{holding.ocfl_version}/{content}"


def read_file(
    services: Services, record_id: int, key: str, offset: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """Blocks of a published file. Who may read it was decided before. Raises `Missing`, at the call."""
    try:
        return _open(services, record_id, key, offset, length)
    except Missing:
        # Preserving may have moved the bytes between our look at the catalogue and at the store.
        return _open(services, record_id, key, offset, length)


def _open(services: Services, record_id: int, key: str, offset: int, length: int | None) -> Iterator[bytes]:
    with services.catalogue.read() as tx:
        holding = records.holding(tx, record_id, key)
    return services.store.read(storage_key(services.repository.id, holding), offset, length)
