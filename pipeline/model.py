"""The nouns of the archive: frozen, plain, without behaviour that touches the world.

Shapes only. Times are timezone-aware UTC `datetime`s and come in as arguments; digests are
lower-case hex; sizes are bytes; keys are the logical paths of files inside a record, with `/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import Any, Self, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
Digests: TypeAlias = Mapping[str, str]
"""Algorithm name (`md5`, `sha256`, `sha512`, `xxh3-128`, …) → lower-case hex."""


# ---------------------------------------------------------------- files


class ScanStatus(StrEnum):
    """What a virus scanner may truthfully say. `clean` and `stale` have no byte unscanned; of `stale` files some were
    scanned with signatures that had been replaced by the time of the verdict. `released` is a person's word, of bytes
    that the scanner called infected: the alarm was false."""

    CLEAN = "clean"
    INFECTED = "infected"
    PARTIAL = "partial"
    UNSCANNED = "unscanned"
    STALE = "stale"
    RELEASED = "released"


LET_THROUGH = frozenset({ScanStatus.CLEAN, ScanStatus.STALE, ScanStatus.RELEASED})
"""What no gate keeps back: nothing was found in any byte, or a person answers for it."""


@dataclass(frozen=True, slots=True)
class ScanVerdict:
    """A verdict with who gave it. `method` is `stream` (the file as one), `windows` (in overlapping pieces) or `none`;
    `signature` what was found. `database` is the version of the signatures, the oldest that any byte was scanned with,
    in the engine's own words; `at` None where the scanner does not tell: then when the file's bytes were read. Of a
    partial one, `scanned` are the ranges of bytes that were scanned, as (start, end), in order; `reason` says why not
    all were."""

    status: ScanStatus
    engine: str
    method: str = "none"
    signature: str = ""
    database: str = ""
    at: datetime | None = None
    scanned: tuple[tuple[int, int], ...] = ()
    reason: str = ""


FalseAlarms: TypeAlias = frozenset[tuple[str, str]]
"""(digest by the root's algorithm, signature): what a person answers for that is not in those bytes."""


@dataclass(frozen=True, slots=True)
class Identification:
    """A format as PRONOM names it. `puid` is `""` where nothing matched."""

    puid: str
    format: str = ""
    version: str = ""
    mime: str = ""
    basis: str = ""
    warning: str = ""
    tool: str = ""


UNIDENTIFIED = Identification(puid="")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided of bytes in custody: who, why and when."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file as a record version holds it.

    `digests` were computed by us in the single read of the bytes; `declared` is what the depositor
    said beforehand. The two are never mixed: a declared digest was compared where an equal algorithm
    stands in `digests`. `content` is the path of the bytes in the content folder of the OCFL version that
    brought them, `holder` the record version (id) that did. `taken_at` is when its bytes were read into custody,
    where that is known. The bytes of one that was `purged` are gone. `original_path` is that of the source, or a URL
    without what may sign it.
    """

    key: str
    size: int
    digests: Digests
    content: str
    holder: int = 0
    declared: Digests = field(default_factory=dict)
    identification: Identification = UNIDENTIFIED
    scan: ScanVerdict = ScanVerdict(ScanStatus.UNSCANNED, engine="")
    mtime_ns: int | None = None
    original_path: str = ""
    taken_at: datetime | None = None
    purged: Decision | None = None


# ---------------------------------------------------------------- description


class FilesAccess(StrEnum):
    """Whether a record's files are open; the description itself is always public (as on Zenodo)."""

    PUBLIC = "public"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read the files. Restricted with `embargo_until` lifts by itself on that day."""

    files: FilesAccess = FilesAccess.PUBLIC
    embargo_until: date | None = None
    embargo_reason: str = ""


@dataclass(frozen=True, slots=True)
class FilesView:
    """How a record's files are to be shown: the key of the one that is shown first, `""` where none is named, and keys
    in the depositor's order. Neither need be of a file that there is."""

    default_preview: str = ""
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What a record says of itself, in canonical form.

    `metadata` and `custom_fields` have the shape of InvenioRDM's record JSON: it is
    the superset that Zenodo's legacy form and DataCite's both map into. `doi` is an external DOI that
    the depositor brought, else None: our own DOIs follow from the record's id. Of a draft it may be the very DOI that
    its record will be given: then it is reserved.
    """

    metadata: JsonObject
    custom_fields: JsonObject = field(default_factory=dict)
    access: Access = Access()
    doi: str | None = None
    communities: tuple[str, ...] = ()
    files: FilesView = FilesView()


# ---------------------------------------------------------------- records


class RecordState(StrEnum):
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left to see of a withdrawn record. `policy` is the rule that let its owner delete it, `""` where nobody
    asked by one."""

    reason: str
    note: str
    removed_by: str
    removed_at: datetime
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Concept:
    """A work with all its versions; one OCFL object. `collection` and `key` are its identity
    across ingests (docs/architecture.md); both are empty for a work deposited through the gateway."""

    id: int
    collection: str = ""
    key: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One published version of a work: its files never change, its description may be revised.

    `version` counts from 1 within the concept; `revision` counts descriptions of this version from 1;
    `change` counts everything that outputs can see. `ocfl_version` is the version of the concept's OCFL object
    that brought this record's own bytes, None until the preserve effect has committed it; until then they lie
    below the key `staged`. `datestamp` is OAI-PMH's, None until announced.
    """

    id: int
    concept_id: int
    version: int
    revision: int
    is_latest: bool
    state: RecordState
    description: Description
    owner: str
    created: datetime
    modified: datetime
    file_count: int
    total_bytes: int
    change: int = 1
    datestamp: datetime | None = None
    ocfl_version: int | None = None
    staged: str | None = None
    accession_id: str | None = None
    tombstone: Tombstone | None = None
    missing_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Community:
    """What outputs of a record show of a community. `is_default`: it stands for the work where there is room for one
    only."""

    slug: str
    title: str
    description: str = ""
    id: str = field(kw_only=True)
    is_default: bool = False


# ---------------------------------------------------------------- sharing


class Right(IntEnum):
    """What somebody may do with a work beyond what everybody may, each right with those before it (Zenodo's REST API,
    access links): read files that are closed; see drafts; change drafts, publish them, and begin edits and new
    versions; share the work."""

    NONE = 0
    VIEW = 1
    PREVIEW = 2
    EDIT = 3
    MANAGE = 4

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Self:
        """The right that is called so."""
        return cls[word.upper()]


@dataclass(frozen=True, slots=True)
class ShareLink:
    """A right to a work for whoever presents `token`, until `expires` where that is told. `id` is a UUID."""

    id: str
    right: Right
    created: datetime
    token: str
    expires: datetime | None = None
    description: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """A right to a work for an account."""

    account_id: int
    right: Right
    origin: str = ""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may ask for a work's closed files (None where nobody has said, and they are let ask), what they have to
    accept, and for how many days a link is good that a guest is given (0: for ever)."""

    allow_user_requests: bool | None = None
    allow_guest_requests: bool | None = None
    accept_conditions_text: str | None = None
    secret_link_expiration: int = 0

    def takes(self, *, guest: bool) -> bool:
        """Whether requests of guests are taken, or those of people with an account."""
        return (self.allow_guest_requests if guest else self.allow_user_requests) is not False


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a record may hold, and one file of it, in bytes."""

    size: int
    file_size: int

    def raised(self, size: int) -> Quota:
        """With `size` in all where that is more; one file is no larger for it."""
        return replace(self, size=max(self.size, size))


@dataclass(frozen=True, slots=True)
class Shares:
    """With whom a work is shared, in the order in which that was done."""

    links: tuple[ShareLink, ...] = ()
    grants: tuple[AccessGrant, ...] = ()


# ---------------------------------------------------------------- events


class EventType(StrEnum):
    """PREMIS 3 event types (id.loc.gov preservation/eventType), the ones that we write."""

    INGESTION = "ingestion"
    DIGEST = "message digest calculation"
    IDENTIFICATION = "format identification"
    FIXITY = "fixity check"
    VIRUS = "virus check"
    QUARANTINE = "quarantine"
    UNQUARANTINE = "unquarantine"
    DELETION = "deletion"
    METADATA = "metadata modification"
    MODIFICATION = "modification"
    DEACCESSION = "deaccession"
    ACCESSION = "accession"


AGENT = "headrace"
"""Who does what no person decides, in events and tombstones."""


@dataclass(frozen=True, slots=True)
class Event:
    """A PREMIS 3 event. `objects` are `<algorithm>:<hex>` of files, or record ids."""

    id: str
    type: EventType
    at: datetime
    agent: str
    outcome: str
    record_id: int | None = None
    objects: tuple[str, ...] = ()
    detail: JsonObject = field(default_factory=dict)


# ---------------------------------------------------------------- accessions


class Outcome(StrEnum):
    """What the report says of an item that did not simply go through."""

    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    WARNED = "warned"


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of a report: what is wrong with which item, and what to do about it.

    `path` is the file as the source names it (`""` for a whole record), bytes that are not UTF-8
    shown as `\\xNN`; `record` is the record's key in the collection; `field` a metadata field path.
    """

    path: str
    record: str
    outcome: Outcome
    code: str
    reason: str
    field: str = ""
    remedy: str = ""


class AccessionState(StrEnum):
    SURVEYING = "surveying"
    INGESTING = "ingesting"
    STOPPED = "stopped"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Accession:
    """One transfer of a collection into custody. `plan` is the id of the plan that it applies, `""` where it was
    surveyed for itself."""

    id: str
    collection: str
    source: str
    state: AccessionState
    started: datetime
    options: JsonObject = field(default_factory=dict)
    flow_run: str = ""
    reason: str = ""
    plan: str = ""


class DepositAction(StrEnum):
    """What publishing a deposit will do to the catalogue."""

    NEW = "new"
    VERSION = "version"
    REVISION = "revision"


class DepositState(StrEnum):
    """Where a record-to-be stands (see `lifecycle`)."""

    PLANNED = "planned"
    SEALED = "sealed"
    HELD = "held"
    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as a survey finds it, before any byte of it was read.

    `path` is how the source opens it again (a path relative to the source's root, in the source's own
    bytes, `surrogateescape`d); `key` is its logical path in the record; `problem` is set where it will
    not be read at all. `stamp` is another whenever the file's bytes may be others, and opaque to all but the
    source's tree (of a folder: the modification time in nanoseconds); `""` where the tree cannot tell.
    """

    record: str
    path: str
    key: str
    size: int
    mtime_ns: int | None
    declared: Digests = field(default_factory=dict)
    problem: Problem | None = None
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record as a survey finds it: its key, and its description or what is wrong with it."""

    key: str
    description: Description | None
    problems: tuple[Problem, ...] = ()


class FileState(StrEnum):
    """What became of a file of a deposit. `unread` is one whose bytes came to the store without passing through here:
    its digests are not known before it was read once."""

    PLANNED = "planned"
    IN_CUSTODY = "in-custody"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    UNREAD = "unread"


class QuarantineState(StrEnum):
    """What became of an infected file that was put apart (see `lifecycle`). What is decided and not done yet is
    `releasing` or `destroying`."""

    QUARANTINED = "quarantined"
    RELEASING = "releasing"
    RELEASED = "released"
    DESTROYING = "destroying"
    DESTROYED = "destroyed"


class PurgeState(StrEnum):
    """Whether bytes that are to leave the storage root have left it."""

    PURGING = "purging"
    PURGED = "purged"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an object under way, as the store acknowledged it: `size` bytes whose xxh3-128 is `xxh3`, which the
    store calls `etag` (and whose checksum, by the store's algorithm, it confirmed). Numbers begin with 1."""

    number: int
    size: int
    etag: str
    xxh3: str
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class PartLedger:
    """What is durable of a file under way. `checkpoint` is the state of all that reads the file (digests, scan) at
    `offset`, the end of the last part up to which there is no gap and everything was digested; `parts` may go
    beyond it."""

    upload_id: str
    part_size: int
    offset: int = 0
    checkpoint: JsonObject = field(default_factory=dict)
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that must be read, and the key `place` that its bytes are stored under. `path` and `stamp` are those of
    its `SourceFile`."""

    id: int
    deposit_id: int
    record_id: int
    record: str
    key: str
    path: str
    size: int
    stamp: str
    declared: Digests
    place: str


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of a planned file: `content` is its path in the deposit's staged content folder. `resumed`: its
    digests were gone on with from a saved state, no one process read all of its bytes."""

    id: int
    state: FileState
    content: str = ""
    root_digest: str | None = None
    digests: Digests | None = None
    identification: JsonObject | None = None
    scan: JsonObject | None = None
    resumed: bool = False


# ---------------------------------------------------------------- effects


class EffectKind(StrEnum):
    """What must happen outside after a commit; drained in this order: what is found in files is known by the time that
    they are preserved, and nothing waits for what is to be read in them. A mail is for itself, all else for a
    record."""

    EXAMINE = "examine"
    PRESERVE = "preserve"
    REGISTER = "register"
    INDEX = "index"
    ANNOUNCE = "announce"
    MAIL = "mail"
    EXTRACT = "extract"


class DoiState(StrEnum):
    """The states of DataCite's REST API."""

    DRAFT = "draft"
    REGISTERED = "registered"
    FINDABLE = "findable"
