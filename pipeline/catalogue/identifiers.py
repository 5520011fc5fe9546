"""Record and concept ids: one sequence, in blocks, never given twice (a rolled-back block leaves a gap)."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import sequence

_NAME = "record"


def allot(tx: Transaction, count: int) -> range:
    """The next `count` ids."""
    if count == 0:
        return range(0)
    last = tx.execute(_GROW, {"more": count}).scalar_one()
    return range(last - count + 1, last + 1)


_GROW = (
    sa.update(sequence)
    .where(sequence.c.name == _NAME)
    .values(value=sequence.c.value + sa.bindparam("more", type_=sa.BigInteger))
    .returning(sequence.c.value)
)


def high_water_mark(tx: Transaction) -> int:
    """The highest id given so far."""
    return int(tx.execute(sa.select(sequence.c.value).where(sequence.c.name == _NAME)).scalar_one())
