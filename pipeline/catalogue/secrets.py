"""Random secrets of the instance, made once and shared by all its processes."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.tables import secret

_BYTES = 32


def obtain(tx: Transaction, name: str) -> bytes:
    """The secret of that name; random at the first call, the same ever after."""
    tx.execute(
        insert(tx, secret).values(name=name, value=secrets.token_bytes(_BYTES)).on_conflict_do_nothing()
    )
    return get(tx, name)


def get(tx: Transaction, name: str) -> bytes:
    """The secret of that name, which somebody obtained before."""
    value: bytes = tx.execute(sa.select(secret.c.value).where(secret.c.name == name)).scalar_one()
    return value
