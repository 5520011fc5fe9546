"""Use case: the fixity audit. Files in custody are read again, and their digests compared with what is recorded.

What was not found right for the longest time comes first; before all others what no one process ever read as a whole
(a file whose digests were gone on with), and what was found wrong the last time. A file is only called wrong when it
was found so twice, some time apart: what a network or a store that stumbles gives is no alarm. What cannot be read is
put off: the next audits try it behind what is due. When several could not, while others were read, it is failing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from math import ceil

from pipeline import codec
from pipeline.catalogue import Transaction, events, fixity, record_files
from pipeline.catalogue.fixity import FIRST, StoredFile
from pipeline.display import shown
from pipeline.errors import Corrupt, HeadraceError, Missing
from pipeline.ingest.digests import new_hashes
from pipeline.ingest.patience import AT_ONCE, Patience
from pipeline.model import AGENT, Digests, Event, EventType, JsonObject
from pipeline.services import Services
from pipeline.stewardship import retrieval
from pipeline.stewardship.rereading import Allowance, reread_all

_PAGE = 500
_BATCH = 500  # files: of that many at most an interruption forgets that they were read
_LATER = 10.0  # seconds from a look that went wrong to the next
_WRONG_TWICE = 2
_TRIES = 3  # times that a file cannot be read before it is put off
_MOST_DOUBTFUL = 1000  # files that wait for another look
_MOST_PUT_OFF = 500  # files of earlier audits that are tried again
_LISTED = 10_000


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """What an audit reads: files that were not found right for `older_than`, of all bytes no more than `share` a day
    (UTC; 1: no bound), no more than `max_bytes` a run (0: no bound). The last file may go beyond a bound, else one
    larger than it would never be read; what was wrong the last time is read in any case."""

    share: Fraction
    older_than: timedelta
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not what it was: `found` are the digests of what is there and `found_size` its bytes, None where
    nothing is, or where `corrupt` says why nobody can tell which bytes are its. `place` is its key in the store,
    `since` when it was first found so."""

    record_id: int
    key: str
    place: str
    size: int
    found_size: int | None
    expected: Digests
    found: Digests
    since: datetime
    corrupt: Corrupt | None = None


@dataclass(frozen=True, slots=True)
class PutOff:
    """A file that could not be read, and why; `place` is its key in the store, `audits` how many in a row could not,
    with this one."""

    record_id: int
    key: str
    reason: str
    place: str
    audits: int


@dataclass(slots=True)
class Audited:
    """What an audit did so far. `due_files` and `due_bytes` are what it began with; `mended` are files that were wrong
    before and are right now. Of differences and of what was put off the first 10,000 are listed."""

    due_files: int = 0
    due_bytes: int = 0
    files: int = 0
    size: int = 0
    mended: int = 0
    differing: int = 0
    put_off: int = 0
    used_up: bool = False
    differences: list[Difference] = field(default_factory=list)
    delayed: list[PutOff] = field(default_factory=list)


def audit(
    services: Services,
    policy: AuditPolicy,
    *,
    patience: Patience = AT_ONCE,
    wait: Callable[[float], None] = time.sleep,
    checkpoint: Callable[[Audited], None] = lambda _audited: None,
) -> Audited:
    """Read and judge what is due. Each file found right or wrong is noted with a PREMIS event, in batches, so that an
    audit that is cut off goes on where it was. Whatever `checkpoint` and `wait` raise ends it. Raises `Unavailable`
    where the store or the catalogue stays away for longer than `patience` lasts, `Misconfigured` where the store
    refuses every file for as long."""
    run = _Audit(services, policy, patience, wait, checkpoint)
    run.run()
    return run.audited


