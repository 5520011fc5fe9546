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
    # A hash (`pipeline.people.passwords`); none where its owner signs in in another way, or not at all.
    sa.Column("password", sa.Text),
    # Since when it lets nobody in, whatever they show.
    sa.Column("disabled", Utc),
)

session = sa.Table(
    "session",
    metadata,
    # Whoever reads the database cannot go on with a session.
    sa.Column("secret_hash", sa.Text, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False, index=True),
    sa.Column("created", Utc, nullable=False),
    sa.Column("last_used", Utc, nullable=False, index=True),
    sa.Column("expires", Utc, nullable=False, index=True),
    # When somebody showed who they are, as far as that is known.
    sa.Column("proved", Utc),
)

mailed_link = sa.Table(
    "mailed_link",
    metadata,
    sa.Column("secret_hash", sa.Text, primary_key=True),
    sa.Column("email", sa.Text, nullable=False, index=True),
    sa.Column("created", Utc, nullable=False),
    sa.Column("expires", Utc, nullable=False, index=True),
)

guess = sa.Table(
    "guess",
    metadata,
    # A hash: who is guessed at may have no account here.
    sa.Column("subject_hash", sa.Text, primary_key=True),
    # Of the period in which guesses are counted, in Unix seconds divided by the length of a slice.
    sa.Column("slice", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("expires", Utc, nullable=False, index=True),
)

oidc_request = sa.Table(
    "oidc_request",
    metadata,
    sa.Column("state_hash", sa.Text, primary_key=True),
    sa.Column("nonce", sa.Text, nullable=False),
    sa.Column("verifier", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("account_id", sa.ForeignKey("account.id")),
    sa.Column("expires", Utc, nullable=False, index=True),
    # From when on they have to show the provider who they are, where it is not to know them from before.
    sa.Column("since", Utc),
)

identity = sa.Table(
    "identity",
    metadata,
    # OpenID Connect Core 1.0, section 5.7: only both together name somebody, for good.
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False),
    sa.Column("created", Utc, nullable=False),
    # A provider opens an account for one of those whom it knows.
    sa.UniqueConstraint("account_id", "issuer"),
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
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("created", Utc, nullable=False),
    sa.Column("last_used", Utc),
    sa.Column("revoked", Utc),
)
