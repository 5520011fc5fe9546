"""A file that is being sent into a draft, for as long as it is: its lease, and the room that it finds.

The lease is renewed in time, however slowly the client sends and however long the store takes; so it can be short, and
what a lost machine was being sent keeps nobody from publishing for long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TypeVar

from pipeline.catalogue import Transaction, transfers
from pipeline.errors import Conflict, Unavailable
from pipeline.ingest.patience import Patience
from pipeline.ingest.room import require_room
from pipeline.running.beside import beside
from pipeline.services import Services, lease_owner

T = TypeVar("T")

LEASE = timedelta(minutes=2)
"""How long the catalogue may be away without a file being lost that is on its way."""
RENEWAL = LEASE / 6
LOOK_FOR_ROOM = 10.0
"""Seconds."""


def begin(services: Services, tx: Transaction, deposit_id: int, key: str) -> int:
    """The number of a new transfer of this process."""
    now = services.now()
    return transfers.begin(tx, deposit_id, key, owner=lease_owner(services), now=now, until=now + LEASE)


@contextmanager
def under_way(services: Services, number: int) -> Iterator[Callable[[], None]]:
    """Renew a transfer's lease for as long as the block lasts. The block calls what it is given again and again, which
    raises `Conflict` once the transfer is over, and `OutOfSpace` once the store has less room than must stay free."""
    losses: list[Conflict] = []

    def renew(is_over: threading.Event) -> None:
        while not (losses or is_over.wait(RENEWAL.total_seconds())):
            try:
                with suppress(Unavailable), services.catalogue.write() as tx:
                    now = services.now()
                    transfers.renew(tx, number, now=now, until=now + LEASE)
            except Conflict as lost:
                losses.append(lost)

    looked_at = time.monotonic()

    def require() -> None:
        nonlocal looked_at
        if losses:
            raise losses[0]
        if time.monotonic() - looked_at >= LOOK_FOR_ROOM:
            looked_at = time.monotonic()
            require_room(services)

    with beside("renew a transfer", renew):
        yield require


def insist(action: Callable[[], T]) -> T:
    """Try for as long as a lease lasts, while the catalogue is away, what must bear to be done twice: what came for
    hours is not lost for a moment."""
    return Patience(LEASE.total_seconds()).insist(action)
