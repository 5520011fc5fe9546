"""Use case on a worker: take a unit of files into custody.

Nothing here knows the catalogue: outcomes travel back, and the flow's one writer commits them. Running a unit
twice ends in the same objects and the same outcomes. A large file is one that can be gone on with: what is durable of
it is told while it is read, and a unit that has a ledger begins where that ends.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace

from pipeline import codec
from pipeline.access import heeded, purged_again
from pipeline.display import shown
from pipeline.errors import (
    Conflict,
    HeadraceError,
    Interrupted,
    OutOfSpace,
    Rejected,
    SourceChanged,
    Unavailable,
)
from pipeline.ingest import intake
from pipeline.ingest.checkpoints import Checkpoints
from pipeline.ingest.committed import find_committed
from pipeline.ingest.digests import HAVE_STATES, Hash, new_hashes, restored, resumable_hashes
from pipeline.ingest.identify import Sample, identify_many
from pipeline.ingest.intake import Readers, Taken
from pipeline.ingest.pace import Pace
from pipeline.ingest.sources import SourceReader, Tree
from pipeline.model import (
    LET_THROUGH,
    Decision,
    FalseAlarms,
    FileOutcome,
    FileState,
    Identification,
    JsonObject,
    Outcome,
    Part,
    PartLedger,
    PlannedFile,
    Problem,
    ScanStatus,
    ScanVerdict,
)
from pipeline.ports import Note, ObjectStore, Scanner, ScanResumption, Upload
from pipeline.settings import ScannerLocation, SourceLocation, StoreLocation
from pipeline.store import layout

# Enough to overlap the flushes of small files; the work itself needs no more than a core.
_FILES_AT_ONCE = 16
# What is identified at once: enough that the call itself costs nothing, few enough to be held in memory.
_BATCH_FILES = 64
_BATCH_BYTES = 16 << 20

_TRIES = 6
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


@dataclass(frozen=True, slots=True)
class CustodyTerms:
    """How files are taken in: the same for all units of an accession. Holds no secret. `released` are digests by the
    root's algorithm and signatures: of those bytes a person said that this alarm is false. `purged` is who decided, by
    record and digest of the same algorithm, that a record may not have bytes. `bytes_per_second` is how fast a worker
    may read the source; 0: no bound."""

    accession_id: str
    source: SourceLocation
    store: StoreLocation
    scanner: ScannerLocation
    root_digest: str
    digests: tuple[str, ...]
    released: FalseAlarms = frozenset()
    purged: Mapping[tuple[str, str], Decision] = field(default_factory=dict)
    bytes_per_second: int = 0


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that one worker takes in at one go: a large one alone, or small ones. `resume` is what the catalogue's
    ledger has of a unit's only file; `attempt` tells this handing out of the unit from others."""

    terms: CustodyTerms
    files: tuple[PlannedFile, ...]
    resume: PartLedger | None = None
    attempt: str = ""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file; `bytes_read` counts what was read from the source, wanted or not."""

    outcome: FileOutcome
    problem: Problem | None
    bytes_read: int


@dataclass(frozen=True, slots=True)
class PartNote:
    """What an attempt tells of a file under way: its upload, the parts that are durable and were not told yet, and the
    checkpoint as it is now (the shapes of `PartLedger`)."""

    file_id: int
    attempt: str
    upload_id: str
    part_size: int
    parts: tuple[Part, ...]
    offset: int
    checkpoint: JsonObject

    def to_json(self) -> JsonObject:
        return {
            "file_id": self.file_id,
            "attempt": self.attempt,
            "upload_id": self.upload_id,
            "part_size": self.part_size,
            "parts": [asdict(part) for part in self.parts],
            "offset": self.offset,
            "checkpoint": self.checkpoint,
        }

    @classmethod
    def from_json(cls, note: JsonObject) -> PartNote:
        return cls(**{**note, "parts": tuple(Part(**part) for part in note["parts"])})


def take_unit(
    store: ObjectStore,
    scanner: Scanner,
    tree: Tree,
    unit: Unit,
    tell: Callable[[Note], None],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> list[FileReport]:
    """Take each file of the unit in, out of the `tree` that its terms name. What is wrong with a file is its outcome;
    raises only what stops the work: `OutOfSpace`, `Misconfigured`, `Interrupted` of `tell`, or `Unavailable` of source,
    store or scanner, when trying again (`pause` seconds apart) did not help."""
    pace = Pace(unit.terms.bytes_per_second, pause)
    desk = _Desk(store, scanner, tree, unit.terms, unit.attempt, tell, pause, pace)
    is_pack = len(unit.files) > 1
    reports = _take_pack(desk, unit.files) if is_pack else _take_one(desk, unit.files[0], unit.resume)
    held = {one.outcome.id for one in reports if one.outcome.state is FileState.IN_CUSTODY}
    # Only now, with the names as durable as the bytes, may anybody say "in custody".
    store.settle([file.place for file in unit.files if file.id in held])
    return reports


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where the files of one unit are taken in."""

    store: ObjectStore
    scanner: Scanner
    tree: Tree
    terms: CustodyTerms
    attempt: str
    tell: Callable[[Note], None]
    pause: Callable[[float], None]
    pace: Pace


