"""How much works and the works of accounts may hold, where somebody has said."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import Utc, metadata

# All sizes are bytes. What administrators have set comes out of nobody's allowance.
work_quota = sa.Table(
    "work_quota",
    metadata,
    sa.Column("concept_id", sa.ForeignKey("concept.id"), primary_key=True, autoincrement=False),
    sa.Column("quota_size", sa.BigInteger, nullable=False),
    sa.Column("max_file_size", sa.BigInteger, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("changed", Utc, nullable=False),
    sa.CheckConstraint("quota_size > 0 AND max_file_size > 0", name="has_room"),
)

# What an owner has raised a work to, out of their account's own allowance.
raised_quota = sa.Table(
    "raised_quota",
    metadata,
    sa.Column("concept_id", sa.ForeignKey("concept.id"), primary_key=True, autoincrement=False),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False, index=True),
    sa.Column("quota_size", sa.BigInteger, nullable=False),
    sa.Column("changed", Utc, nullable=False),
    sa.CheckConstraint("quota_size > 0", name="has_room"),
)

account_quota = sa.Table(
    "account_quota",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.id"), primary_key=True, autoincrement=False),
    sa.Column("quota_size", sa.BigInteger, nullable=False),
    sa.Column("max_file_size", sa.BigInteger, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("changed", Utc, nullable=False),
    sa.CheckConstraint("quota_size > 0 AND max_file_size > 0", name="has_room"),
)
