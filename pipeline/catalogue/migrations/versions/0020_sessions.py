"""Sign-in for people: passwords, sessions, mailed links, identities at providers."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("account", sa.Column("password", sa.Text(), nullable=True))
    op.add_column("token", sa.Column("name", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "session",
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("last_used", _TIME, nullable=False),
        sa.Column("expires", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_session_account_id")),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_session")),
    )
    for column in ("account_id", "last_used", "expires"):
        op.create_index(op.f(f"ix_session_{column}"), "session", [column], unique=False)
    op.create_table(
        "mailed_link",
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("expires", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_mailed_link")),
    )
    for column in ("email", "expires"):
        op.create_index(op.f(f"ix_mailed_link_{column}"), "mailed_link", [column], unique=False)
    op.create_table(
        "identity",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_identity_account_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identity")),
        sa.UniqueConstraint("account_id", "issuer", name=op.f("uq_identity_account_id_issuer")),
    )
    op.create_table(
        "oidc_request",
        sa.Column("state_hash", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("account_id", _ID, nullable=True),
        sa.Column("expires", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_oidc_request_account_id")),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_oidc_request")),
    )
    op.create_index(op.f("ix_oidc_request_expires"), "oidc_request", ["expires"], unique=False)
