"""What people decide of files in quarantine."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_HAS_BYTES = sa.text("state NOT IN ('released', 'destroyed')")


def upgrade() -> None:
    # A file that was put apart again in the same accession lies where it lay before.
    op.execute("DELETE FROM quarantine WHERE id NOT IN (SELECT MAX(id) FROM quarantine GROUP BY key)")
    op.add_column("quarantine", sa.Column("file_id", sa.BigInteger(), nullable=True))
    op.add_column("quarantine", sa.Column("state", sa.Text(), nullable=True))
    op.add_column("quarantine", sa.Column("decided_by", sa.Text(), nullable=True))
    op.add_column("quarantine", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("quarantine", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    # Keys are quarantine/<accession>/<file>.
    op.execute(
        "UPDATE quarantine SET state = 'quarantined', decided_by = '', reason = '',"
        " file_id = CAST(REPLACE(key, 'quarantine/' || accession_id || '/', '') AS BIGINT)"
    )
    with op.batch_alter_table("quarantine") as table:
        for column in ("state", "decided_by", "reason"):
            table.alter_column(column, existing_type=sa.Text(), nullable=False)
        table.alter_column("file_id", existing_type=sa.BigInteger(), nullable=False)
        table.create_check_constraint(
            op.f("ck_quarantine_state_known"),
            "state IN ('quarantined', 'releasing', 'released', 'destroying', 'destroyed')",
        )
        table.create_check_constraint(
            op.f("ck_quarantine_decision_has_reason"),
            "state = 'quarantined' OR (decided_by != '' AND reason != '' AND decided_at IS NOT NULL)",
        )
    op.create_index(
        "uq_quarantine_key",
        "quarantine",
        ["key"],
        unique=True,
        sqlite_where=_HAS_BYTES,
        postgresql_where=_HAS_BYTES,
    )
    op.create_index(op.f("ix_event_accession_id"), "event", ["accession_id"], unique=False)
