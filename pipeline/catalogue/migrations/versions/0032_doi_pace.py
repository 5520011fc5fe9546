"""How often the DOI registry was asked, what each DOI was last put to, what to do about effects that are parked."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "doi_pace",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("due", _TIME, nullable=False),
        sa.Column("rests_until", _TIME, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_doi_pace_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_doi_pace")),
    )
    # A row that is always there.
    op.execute(
        "INSERT INTO doi_pace (id, due, rests_until, failures) "
        "VALUES (1, '2000-01-01 00:00:00', '2000-01-01 00:00:00', 0)"
    )
    # Nobody knows it of DOIs that were put before: they are put once more when something of them changes.
    op.add_column("doi", sa.Column("seen_digest", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("remedy", sa.Text(), nullable=False, server_default=""))
