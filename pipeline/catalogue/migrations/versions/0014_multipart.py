"""Files of drafts that come in parts, and that nobody has read yet when they have come."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "multipart",
        sa.Column("file_id", _ID, autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("part_size", sa.BigInteger(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("part_size > 0", name=op.f("ck_multipart_is_in_parts")),
        sa.ForeignKeyConstraint(
            ["file_id"], ["pending_file.id"], name=op.f("fk_multipart_file_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_multipart")),
    )
    op.create_index(op.f("ix_multipart_expires"), "multipart", ["expires"], unique=False)
    highest = _highest_file_id()
    with op.batch_alter_table("deposit_file", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.drop_constraint(op.f("ck_deposit_file_state_known"), type_="check")
        table.create_check_constraint(
            op.f("ck_deposit_file_state_known"),
            "state IN ('planned', 'in-custody', 'rejected', 'quarantined', 'unread')",
        )
    if highest:
        _keep_file_ids_above(highest)


def _highest_file_id() -> int:
    """That was ever given on SQLite, where the table is made anew and would forget it."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return 0
    found = connection.execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'deposit_file'"))
    return found.scalar() or 0


def _keep_file_ids_above(highest: int) -> None:
    op.execute("DELETE FROM sqlite_sequence WHERE name = 'deposit_file'")
    again = sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('deposit_file', :highest)")
    op.get_bind().execute(again, {"highest": highest})
