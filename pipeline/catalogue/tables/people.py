"""People and what speaks for them."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import BigId, Utc, metadata

user = sa.Table(
    "account",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("email", sa.Text, nullable=False, unique=True),
    sa.Column("admin", sa.Boolean, nullable=False, default=False),
    sa.Column("created", Utc, nullable=False),
)

token = sa.Table(
    "token",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False, index=True),
    # Only a hash is kept; `lookup` finds the row without comparing secrets in the database.
    sa.Column("lookup", sa.Text, nullable=False, unique=True),
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("last_used", Utc),
    sa.Column("revoked", Utc),
)
