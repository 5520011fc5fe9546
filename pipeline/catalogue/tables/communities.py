"""Communities, their members, and which works belong to them."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import Utc, metadata, one_of
from pipeline.communities.roles import Audience, Policy, ReviewPolicy, Role

community = sa.Table(
    "community",
    metadata,
    # A UUID: it stays when the slug changes.
    sa.Column("id", sa.Text, primary_key=True),
    # Kept by those that were deleted as well: their addresses tell of it.
    sa.Column("slug", sa.Text, nullable=False, unique=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, default=""),
    # What it is of the vocabulary of community types, or ''.
    sa.Column("kind", sa.Text, nullable=False, default=""),
    sa.Column("details", sa.JSON, nullable=False, default=dict),
    sa.Column("members_visibility", sa.Text, nullable=False, default=Audience.PUBLIC),
    sa.Column("member_policy", sa.Text, nullable=False, default=Policy.CLOSED),
    sa.Column("record_submission_policy", sa.Text, nullable=False, default=Policy.OPEN),
    sa.Column("review_policy", sa.Text, nullable=False, default=ReviewPolicy.CLOSED),
    # Slug, title and description without regard to case, for those who look for words in them.
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("updated", Utc, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False, default=1),
    sa.Column("featured", Utc),
    sa.Column("deleted", Utc),
    sa.Column("tombstone", sa.JSON(none_as_null=True)),
    sa.Index("ix_community_created", "created"),
    one_of("members_visibility", Audience),
    one_of("member_policy", Policy),
    one_of("record_submission_policy", Policy),
    one_of("review_policy", ReviewPolicy),
    sa.CheckConstraint("revision >= 1", name="counts_from_one"),
    sa.CheckConstraint("(deleted IS NULL) = (tombstone IS NULL)", name="deleted_leaves_tombstone"),
)

# Organisations and funders of communities, by what they are looked for with: ids, and names without regard to case.
community_body = sa.Table(
    "community_body",
    metadata,
    sa.Column("community_id", sa.ForeignKey("community.id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Index("ix_community_body_kind_name", "kind", "name"),
)

community_logo = sa.Table(
    "community_logo",
    metadata,
    sa.Column("community_id", sa.ForeignKey("community.id"), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("md5", sa.Text, nullable=False),
    sa.Column("updated", Utc, nullable=False),
)

community_member = sa.Table(
    "community_member",
    metadata,
    sa.Column("community_id", sa.ForeignKey("community.id"), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.id"), primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    # Whether people who are no members see that they are one.
    sa.Column("visible", sa.Boolean, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("updated", Utc, nullable=False),
    sa.Index("ix_community_member_account_id", "account_id"),
    one_of("role", Role),
)

concept_community = sa.Table(
    "concept_community",
    metadata,
    sa.Column("concept_id", sa.ForeignKey("concept.id"), primary_key=True),
    sa.Column("community_id", sa.ForeignKey("community.id"), primary_key=True),
    # The one that stands for the work where there is room for one only.
    sa.Column("is_default", sa.Boolean, nullable=False, default=False),
    sa.Index("ix_concept_community_community_id", "community_id"),
    # SQLite uses the index only for the words that it was made with.
    sa.Index(
        "uq_concept_community_default",
        "concept_id",
        unique=True,
        sqlite_where=sa.text("is_default = 1"),
        postgresql_where=sa.text("is_default"),
    ),
)
