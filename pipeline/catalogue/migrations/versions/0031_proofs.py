"""When who is signed in showed who they are; what owners raise is apart from what administrators set."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

_TIME = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Of sessions that there are nobody knows: who is in one signs in again before what lets others in.
    op.add_column("session", sa.Column("proved", _TIME, nullable=True))
    op.add_column("oidc_request", sa.Column("since", _TIME, nullable=True))
    _part_quotas()


def _part_quotas() -> None:
    op.create_table(
        "raised_quota",
        sa.Column("concept_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("quota_size", sa.BigInteger(), nullable=False),
        sa.Column("changed", _TIME, nullable=False),
        sa.CheckConstraint("quota_size > 0", name=op.f("ck_raised_quota_has_room")),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name=op.f("fk_raised_quota_concept_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_raised_quota_account_id")),
        sa.PrimaryKeyConstraint("concept_id", name=op.f("pk_raised_quota")),
    )
    op.create_index(op.f("ix_raised_quota_account_id"), "raised_quota", ["account_id"], unique=False)
    op.execute(
        "INSERT INTO raised_quota (concept_id, account_id, quota_size, changed) "
        "SELECT concept_id, account_id, quota_size, changed FROM work_quota WHERE account_id IS NOT NULL"
    )
    op.execute("DELETE FROM work_quota WHERE account_id IS NOT NULL")
    op.drop_index(op.f("ix_work_quota_account_id"), "work_quota")
    with op.batch_alter_table("work_quota") as table:
        table.drop_constraint(op.f("fk_work_quota_account_id"), type_="foreignkey")
        table.drop_column("account_id")
