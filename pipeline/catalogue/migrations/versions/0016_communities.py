"""Communities that people manage: ids that stay, what they say of themselves, members, logos, tombstones."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0018"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    connection = op.get_bind()
    known = connection.execute(sa.text("SELECT slug, title, description, created FROM community")).all()
    op.execute("CREATE TABLE moved AS SELECT concept_id, slug FROM concept_community")
    op.drop_table("concept_community")
    op.drop_table("community")
    community = _create_community()
    _create_what_belongs_to_it()
    if known:
        # Times as they were read: they are written as text on SQLite, and stay what they were.
        connection.execute(
            sa.insert(community),
            [
                {
                    "id": str(uuid4()),
                    "slug": one.slug,
                    "title": one.title,
                    "description": one.description,
                    "kind": "",
                    "details": {},
                    "members_visibility": "public",
                    "member_policy": "closed",
                    "record_submission_policy": "open",
                    "review_policy": "closed",
                    "words": f"{one.slug} {one.title} {one.description}".casefold(),
                    "created": one.created,
                    "updated": one.created,
                    "revision": 1,
                }
                for one in known
            ],
        )
    op.execute(
        "INSERT INTO concept_community (concept_id, community_id, is_default)"
        " SELECT moved.concept_id, community.id, false FROM moved JOIN community ON community.slug = moved.slug"
    )
    op.drop_table("moved")


def _create_community() -> sa.TableClause:
    policies = {
        "members_visibility": ("public", "restricted"),
        "member_policy": ("open", "closed"),
        "record_submission_policy": ("open", "closed"),
        "review_policy": ("closed", "open", "members"),
    }
    op.create_table(
        "community",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in policies),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("updated", _TIME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("featured", _TIME, nullable=True),
        sa.Column("deleted", _TIME, nullable=True),
        sa.Column("tombstone", sa.JSON(), nullable=True),
        *(_one_of("community", name, words) for name, words in policies.items()),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_community_counts_from_one")),
        sa.CheckConstraint(
            "(deleted IS NULL) = (tombstone IS NULL)", name=op.f("ck_community_deleted_leaves_tombstone")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_community")),
        sa.UniqueConstraint("slug", name=op.f("uq_community_slug")),
    )
    op.create_index("ix_community_created", "community", ["created"], unique=False)
    names = (
        "id",
        "slug",
        "title",
        "description",
        "kind",
        *policies,
        "words",
        "created",
        "updated",
        "revision",
    )
    return sa.table("community", sa.column("details", sa.JSON()), *(sa.column(name) for name in names))


def _one_of(table: str, name: str, words: tuple[str, ...]) -> sa.CheckConstraint:
    values = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{name} IN ({values})", name=op.f(f"ck_{table}_{name}_known"))


def _create_what_belongs_to_it() -> None:
    op.create_table(
        "community_body",
        sa.Column("community_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _of_community("community_body"),
        sa.PrimaryKeyConstraint("community_id", "kind", "name", name=op.f("pk_community_body")),
    )
    op.create_index("ix_community_body_kind_name", "community_body", ["kind", "name"], unique=False)
    op.create_table(
        "community_logo",
        sa.Column("community_id", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("md5", sa.Text(), nullable=False),
        sa.Column("updated", _TIME, nullable=False),
        _of_community("community_logo"),
        sa.PrimaryKeyConstraint("community_id", name=op.f("pk_community_logo")),
    )
    op.create_table(
        "community_member",
        sa.Column("community_id", sa.Text(), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("visible", sa.Boolean(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("updated", _TIME, nullable=False),
        _one_of("community_member", "role", ("reader", "curator", "manager", "owner")),
        _of_community("community_member"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_community_member_account_id")),
        sa.PrimaryKeyConstraint("community_id", "account_id", name=op.f("pk_community_member")),
    )
    op.create_index("ix_community_member_account_id", "community_member", ["account_id"], unique=False)
    op.create_table(
        "concept_community",
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("community_id", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name=op.f("fk_concept_community_concept_id")),
        _of_community("concept_community"),
        sa.PrimaryKeyConstraint("concept_id", "community_id", name=op.f("pk_concept_community")),
    )
    op.create_index("ix_concept_community_community_id", "concept_community", ["community_id"], unique=False)
    op.create_index(
        "uq_concept_community_default",
        "concept_community",
        ["concept_id"],
        unique=True,
        sqlite_where=sa.text("is_default = 1"),
        postgresql_where=sa.text("is_default"),
    )


def _of_community(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["community_id"], ["community.id"], name=op.f(f"fk_{table}_community_id"))
