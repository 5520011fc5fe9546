"""The leases of a process, whatever they are on."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import accession, concept, outbox, stamper


def release(tx: Transaction, leaseholder: str) -> None:
    """Give up every lease whose owner is the process `leaseholder` (`services.lease_owner`)."""
    for table in (accession, concept, outbox, stamper):
        tx.execute(
            sa.update(table)
            .where(table.c.lease_owner.startswith(f"{leaseholder}/", autoescape=True))
            .values(lease_owner=None, lease_until=None)
        )