def _take_one(desk: _Desk, file: PlannedFile, resume: PartLedger | None) -> list[FileReport]:
    """A file by itself: a large one fills all cores, and has a ring of buffers."""
    return _report_each([_Taking(desk, file, resume).take()])


def _take_pack(desk: _Desk, files: Iterable[PlannedFile]) -> list[FileReport]:
    """Small files, many at once."""
    reports: list[FileReport] = []
    pool = ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="take")
    try:
        # A batch is taken while the one before it is identified here, and no more: their samples are in memory.
        under_way: deque[Iterator[FileReport | _Held]] = deque()
        for batch in _batches(files):
            under_way.append(pool.map(lambda file: _Taking(desk, file).take(), batch))
            if len(under_way) == 2:
                reports += _report_each(under_way.popleft())
        for last in under_way:
            reports += _report_each(last)
    finally:
        pool.shutdown(cancel_futures=True)
    return reports


def _batches(files: Iterable[PlannedFile]) -> Iterator[list[PlannedFile]]:
    batch: list[PlannedFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) == _BATCH_FILES or size + file.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _report_each(results: Iterable[FileReport | _Held]) -> list[FileReport]:
    """What became of files that were taken, in their order; those in custody are identified, all at once."""
    known = list(results)
    held = [one for one in known if isinstance(one, _Held)]
    formats = iter(identify_many([(one.taking.file.key, one.taken.sample) for one in held]))
    return [one.taking.report(one.taken, next(formats)) if isinstance(one, _Held) else one for one in known]


# ---------------------------------------------------------------- one file


class _Another(Exception):
    """What the ledger has is of another state of the file."""


