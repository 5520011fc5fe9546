"""Who puts a DOI, and what may arrive at its registry yet; one request at a time tells whether a registry is back."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("doi", sa.Column("putter", sa.Text(), nullable=True))
    op.add_column("doi", sa.Column("put_digest", sa.Text(), nullable=True))
    op.add_column("doi", sa.Column("late_until", _TIME, nullable=True))
    op.add_column("doi", sa.Column("late_digest", sa.Text(), nullable=True))
    # Those that are still to be hidden are few, and looked for each time before any other.
    still = sa.text("wanted = 'registered' AND (seen IS NULL OR seen <> 'registered')")
    op.create_index("ix_doi_to_be_hidden", "doi", ["concept_id"], sqlite_where=still, postgresql_where=still)
    op.add_column("doi_pace", sa.Column("probing_until", _TIME, nullable=True))
