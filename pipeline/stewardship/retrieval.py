"""Use case: finding and reading the bytes of a published file, wherever they are just now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from pipeline.catalogue import record_files
from pipeline.catalogue.record_files import Holding
from pipeline.errors import Missing
from pipeline.services import Services
from pipeline.store import layout, ocfl


def read_file(
    services: Services,
    record_id: int,
    key: str,
    offset: int = 0,
    length: int | None = None,
    *,
    fresh: bool = False,
) -> Iterator[bytes]:
    """Blocks of a published file, `fresh` as `ObjectStore.read` has it. Who may read it was decided before. Raises
    `Missing`, at the call."""
    with services.catalogue.read() as tx:
        holding = record_files.holding(tx, record_id, key)
    if holding.entry.purged is not None:
        raise Missing(f"{key} of record {record_id} was purged")
    for place in _places(services, holding):
        with suppress(Missing):
            return services.store.read(place, offset, length, fresh=fresh)
    raise Missing(f"the store has no bytes of {key} of record {record_id}")


def place(services: Services, holding: Holding) -> str:
    """The key in the store where the bytes should be."""
    return next(_places(services, holding))


def _places(services: Services, holding: Holding) -> Iterator[str]:
    """Where the bytes may be. Preserving moves them ahead of what the catalogue knows, through these places and in
    this order, so that whoever looks into one after the other finds them."""
    object_id = layout.concept_object(services.repository.id, holding.concept_id)
    root = layout.object_root(object_id)
    content = f"content/{holding.entry.content}"
    if holding.staged is None:
        yield f"{root}/v{holding.ocfl_version}/{content}"
        return
    yield f"{holding.staged}/{content}"
    yield f"{layout.assembled(holding.staged)}/v1/{content}"
    with suppress(Missing):
        inventory = ocfl.parse(b"".join(services.store.read(f"{root}/inventory.json")), object_id)
        place = ocfl.place_of(inventory, holding.entry.digests[services.root_digest])
        # A version folder comes before the inventory that lists it. Behind an inventory that lists these bytes there
        # may be another record's version under way, with a file of the same name.
        yield f"{root}/{place}" if place else f"{root}/v{ocfl.head(inventory) + 1}/{content}"
