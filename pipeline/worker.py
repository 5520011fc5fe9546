"""What a worker runs. It imports neither Prefect nor a database driver: its parts are opened once a process, from
the terms that travel with the unit; secrets come from the worker's own environment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache

from pipeline import wiring
from pipeline.ingest.custody import FileReport, Unit, take_unit
from pipeline.ingest.sources import Tree
from pipeline.ports import Note, ObjectStore, Scanner
from pipeline.running.cores import on_own_core
from pipeline.settings import ScannerLocation, SourceLocation, StoreLocation


def run_unit(unit: Unit, tell: Callable[[Note], None]) -> list[FileReport]:
    """Take the unit into custody, `tell`ing `PartNote`s of large files meanwhile. Raises what stops the whole
    accession."""
    store, scanner, tree = _store(unit.terms.store), _scanner(unit.terms.scanner), _tree(unit.terms.source)
    # A large file has threads that work side by side; those of many small ones take turns.
    with on_own_core() if len(unit.files) > 1 else nullcontext():
        return take_unit(store, scanner, tree, unit, tell)


@lru_cache(maxsize=4)
def _store(location: StoreLocation) -> ObjectStore:
    return wiring.open_store(location)


@lru_cache(maxsize=4)
def _scanner(location: ScannerLocation) -> Scanner:
    return wiring.open_scanner(location)


@lru_cache(maxsize=4)
def _tree(location: SourceLocation) -> Tree:
    return wiring.open_tree(location)
