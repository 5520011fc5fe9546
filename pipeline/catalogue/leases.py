"""The leases of a process, whatever they are on."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import accession, concept, outbox, stamper, transfer


def release(tx: Transaction, leaseholder: str) -> None:
    """Give up every lease whose owner is the process `leaseholder` (`services.lease_owner`)."""
    of_process = f"{leaseholder}/"
    # Nobody goes on with what a process was being sent.
    tx.execute(sa.delete(transfer).where(transfer.c.lease_owner.startswith(of_process, autoescape=True)))
    for table in (accession, concept, outbox, stamper):
        tx.execute(
            sa.update(table)
            .where(table.c.lease_owner.startswith(of_process, autoescape=True))
            .values(lease_owner=None, lease_until=None)
        )