def report(services: Services, audited: Audited, seconds: float) -> JsonObject:
    """The audit as JSON. `failing` counts all files that are known to be wrong or that several audits in a row
    could not read, also where it did not come to them."""
    with services.catalogue.read() as tx:
        kept = fixity.holdings(tx)
    return {
        "state": "completed",
        "files": audited.files,
        "bytes": audited.size,
        "due_files": audited.due_files,
        "due_bytes": audited.due_bytes,
        "used_up": audited.used_up,
        "mended": audited.mended,
        "failing": kept.failed,
        "differences": [_difference_json(services, one) for one in audited.differences],
        "differences_total": audited.differing,
        "put_off": [_put_off_json(one) for one in audited.delayed],
        "put_off_total": audited.put_off,
        "holdings": {
            "files": kept.files,
            "bytes": kept.size,
            "oldest_check": codec.time_to_json(kept.oldest) if kept.oldest else None,
        },
        "seconds": round(seconds, 3),
    }


def _put_off_json(one: PutOff) -> JsonObject:
    remedy = "Nothing, if the store was away for a while: the next audit reads it."
    if one.audits >= fixity.UNREADABLE:
        remedy = (
            f"{one.audits} audits in a row could not read it, and read others: look at the disk and at its rights. "
            f"Put the bytes back at {one.place} from a copy of the store, then audit again."
        )
    return {
        "record": one.record_id,
        "path": one.key,
        "reason": one.reason,
        "place": one.place,
        "audits": one.audits,
        "remedy": remedy,
    }


def _difference_json(services: Services, one: Difference) -> JsonObject:
    return {
        "record": one.record_id,
        "url": f"{services.repository.base_url}/records/{one.record_id}",
        "path": one.key,
        "place": one.place,
        "code": _code(one),
        "reason": _reason(one),
        "remedy": _remedy(one),
        "expected": dict(one.expected),
        "found": dict(one.found),
        "size": one.size,
        "found_size": one.found_size,
        "since": codec.time_to_json(one.since),
    }


def _code(one: Difference) -> str:
    if one.corrupt is not None:
        return one.corrupt.code
    return "missing" if one.found_size is None else "differs"


def _remedy(one: Difference) -> str:
    if one.corrupt is not None and one.corrupt.remedy:
        return one.corrupt.remedy
    return f"Put the bytes back at {one.place} from a copy of the store, then audit again: it is read first."


def _reason(one: Difference) -> str:
    if one.corrupt is not None:
        return one.corrupt.message
    if one.found_size is None:
        return f"the store has no bytes of {shown(one.key)}"
    if one.found_size != one.size:
        return f"{one.found_size:,} bytes, recorded were {one.size:,}"
    wrong = [name for name in one.expected if one.expected[name] != one.found[name]]
    return "; ".join(f"{name} is {one.found[name]}, recorded was {one.expected[name]}" for name in wrong)


