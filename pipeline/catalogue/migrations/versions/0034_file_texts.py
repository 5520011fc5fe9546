"""Texts of files, and the effect that reads them."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.create_table(
        "file_text",
        sa.Column("root_digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("characters >= 0", name=op.f("ck_file_text_length_not_negative")),
        sa.PrimaryKeyConstraint("root_digest", name=op.f("pk_file_text")),
    )
    with op.batch_alter_table("outbox") as table:
        table.drop_constraint(op.f("ck_outbox_kind_known"), type_="check")
        table.create_check_constraint(
            op.f("ck_outbox_kind_known"),
            "kind IN ('examine', 'preserve', 'register', 'index', 'announce', 'mail', 'extract')",
        )
