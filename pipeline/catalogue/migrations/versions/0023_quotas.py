"""How much works, and the works of accounts, may hold."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "work_quota",
        sa.Column("concept_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", _ID, nullable=True),
        sa.Column("quota_size", sa.BigInteger(), nullable=False),
        sa.Column("max_file_size", sa.BigInteger(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quota_size > 0 AND max_file_size > 0", name=op.f("ck_work_quota_has_room")),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name=op.f("fk_work_quota_concept_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_work_quota_account_id")),
        sa.PrimaryKeyConstraint("concept_id", name=op.f("pk_work_quota")),
    )
    op.create_index(op.f("ix_work_quota_account_id"), "work_quota", ["account_id"], unique=False)
    op.create_table(
        "account_quota",
        sa.Column("account_id", _ID, autoincrement=False, nullable=False),
        sa.Column("quota_size", sa.BigInteger(), nullable=False),
        sa.Column("max_file_size", sa.BigInteger(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quota_size > 0 AND max_file_size > 0", name=op.f("ck_account_quota_has_room")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_account_quota_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_quota")),
    )
