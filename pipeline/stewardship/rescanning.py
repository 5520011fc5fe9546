"""Use case: the rescan. Files in custody are scanned for viruses again.

First what keeps records waiting to be published (`ingest/clearance.py`). Of published files, those that no scanner
went through as a whole (`unscanned`, `partial`) or only with signatures that had been replaced (`stale`), unless that
was tried with the signatures of now not long ago; then those
that were scanned wholly but some time ago, with other signatures than there are now, infected ones among them: an alarm
may have been false. New verdicts take the place of old ones, for all files with the same bytes; less never takes the
place of more. What turns out infected is served to nobody from that moment on, and its record is withdrawn. What was
infected and is found clean may be published again, wherever it comes from; whether the withdrawn record should have
been is a person's matter.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from pipeline import codec
from pipeline.access import heeded
from pipeline.catalogue import events, quarantine, scans
from pipeline.catalogue.fixity import FIRST, Position
from pipeline.catalogue.scans import InfectedFile, ScannedFile
from pipeline.display import shown
from pipeline.errors import Corrupt, HeadraceError, Missing
from pipeline.ingest import clearance
from pipeline.ingest.patience import AT_ONCE, Patience
from pipeline.model import (
    LET_THROUGH,
    Event,
    EventType,
    FalseAlarms,
    JsonObject,
    ScanStatus,
    ScanVerdict,
)
from pipeline.publication import withdraw_infected
from pipeline.services import Services
from pipeline.stewardship import aip, retrieval
from pipeline.stewardship.rereading import Allowance, reread_all

_PAGE = 500
_BATCH = 100  # files: of that many at most an interruption forgets that they were scanned
_LISTED = 10_000

_NOT_WHOLE = (ScanStatus.UNSCANNED, ScanStatus.PARTIAL, ScanStatus.STALE)
_WHOLE = (ScanStatus.CLEAN, ScanStatus.INFECTED)


@dataclass(frozen=True, slots=True)
class RescanPolicy:
    """What is scanned again: whatever no scanner went through with signatures of one version, unless that was tried
    with the same as now no longer than `older_than` ago; and what was scanned longer ago, with other signatures. No
    more than `max_bytes` (0: no bound), of which the last file may go beyond; what cannot be read is no part of it."""

    older_than: timedelta
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PutOff:
    """A file that could not be scanned, and why; `record` is its record's id, or its key where it is not published."""

    record: int | str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class QuarantinedNow:
    """A file of a record-to-be that was put apart."""

    record: str
    path: str
    signature: str


@dataclass(slots=True)
class Rescanned:
    """What a rescan did so far: `verdicts` by kind. Of infected files and of what was put off the first 10,000 are
    listed; `withdrawn` are the records that went out of service, `published` those that had waited for a verdict, and
    `quarantined` files, by their record's key in the collection, that keep theirs from it. `lifted` are files that had
    been called infected, with what was said to be in them, and are let through now."""

    due_files: int = 0
    due_bytes: int = 0
    files: int = 0
    size: int = 0
    used_up: bool = False
    put_off: int = 0
    verdicts: Counter[ScanStatus] = field(default_factory=Counter)
    infected: list[InfectedFile] = field(default_factory=list)
    lifted: list[InfectedFile] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    delayed: list[PutOff] = field(default_factory=list)
    published: int = 0
    quarantined: list[QuarantinedNow] = field(default_factory=list)


def rescan(
    services: Services,
    policy: RescanPolicy,
    *,
    patience: Patience = AT_ONCE,
    checkpoint: Callable[[Rescanned], None] = lambda _rescanned: None,
) -> Rescanned:
    """Scan what is due. Verdicts are noted in batches with PREMIS events, so that a rescan that is cut off goes on
    where it was; it begins with withdrawing what an earlier one found and did not come to. Whatever `checkpoint` raises
    ends it. Raises `Unavailable` where store, scanner or catalogue stay away for longer than `patience` lasts,
    `Misconfigured` where the scanner cannot be believed, or the store refuses every file for as long."""
    run = _Rescan(services, policy, patience, checkpoint)
    run.run()
    return run.rescanned


