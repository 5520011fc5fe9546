"""Mails that are to be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0014"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "mail",
        sa.Column("id", _ID, nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("outbox") as table:
        table.drop_constraint(op.f("ck_outbox_kind_known"), type_="check")
        table.create_check_constraint(
            op.f("ck_outbox_kind_known"),
            "kind IN ('preserve', 'register', 'index', 'announce', 'examine', 'mail')",
        )
