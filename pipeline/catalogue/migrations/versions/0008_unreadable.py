"""Stored bytes that audits could not read."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("fixity", sa.Column("put_off_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("fixity", sa.Column("put_offs", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_fixity_put_off_at", "fixity", ["put_off_at", "record_id", "key"], unique=False)