def report(services: Services, rescanned: Rescanned, seconds: float) -> JsonObject:
    """The rescan as JSON."""
    address = f"{services.repository.base_url}/records"
    return {
        "state": "completed",
        "scanner": services.scanner.describe(),
        "files": rescanned.files,
        "bytes": rescanned.size,
        "due_files": rescanned.due_files,
        "due_bytes": rescanned.due_bytes,
        "used_up": rescanned.used_up,
        "verdicts": {str(status): number for status, number in sorted(rescanned.verdicts.items())},
        "infected": [
            {
                "record": one.record_id,
                "url": f"{address}/{one.record_id}",
                "path": one.key,
                "signature": one.signature,
                "remedy": "The record is withdrawn; tell its owner. Its bytes stay, served to nobody, until a "
                f"headrace purge {one.record_id}",
            }
            for one in rescanned.infected
        ],
        "lifted": [
            {
                "record": one.record_id,
                "url": f"{address}/{one.record_id}",
                "path": one.key,
                "signature": one.signature,
                "remedy": "Its record stays withdrawn. Ingest its source again: these bytes are held no more.",
            }
            for one in rescanned.lifted
        ],
        "withdrawn": rescanned.withdrawn,
        "published": rescanned.published,
        "quarantined": [
            {
                "record": one.record,
                "path": shown(one.path),
                "signature": one.signature,
                "remedy": "Its record is held. Take the file out of the source, then ingest again.",
            }
            for one in rescanned.quarantined
        ],
        "put_off": [
            {"record": one.record, "path": one.key, "reason": one.reason} for one in rescanned.delayed
        ],
        "put_off_total": rescanned.put_off,
        "seconds": round(seconds, 3),
    }


