"""What any output shows of a record or a draft, and who publishes: frozen, plain, and all there before it is put into a
format."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.errors import FieldFault
from pipeline.model import AccessSettings, Community, FileEntry, Record, RecordState, Shares


@dataclass(frozen=True, slots=True)
class Repository:
    """Who publishes. `id` is a domain name (OAI identifiers, OCFL ids); `base_url` has no final slash."""

    name: str
    id: str
    base_url: str
    admin_email: str
    doi_prefix: str
    doi_name: str


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A sibling version of a record, oldest first in lists; `label` is the depositor's own version string."""

    record_id: int
    version: int
    doi: str
    label: str
    published: str
    is_latest: bool
    state: RecordState


@dataclass(frozen=True, slots=True)
class Dissemination:
    """All that any output (page, JSON, feed, DataCite, index) needs to show of one record: the pure
    crosswalks turn this into their formats. `concept_doi` is None for a record with an external DOI.
    `files` may be cut short for records with very many; `record.file_count` tells the whole number.
    `communities` are those the record belongs to now, `owner_id` is the account of its owner, None where the owner has
    none: outputs name people by it, as e-mail addresses are nobody else's business. `shares` are for who may manage
    the work, None for all others."""

    repository: Repository
    record: Record
    doi: str
    concept_doi: str | None
    files: tuple[FileEntry, ...]
    versions: tuple[VersionRef, ...]
    communities: tuple[Community, ...] = ()
    owner_id: int | None = None
    settings: AccessSettings = field(default_factory=AccessSettings)
    shares: Shares | None = None

    @property
    def url(self) -> str:
        return f"{self.repository.base_url}/records/{self.record.id}"


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file as the JSON forms of a record list it. `checksum` begins with its algorithm; `content` is where its bytes
    are, absolute."""

    id: str
    key: str
    size: int
    checksum: str
    mimetype: str
    content: str


@dataclass(frozen=True, slots=True)
class DraftView:
    """All that outputs show of a draft. `foreseen` is the record that it would be, whose description need not be whole,
    without a DOI (`""`) where none is reserved or given; it is `is_edit` of a published one, or `is_version` of a work
    that has others. Of one that `is_in_review` a community was asked whether to publish it. `faults` are what is wrong
    with it."""

    foreseen: Dissemination
    is_edit: bool = False
    is_version: bool = False
    is_submitted: bool = False
    is_in_review: bool = False
    files: tuple[ShownFile, ...] = ()
    faults: tuple[FieldFault, ...] = ()
