"""The seven protocols behind which the world lies. Each has an embedded and a production
implementation that pass the same contract suite (`tests/contracts`); `wiring` alone picks.

Every method may raise `errors.Unavailable` (retryable) besides what its docstring names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from enum import StrEnum
from typing import Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

from pipeline.model import DoiState, JsonObject, Part, PartLedger, ScanVerdict
from pipeline.store.transfer import PartPlan

U = TypeVar("U")
R = TypeVar("R")

# ---------------------------------------------------------------- object store


@dataclass(frozen=True, slots=True)
class StoreTraits:
    """What a store promises, as data. `renames_trees`: `move_many` of a whole tree is one atomic step that costs no
    byte, so content may wait in staging; without it content is written to its final place at once."""

    renames_trees: bool
    largest_unsized: int | None = None
    """Bytes of the largest object that can be begun without its size; None: of any."""
    writes_wait: bool = False
    """Whether whoever writes a block that came over a network waits for the disk: it is worth a thread beside. Others
    take such blocks into memory that they bound themselves."""


LONGEST_SIGNED = timedelta(days=7)
"""How long a signed URL of S3 lasts at most (API reference, "Authenticating Requests: Using Query Parameters")."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the store lists it; `modified` is None where the store does not tell."""

    key: str
    size: int
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that was begun and neither committed nor aborted, as the store lists it."""

    key: str
    upload_id: str
    begun: datetime


class Upload(Protocol):
    """One object being written, in order. Nothing is visible under its key before `commit`."""

    id: str
    """The store's name for it, by which another process goes on with it; `""` where it goes in one piece, or may yet
    come to: an object of unknown size has none before its first part is full."""
    part_size: int
    """Bytes of every part but the last, a multiple of 1 MiB; 0 where it goes in one piece."""
    offset: int
    """Where the next byte belongs: 0, or where the ledger's checkpoint was when it was resumed."""

    def write(self, block: bytes | memoryview) -> None:
        """Append a block, which may be reused as soon as this returns. Raises `OutOfSpace`, `SourceChanged` where a
        part of a resumed upload turns out another than the ledger has, and `Conflict` as `commit` does."""

    def parts(self) -> Sequence[Part]:
        """The parts that the store has acknowledged as durable, in order of number; there may be gaps."""

    def commit(self) -> None:
        """Make the object durable and visible under its key, whole or not at all. Raises `Conflict` where the upload is
        not this process's any more (another has begun its key afresh, or ended it, or gone on with it and the store can
        tell); `Rejected` where it goes in parts and fewer or more bytes came than were to."""

    def abort(self) -> None:
        """Forget it, and what the store has of it; idempotent, and harmless after `commit`."""

    def leave(self) -> None:
        """Give up what this process holds of it; what the store has acknowledged can be resumed, and is not this
        process's to `abort` any more. Harmless after `commit` and `abort`."""


class PartsUpload(Protocol):
    """One object whose parts come in any order, several at once, each as often as need be, and from several processes;
    some stores take them from whoever has a URL. Nothing is visible under its key before `commit`."""

    id: str
    """The store's name for it, by which another process opens it."""

    def url(self, number: int, lifetime: timedelta) -> str | None:
        """Where whoever has it may PUT that part, of just its length, and nothing else, for as long (at most
        `LONGEST_SIGNED`); None where the store takes parts by `write` only."""

    def write(self, number: int, blocks: Iterable[bytes]) -> None:
        """Write a part; durable when this returns. Raises `Rejected` where its bytes are more or fewer than the plan
        says, and what `blocks` raises: then the part is as it was, or not there. Raises `Conflict` where another is at
        that part and the store can tell, or the upload is over."""

    def commit(self) -> str:
        """Make the object durable and visible under its key, whole or not at all; idempotent, also for another process.
        Answers the md5 (hex) of the md5s of its parts as they came, `""` where the store cannot tell: `end_upload`
        gives up what a repeated call tells that by. Raises `Rejected` where parts are not there as the plan says, by
        what the store has; `Conflict` where one is just coming and the store can tell, or the upload was ended."""


