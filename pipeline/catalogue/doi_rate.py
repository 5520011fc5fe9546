"""How often the DOI registry was asked, by all processes together."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import doi_pace
from pipeline.pid.pace import Pace


def look(tx: Transaction) -> Pace:
    """As it is now."""
    return _pace(tx.execute(sa.select(doi_pace)).one())


def hold(tx: Transaction) -> Pace:
    """The same; nobody else changes it before the transaction ends."""
    return _pace(tx.execute(sa.select(doi_pace).with_for_update()).one())


def lift(tx: Transaction, *, now: datetime) -> None:
    """The registry is asked at once, however it failed and whatever it wished."""
    resting = sa.or_(doi_pace.c.rests_until > now, doi_pace.c.failures > 0)
    tx.execute(sa.update(doi_pace).where(resting).values(rests_until=now, failures=0, probing_until=None))


def keep(tx: Transaction, pace: Pace) -> None:
    """After `hold`."""
    tx.execute(
        sa.update(doi_pace).values(
            due=pace.due,
            rests_until=pace.rests_until,
            failures=pace.failures,
            probing_until=pace.probing_until,
        )
    )


def _pace(row: sa.Row[tuple[object, ...]]) -> Pace:
    return Pace(row.due, row.rests_until, row.failures, row.probing_until)
