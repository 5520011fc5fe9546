"""Accounts can be disabled, and guesses at them are counted by all gateways together."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("account", sa.Column("disabled", _TIME, nullable=True))
    op.create_table(
        "guess",
        sa.Column("subject_hash", sa.Text(), nullable=False),
        sa.Column("slice", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("expires", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("subject_hash", "slice", name=op.f("pk_guess")),
    )
    op.create_index(op.f("ix_guess_expires"), "guess", ["expires"], unique=False)
