"""Records-to-be: accessions with their plans, and what deposits and bulk ingests have in common."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import BigId, Utc, metadata, one_of, unique_where
from pipeline.model import AccessionState, DepositAction, DepositState, FileState, QuarantineState

_UNDER_WAY = "state IN ('planned', 'sealed', 'held')"

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
    unique_where(
        "uq_accession_unfinished", "collection", where="state IN ('surveying', 'ingesting', 'stopped')"
    ),
    one_of("state", AccessionState),
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
    unique_where("uq_deposit_under_way", "accession_id", "key", where=_UNDER_WAY),
    # A draft belongs to no accession. Of a record there is one at a time, and of a work one new version.
    unique_where("uq_deposit_draft", "record_id", where=f"accession_id IS NULL AND {_UNDER_WAY}"),
    unique_where(
        "uq_deposit_draft_version",
        "concept_id",
        where=f"accession_id IS NULL AND action = 'version' AND {_UNDER_WAY}",
    ),
    sa.Index("ix_deposit_accession_id_key", "accession_id", "key"),
    sa.Index("ix_deposit_accession_id_state", "accession_id", "state"),
    sa.Index("ix_deposit_concept_id", "concept_id"),
    one_of("state", DepositState),
    one_of("action", DepositAction),
    sa.CheckConstraint("files_open >= 0", name="files_open_not_negative"),
    # Nothing is sealed or published while a file of it is still to be taken.
    sa.CheckConstraint("files_open = 0 OR state NOT IN ('sealed', 'published')", name="sealed_is_whole"),
    sa.CheckConstraint(
        "description IS NOT NULL OR state NOT IN ('sealed', 'published')", name="sealed_is_described"
    ),
    sa.CheckConstraint("home != '' OR action = 'revision'", name="version_has_home"),
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
    one_of("state", FileState),
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
    unique_where("uq_quarantine_key", "key", where="state NOT IN ('released', 'destroyed')"),
    one_of("state", QuarantineState),
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
