"""What use cases are handed: the implementations that `wiring` picked, and the clock."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.catalogue import Catalogue
from pipeline.model import Repository
from pipeline.ports import Clock, DoiRegistry, ObjectStore, Scanner, SearchIndex
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """One instance's parts. `root_digest` is the storage root's algorithm, chosen when the root was made."""

    settings: Settings
    repository: Repository
    root_digest: str
    catalogue: Catalogue
    store: ObjectStore
    scanner: Scanner
    index: SearchIndex
    registry: DoiRegistry
    now: Clock
