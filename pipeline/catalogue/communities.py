"""Communities and which works belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.tables import community, concept_community
from pipeline.model import Community


def ensure(tx: Transaction, slug: str, *, title: str, now: datetime) -> bool:
    """Make the community if there is none of that name; whether it was made."""
    made = insert(tx, community).values(slug=slug, title=title, description="", created=now)
    return tx.execute(made.on_conflict_do_nothing().returning(community.c.slug)).first() is not None


def find(tx: Transaction, slug: str) -> Community | None:
    row = tx.execute(sa.select(community).where(community.c.slug == slug)).one_or_none()
    return None if row is None else Community(row.slug, row.title, row.description)


def everyone(tx: Transaction) -> list[Community]:
    """All communities, by slug."""
    rows = tx.execute(sa.select(community).order_by(community.c.slug))
    return [Community(row.slug, row.title, row.description) for row in rows]


def with_works(tx: Transaction) -> list[Community]:
    """The communities that have a work, by slug."""
    peopled = sa.select(concept_community.c.slug)
    rows = tx.execute(sa.select(community).where(community.c.slug.in_(peopled)).order_by(community.c.slug))
    return [Community(row.slug, row.title, row.description) for row in rows]


def include(tx: Transaction, memberships: Sequence[tuple[int, str]]) -> None:
    """Put works (by concept id) into communities (by slug) that exist; doing it again changes nothing."""
    if not memberships:
        return
    tx.execute(
        insert(tx, concept_community).on_conflict_do_nothing(),
        [{"concept_id": concept_id, "slug": slug} for concept_id, slug in memberships],
    )


def of_concepts(tx: Transaction, concept_ids: Sequence[int]) -> dict[int, tuple[Community, ...]]:
    """The communities of each work."""
    joined = (
        sa.select(concept_community.c.concept_id, community)
        .join(community, community.c.slug == concept_community.c.slug)
        .where(concept_community.c.concept_id.in_(concept_ids))
        .order_by(community.c.slug)
    )
    found: dict[int, tuple[Community, ...]] = {}
    for row in tx.execute(joined):
        found[row.concept_id] = (
            *found.get(row.concept_id, ()),
            Community(row.slug, row.title, row.description),
        )
    return found
