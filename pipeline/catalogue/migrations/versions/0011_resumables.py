"""Uploads that are sent in several requests."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "resumable",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("deposit_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transfer_id", sa.BigInteger(), nullable=True),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("part_size", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("states", sa.JSON(), nullable=False),
        sa.Column("tail_size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["deposit_id"], ["deposit.id"], name=op.f("fk_resumable_deposit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resumable")),
    )
    op.create_index(op.f("ix_resumable_deposit_id"), "resumable", ["deposit_id"], unique=False)
    op.create_index(op.f("ix_resumable_expires"), "resumable", ["expires"], unique=False)
