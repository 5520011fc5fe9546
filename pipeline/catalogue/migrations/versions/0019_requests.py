"""Requests that people make of each other, and what is said about them."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0016"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_STATES = ("created", "submitted", "accepted", "declined", "cancelled", "expired")
_KINDS = ("user", "community", "record", "email", "administrators")
_PARTS = ("creator", "receiver", "topic")


def upgrade() -> None:
    op.create_table(
        "request",
        sa.Column("number", _ID, nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("id", "type", "title", "description", "state")
        ),
        *(
            sa.Column(f"{part}_{name}", sa.Text(), nullable=False)
            for part in _PARTS
            for name in ("kind", "id")
        ),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("updated", _TIME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("expires", _TIME, nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        _one_of("state", _STATES),
        *(_one_of(f"{part}_kind", _KINDS) for part in _PARTS),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_request_counts_from_one")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_request")),
        sa.UniqueConstraint("id", name=op.f("uq_request_id")),
        sqlite_autoincrement=True,
    )
    for columns in (
        ("creator_kind", "creator_id"),
        ("receiver_kind", "receiver_id", "state"),
        ("topic_kind", "topic_id"),
        ("state", "expires"),
    ):
        op.create_index(f"ix_request_{'_'.join(columns)}", "request", list(columns), unique=False)
    is_open = sa.text("state IN ('created', 'submitted')")
    op.create_index(
        "uq_request_open",
        "request",
        ["subject"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "request_event",
        sa.Column("number", _ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("request_number", _ID, nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("author_id", _ID, nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("updated", _TIME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(event = '') != (content = '')", name=op.f("ck_request_event_says_one_thing")),
        sa.ForeignKeyConstraint(
            ["request_number"],
            ["request.number"],
            name=op.f("fk_request_event_request_number"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["author_id"], ["account.id"], name=op.f("fk_request_event_author_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_request_event")),
        sa.UniqueConstraint("id", name=op.f("uq_request_event_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_request_event_request_number_number", "request_event", ["request_number", "number"], unique=False
    )


def _one_of(column: str, words: tuple[str, ...]) -> sa.CheckConstraint:
    values = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({values})", name=op.f(f"ck_request_{column}_known"))
