"""Use case on a worker: take a unit of files into custody.

Nothing here knows the catalogue: outcomes travel back, and the flow's one writer commits them. Running a unit
twice ends in the same objects and the same outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from pipeline import codec
from pipeline.errors import Rejected
from pipeline.ingest import intake
from pipeline.ingest.identify import identify
from pipeline.ingest.sources import SourceReader, open_file
from pipeline.ingest.sources.names import shown
from pipeline.model import FileOutcome, FileState, Outcome, PlannedFile, Problem, ScanStatus
from pipeline.ports import ObjectStore, Scanner, ScanSession
from pipeline.settings import StoreLocation
from pipeline.store import layout

# Enough to overlap the flushes of small files; the work itself needs no more than a core.
_FILES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class CustodyTerms:
    """How files are taken in: the same for all units of an accession. Holds no secret."""

    accession_id: str
    source_root: str
    store: StoreLocation
    scanner: str
    root_digest: str
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that one worker takes in at one go."""

    terms: CustodyTerms
    files: tuple[PlannedFile, ...]

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


def take_unit(store: ObjectStore, scanner: Scanner, unit: Unit) -> list[FileReport]:
    """Take each file in. What is wrong with a file is its outcome; raises only what stops the work:
    `OutOfSpace`, or `Unavailable` of the store or the scanner."""
    take = partial(_take_file, store, scanner, unit.terms)
    if len(unit.files) == 1:
        reports = [take(unit.files[0])]
    else:
        with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="take") as pool:
            reports = list(pool.map(take, unit.files))
    held = [report.outcome for report in reports if report.outcome.state is FileState.IN_CUSTODY]
    # Only now, with the names as durable as the bytes, may anybody say "in custody".
    store.settle([_staged_key(file) for file in _of(unit.files, held)])
    return reports


def _of(files: Sequence[PlannedFile], outcomes: Sequence[FileOutcome]) -> list[PlannedFile]:
    ids = {outcome.id for outcome in outcomes}
    return [file for file in files if file.id in ids]


def _staged_key(file: PlannedFile) -> str:
    return f"{layout.staged(file.record_id)}/content/{layout.content_path(file.key)}"


def _take_file(store: ObjectStore, scanner: Scanner, terms: CustodyTerms, file: PlannedFile) -> FileReport:
    try:
        reader = open_file(terms.source_root, file.path, file.size, file.mtime_ns)
    except Rejected as fault:
        return _rejected(file, fault.code, fault.message, fault.remedy, bytes_read=0)
    with reader, closing(scanner.begin(file.size)) as scan:
        return _take_opened(store, scan, terms, file, reader)


def _take_opened(
    store: ObjectStore, scan: ScanSession, terms: CustodyTerms, file: PlannedFile, reader: SourceReader
) -> FileReport:
    key = _staged_key(file)
    wanted = (terms.root_digest, *terms.digests, *file.declared)
    counted = _Counted(reader)
    upload = store.begin(key, file.size)
    try:
        taken = intake.take(counted, file.size, wanted, scan, upload)
        reader.still_same()
        _compare(file, taken.size, taken.digests)
        upload.commit()
    except Rejected as fault:
        return _rejected(file, fault.code, fault.message, fault.remedy, bytes_read=counted.total)
    except _SourceFault as fault:
        return _rejected(
            file, "unreadable", str(fault), "See to the source's disk.", bytes_read=counted.total
        )
    finally:
        upload.abort()
    outcome = FileOutcome(
        id=file.id,
        state=FileState.IN_CUSTODY,
        content=layout.content_path(file.key),
        root_digest=taken.digests[terms.root_digest],
        digests=taken.digests,
        identification=codec.identification_to_json(identify(file.key, taken.sample)),
        scan=codec.verdict_to_json(taken.verdict),
    )
    if taken.verdict.status is ScanStatus.INFECTED:
        return _quarantined(store, terms, file, outcome, taken.verdict.signature, taken.size)
    return FileReport(outcome, None, taken.size)


class _SourceFault(Exception):
    """The source stopped answering in the middle of a file."""


class _Counted:
    """The source's reader: counts bytes, and tells the source's faults from the store's."""

    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader
        self.total = 0

    def readinto(self, buffer: memoryview, /) -> int:
        try:
            number = self._reader.readinto(buffer) or 0
        except OSError as error:
            raise _SourceFault(f"{shown(self._reader.path)} cannot be read: {error.strerror}") from error
        self.total += number
        return number


class _Mismatch(Rejected):
    code = "digest-mismatch"


def _compare(file: PlannedFile, size: int, computed: Mapping[str, str]) -> None:
    if size != file.size:
        raise Rejected(
            f"{shown(file.path)} had {file.size} bytes at the survey and {size} when it was read",
            remedy="Ingest again when nothing writes to the source.",
        )
    for algorithm, declared in file.declared.items():
        if computed[algorithm] != declared:
            raise _Mismatch(
                f"{algorithm} is {computed[algorithm]}, declared was {declared}",
                remedy="Fetch the file anew from where the digest was made, or correct the declared digest.",
            )


def _rejected(file: PlannedFile, code: str, reason: str, remedy: str, *, bytes_read: int) -> FileReport:
    problem = Problem(shown(file.path), file.record, Outcome.REJECTED, code, reason, remedy=remedy)
    return FileReport(FileOutcome(file.id, FileState.REJECTED), problem, bytes_read)


def _quarantined(
    store: ObjectStore,
    terms: CustodyTerms,
    file: PlannedFile,
    outcome: FileOutcome,
    signature: str,
    size: int,
) -> FileReport:
    """Put an infected file apart, where nothing serves it."""
    apart = layout.quarantined(terms.accession_id, file.id)
    store.delete(apart)
    store.move_many({_staged_key(file): apart})
    problem = Problem(
        shown(file.path),
        file.record,
        Outcome.QUARANTINED,
        "infected",
        f"infected: the scanner found {signature}",
        remedy="Take the file out of the source, or have it cleaned; then ingest again.",
    )
    quarantined = FileOutcome(
        outcome.id,
        FileState.QUARANTINED,
        "",
        outcome.root_digest,
        outcome.digests,
        outcome.identification,
        outcome.scan,
    )
    return FileReport(quarantined, problem, size)
