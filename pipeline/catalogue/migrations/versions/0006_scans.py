"""When stored bytes were last scanned for viruses, and what the scanner said."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("fixity", sa.Column("scan_status", sa.Text(), nullable=True))
    op.add_column("fixity", sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=True))
    file = sa.table(
        "record_file",
        sa.column("record_id", sa.BigInteger),
        sa.column("key", sa.Text),
        sa.column("scan", sa.JSON),
        sa.column("taken_at", sa.DateTime(timezone=True)),
    )
    fixity = sa.table(
        "fixity",
        sa.column("record_id", sa.BigInteger),
        sa.column("key", sa.Text),
        sa.column("scan_status", sa.Text),
        sa.column("scanned_at", sa.DateTime(timezone=True)),
    )
    never = sa.literal(datetime(1970, 1, 1, tzinfo=UTC), sa.DateTime(timezone=True))
    of_file = sa.and_(file.c.record_id == fixity.c.record_id, file.c.key == fixity.c.key)
    op.execute(
        sa.update(fixity).values(
            scan_status=sa.select(file.c.scan["status"].as_string()).where(of_file).scalar_subquery(),
            scanned_at=sa.select(sa.func.coalesce(file.c.taken_at, never)).where(of_file).scalar_subquery(),
        )
    )
    with op.batch_alter_table("fixity") as table:
        table.alter_column("scan_status", existing_type=sa.Text(), nullable=False)
        table.alter_column("scanned_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        table.create_check_constraint(
            op.f("ck_fixity_scan_status_known"),
            "scan_status IN ('clean', 'infected', 'partial', 'unscanned', 'stale', 'released')",
        )
    op.create_index(
        "ix_fixity_scan_status", "fixity", ["scan_status", "scanned_at", "record_id", "key"], unique=False
    )
