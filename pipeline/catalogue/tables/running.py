"""What an instance needs to run: sequences, secrets, the outbox, the stamper, the pace of DOIs."""

import sqlalchemy as sa

from pipeline.catalogue.tables.columns import BigId, Utc, metadata, one_of
from pipeline.model import EffectKind

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

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    # Of a mail its own id.
    sa.Column("record_id", sa.BigInteger, nullable=False),
    sa.Column("accession_id", sa.Text),
    # Raised when the effect is wanted again while it is being brought about: settling removes only what it did.
    sa.Column("generation", sa.Integer, nullable=False, default=1),
    sa.Column("created", Utc, nullable=False),
    sa.Column("due", Utc, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("parked", sa.Boolean, nullable=False, default=False),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("remedy", sa.Text, nullable=False, default="", server_default=""),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", Utc),
    sa.UniqueConstraint("kind", "record_id"),
    # What is asked of it is answered without a look at the rows: a million may wait.
    sa.Index("ix_outbox_standing", "kind", "parked", "due", "created", "lease_until"),
    sa.Index("ix_outbox_accession_id", "accession_id"),
    one_of("kind", EffectKind),
)

doi_pace = sa.Table(
    "doi_pace",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("due", Utc, nullable=False),
    sa.Column("rests_until", Utc, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("probing_until", Utc),
    sa.CheckConstraint("id = 1", name="only_one"),
)

mail = sa.Table(
    "mail",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created", Utc, nullable=False),
    # An id stands in the outbox, and in a Message-ID.
    sqlite_autoincrement=True,
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
