"""What people ask of each other, and what is said about it."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import BigId, Utc, metadata, one_of, unique_where
from pipeline.communities.requests import EntityKind, RequestState

request = sa.Table(
    "request",
    metadata,
    sa.Column("number", BigId, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, default=""),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("creator_kind", sa.Text, nullable=False),
    sa.Column("creator_id", sa.Text, nullable=False),
    sa.Column("receiver_kind", sa.Text, nullable=False),
    sa.Column("receiver_id", sa.Text, nullable=False),
    sa.Column("topic_kind", sa.Text, nullable=False),
    sa.Column("topic_id", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False, default=dict),
    # Who asked, be it in the name of the creator; nobody's account where a guest did.
    sa.Column("asked_by", sa.ForeignKey("account.id")),
    # What no two open ones have in common.
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("updated", Utc, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False, default=1),
    sa.Column("expires", Utc),
    sa.Column("locked", sa.Boolean, nullable=False, default=False),
    sa.Index("ix_request_creator_kind_creator_id", "creator_kind", "creator_id"),
    sa.Index("ix_request_receiver_kind_receiver_id_state", "receiver_kind", "receiver_id", "state"),
    sa.Index("ix_request_topic_kind_topic_id", "topic_kind", "topic_id"),
    sa.Index("ix_request_state_expires", "state", "expires"),
    unique_where("uq_request_open", "subject", where="state IN ('created', 'submitted')"),
    one_of("state", RequestState),
    one_of("creator_kind", EntityKind),
    one_of("receiver_kind", EntityKind),
    one_of("topic_kind", EntityKind),
    sa.CheckConstraint("revision >= 1", name="counts_from_one"),
    sqlite_autoincrement=True,
)

# What is said about a request, and what was done with it: comments have content, steps have an event.
request_event = sa.Table(
    "request_event",
    metadata,
    sa.Column("number", BigId, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("request_number", sa.ForeignKey("request.number", ondelete="CASCADE"), nullable=False),
    # The comment that this one answers.
    sa.Column("parent_id", sa.Text),
    sa.Column("author_id", sa.ForeignKey("account.id")),
    sa.Column("event", sa.Text, nullable=False, default=""),
    sa.Column("content", sa.Text, nullable=False, default=""),
    sa.Column("created", Utc, nullable=False),
    sa.Column("updated", Utc, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False, default=1),
    sa.Index("ix_request_event_request_number_number", "request_number", "number"),
    sa.CheckConstraint("(event = '') != (content = '')", name="says_one_thing"),
    sqlite_autoincrement=True,
)
