"""Files of published records may be changed with an edit."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0024"


def upgrade() -> None:
    op.add_column("draft", sa.Column("files_until", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "earlier_content",
        sa.Column("holder_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("ocfl_version", sa.Integer(), nullable=False),
        sa.CheckConstraint("ocfl_version >= 1", name=op.f("ck_earlier_content_counts_from_one")),
        sa.ForeignKeyConstraint(["holder_id"], ["record.id"], name=op.f("fk_earlier_content_holder_id")),
        sa.PrimaryKeyConstraint("holder_id", "content", name=op.f("pk_earlier_content")),
    )
