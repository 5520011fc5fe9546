"""What SQLite and PostgreSQL both can, but SQLAlchemy has for each apart."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.catalogue import Transaction
from pipeline.errors import Rejected

_MOST_WORDS = 50


def insert(tx: Transaction, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An insert that may say what becomes of rows that are there already (`ON CONFLICT`)."""
    return insert_into(tx.dialect.name, table)


def insert_into(dialect: str, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """The same, for a dialect by its name."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def words_of(q: str) -> list[str]:
    """The words of a question that are looked for one by one. Raises `Rejected` (field `q`) for more of them than a
    statement may have conditions."""
    words = q.split()
    if len(words) > _MOST_WORDS:
        raise Rejected(f"At most {_MOST_WORDS} words can be looked for.", field="q")
    return words
