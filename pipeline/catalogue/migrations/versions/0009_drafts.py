"""Deposits over HTTP."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DRAFTS = "accession_id IS NULL AND state IN ('planned', 'sealed', 'held')"
_VERSIONS = "accession_id IS NULL AND action = 'version' AND state IN ('planned', 'sealed', 'held')"


def upgrade() -> None:
    op.create_table(
        "draft",
        sa.Column("deposit_id", _ID, autoincrement=False, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("has_metadata", sa.Boolean(), nullable=False),
        sa.Column("dropped", sa.JSON(), nullable=False),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_draft_counts_from_one")),
        sa.ForeignKeyConstraint(["deposit_id"], ["deposit.id"], name=op.f("fk_draft_deposit_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_draft_account_id")),
        sa.PrimaryKeyConstraint("deposit_id", name=op.f("pk_draft")),
    )
    op.create_index("ix_draft_account_id_created", "draft", ["account_id", "created"], unique=False)
    for name, column, where in (
        ("uq_deposit_draft", "record_id", sa.text(_DRAFTS)),
        ("uq_deposit_draft_version", "concept_id", sa.text(_VERSIONS)),
    ):
        op.create_index(name, "deposit", [column], unique=True, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "transfer",
        sa.Column("id", _ID, nullable=False),
        sa.Column("deposit_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("begun", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["deposit_id"], ["deposit.id"], name=op.f("fk_transfer_deposit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_record_owner_created", "record", ["owner", "created"], unique=False)
    op.create_index(op.f("ix_transfer_deposit_id"), "transfer", ["deposit_id"], unique=False)
    op.create_table(
        "extra_format",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("md5", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("record_id", "media_type", name=op.f("pk_extra_format")),
    )
    with op.batch_alter_table("outbox") as table:
        table.drop_constraint(op.f("ck_outbox_kind_known"), type_="check")
        table.create_check_constraint(
            op.f("ck_outbox_kind_known"), "kind IN ('examine', 'preserve', 'register', 'index', 'announce')"
        )
    op.create_index(op.f("ix_transfer_lease_owner"), "transfer", ["lease_owner"], unique=False)
