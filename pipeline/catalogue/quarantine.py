"""Infected files that were put apart, where nothing serves them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.tables import quarantine
from pipeline.model import Digests


@dataclass(frozen=True, slots=True)
class QuarantinedFile:
    """`path` is how the source named the file, `key` where its bytes lie in the store."""

    accession_id: str
    deposit_id: int
    record: str
    path: str
    key: str
    signature: str
    digests: Digests
    size: int
    at: datetime


def add(tx: Transaction, files: Sequence[QuarantinedFile]) -> None:
    if not files:
        return
    tx.execute(
        sa.insert(quarantine),
        [
            {
                "accession_id": one.accession_id,
                "deposit_id": one.deposit_id,
                "record": one.record,
                "path": os.fsencode(one.path),
                "key": one.key,
                "signature": one.signature,
                "digests": dict(one.digests),
                "size": one.size,
                "at": one.at,
            }
            for one in files
        ],
    )
