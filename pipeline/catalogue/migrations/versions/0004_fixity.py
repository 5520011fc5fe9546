"""When stored bytes were last found right, and which digests were gone on with from a saved state."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "deposit_file", sa.Column("resumed", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        "fixity",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sound_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["record_id", "key"],
            ["record_file.record_id", "record_file.key"],
            name=op.f("fk_fixity_record_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("record_id", "key", name=op.f("pk_fixity")),
    )
    op.create_index("ix_fixity_sound_at", "fixity", ["sound_at", "record_id", "key"], unique=False)
    # Which files were resumed is not known of those that are there: whoever has no time is looked at first.
    never = sa.bindparam("never", datetime(1970, 1, 1, tzinfo=UTC), sa.DateTime(timezone=True))
    op.execute(
        sa.text(
            "INSERT INTO fixity (record_id, key, size, sound_at) "
            "SELECT record_id, MIN(key), MAX(size), MIN(COALESCE(taken_at, :never)) "
            "FROM record_file WHERE holder_id = record_id GROUP BY record_id, content"
        ).bindparams(never)
    )
