"""With whom works are shared. `owner` is whose the work was when that was done: they shared what was theirs of it, and
not what a later owner adds."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import BigId, Utc, metadata

# What gives its right to whoever knows its token, which is worked out from the id and not kept (decision 0014).
share_link = sa.Table(
    "share_link",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("concept_id", sa.ForeignKey("concept.id"), nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("right", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, default=""),
    sa.Column("origin", sa.Text, nullable=False, default=""),
    sa.Column("created", Utc, nullable=False),
    sa.Column("expires", Utc),
    sa.Index("ix_share_link_concept_id", "concept_id"),
    # Nobody manages a work by knowing a link.
    sa.CheckConstraint("\"right\" IN ('view', 'preview', 'edit')", name="right_known"),
)

access_grant = sa.Table(
    "access_grant",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("concept_id", sa.ForeignKey("concept.id"), nullable=False),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("right", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False, default=""),
    sa.Column("created", Utc, nullable=False),
    sa.UniqueConstraint("concept_id", "account_id"),
    sa.Index("ix_access_grant_account_id", "account_id"),
    sa.CheckConstraint("\"right\" IN ('view', 'preview', 'edit', 'manage')", name="right_known"),
)

# Guests who ask for the files of a record, and have not shown yet that the address is theirs.
inquiry = sa.Table(
    "inquiry",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("record_id", sa.ForeignKey("record.id"), nullable=False),
    sa.Column("email", sa.Text, nullable=False, index=True),
    sa.Column("full_name", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("expires", Utc, nullable=False, index=True),
)
