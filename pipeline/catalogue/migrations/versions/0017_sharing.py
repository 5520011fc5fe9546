"""Works are shared by links and with accounts, and say who may ask for their files."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0020"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("concept", sa.Column("access_settings", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "share_link",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("right", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "\"right\" IN ('view', 'preview', 'edit')", name=op.f("ck_share_link_right_known")
        ),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name=op.f("fk_share_link_concept_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_link")),
    )
    op.create_index("ix_share_link_concept_id", "share_link", ["concept_id"], unique=False)
    op.create_table(
        "access_grant",
        sa.Column("id", _ID, nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("right", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "\"right\" IN ('view', 'preview', 'edit', 'manage')", name=op.f("ck_access_grant_right_known")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_access_grant_account_id")),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name=op.f("fk_access_grant_concept_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_grant")),
        sa.UniqueConstraint("concept_id", "account_id", name=op.f("uq_access_grant_concept_id_account_id")),
    )
    op.create_index("ix_access_grant_account_id", "access_grant", ["account_id"], unique=False)
