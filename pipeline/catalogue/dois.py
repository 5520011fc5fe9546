"""DOIs: what each stands for, the state that it shall be in, and the state that the registry said it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert_into
from pipeline.catalogue.tables import doi


@dataclass(frozen=True, slots=True)
class WantedDoi:
    """A DOI, in lower case, and the state it shall be in; `record_id` None for a concept's."""

    name: str
    concept_id: int
    record_id: int | None
    wanted: str
    external: bool = False
    seen: str | None = None
    seen_digest: str | None = None


def want(tx: Transaction, dois: Sequence[WantedDoi]) -> None:
    """Note wanted states; a DOI known already keeps what it stands for."""
    if dois:
        tx.execute(
            _wanting(tx.dialect.name),
            [
                {
                    "name": one.name,
                    "concept_id": one.concept_id,
                    "record_id": one.record_id,
                    "wanted": one.wanted,
                    "external": one.external,
                }
                for one in dois
            ],
        )


@cache
def _wanting(dialect: str) -> sa.Insert:
    statement = insert_into(dialect, doi)
    return statement.on_conflict_do_update(
        index_elements=[doi.c.name], set_={"wanted": statement.excluded.wanted}
    )


def taken(tx: Transaction, names: Sequence[str]) -> dict[str, int]:
    """DOIs that are known already → the concept they belong to."""
    if not names:
        return {}
    rows = tx.execute(sa.select(doi.c.name, doi.c.concept_id).where(doi.c.name.in_(names)))
    return {row.name: row.concept_id for row in rows}


def of_concepts(tx: Transaction, concept_ids: Sequence[int]) -> list[WantedDoi]:
    rows = tx.execute(sa.select(doi).where(doi.c.concept_id.in_(concept_ids)).order_by(doi.c.name))
    return [_wanted(row) for row in rows]


def _wanted(row: sa.Row[Any]) -> WantedDoi:
    return WantedDoi(
        row.name, row.concept_id, row.record_id, row.wanted, row.external, row.seen, row.seen_digest
    )


def note_seen(tx: Transaction, seen: Mapping[str, tuple[str, str]], *, now: datetime) -> None:
    """What the registry said: the state of each DOI, with the digest of what it was put to."""
    if seen:
        tx.execute(
            sa.update(doi).where(doi.c.name == sa.bindparam("b_name")),
            [
                {"b_name": name, "seen": state, "seen_digest": digest, "seen_at": now}
                for name, (state, digest) in seen.items()
            ],
        )
