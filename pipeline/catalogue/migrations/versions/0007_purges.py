"""Bytes that were taken out of the storage root."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UNDER_WAY = sa.text("state = 'purging'")


def upgrade() -> None:
    op.create_table(
        "purge",
        sa.Column("id", _ID, nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('purging', 'purged')", name=op.f("ck_purge_state_known")),
        sa.CheckConstraint("decided_by != '' AND reason != ''", name=op.f("ck_purge_decision_has_reason")),
        sa.CheckConstraint(
            "state != 'purged' OR finished IS NOT NULL", name=op.f("ck_purge_purged_is_finished")
        ),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name=op.f("fk_purge_concept_id")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_purge_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purge")),
    )
    op.create_index("ix_purge_record_id_key", "purge", ["record_id", "key"], unique=False)
    op.create_index(
        "uq_purge_under_way",
        "purge",
        ["concept_id"],
        unique=True,
        sqlite_where=_UNDER_WAY,
        postgresql_where=_UNDER_WAY,
    )
    # In SQL, for both databases understand it, and copy no row.
    op.execute(
        f"ALTER TABLE record_file ADD COLUMN purge_id {_ID.compile(op.get_bind().dialect)}"
        " CONSTRAINT fk_record_file_purge_id REFERENCES purge (id)"
    )