@runtime_checkable
class ObjectStore(Protocol):
    """Bytes under keys (relative paths with `/`)."""

    traits: StoreTraits

    def begin(
        self, key: str, size: int | None, resume: PartLedger | None = None, *, from_network: bool = False
    ) -> Upload:
        """Start writing `key` of an expected `size`, or None where only its end will tell; an object already there is
        replaced at commit. With `resume`, go on after its checkpoint (of an object of unknown size: the end of a part)
        if the store still has every part before it as the ledger says, else begin afresh
        (`offset` tells). Parts of the ledger behind the checkpoint are written again and must come out the same.
        `from_network`: the bytes come at somebody else's pace, of many at once, and cannot be had again; what is
        under way to the store does not wait for them. Whoever begins a key in parts last is the only one to commit it:
        to begin afresh ends its other uploads."""

    def begin_parts(self, key: str, plan: PartPlan) -> PartsUpload:
        """Begin an object in parts that come in any order. The key's other uploads are ended. Whoever is told of it
        finds it after a crash as well."""

    def open_parts(self, key: str, plan: PartPlan, upload_id: str) -> PartsUpload:
        """One that was begun before, with the same plan; the store is not asked."""

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        """Uploads below `prefix` that were begun and not ended, by whichever process."""

    def end_upload(self, upload: OpenUpload) -> None:
        """Abort an upload of whichever process; idempotent."""

    def requests(self, size: int) -> int:
        """How many requests it takes to write an object of that size, where somebody may charge for them; else 0.
        Raises `Rejected` for a size that no object may have."""

    def settle(self, keys: Sequence[str]) -> None:
        """Make the *names* of committed objects durable (on disk: fsync of their folders). An object
        counts as in custody only after this returned."""

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        """Write small objects as a group: all durable, names included, when it returns."""

    def swap_many(self, changes: Mapping[str, tuple[bytes | None, bytes]]) -> None:
        """Compare and swap small objects, key → (before, after): write each where the object under its key still is
        `before` (None: where there is none), or `after` already; all durable, names included, when it returns. Raises
        `Conflict` where one is another; others of the group may have been written then. Comparing and writing are one
        step where the store can (S3: `If-Match`, `If-None-Match: *`)."""

    def read(
        self, key: str, offset: int = 0, length: int | None = None, *, fresh: bool = False
    ) -> Iterator[bytes]:
        """Blocks of the object's bytes. Raises `Missing` at the call, not at the first block. With `fresh`, as the
        medium has them: not what this machine's memory remembers of it, which keeps none of them afterwards."""

    def size(self, key: str) -> int:
        """Raises `Missing`."""

    def move_many(self, moves: Mapping[str, str]) -> None:
        """Move objects or whole trees (source → target), durable as a group: each in one step where the store
        `renames_trees`, else object by object, the source deleted last. Idempotent: when a source is gone and its
        target is there it has been done. Raises `Missing` when neither is there; `Conflict` when both are and the
        store `renames_trees` (elsewhere that is a move cut off, which is completed), before anything is moved."""

    def copy_many(self, copies: Mapping[str, str]) -> None:
        """Copy objects (source → target) within the store, durable as a group; each target appears whole, and what was
        there is replaced. Raises `Missing` where a source is; others may have been copied then."""

    def delete(self, prefix: str) -> None:
        """Delete the object or everything below `prefix/`; idempotent."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below `prefix/`, in any order."""

    def room(self) -> tuple[int, int] | None:
        """(free, total) bytes, where the store can tell."""

    def describe(self) -> str:
        """Where it is and how it guards what it is sent, for people; holds no secret."""

    def close(self) -> None:
        """Give up what the store holds; idempotent."""


# ---------------------------------------------------------------- scanner


@dataclass(frozen=True, slots=True)
class ScanResumption:
    """From where a scan goes on: the `checkpoint` of an earlier session, and what the scanner may need again of the
    bytes before it, which `read_back(start, length)` gives."""

    checkpoint: JsonObject
    read_back: Callable[[int, int], bytes]


class ScanSession(Protocol):
    """The scan of one file."""

    def feed(self, block: bytes | memoryview) -> None:
        """The next block of the file."""

    def checkpoint(self) -> JsonObject | None:
        """The session's state after what was fed, for `begin` to go on from (plain JSON); None where it cannot be
        told."""

    def finish(self) -> ScanVerdict:
        """The verdict over all that was fed."""

    def close(self) -> None:
        """Give up what the session holds; idempotent."""


