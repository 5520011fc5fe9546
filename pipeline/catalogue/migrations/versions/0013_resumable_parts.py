"""Uploads in several requests: parts are rows, and each request has a place of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # What was half sent is begun again by its client: such uploads last for a day, and their bytes lie elsewhere now.
    op.drop_table("resumable")
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
        sa.Column("states", sa.JSON(), nullable=False),
        sa.Column("begun_by", sa.BigInteger(), nullable=True),
        sa.Column("tail_size", sa.BigInteger(), nullable=False),
        sa.Column("tail_of", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            '("offset" = 0) = (begun_by IS NULL) AND (tail_size = 0) = (tail_of IS NULL)',
            name=op.f("ck_resumable_bytes_have_a_place"),
        ),
        sa.ForeignKeyConstraint(["deposit_id"], ["deposit.id"], name=op.f("fk_resumable_deposit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resumable")),
    )
    op.create_index(op.f("ix_resumable_deposit_id"), "resumable", ["deposit_id"], unique=False)
    op.create_index(op.f("ix_resumable_expires"), "resumable", ["expires"], unique=False)
    op.create_table(
        "resumable_part",
        sa.Column("resumable_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("xxh3", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.CheckConstraint("number >= 1 AND size > 0", name=op.f("ck_resumable_part_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["resumable_id"],
            ["resumable.id"],
            name=op.f("fk_resumable_part_resumable_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("resumable_id", "number", name=op.f("pk_resumable_part")),
    )
