"""The catalogue's tables. Invariants stand here as constraints, where no code can skip them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa

from pipeline.model import (
    AccessionState,
    DepositAction,
    DepositState,
    EffectKind,
    FileState,
    PurgeState,
    QuarantineState,
    RecordState,
    ScanStatus,
)

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class Utc(sa.types.TypeDecorator[datetime]):
    """A UTC time. SQLite forgets zones, so they are checked on the way in and put back on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the catalogue takes only times with a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return (
            None
            if value is None
            else value.replace(tzinfo=UTC)
            if value.tzinfo is None
            else value.astimezone(UTC)
        )


def _one_of(column: str, kinds: type[StrEnum]) -> sa.CheckConstraint:
    values = ", ".join(f"'{kind}'" for kind in kinds)
    return sa.CheckConstraint(f"{column} IN ({values})", name=f"{column}_known")


sequence = sa.Table(
    "sequence",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

secret = sa.Table(
    "secret",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)

accession = sa.Table(
    "accession",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("collection", sa.Text, nullable=False, index=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("started", Utc, nullable=False),
    sa.Column("finished", Utc),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("flow_run", sa.Text, nullable=False, default=""),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", Utc),
    sa.Column("unchanged", sa.BigInteger, nullable=False, default=0),
    sa.Column("bytes_read", sa.BigInteger, nullable=False, default=0),
    # The plan that is applied, by its checksum.
    sa.Column("plan", sa.Text, nullable=False, default="", server_default=""),
    # A collection is taken in by one accession at a time; another run goes on with the unfinished one.
    sa.Index(
        "uq_accession_unfinished",
        "collection",
        unique=True,
        sqlite_where=sa.text("state IN ('surveying', 'ingesting', 'stopped')"),
        postgresql_where=sa.text("state IN ('surveying', 'ingesting', 'stopped')"),
    ),
    _one_of("state", AccessionState),
)

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
    # An ingested work is the same work in every run: (collection, key) is its identity.
    sa.Index(
        "uq_concept_identity",
        "collection",
        "key",
        unique=True,
        sqlite_where=sa.text("collection != ''"),
        postgresql_where=sa.text("collection != ''"),
    ),
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
    # At most one version of a work is the latest.
    sa.Index(
        "uq_record_latest",
        "concept_id",
        unique=True,
        sqlite_where=sa.text("is_latest = 1"),
        postgresql_where=sa.text("is_latest"),
    ),
    sa.Index("ix_record_accession_id", "accession_id"),
    sa.Index("ix_record_owner_created", "owner", "created"),
    _one_of("state", RecordState),
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
    sa.Index(
        "uq_purge_under_way",
        "concept_id",
        unique=True,
        sqlite_where=sa.text("state = 'purging'"),
        postgresql_where=sa.text("state = 'purging'"),
    ),
    _one_of("state", PurgeState),
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
    _one_of("scan_status", ScanStatus),
)

deposit = sa.Table(
    "deposit",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("accession_id", sa.ForeignKey("accession.id")),
    sa.Column("position", sa.BigInteger, nullable=False, default=0),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("concept_id", sa.BigInteger, nullable=False),
    sa.Column("record_id", sa.BigInteger, nullable=False),
    sa.Column("base_record_id", sa.BigInteger),
    # The key below which the bytes of a version wait in the store; a revision has none.
    sa.Column("home", sa.Text, nullable=False, default=""),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("description", sa.JSON),
    sa.Column("fingerprint", sa.Text, nullable=False, default=""),
    sa.Column("files_total", sa.BigInteger, nullable=False, default=0),
    sa.Column("bytes_total", sa.BigInteger, nullable=False, default=0),
    sa.Column("files_open", sa.BigInteger, nullable=False, default=0),
    sa.Column("files_bad", sa.BigInteger, nullable=False, default=0),
    # Faults that the survey found already: of the record, or of things in it that are no readable files.
    sa.Column("faults", sa.BigInteger, nullable=False, default=0),
    # One line of a record is under way at a time. What an accession published may have changed in the source by the
    # time that it is gone on with, and then has a further line.
    sa.Index(
        "uq_deposit_under_way",
        "accession_id",
        "key",
        unique=True,
        sqlite_where=sa.text("state IN ('planned', 'sealed', 'held')"),
        postgresql_where=sa.text("state IN ('planned', 'sealed', 'held')"),
    ),
    # A draft belongs to no accession. Of a record there is one at a time, and of a work one new version.
    sa.Index(
        "uq_deposit_draft",
        "record_id",
        unique=True,
        sqlite_where=sa.text("accession_id IS NULL AND state IN ('planned', 'sealed', 'held')"),
        postgresql_where=sa.text("accession_id IS NULL AND state IN ('planned', 'sealed', 'held')"),
    ),
    sa.Index(
        "uq_deposit_draft_version",
        "concept_id",
        unique=True,
        sqlite_where=sa.text(
            "accession_id IS NULL AND action = 'version' AND state IN ('planned', 'sealed', 'held')"
        ),
        postgresql_where=sa.text(
            "accession_id IS NULL AND action = 'version' AND state IN ('planned', 'sealed', 'held')"
        ),
    ),
    sa.Index("ix_deposit_accession_id_key", "accession_id", "key"),
    sa.Index("ix_deposit_accession_id_state", "accession_id", "state"),
    sa.Index("ix_deposit_concept_id", "concept_id"),
    _one_of("state", DepositState),
    _one_of("action", DepositAction),
    sa.CheckConstraint("files_open >= 0", name="files_open_not_negative"),
    # Nothing is sealed or published while a file of it is still to be taken.
    sa.CheckConstraint("files_open = 0 OR state NOT IN ('sealed', 'published')", name="sealed_is_whole"),
    sa.CheckConstraint(
        "description IS NOT NULL OR state NOT IN ('sealed', 'published')", name="sealed_is_described"
    ),
    sa.CheckConstraint("home != '' OR action = 'revision'", name="version_has_home"),
)

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

deposit_file = sa.Table(
    "deposit_file",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("deposit_id", sa.ForeignKey("deposit.id"), nullable=False),
    # The last run that found the file in the source.
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("path", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger),
    sa.Column("stamp", sa.Text, nullable=False, default=""),
    sa.Column("declared", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False, default=""),
    sa.Column("holder_id", sa.BigInteger),
    sa.Column("root_digest", sa.Text),
    sa.Column("digests", sa.JSON),
    sa.Column("identification", sa.JSON),
    sa.Column("scan", sa.JSON),
    sa.Column("taken_at", Utc),
    # Whether its digests were gone on with from a saved state.
    sa.Column("resumed", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.UniqueConstraint("deposit_id", "key"),
    sa.Index("ix_deposit_file_deposit_id_state", "deposit_id", "state"),
    _one_of("state", FileState),
    sa.CheckConstraint(
        "state != 'in-custody' OR (root_digest IS NOT NULL AND content != '')", name="custody_has_digest"
    ),
    # Ids are never given twice: uploads and quarantined files are named by them for longer than the rows last.
    sqlite_autoincrement=True,
)

# Uploads in parts that were begun for files of plans. A row outlives its file, until the store was told to end it.
upload = sa.Table(
    "upload",
    metadata,
    sa.Column("file_id", BigId, primary_key=True, autoincrement=False),
    # The handing out of the file that told of it last.
    sa.Column("attempt", sa.Text, nullable=False),
    sa.Column("upload_id", sa.Text, nullable=False),
    # Which file this is: should its plan say otherwise by now, the upload is of no use.
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("path", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("stamp", sa.Text, nullable=False),
    sa.Column("part_size", sa.BigInteger, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("checkpoint", sa.JSON, nullable=False),
    sa.Column("begun", Utc, nullable=False),
    sa.Column("changed", Utc, nullable=False),
    sa.CheckConstraint("part_size > 0", name="is_in_parts"),
    sa.CheckConstraint('"offset" BETWEEN 0 AND size', name="offset_in_file"),
)

upload_part = sa.Table(
    "upload_part",
    metadata,
    sa.Column("file_id", sa.ForeignKey("upload.file_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("xxh3", sa.Text, nullable=False),
    sa.Column("checksum", sa.Text, nullable=False, default=""),
    sa.CheckConstraint("number >= 1 AND size > 0", name="counts_from_one"),
)

# Infected files that were put apart: what is known of them stays when their deposit goes on without them, and when
# their bytes are gone.
quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("accession_id", sa.ForeignKey("accession.id"), nullable=False, index=True),
    sa.Column("deposit_id", sa.BigInteger, nullable=False),
    # The planned file that it is, for as long as there is one.
    sa.Column("file_id", sa.BigInteger, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("path", sa.LargeBinary, nullable=False),
    # Where the bytes lie in the store, or lay.
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("digests", sa.JSON, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    # Who decided what becomes of it, why and when.
    sa.Column("decided_by", sa.Text, nullable=False, default=""),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("decided_at", Utc),
    # A file that is put apart once more takes the place of the one before.
    sa.Index(
        "uq_quarantine_key",
        "key",
        unique=True,
        sqlite_where=sa.text("state NOT IN ('released', 'destroyed')"),
        postgresql_where=sa.text("state NOT IN ('released', 'destroyed')"),
    ),
    _one_of("state", QuarantineState),
    sa.CheckConstraint(
        "state = 'quarantined' OR (decided_by != '' AND reason != '' AND decided_at IS NOT NULL)",
        name="decision_has_reason",
    ),
)

problem = sa.Table(
    "problem",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("accession_id", sa.ForeignKey("accession.id"), nullable=False),
    sa.Column("deposit_id", sa.BigInteger),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("field", sa.Text, nullable=False, default=""),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False, default=""),
    sa.Index("ix_problem_accession_id_deposit_id", "accession_id", "deposit_id"),
)

community = sa.Table(
    "community",
    metadata,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, default=""),
    sa.Column("created", Utc, nullable=False),
)

concept_community = sa.Table(
    "concept_community",
    metadata,
    sa.Column("concept_id", sa.ForeignKey("concept.id"), primary_key=True),
    sa.Column("slug", sa.ForeignKey("community.slug"), primary_key=True),
    sa.Index("ix_concept_community_slug", "slug"),
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
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("record_id", sa.BigInteger, nullable=False),
    sa.Column("accession_id", sa.Text),
    # Raised when the effect is wanted again while it is being brought about: settling removes only what it did.
    sa.Column("generation", sa.Integer, nullable=False, default=1),
    sa.Column("created", Utc, nullable=False),
    sa.Column("due", Utc, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("parked", sa.Boolean, nullable=False, default=False),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", Utc),
    sa.UniqueConstraint("kind", "record_id"),
    sa.Index("ix_outbox_kind_parked_due", "kind", "parked", "due"),
    sa.Index("ix_outbox_accession_id", "accession_id"),
    _one_of("kind", EffectKind),
)

stamper = sa.Table(
    "stamper",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last", Utc, nullable=False),
    sa.Column("opened", Utc),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", Utc),
    sa.CheckConstraint("id = 1", name="only_one"),
)

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
