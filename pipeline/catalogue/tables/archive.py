"""What the archive holds: works, record versions, their files, DOIs, events."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import BigId, Utc, metadata, one_of, unique_where
from pipeline.model import PurgeState, RecordState, ScanStatus

concept = sa.Table(
    "concept",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("collection", sa.Text, nullable=False, default=""),
    sa.Column("key", sa.Text, nullable=False, default=""),
    sa.Column("owner", sa.Text, nullable=False, default=""),
    sa.Column("created", Utc, nullable=False),
    # Who may write to the work's storage object, and until when.
    sa.Column("lease_owner", sa.Text, index=True),
    sa.Column("lease_until", Utc),
    # Who may ask for its files, and how; NULL where nobody has said.
    sa.Column("access_settings", sa.JSON(none_as_null=True)),
    # An ingested work is the same work in every run: (collection, key) is its identity.
    unique_where("uq_concept_identity", "collection", "key", where="collection != ''"),
)

record = sa.Table(
    "record",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("concept_id", sa.ForeignKey("concept.id"), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("is_latest", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("description", sa.JSON, nullable=False),
    sa.Column("owner", sa.Text, nullable=False, default=""),
    sa.Column("created", Utc, nullable=False),
    sa.Column("modified", Utc, nullable=False),
    sa.Column("file_count", sa.BigInteger, nullable=False),
    sa.Column("total_bytes", sa.BigInteger, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False, default=""),
    sa.Column("accession_id", sa.ForeignKey("accession.id")),
    sa.Column("change", sa.BigInteger, nullable=False, default=1),
    sa.Column("ocfl_version", sa.Integer),
    sa.Column("staged", sa.Text),
    sa.Column("datestamp", Utc),
    sa.Column("tombstone", sa.JSON),
    sa.Column("missing_files", sa.JSON, nullable=False, default=list),
    sa.UniqueConstraint("concept_id", "version"),
    sa.Index("ix_record_datestamp_id", "datestamp", "id"),
    # At most one version of a work is the latest. SQLite uses the index only for the words that it was made with.
    sa.Index(
        "uq_record_latest",
        "concept_id",
        unique=True,
        sqlite_where=sa.text("is_latest = 1"),
        postgresql_where=sa.text("is_latest"),
    ),
    sa.Index("ix_record_accession_id", "accession_id"),
    sa.Index("ix_record_owner_created", "owner", "created"),
    one_of("state", RecordState),
    sa.CheckConstraint("version >= 1 AND revision >= 1", name="counts_from_one"),
    sa.CheckConstraint("state != 'withdrawn' OR tombstone IS NOT NULL", name="withdrawn_leaves_tombstone"),
)

# Bytes that were taken out of the storage root, or are just being: the only ones that ever leave it.
purge = sa.Table(
    "purge",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("concept_id", sa.ForeignKey("concept.id"), nullable=False),
    # What was asked for: a file of a record, or the whole record.
    sa.Column("record_id", sa.ForeignKey("record.id"), nullable=False),
    sa.Column("key", sa.Text, nullable=False, default=""),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("decided_at", Utc, nullable=False),
    # Which bytes, by the root's algorithm, and where in the work's object they lay.
    sa.Column("digests", sa.JSON, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("finished", Utc),
    sa.Index("ix_purge_record_id_key", "record_id", "key"),
    # An object is rewritten for one purge at a time.
    unique_where("uq_purge_under_way", "concept_id", where="state = 'purging'"),
    one_of("state", PurgeState),
    sa.CheckConstraint("decided_by != '' AND reason != ''", name="decision_has_reason"),
    sa.CheckConstraint("state != 'purged' OR finished IS NOT NULL", name="purged_is_finished"),
)

record_file = sa.Table(
    "record_file",
    metadata,
    sa.Column("record_id", sa.ForeignKey("record.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger),
    # What the file was known by in its source when it was found there last; '' where the source could not tell.
    sa.Column("stamp", sa.Text, nullable=False, default=""),
    sa.Column("root_digest", sa.Text, nullable=False),
    # The record version that brought these bytes into the object, and their path in its content folder.
    sa.Column("holder_id", sa.ForeignKey("record.id"), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("original_path", sa.LargeBinary, nullable=False, default=b""),
    sa.Column("digests", sa.JSON, nullable=False),
    sa.Column("declared", sa.JSON, nullable=False),
    sa.Column("identification", sa.JSON, nullable=False),
    sa.Column("scan", sa.JSON, nullable=False),
    sa.Column("taken_at", Utc),
    # What took the bytes away, if anything did.
    sa.Column("purge_id", sa.ForeignKey("purge.id")),
    sa.Index("ix_record_file_root_digest", "root_digest"),
    sa.Index("ix_record_file_holder_id", "holder_id"),
    sa.CheckConstraint("size >= 0", name="size_not_negative"),
)

# Bytes that a record brought with an earlier version of its object than the last that it brought any with. Of others
# `record.ocfl_version` tells.
earlier_content = sa.Table(
    "earlier_content",
    metadata,
    sa.Column("holder_id", sa.ForeignKey("record.id"), primary_key=True, autoincrement=False),
    sa.Column("content", sa.Text, primary_key=True),
    sa.Column("ocfl_version", sa.Integer, nullable=False),
    sa.CheckConstraint("ocfl_version >= 1", name="counts_from_one"),
)

# One row for all that are kept once: of the file that brought the bytes, so the record is their holder.
fixity = sa.Table(
    "fixity",
    metadata,
    sa.Column("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    # When the bytes were last found right by one reading of all of them, that into custody included.
    sa.Column("sound_at", Utc, nullable=False),
    # Since when they are not.
    sa.Column("failed_at", Utc),
    # When an audit that could read others could not read them last, and in how many audits in a row.
    sa.Column("put_off_at", Utc),
    sa.Column("put_offs", sa.Integer, nullable=False, server_default="0"),
    # What the virus scanner said of them last, and when.
    sa.Column("scan_status", sa.Text, nullable=False),
    sa.Column("scanned_at", Utc, nullable=False),
    sa.ForeignKeyConstraint(
        ["record_id", "key"], ["record_file.record_id", "record_file.key"], ondelete="CASCADE"
    ),
    sa.Index("ix_fixity_sound_at", "sound_at", "record_id", "key"),
    sa.Index("ix_fixity_put_off_at", "put_off_at", "record_id", "key"),
    sa.Index("ix_fixity_scan_status", "scan_status", "scanned_at", "record_id", "key"),
    one_of("scan_status", ScanStatus),
)

# What is to be read in files, for search: of bytes, whichever records have them; nothing where there is no text.
file_text = sa.Table(
    "file_text",
    metadata,
    sa.Column("root_digest", sa.Text, primary_key=True),
    # Deflated (zlib).
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("characters", sa.Integer, nullable=False),
    sa.Column("read_at", Utc, nullable=False),
    sa.CheckConstraint("characters >= 0", name="length_not_negative"),
)

# Other serialisations of a record that its depositor attached, one of a media type: small documents, no files of it.
extra_format = sa.Table(
    "extra_format",
    metadata,
    sa.Column("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("media_type", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("md5", sa.Text, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("updated", Utc, nullable=False),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("record_id", sa.BigInteger, index=True),
    sa.Column("accession_id", sa.Text, index=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("objects", sa.JSON, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
)

# A database takes an index for a question that is in the words of the index.
TO_BE_HIDDEN = "wanted = 'registered' AND (seen IS NULL OR seen <> 'registered')"

doi = sa.Table(
    "doi",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("record_id", sa.BigInteger, index=True),
    sa.Column("concept_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("external", sa.Boolean, nullable=False, default=False),
    sa.Column("wanted", sa.Text, nullable=False),
    sa.Column("seen", sa.Text),
    sa.Column("seen_at", Utc),
    # Of all that it was put to when the registry said so; nobody knows it while it is put.
    sa.Column("seen_digest", sa.Text),
    # See `pipeline.pid.putting`.
    sa.Column("putter", sa.Text),
    sa.Column("put_digest", sa.Text),
    sa.Column("late_until", Utc),
    sa.Column("late_digest", sa.Text),
    # These are few, and looked for each time before any other.
    sa.Index(
        "ix_doi_to_be_hidden",
        "concept_id",
        sqlite_where=sa.text(TO_BE_HIDDEN),
        postgresql_where=sa.text(TO_BE_HIDDEN),
    ),
)
