"""Use case: what is still to be read, cut into units for workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import islice

from pipeline.catalogue import deposit_files, purges, quarantine
from pipeline.ingest.custody import CustodyTerms, Unit
from pipeline.ingest.patience import AT_ONCE, Patience
from pipeline.model import PlannedFile
from pipeline.services import Services
from pipeline.settings import Settings, SourceLocation
from pipeline.store import transfer

_PAGE = 5000
# What goes in parts can be gone on with, by a unit that has nothing else.
_LARGE = transfer.IN_PARTS_FROM
_UNIT_BYTES = 256 << 20
_UNIT_FILES = 256


def terms(services: Services, accession_id: str, source: SourceLocation) -> CustodyTerms:
    """How the accession's files are taken in."""
    settings = services.settings
    with services.catalogue.read() as tx:
        released = quarantine.released(tx, services.root_digest)
        purged = purges.of_accession(tx, accession_id)
    return CustodyTerms(
        accession_id=accession_id,
        source=source,
        store=settings.store_location(),
        scanner=settings.scanner_location(),
        root_digest=services.root_digest,
        digests=settings.digests,
        released=released,
        purged=purged,
    )


def paced(settings: Settings, unit: Unit, workers: Callable[[], int]) -> Unit:
    """The unit as one of the workers that there are now may read it: they share the bound of a bulk ingest."""
    if not settings.bulk_bytes_per_second:
        return unit
    busy = min(number for number in (max(1, workers()), settings.bulk_workers) if number)
    share = max(1, settings.bulk_bytes_per_second // busy)
    return replace(unit, terms=replace(unit.terms, bytes_per_second=share))


def left(
    services: Services,
    terms_: CustodyTerms,
    patience: Patience = AT_ONCE,
    *,
    workers: int = 0,
    alone: Collection[int] = (),
) -> Iterator[Unit]:
    """What is still to be read, in units bounded by bytes and by count: large files first, the largest of all at the
    beginning and each alone, so that the small ones fill the cores at the end; last the small ones whose ids are in
    `alone`, each alone. The catalogue may be away for as long as `patience` lasts.

    Of the units that go out before any is done, Dask lets a second one wait behind each worker's first and never moves
    it: for `workers` of them these are small, since behind a huge file they would wait while others idle."""
    large = (Unit(terms_, (file,)) for file in _large_files(services, terms_.accession_id, patience))
    packs = _packs(terms_, _small_files(services, terms_.accession_id, patience), alone)
    yield from islice(large, workers)
    yield from islice(packs, workers)
    yield from large
    yield from packs


def _packs(terms_: CustodyTerms, files: Iterator[PlannedFile], alone: Collection[int]) -> Iterator[Unit]:
    pack: list[PlannedFile] = []
    apart: list[PlannedFile] = []
    size = 0
    for file in files:
        if file.id in alone:
            apart.append(file)
            continue
        if pack and (size + file.size > _UNIT_BYTES or len(pack) >= _UNIT_FILES):
            yield Unit(terms_, tuple(pack))
            pack, size = [], 0
        pack.append(file)
        size += file.size
    if pack:
        yield Unit(terms_, tuple(pack))
    for file in apart:
        yield Unit(terms_, (file,))


def _large_files(services: Services, accession_id: str, patience: Patience) -> Iterator[PlannedFile]:
    after: tuple[int, int] | None = None

    def page() -> list[PlannedFile]:
        with services.catalogue.read() as tx:
            return deposit_files.planned_large(tx, accession_id, at_least=_LARGE, after=after, limit=_PAGE)

    while some := patience.insist(page):
        yield from some
        after = (some[-1].size, some[-1].id)


def _small_files(services: Services, accession_id: str, patience: Patience) -> Iterator[PlannedFile]:
    after = 0

    def page() -> list[PlannedFile]:
        with services.catalogue.read() as tx:
            return deposit_files.planned(tx, accession_id, below=_LARGE, after=after, limit=_PAGE)

    while some := patience.insist(page):
        yield from some
        after = some[-1].id
