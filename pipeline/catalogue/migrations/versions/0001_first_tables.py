"""The catalogue's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accession",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("flow_run", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.Column("bytes_read", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('surveying', 'ingesting', 'stopped', 'completed', 'cancelled')",
            name=op.f("ck_accession_state_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accession")),
    )
    op.create_index(op.f("ix_accession_collection"), "accession", ["collection"], unique=False)
    op.create_index(
        "uq_accession_unfinished",
        "accession",
        ["collection"],
        unique=True,
        sqlite_where=sa.text("state IN ('surveying', 'ingesting', 'stopped')"),
        postgresql_where=sa.text("state IN ('surveying', 'ingesting', 'stopped')"),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("email", name=op.f("uq_account_email")),
    )
    op.create_table(
        "community",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_community")),
    )
    op.create_table(
        "concept",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_concept")),
    )
    op.create_index(op.f("ix_concept_lease_owner"), "concept", ["lease_owner"], unique=False)
    op.create_index(
        "uq_concept_identity",
        "concept",
        ["collection", "key"],
        unique=True,
        sqlite_where=sa.text("collection != ''"),
        postgresql_where=sa.text("collection != ''"),
    )
    op.create_table(
        "doi",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=True),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("external", sa.Boolean(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_doi")),
    )
    op.create_index(op.f("ix_doi_concept_id"), "doi", ["concept_id"], unique=False)
    op.create_index(op.f("ix_doi_record_id"), "doi", ["record_id"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=True),
        sa.Column("accession_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("objects", sa.JSON(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_record_id"), "event", ["record_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("accession_id", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("parked", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('preserve', 'register', 'index', 'announce')", name=op.f("ck_outbox_kind_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("kind", "record_id", name=op.f("uq_outbox_kind_record_id")),
    )
    op.create_index("ix_outbox_accession_id", "outbox", ["accession_id"], unique=False)
    op.create_index("ix_outbox_kind_parked_due", "outbox", ["kind", "parked", "due"], unique=False)
    op.create_table(
        "secret",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secret")),
    )
    op.create_table(
        "sequence",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sequence")),
    )
    op.create_table(
        "stamper",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_stamper_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stamper")),
    )
    op.create_table(
        "upload",
        sa.Column(
            "file_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("attempt", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=True),
        sa.Column("part_size", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint", sa.JSON(), nullable=False),
        sa.Column("begun", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('"offset" BETWEEN 0 AND size', name=op.f("ck_upload_offset_in_file")),
        sa.CheckConstraint("part_size > 0", name=op.f("ck_upload_is_in_parts")),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_upload")),
    )
    op.create_table(
        "concept_community",
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name=op.f("fk_concept_community_concept_id")),
        sa.ForeignKeyConstraint(["slug"], ["community.slug"], name=op.f("fk_concept_community_slug")),
        sa.PrimaryKeyConstraint("concept_id", "slug", name=op.f("pk_concept_community")),
    )
    op.create_index("ix_concept_community_slug", "concept_community", ["slug"], unique=False)
    op.create_table(
        "deposit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("accession_id", sa.Text(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("base_record_id", sa.BigInteger(), nullable=True),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("files_total", sa.BigInteger(), nullable=False),
        sa.Column("bytes_total", sa.BigInteger(), nullable=False),
        sa.Column("files_open", sa.BigInteger(), nullable=False),
        sa.Column("files_bad", sa.BigInteger(), nullable=False),
        sa.Column("faults", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("action IN ('new', 'version', 'revision')", name=op.f("ck_deposit_action_known")),
        sa.CheckConstraint(
            "description IS NOT NULL OR state NOT IN ('sealed', 'published')",
            name=op.f("ck_deposit_sealed_is_described"),
        ),
        sa.CheckConstraint(
            "files_open = 0 OR state NOT IN ('sealed', 'published')", name=op.f("ck_deposit_sealed_is_whole")
        ),
        sa.CheckConstraint("home != '' OR action = 'revision'", name=op.f("ck_deposit_version_has_home")),
        sa.CheckConstraint(
            "state IN ('planned', 'sealed', 'held', 'published', 'unchanged', 'superseded', 'cancelled')",
            name=op.f("ck_deposit_state_known"),
        ),
        sa.CheckConstraint("files_open >= 0", name=op.f("ck_deposit_files_open_not_negative")),
        sa.ForeignKeyConstraint(["accession_id"], ["accession.id"], name=op.f("fk_deposit_accession_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deposit")),
    )
    op.create_index("ix_deposit_accession_id_key", "deposit", ["accession_id", "key"], unique=False)
    op.create_index("ix_deposit_accession_id_state", "deposit", ["accession_id", "state"], unique=False)
    op.create_index("ix_deposit_concept_id", "deposit", ["concept_id"], unique=False)
    op.create_index(
        "uq_deposit_under_way",
        "deposit",
        ["accession_id", "key"],
        unique=True,
        sqlite_where=sa.text("state IN ('planned', 'sealed', 'held')"),
        postgresql_where=sa.text("state IN ('planned', 'sealed', 'held')"),
    )
    op.create_table(
        "problem",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("accession_id", sa.Text(), nullable=False),
        sa.Column("deposit_id", sa.BigInteger(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["accession_id"], ["accession.id"], name=op.f("fk_problem_accession_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem")),
    )
    op.create_index(
        "ix_problem_accession_id_deposit_id", "problem", ["accession_id", "deposit_id"], unique=False
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("accession_id", sa.Text(), nullable=False),
        sa.Column("deposit_id", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["accession_id"], ["accession.id"], name=op.f("fk_quarantine_accession_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_accession_id"), "quarantine", ["accession_id"], unique=False)
    op.create_table(
        "record",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_latest", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("file_count", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("accession_id", sa.Text(), nullable=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("ocfl_version", sa.Integer(), nullable=True),
        sa.Column("staged", sa.Text(), nullable=True),
        sa.Column("datestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tombstone", sa.JSON(), nullable=True),
        sa.Column("missing_files", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state != 'withdrawn' OR tombstone IS NOT NULL", name=op.f("ck_record_withdrawn_leaves_tombstone")
        ),
        sa.CheckConstraint("state IN ('published', 'withdrawn')", name=op.f("ck_record_state_known")),
        sa.CheckConstraint("version >= 1 AND revision >= 1", name=op.f("ck_record_counts_from_one")),
        sa.ForeignKeyConstraint(["accession_id"], ["accession.id"], name=op.f("fk_record_accession_id")),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name=op.f("fk_record_concept_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
        sa.UniqueConstraint("concept_id", "version", name=op.f("uq_record_concept_id_version")),
    )
    op.create_index("ix_record_accession_id", "record", ["accession_id"], unique=False)
    op.create_index("ix_record_datestamp_id", "record", ["datestamp", "id"], unique=False)
    op.create_index(
        "uq_record_latest",
        "record",
        ["concept_id"],
        unique=True,
        sqlite_where=sa.text("is_latest = 1"),
        postgresql_where=sa.text("is_latest"),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lookup", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_token_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("lookup", name=op.f("uq_token_lookup")),
    )
    op.create_index(op.f("ix_token_account_id"), "token", ["account_id"], unique=False)
    op.create_table(
        "upload_part",
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("xxh3", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.CheckConstraint("number >= 1 AND size > 0", name=op.f("ck_upload_part_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["file_id"], ["upload.file_id"], name=op.f("fk_upload_part_file_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("file_id", "number", name=op.f("pk_upload_part")),
    )
    op.create_table(
        "deposit_file",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("deposit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=True),
        sa.Column("declared", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.BigInteger(), nullable=True),
        sa.Column("root_digest", sa.Text(), nullable=True),
        sa.Column("digests", sa.JSON(), nullable=True),
        sa.Column("identification", sa.JSON(), nullable=True),
        sa.Column("scan", sa.JSON(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state != 'in-custody' OR (root_digest IS NOT NULL AND content != '')",
            name=op.f("ck_deposit_file_custody_has_digest"),
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'in-custody', 'rejected', 'quarantined')",
            name=op.f("ck_deposit_file_state_known"),
        ),
        sa.ForeignKeyConstraint(["deposit_id"], ["deposit.id"], name=op.f("fk_deposit_file_deposit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deposit_file")),
        sa.UniqueConstraint("deposit_id", "key", name=op.f("uq_deposit_file_deposit_id_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deposit_file_deposit_id_state", "deposit_file", ["deposit_id", "state"], unique=False)
    op.create_table(
        "record_file",
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=True),
        sa.Column("root_digest", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("original_path", sa.LargeBinary(), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("declared", sa.JSON(), nullable=False),
        sa.Column("identification", sa.JSON(), nullable=False),
        sa.Column("scan", sa.JSON(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("size >= 0", name=op.f("ck_record_file_size_not_negative")),
        sa.ForeignKeyConstraint(["holder_id"], ["record.id"], name=op.f("fk_record_file_holder_id")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_record_file_record_id")),
        sa.PrimaryKeyConstraint("record_id", "key", name=op.f("pk_record_file")),
    )
    op.create_index("ix_record_file_holder_id", "record_file", ["holder_id"], unique=False)
    op.create_index("ix_record_file_root_digest", "record_file", ["root_digest"], unique=False)
    # The one sequence of ids, and the one stamper: rows that are always there.
    op.execute("INSERT INTO sequence (name, value) VALUES ('record', 0)")
    op.execute("INSERT INTO stamper (id, last) VALUES (1, '2000-01-01 00:00:00')")
