"""What a file is known by in its source is a stamp, of which a modification time is one kind."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for table in ("record_file", "deposit_file", "upload"):
        op.add_column(table, sa.Column("stamp", sa.Text(), nullable=False, server_default=""))
        op.execute(f"UPDATE {table} SET stamp = CAST(mtime_ns AS TEXT) WHERE mtime_ns IS NOT NULL")  # noqa: S608
    op.drop_column("upload", "mtime_ns")