class Scanner(Protocol):
    gives_clean: bool
    """Whether it ever calls a file clean. What waits for a clean verdict would wait for ever on one that does not."""

    def begin(self, size: int, resume: ScanResumption | None = None) -> ScanSession:
        """Start scanning a file of `size` bytes, or go on from a checkpoint of an earlier session, whose bytes are not
        fed again. Raises `Misconfigured` where the scanner is not set up so that it could be believed."""

    def signatures(self) -> str:
        """The version of its signatures now, as verdicts have it in `database`; `""` where it does not tell. Raises as
        `begin` does."""

    def describe(self) -> str:
        """Engine and signature version, for people. Raises as `begin` does."""


# ---------------------------------------------------------------- search


@dataclass(frozen=True, slots=True)
class IndexDocument:
    """What search knows of a record. `version` is the catalogue's counter for it: a document with a
    lower or equal version than the stored one is stale, and ignoring it is a success. `body` None
    deletes the document (the version still counts)."""

    id: int
    version: int
    body: JsonObject | None


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What an index has of a document: `checksum` is of all that it stores, as `index.document` gives it."""

    id: int
    version: int
    checksum: int


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A parsed question. `query` is the user's text in Zenodo's query language;
    `filters` are facet choices, OR-ed within a facet and AND-ed between facets."""

    query: str = ""
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sort: str = ""
    page: int = 1
    size: int = 25
    all_versions: bool = False
    facets: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Ids in order, the total of hits, and per facet (value, count) pairs, the largest first. A facet's
    values are counted over what all the other choices leave, so that more of its own can be chosen."""

    total: int
    ids: tuple[int, ...]
    facets: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)


class SearchIndex(Protocol):
    def write(self, documents: Sequence[IndexDocument], *, at_once: bool = False) -> Mapping[int, str]:
        """Write a batch; visible to every process within a second of the return, or `at_once` when it returns, which
        costs more, and does not wait for a server that is busy. Answers the reason for each document that was refused
        (by id); the others are in."""

    def search(self, request: SearchRequest) -> SearchPage:
        """Raises `Rejected` (field `q`, `sort`, `page` or a facet's name) where the question cannot be
        understood."""

    def count(self) -> int:
        """How many documents it holds."""

    def entries(self, after: int, upto: int) -> Iterator[IndexEntry]:
        """What it holds of ids behind `after`, up to `upto`, in their order, without documents that were deleted; all
        that was written before the call is seen."""

    def begin_rebuild(self) -> SearchIndex:
        """A new, empty generation to be filled beside the one in use. What others write meanwhile goes into both. Where
        it is closed, or its process dies, before it is finished, it is given up."""

    def finish_rebuild(self) -> None:
        """Called on the new generation: swap it in for the one in use, drop the old."""

    def describe(self) -> str:
        """Engine, version and where it is, for people; holds no secret. Raises `Misconfigured` where the engine is too
        old."""

    def close(self) -> None: ...


# ---------------------------------------------------------------- DOIs


@dataclass(frozen=True, slots=True)
class DoiRequest:
    """The state that a DOI shall be in. `metadata` is DataCite JSON (kernel 4), `url` its target; where it `is_bare`
    both stay as the registry has them."""

    doi: str
    state: DoiState
    url: str
    metadata: JsonObject
    is_bare: bool = False


@dataclass(frozen=True, slots=True)
class DoiSeen:
    """A DOI as the registry has it, in a state that is none of ours, maybe. `leads_to` is where whoever follows it
    comes, which may be behind its `url`: `""` nowhere, None where nobody tells."""

    doi: str
    state: DoiState | str
    url: str
    metadata: JsonObject
    leads_to: str | None = None


class DoiFault(StrEnum):
    """Why a DOI was not brought to its wanted state."""

    REFUSED = "refused"
    """It will not be taken as it is, however often it is put."""
    LOCKED_OUT = "locked-out"
    """The registry takes nothing from us, until the operator has mended settings or the account."""
    AWAY = "away"
    """The registry does not answer, or with nothing of use; it may have done what was asked."""
    BUSY = "busy"
    """It was asked too often."""


@dataclass(frozen=True, slots=True)
class DoiOutcome:
    """`seen` on success; else the `fault`, with a `reason` and a `remedy` for people. `wait` is how long the registry
    wants not to be asked for anything, where it says so."""

    doi: str
    seen: DoiState | None
    fault: DoiFault | None = None
    reason: str = ""
    remedy: str = ""
    wait: timedelta | None = None


class DoiRegistry(Protocol):
    id: str
    """What tells it from any other: what one has of a DOI says nothing of another."""
    is_rate_limited: bool
    """Whether it is to be asked no more often than `HEADRACE_DOI_RATE` says."""

    def put_many(self, requests: Sequence[DoiRequest]) -> Sequence[DoiOutcome]:
        """Bring each DOI to its wanted state: an idempotent upsert; one outcome a request, in order."""

    def get(self, doi: str) -> DoiSeen | None:
        """None where the registry does not know it. Takes two requests at most. Raises `Misconfigured` where it lets
        nobody in with our credentials, `Unavailable` where it is away, or has no answer for this DOI, `AskedToWait`
        where it says for how long it wants to be left alone."""

    def describe(self) -> str:
        """For people; holds no secret. Raises as `get`."""

    def close(self) -> None: ...


# ---------------------------------------------------------------- mail


class Mailer(Protocol):
    def send(self, message: EmailMessage) -> None:
        """Hand the message on, to be delivered; of its headers `From` and `To` say from whom and to whom. Raises
        `Rejected` where it will not be taken, however often it is tried; `Misconfigured` where it would be of somebody
        else."""

    def describe(self) -> str:
        """Where mails go, for people. Raises as `send` does where they could not go there now."""


# ---------------------------------------------------------------- identities


@dataclass(frozen=True, slots=True)
class IdentityRequest:
    """Where a person's browser is sent to be recognised, and what the answer is to be compared with: `state` belongs to
    the browser, `nonce` and `verifier` are kept from it."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is for an identity provider: `subject` is never given to another. `email` is an address that the
    provider proved to be theirs, else `""`. `proved` is when they last showed the provider who they are, None where it
    does not say."""

    issuer: str
    subject: str
    email: str = ""
    proved: datetime | None = None


class IdentityProvider(Protocol):
    issuer: str
    name: str
    """For people."""

    def begin(self, redirect_uri: str, *, now: datetime, again: bool = False) -> IdentityRequest:
        """With `again` it is to ask who somebody is though it knows. Raises `Misconfigured` where the provider is
        another than the settings say."""

    def finish(
        self,
        code: str,
        redirect_uri: str,
        *,
        nonce: str,
        verifier: str,
        now: datetime,
        since: datetime | None = None,
    ) -> Identity:
        """Who came back with that code, and showed the provider who they are `since` then, where that is asked for.
        Raises `Rejected` where the provider does not take it, or says what it cannot be trusted for."""

    def describe(self) -> str:
        """For people; holds no secret."""


# ---------------------------------------------------------------- compute


@dataclass(frozen=True, slots=True)
class UnitResult(Generic[U, R]):
    """`result` when the unit ran, else `error`."""

    unit: U
    result: R | None
    error: Exception | None = None


Note: TypeAlias = JsonObject
"""What a unit tells while it is under way: plain JSON. An empty one tells nothing: it asks whether to go on."""


class Compute(Protocol):
    def map_unordered(
        self,
        function: Callable[[U, Callable[[Note], None]], R],
        units: Iterable[U],
        *,
        in_flight: int,
        tick: Callable[[], None] = lambda: None,
        on_note: Callable[[Note], None] = lambda _note: None,
        renew: Callable[[U], U] = lambda unit: unit,
    ) -> Iterator[UnitResult[U, R]]:
        """Run `function(unit, tell)` on every unit, at most `in_flight` at a time and no more than keep the slots that
        there are just now busy, results as they come. The units' iterator is drawn from only as room appears. Closing
        the generator cancels what has not begun; in what has, `tell` raises `Interrupted` from then on, as it does when
        the caller has died. While it waits for results it calls `tick` several times a second;
        what that raises ends it.

        What a unit `tell`s is handed to `on_note` in the caller's thread, in order, before the unit's result; a note
        may be lost with its worker or the scheduler. A unit whose worker died goes out again as `renew(unit)`; one
        that kills every worker it meets comes back with `Unavailable`."""

    def slots(self) -> int:
        """How many units can run at once now."""

    def describe(self) -> str: ...

    def close(self) -> None: ...


# ---------------------------------------------------------------- time

Clock: TypeAlias = Callable[[], datetime]
