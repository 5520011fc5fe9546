"""What SQLite and PostgreSQL both can, but SQLAlchemy has for each apart."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.catalogue import Transaction


def insert(tx: Transaction, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An insert that may say what becomes of rows that are there already (`ON CONFLICT`)."""
    return postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)
