"""What deposits over HTTP have besides what every deposit has."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import BigId, Utc, metadata

# What a deposit over HTTP has besides what every deposit has.
draft = sa.Table(
    "draft",
    metadata,
    sa.Column("deposit_id", sa.ForeignKey("deposit.id"), primary_key=True, autoincrement=False),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("modified", Utc, nullable=False),
    # Counts every change, for whoever wants to change only what they have seen.
    sa.Column("revision", sa.BigInteger, nullable=False, default=1),
    # Whether any metadata was given, and what of it could not be kept.
    sa.Column("has_metadata", sa.Boolean, nullable=False),
    sa.Column("dropped", sa.JSON, nullable=False, default=list),
    # Until when an edit may be published with other files than its record has; NULL where it has none of its own.
    sa.Column("files_until", Utc),
    sa.Index("ix_draft_account_id_created", "account_id", "created"),
    sa.CheckConstraint("revision >= 1", name="counts_from_one"),
)

# A file that is being sent into a draft.
transfer = sa.Table(
    "transfer",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("deposit_id", sa.ForeignKey("deposit.id"), nullable=False, index=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("begun", Utc, nullable=False),
    sa.Column("lease_owner", sa.Text, nullable=False, index=True),
    sa.Column("lease_until", Utc, nullable=False),
    # Ids are never given twice: paths in the store are named by them.
    sqlite_autoincrement=True,
)

# Files that come into drafts in several requests. The id is that of a transfer which is not used otherwise; the newest
# that went on with it is `transfer_id`. Those that began the store's upload, and left the bytes behind its last whole
# part, are named for the sake of their places in the store.
resumable = sa.Table(
    "resumable",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=False),
    sa.Column("deposit_id", sa.ForeignKey("deposit.id"), nullable=False, index=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("expires", Utc, nullable=False, index=True),
    sa.Column("transfer_id", sa.BigInteger),
    sa.Column("upload_id", sa.Text, nullable=False),
    sa.Column("part_size", sa.BigInteger, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("states", sa.JSON, nullable=False),
    sa.Column("begun_by", sa.BigInteger),
    sa.Column("tail_size", sa.BigInteger, nullable=False),
    sa.Column("tail_of", sa.BigInteger),
    sa.CheckConstraint(
        '("offset" = 0) = (begun_by IS NULL) AND (tail_size = 0) = (tail_of IS NULL)',
        name="bytes_have_a_place",
    ),
)

resumable_part = sa.Table(
    "resumable_part",
    metadata,
    sa.Column("resumable_id", sa.ForeignKey("resumable.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("xxh3", sa.Text, nullable=False),
    sa.Column("checksum", sa.Text, nullable=False),
    sa.CheckConstraint("number >= 1 AND size > 0", name="counts_from_one"),
)

# Files of drafts that were announced and are not committed yet: a file has a row here or in `deposit_file`, never both.
# Of what has come of one, `content` is its path, the others what is known of its bytes.
pending_file = sa.Table(
    "pending_file",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("deposit_id", sa.ForeignKey("deposit.id"), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    # As announced; NULL where nothing was said of it.
    sa.Column("size", sa.BigInteger),
    sa.Column("declared", sa.JSON, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("updated", Utc, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("received", sa.BigInteger),
    sa.Column("root_digest", sa.Text),
    sa.Column("digests", sa.JSON),
    sa.UniqueConstraint("deposit_id", "key"),
    sa.CheckConstraint(
        "content = '' OR (received IS NOT NULL AND root_digest IS NOT NULL AND digests IS NOT NULL)",
        name="content_has_digest",
    ),
    # Whoever sends to one must be able to tell it from a later one of the same key.
    sqlite_autoincrement=True,
)

# Those of them that come in parts, in any order, into an upload of the store; nobody waits for them for ever.
multipart = sa.Table(
    "multipart",
    metadata,
    sa.Column(
        "file_id", sa.ForeignKey("pending_file.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("part_size", sa.BigInteger, nullable=False),
    sa.Column("upload_id", sa.Text, nullable=False),
    sa.Column("expires", Utc, nullable=False, index=True),
    sa.CheckConstraint("part_size > 0", name="is_in_parts"),
)