class _Rescan:
    def __init__(
        self,
        services: Services,
        policy: RescanPolicy,
        patience: Patience,
        checkpoint: Callable[[Rescanned], None],
    ) -> None:
        self._services = services
        self._patience = patience
        self._checkpoint = checkpoint
        self._allowance = Allowance(policy.max_bytes or None)
        began = services.now()
        self._due_before = (
            (_NOT_WHOLE, began),
            (_WHOLE, began - policy.older_than),
        )
        self._recent = began - policy.older_than
        self._signatures = ""
        self._false_alarms: FalseAlarms = frozenset()
        self._next: ScannedFile | None = None
        self._given: list[tuple[ScannedFile, ScanVerdict]] = []
        self.rescanned = Rescanned()

    def run(self) -> None:
        self._signatures = self._patience.insist(self._begin)
        self._withdraw_infected()
        self._clear_waiting(scans=True)
        checkpoint, due = partial(self._checkpoint, self.rescanned), self._due()
        is_done = False
        while not is_done:
            files = self._allowed(due)
            reread_all(files, self._scan, self._take, self._commit, batch=_BATCH, checkpoint=checkpoint)
            is_done = self._next is None or self._allowance.is_used_up
        self.rescanned.used_up = self._next is not None
        if self.rescanned.verdicts:
            # New versions wait for verdicts on files that they carry over: these were given only now.
            self._clear_waiting(scans=False)

    def _begin(self) -> str:
        """See how much is due; the version of the signatures that there are now."""
        with self._services.catalogue.read() as tx:
            extents = [scans.extent(tx, kinds, before=before) for kinds, before in self._due_before]
            self._false_alarms = quarantine.released(tx, self._services.root_digest)
        self.rescanned.due_files = sum(files for files, _ in extents)
        self.rescanned.due_bytes = sum(size for _, size in extents)
        return self._services.scanner.signatures()

    def _clear_waiting(self, *, scans: bool) -> None:
        """Records that wait for a verdict: whatever bounds there are, for somebody waits for them."""
        done = self.rescanned
        for accession_id in self._patience.insist(partial(clearance.waiting, self._services)):
            cleared = clearance.clear(
                self._services,
                accession_id,
                self._judged,
                patience=self._patience,
                checkpoint=partial(self._checkpoint, done),
                scans=scans,
            )
            if cleared is not None:
                done.files += cleared.files
                done.size += cleared.size
                done.published += cleared.published
                for file, signature in cleared.put_apart:
                    done.quarantined.append(QuarantinedNow(file.record, file.path, signature))
                for file, reason in cleared.put_off:
                    self._put_off(PutOff(file.record, shown(file.path), reason))

    def _judged(self, digest: str, verdict: ScanVerdict) -> ScanVerdict:
        return heeded(verdict, digest, self._false_alarms)

    # ------------------------------------------------------------ reading

    def _due(self) -> Iterator[ScannedFile]:
        for kinds, before in self._due_before:
            after = FIRST
            while page := self._patience.insist(partial(self._page, kinds, before, after)):
                after = page[-1].position
                for one in page:
                    if not self._is_known(one):
                        yield one

    def _allowed(self, due: Iterator[ScannedFile]) -> Iterator[ScannedFile]:
        """Those that the bound allows; `_next` is the first that it does not, which others may give room to."""
        while (one := self._next or next(due, None)) is not None:
            self._next = one if self._allowance.is_used_up else None
            if self._next is not None:
                return
            self._allowance.take(one.size)
            yield one

    def _is_known(self, one: ScannedFile) -> bool:
        """Whether these signatures would say the same again. What no scanner can go through is tried now and then: its
        limits may have been raised."""
        if not self._signatures or one.verdict.database != self._signatures:
            return False
        return one.verdict.status is ScanStatus.CLEAN or one.scanned_at > self._recent

    def _page(self, kinds: tuple[ScanStatus, ...], before: datetime, after: Position) -> list[ScannedFile]:
        with self._services.catalogue.read() as tx:
            return scans.due(tx, kinds, before=before, after=after, limit=_PAGE)

    def _scan(self, one: ScannedFile, go_on: Callable[[], None]) -> ScanVerdict | None:
        """None where its bytes are not there, which is for an audit to tell."""
        try:
            blocks = retrieval.read_file(self._services, one.record_id, one.key)
        except Missing:
            return None
        with closing(self._services.scanner.begin(one.size)) as session:
            for block in blocks:
                go_on()
                session.feed(block)
            return session.finish()

    # ------------------------------------------------------------ judging

    def _take(self, one: ScannedFile, verdict: ScanVerdict | HeadraceError | None) -> None:
        if verdict is None or isinstance(verdict, HeadraceError):
            self._allowance.give_back(one.size)
        if isinstance(verdict, HeadraceError):
            self._put_off(PutOff(one.record_id, one.key, verdict.message))
            if not isinstance(verdict, Corrupt):
                self._patience.endure(verdict)
            return
        self._patience.moved()
        if verdict is not None:
            clearance.see_scanner(self._services, verdict, self._patience)
        if verdict is None:
            self._put_off(PutOff(one.record_id, one.key, "its bytes are not in the store: headrace audit"))
        elif (
            verdict.status not in LET_THROUGH and one.verdict.status in LET_THROUGH and not _is_found(verdict)
        ):
            reason = verdict.reason or "the scanner did not go through all of it"
            self._put_off(PutOff(one.record_id, one.key, reason))
        else:
            verdict = self._judged(one.digest, clearance.that_counts(one.verdict, verdict))
            self._given.append((one, verdict))
            self.rescanned.files += 1
            self.rescanned.size += one.size
            self.rescanned.verdicts[verdict.status] += 1
            if _is_found(verdict):
                self._commit()
            elif _is_found(one.verdict) and len(self.rescanned.lifted) < _LISTED:
                self.rescanned.lifted.append(InfectedFile(one.record_id, one.key, one.verdict.signature))

    def _put_off(self, one: PutOff) -> None:
        self.rescanned.put_off += 1
        if len(self.rescanned.delayed) < _LISTED:
            self.rescanned.delayed.append(one)

    def _commit(self) -> None:
        if self._given:
            self._patience.insist(partial(self._write, self._given))
            found = any(_is_found(verdict) for _, verdict in self._given)
            self._given = []
            if found:
                self._withdraw_infected()

    def _write(self, given: list[tuple[ScannedFile, ScanVerdict]]) -> None:
        now = self._services.now()
        same = [one for one, verdict in given if _says_the_same(one.verdict, verdict)]
        news = [(one, verdict) for one, verdict in given if not _says_the_same(one.verdict, verdict)]
        with self._services.catalogue.write() as tx:
            scans.give(tx, [(one.digest, verdict) for one, verdict in news], now=now)
            scans.note_looked(tx, same, now=now)
            events.add(tx, [self._event(one, verdict, now) for one, verdict in news])

    def _event(self, one: ScannedFile, verdict: ScanVerdict, now: datetime) -> Event:
        detail = {"key": one.key, "before": one.verdict.status, **codec.verdict_to_json(verdict)}
        return Event(
            id=f"urn:uuid:{uuid.uuid4()}",
            type=EventType.VIRUS,
            at=verdict.at or now,
            agent=verdict.engine,
            outcome=aip.VIRUS_OUTCOMES[verdict.status],
            record_id=one.record_id,
            objects=(f"{self._services.root_digest}:{one.digest}",),
            detail=detail,
        )

    def _withdraw_infected(self) -> None:
        """Take every record out of service that has an infected file; where that is cut off the next rescan does it."""
        while found := self._patience.insist(self._infected):
            for one in found:
                if one.record_id not in self.rescanned.withdrawn:
                    self._patience.insist(partial(withdraw_infected, self._services, one))
                    self.rescanned.withdrawn.append(one.record_id)
            self.rescanned.infected += found[: _LISTED - len(self.rescanned.infected)]

    def _infected(self) -> list[InfectedFile]:
        with self._services.catalogue.read() as tx:
            return scans.infected_in_service(tx, limit=_PAGE)


def _is_found(verdict: ScanVerdict) -> bool:
    return verdict.status is ScanStatus.INFECTED


def _says_the_same(before: ScanVerdict, after: ScanVerdict) -> bool:
    """But for the time."""
    return replace(before, at=None) == replace(after, at=None)
