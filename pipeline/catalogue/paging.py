"""Pages of rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction


def page_of(
    tx: Transaction, chosen: sa.Select[Any], *order: sa.ColumnElement[Any], page: int, size: int
) -> tuple[list[sa.Row[Any]], int]:
    """The rows of a page, which count from 1, in that order; and how many rows there are on all."""
    total = tx.execute(sa.select(sa.func.count()).select_from(chosen.subquery())).scalar_one()
    rows = tx.execute(chosen.order_by(*order).offset((page - 1) * size).limit(size)).all()
    return list(rows), total