# ---------------------------------------------------------------- one run


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one reading gave; `size` None where nothing is there, or what leads to the file is corrupt."""

    size: int | None
    digests: Digests
    corrupt: Corrupt | None = None


@dataclass(slots=True)
class _Look:
    """A file, and how often it was found wrong or could not be read."""

    file: StoredFile
    wrong: int = 0
    away: int = 0


class _Audit:
    def __init__(
        self,
        services: Services,
        policy: AuditPolicy,
        patience: Patience,
        wait: Callable[[float], None],
        checkpoint: Callable[[Audited], None],
    ) -> None:
        self._services = services
        self._policy = policy
        self._patience = patience
        self._wait = wait
        self._checkpoint = checkpoint
        self._before = services.now() - policy.older_than
        self._after = FIRST
        self._allowance = Allowance(None)
        self._is_done = False
        self._doubtful: list[_Look] = []
        self._sound: list[StoredFile] = []
        self._failed: list[tuple[StoredFile, _Seen]] = []
        self._put_off: list[tuple[StoredFile, HeadraceError]] = []
        self._any_sound = False
        self.audited = Audited()

    def run(self) -> None:
        self._patience.insist(self._begin)
        while self._doubtful or not self._is_done:
            self._read(self._due())
            if self._doubtful:
                self._wait(_LATER)
                again, self._doubtful = self._doubtful, []
                self._read(iter(again))
        self._patience.insist(self._note_put_off)

    def _begin(self) -> None:
        """See how much is due, and how much may be read."""
        now, policy = self._services.now(), self._policy
        with self._services.catalogue.read() as tx:
            self.audited.due_files, self.audited.due_bytes = fixity.extent(tx, before=self._before)
            bounds = [policy.max_bytes] if policy.max_bytes else []
            if policy.share < 1:
                midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
                share = max(1, ceil(policy.share * fixity.holdings(tx).size))
                bounds.append(share - fixity.audited_since(tx, midnight))
            # Known already: one try, behind what is due, and no part of what may be read.
            known = fixity.put_off(tx, limit=_MOST_PUT_OFF)
        self._doubtful = [_Look(one, away=_TRIES - 1) for one in known]
        self._allowance = Allowance(min(bounds, default=None))

    # ------------------------------------------------------------ reading

    def _due(self) -> Iterator[_Look]:
        """Files that are due, as long as the bounds allow and not too many wait for another look."""
        while not self._is_done:
            page = self._patience.insist(self._page)
            self._is_done = not page
            for one in page:
                if len(self._doubtful) >= _MOST_DOUBTFUL:
                    return
                if self._allowance.is_used_up and one.failed_at is None:
                    self.audited.used_up = True
                    if one.sound_at is None:
                        self._after = one.position
                        continue  # behind it there may be others that are wrong
                    self._is_done = True
                    return
                self._after = one.position
                self._allowance.take(one.size)
                yield _Look(one)

    def _page(self) -> list[StoredFile]:
        with self._services.catalogue.read() as tx:
            return fixity.due(tx, before=self._before, after=self._after, limit=_PAGE)

    def _read(self, looks: Iterator[_Look]) -> None:
        checkpoint = partial(self._checkpoint, self.audited)
        reread_all(looks, self._look, self._take, self._commit, batch=_BATCH, checkpoint=checkpoint)

    def _look(self, look: _Look, go_on: Callable[[], None]) -> _Seen:
        one = look.file
        hashes = new_hashes(self._expected(one))
        size = 0
        try:
            for block in retrieval.read_file(self._services, one.record_id, one.key, fresh=True):
                go_on()
                size += len(block)
                for running in hashes.values():
                    running.update(block)
        except Missing:
            return _Seen(None, {})
        except Corrupt as error:
            return _Seen(None, {}, error)
        return _Seen(size, {name: running.hexdigest() for name, running in hashes.items()})

    def _expected(self, one: StoredFile) -> Digests:
        """The root's digest tells whether bytes are right. Where digests themselves were never confirmed, all are."""
        root_digest = self._services.root_digest
        return one.digests if one.sound_at is None else {root_digest: one.digests[root_digest]}

    # ------------------------------------------------------------ judging

    def _take(self, look: _Look, seen: _Seen | HeadraceError) -> None:
        if isinstance(seen, HeadraceError):
            self._put_back(look, seen)
        else:
            self._judge(look, seen)

    def _put_back(self, look: _Look, away: HeadraceError) -> None:
        """To be looked at again; a file that cannot be read while others can is left to the next audit. Patience is for
        a store that is away, which the first look at any file tells."""
        look.away += 1
        if look.away < _TRIES:
            self._doubtful.append(look)
        else:
            self.audited.put_off += 1
            self._put_off.append((look.file, away))
            if not look.file.put_offs:
                self._give_back(look.file.size)
        if look.away == 1:
            self._patience.endure(away)

    def _give_back(self, size: int) -> None:
        """What was not read takes no room from other files."""
        self._allowance.give_back(size)
        if self.audited.used_up and not self._allowance.is_used_up:
            self._is_done = self.audited.used_up = False

    def _note_put_off(self) -> None:
        """Where nothing else was found right either, the store is to blame and not its files."""
        files = [one for one, _ in self._put_off]
        counted = 1 if self._any_sound else 0
        with self._services.catalogue.write() as tx:
            if self._any_sound:
                fixity.note_put_off(tx, files, now=self._services.now())
            self.audited.delayed = []
            for one, error in self._put_off[:_LISTED]:
                with suppress(Missing):  # given up meanwhile
                    place = self._place(tx, one)
                    delayed = PutOff(one.record_id, one.key, error.message, place, one.put_offs + counted)
                    self.audited.delayed.append(delayed)

    def _place(self, tx: Transaction, one: StoredFile) -> str:
        return retrieval.place(self._services, record_files.holding(tx, one.record_id, one.key))

    def _judge(self, look: _Look, seen: _Seen) -> None:
        self._patience.moved()
        if seen.size == look.file.size and seen.digests == self._expected(look.file):
            self._sound.append(look.file)
            self._any_sound = True
        else:
            look.wrong += 1
            if look.wrong < _WRONG_TWICE:
                self._doubtful.append(look)
                return
            self._failed.append((look.file, seen))
        self.audited.files += 1
        self.audited.size += look.file.size

    def _commit(self) -> None:
        sound, failed = self._sound, self._failed
        if sound or failed:
            differences = self._patience.insist(partial(self._write, sound, failed))
            self.audited.mended += sum(one.failed_at is not None for one in sound)
            self.audited.differing += len(differences)
            self.audited.differences += differences[: _LISTED - len(self.audited.differences)]
        self._sound, self._failed = [], []

    def _write(self, sound: list[StoredFile], failed: list[tuple[StoredFile, _Seen]]) -> list[Difference]:
        now = self._services.now()
        with self._services.catalogue.write() as tx:
            fixity.note_sound(tx, sound, now=now)
            found = [
                self._difference(tx, one, seen, now)
                for one, seen in failed
                if fixity.note_failed(tx, one, now=now)
            ]
            new = [*self._passed(sound, now), *(_failed(one, now) for one in found)]
            events.add(tx, new)
        return found

    def _difference(self, tx: Transaction, one: StoredFile, seen: _Seen, now: datetime) -> Difference:
        return Difference(
            record_id=one.record_id,
            key=one.key,
            place=self._place(tx, one),
            size=one.size,
            found_size=seen.size,
            expected=self._expected(one),
            found=seen.digests,
            since=one.failed_at or now,
            corrupt=seen.corrupt,
        )

    def _passed(self, sound: list[StoredFile], now: datetime) -> Iterator[Event]:
        """One event a record, of all its files that were found right together, by the digests that were compared."""
        of_record: dict[int, set[str]] = {}
        for one in sound:
            of_record.setdefault(one.record_id, set()).update(_objects(self._expected(one)))
        for record_id, objects in of_record.items():
            yield _event("pass", record_id, tuple(sorted(objects)), {}, now)


def _objects(digests: Digests) -> list[str]:
    """As events name files."""
    return [f"{name}:{value}" for name, value in sorted(digests.items())]


def _failed(one: Difference, now: datetime) -> Event:
    detail: JsonObject = {
        "key": one.key,
        "expected": dict(one.expected),
        "found": dict(one.found),
        "size": one.size,
        "found_size": one.found_size,
        **({"reason": one.corrupt.message} if one.corrupt else {}),
    }
    return _event("fail", one.record_id, tuple(_objects(one.expected)), detail, now)


def _event(
    outcome: str, record_id: int, objects: tuple[str, ...], detail: Mapping[str, object], now: datetime
) -> Event:
    return Event(
        id=f"urn:uuid:{uuid.uuid4()}",
        type=EventType.FIXITY,
        at=now,
        agent=AGENT,
        outcome=outcome,
        record_id=record_id,
        objects=objects,
        detail=dict(detail),
    )
