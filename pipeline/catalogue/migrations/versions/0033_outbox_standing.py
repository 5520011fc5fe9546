"""How effects stand is read from an index alone."""

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.drop_index("ix_outbox_kind_parked_due", "outbox")
    op.create_index("ix_outbox_standing", "outbox", ["kind", "parked", "due", "created", "lease_until"])
