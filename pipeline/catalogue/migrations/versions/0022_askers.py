"""Requests tell by whose account they were made, be it in the name of somebody else."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    # In words that both databases know: SQLite would else copy the table, and what refers to it be lost.
    account = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE request ADD COLUMN asked_by {account}"
        " CONSTRAINT fk_request_asked_by REFERENCES account (id)"
    )
    # So far each was made in the asker's own name, but for invitations, of which nothing depends on it.
    op.execute("UPDATE request SET asked_by = CAST(creator_id AS BIGINT) WHERE creator_kind = 'user'")
