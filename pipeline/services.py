"""What use cases are handed: the implementations that `wiring` picked, and the clock."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Names only: a worker imports this module by way of `wiring`, and neither database nor settings.
    from pipeline.catalogue import Catalogue
    from pipeline.dissemination import Repository
    from pipeline.ports import Clock, DoiRegistry, IdentityProvider, Mailer, ObjectStore, Scanner, SearchIndex
    from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """One instance's parts. `root_digest` is the storage root's algorithm, chosen when the root was made;
    `leaseholder` names this process in the leases that it takes (`lease_owner`)."""

    settings: Settings
    repository: Repository
    root_digest: str
    catalogue: Catalogue
    store: ObjectStore
    scanner: Scanner
    index: SearchIndex
    registry: DoiRegistry
    mailer: Mailer
    identities: IdentityProvider | None
    now: Clock
    leaseholder: str


def lease_owner(services: Services, what: str = "") -> str:
    """An owner for leases that are taken together, a new one unless it is told `what` by."""
    return f"{services.leaseholder}/{what or uuid.uuid4().hex}"