class _Taking:
    """One file being taken in, in as many attempts as that needs; each goes on from what is durable."""

    def __init__(self, desk: _Desk, file: PlannedFile, ledger: PartLedger | None = None) -> None:
        self.file = file
        self._desk = desk
        self._ledger = ledger
        self._warning: Problem | None = None
        self._bytes_read = 0
        self._is_resumed = False

    def take(self) -> FileReport | _Held:
        """The bytes into the store; the report of a file that is rejected. Raises what stops the work."""
        try:
            return _Held(self, self._take())
        except Rejected as fault:
            self._end_upload()
            return self._rejected(fault)

    def _take(self) -> Taken:
        """Raises `Rejected`, and what stops the work."""
        fruitless = 0
        while True:
            before = self._ledger
            try:
                return self._attempt()
            except _Another as another:
                self._begin_afresh(another)
            except Conflict as overtaken:
                # Another worker has the file by now: to fight for it would keep both from it.
                raise Unavailable(
                    f"{shown(self.file.path)} was gone on with elsewhere: {overtaken}"
                ) from overtaken
            except (OutOfSpace, Interrupted):
                raise
            except Unavailable:
                fruitless = fruitless + 1 if self._ledger == before else 1
                if fruitless == _TRIES:
                    raise
                longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (fruitless - 1))
                self._desk.pause(longest * random.uniform(0.5, 1))

    def _attempt(self) -> Taken:
        file = self.file
        self._ask()
        with self._desk.tree.open(file.path, file.size, file.stamp) as reader:
            try:
                return self._read(reader)
            finally:
                self._bytes_read += reader.given

    def _read(self, reader: SourceReader) -> Taken:
        source = {"size": reader.size, "stamp": reader.stamp}
        ledger, hashes = self._resumption(source)
        upload = self._begin(ledger)
        if ledger is not None and (upload.id, upload.offset) != (ledger.upload_id, ledger.offset):
            ledger = None
        self._is_resumed = upload.offset > 0
        checkpoints = self._checkpoints(upload, ledger, source)
        try:
            taken = self._feed(reader, upload, checkpoints, hashes)
            checkpoints.report()
            reader.still_same()
            _compare(self.file, taken)
            self._refuse_purged(taken)
            upload.commit()
        except Rejected as fault:
            self._ledger = None
            upload.abort()
            if ledger is not None and isinstance(fault, SourceChanged):
                # Where the change shows it came during this attempt, else before it.
                reader.still_same()
                raise _Another(fault.message) from fault
            raise
        except BaseException:
            self._leave(upload, checkpoints)
            raise
        return taken

    def _refuse_purged(self, taken: Taken) -> None:
        """Raises `PurgedBytes`. Nobody can mean an empty file, whatever record it was purged with."""
        terms = self._desk.terms
        decision = terms.purged.get((self.file.record, taken.digests[terms.root_digest]))
        if decision is not None and taken.size:
            raise purged_again(decision)

    def _checkpoints(self, upload: Upload, ledger: PartLedger | None, source: JsonObject) -> Checkpoints:
        """An upload that cannot be told of is ended: nobody else would ever know of it."""
        try:
            return Checkpoints(upload, ledger, source, self._note, self._ask)
        except BaseException:
            with suppress(HeadraceError):
                upload.abort()
            raise

    def _feed(
        self, reader: SourceReader, upload: Upload, checkpoints: Checkpoints, hashes: Mapping[str, Hash]
    ) -> Taken:
        size, offset = self.file.size, upload.offset
        sample = Sample(size)
        if offset == 0:
            hashes = self._new_hashes(upload)
        else:
            sample.go_on(offset, reader.read_at)
        state = checkpoints.ledger.checkpoint.get("scan")
        resume = None if state is None else ScanResumption(state, reader.read_at)
        with closing(self._desk.scanner.begin(size, resume)) as scan:
            if offset:
                reader.seek(offset)
            source = self._desk.pace.slowed(reader)
            return intake.take(source, size, Readers(hashes, scan, sample), upload, checkpoints)

    def _resumption(self, source: JsonObject) -> tuple[PartLedger | None, Mapping[str, Hash]]:
        """The ledger to go on from, and the hashes at its checkpoint. It has none where the states of the digests
        cannot be used here: then all is read again, and compared with what is durable. Raises `_Another`."""
        ledger = self._ledger
        if ledger is None or not ledger.checkpoint:
            return ledger, {}
        if ledger.checkpoint["source"] != source:
            raise _Another(f"{shown(self.file.path)} changed since parts of it were taken in")
        hashes = restored(ledger.checkpoint["digests"], self._algorithms(in_parts=True))
        return (replace(ledger, offset=0, checkpoint={}), {}) if hashes is None else (ledger, hashes)

    def _begin(self, ledger: PartLedger | None) -> Upload:
        store, file = self._desk.store, self.file
        committed = find_committed(store, file.place, file.size, ledger) if ledger else None
        return committed or store.begin(file.place, file.size, ledger)

    def _algorithms(self, *, in_parts: bool) -> list[str]:
        """A file in parts has those that can be gone on with, whether it had to be or not, and what was declared."""
        terms = self._desk.terms
        asked = [name for name in terms.digests if name in HAVE_STATES or not in_parts]
        return [terms.root_digest, *asked, *self.file.declared]

    def _new_hashes(self, upload: Upload) -> Mapping[str, Hash]:
        in_parts = upload.part_size > 0
        return (resumable_hashes if in_parts else new_hashes)(self._algorithms(in_parts=in_parts))

    def _note(self, news: PartLedger) -> None:
        note = PartNote(
            self.file.id,
            self._desk.attempt,
            news.upload_id,
            news.part_size,
            news.parts,
            news.offset,
            news.checkpoint,
        )
        self._desk.tell(note.to_json())

    def _ask(self) -> None:
        """Raises `Interrupted` where nobody waits for this attempt any more."""
        self._desk.tell({})

    def _leave(self, upload: Upload, checkpoints: Checkpoints) -> None:
        """After an attempt that failed: keep what is durable, if anything is. What made it fail is told, not what fails
        now."""
        with suppress(HeadraceError):
            try:
                checkpoints.report()
            except Interrupted:
                upload.leave()  # another attempt may be going on with the very upload
                raise
            if checkpoints.ledger.parts:
                # What was on its way to the store may still arrive there.
                upload.leave()
                checkpoints.report()
            else:
                upload.abort()
        self._ledger = checkpoints.ledger if checkpoints.ledger.parts else None

    def _end_upload(self) -> None:
        if self._ledger is not None:
            self._desk.store.begin(self.file.place, self.file.size, self._ledger).abort()
            self._ledger = None

    def _begin_afresh(self, another: _Another) -> None:
        """Raises `SourceChanged` where that has been done already."""
        self._end_upload()
        if self._warning is not None:
            raise SourceChanged(str(another), remedy="Ingest again when nothing writes to the source.")
        self._warning = self._problem(
            Outcome.WARNED,
            "restarted",
            f"{another}; it was read again from its start",
            remedy="See that nothing writes to the source while it is ingested.",
        )

    def _problem(self, outcome: Outcome, code: str, reason: str, remedy: str) -> Problem:
        return Problem(shown(self.file.path), self.file.record, outcome, code, reason, remedy=remedy)

    def _rejected(self, fault: Rejected) -> FileReport:
        problem = self._problem(Outcome.REJECTED, fault.code, fault.message, fault.remedy)
        return FileReport(FileOutcome(self.file.id, FileState.REJECTED), problem, self._bytes_read)

    def report(self, taken: Taken, found: Identification) -> FileReport:
        """What became of the file that was `taken`."""
        file, terms = self.file, self._desk.terms
        digest = taken.digests[terms.root_digest]
        verdict = heeded(taken.verdict, digest, terms.released)
        outcome = FileOutcome(
            id=file.id,
            state=FileState.IN_CUSTODY,
            content=layout.content_path(file.key),
            root_digest=digest,
            digests=taken.digests,
            identification=codec.identification_to_json(found),
            scan=codec.verdict_to_json(verdict),
            resumed=self._is_resumed,
        )
        if verdict.status is ScanStatus.INFECTED:
            return self._quarantined(outcome, verdict.signature)
        return FileReport(outcome, self._unscanned(verdict) or self._warning, self._bytes_read)

    def _unscanned(self, verdict: ScanVerdict) -> Problem | None:
        """What the scanner says of why it did not go through all of the file; one that never does says nothing."""
        if verdict.status in LET_THROUGH or not verdict.reason:
            return None
        return self._problem(
            Outcome.WARNED,
            "not-scanned" if verdict.status is ScanStatus.UNSCANNED else "scanned-in-part",
            verdict.reason,
            remedy="Raise the limits of clamd (MaxScanSize, MaxRecursion, MaxFiles, MaxScanTime), or have it running.",
        )

    def _quarantined(self, outcome: FileOutcome, signature: str) -> FileReport:
        """Put an infected file apart, where nothing serves it."""
        store = self._desk.store
        apart = layout.quarantined(self._desk.terms.accession_id, self.file.id)
        store.delete(apart)
        store.move_many({self.file.place: apart})
        problem = infected(self.file.path, self.file.record, signature)
        return FileReport(
            replace(outcome, state=FileState.QUARANTINED, content=""), problem, self._bytes_read
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """A file whose bytes are in the store, before its format is known."""

    taking: _Taking
    taken: Taken


def infected(path: str, record: str, signature: str) -> Problem:
    """What is said of an infected file, which was put apart."""
    return Problem(
        shown(path),
        record,
        Outcome.QUARANTINED,
        "infected",
        f"infected: the scanner found {signature}",
        remedy="Take the file out of the source, or have it cleaned; then ingest again. "
        "Is the alarm false? `headrace quarantine list`",
    )


class _Mismatch(Rejected):
    code = "digest-mismatch"


def _compare(file: PlannedFile, taken: Taken) -> None:
    if taken.size != file.size:
        raise Rejected(
            f"{shown(file.path)} had {file.size} bytes at the survey and {taken.size} when it was read",
            remedy="Ingest again when nothing writes to the source.",
        )
    for algorithm, declared in file.declared.items():
        computed = taken.digests[algorithm]
        if computed != declared:
            raise _Mismatch(
                f"{algorithm} is {computed}, declared was {declared}",
                remedy="Fetch the file anew from where the digest was made, or correct the declared digest.",
            )
