"""Files of drafts that were announced and are not committed yet."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pending_file",
        sa.Column("id", _ID, nullable=False),
        sa.Column("deposit_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("declared", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=True),
        sa.Column("root_digest", sa.Text(), nullable=True),
        sa.Column("digests", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "content = '' OR (received IS NOT NULL AND root_digest IS NOT NULL AND digests IS NOT NULL)",
            name=op.f("ck_pending_file_content_has_digest"),
        ),
        sa.ForeignKeyConstraint(["deposit_id"], ["deposit.id"], name=op.f("fk_pending_file_deposit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_file")),
        sa.UniqueConstraint("deposit_id", "key", name=op.f("uq_pending_file_deposit_id_key")),
        sqlite_autoincrement=True,
    )
