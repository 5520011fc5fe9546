"""Communities and which works belong to them."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import Utc, metadata

community = sa.Table(
    "community",
    metadata,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, default=""),
    sa.Column("created", Utc, nullable=False),
)

concept_community = sa.Table(
    "concept_community",
    metadata,
    sa.Column("concept_id", sa.ForeignKey("concept.id"), primary_key=True),
    sa.Column("slug", sa.ForeignKey("community.slug"), primary_key=True),
    sa.Index("ix_concept_community_slug", "slug"),
)
