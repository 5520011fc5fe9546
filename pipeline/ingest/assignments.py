"""Use case: units out on workers, of one run. What they tell goes into the part ledger, what became of them into the
plan; those that could not be done go out again.

Each handing out is an attempt with a name of its own: what an attempt tells that is not the last one of its unit is
not heeded, since the unit may be under way elsewhere.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from pipeline.catalogue import ledger
from pipeline.catalogue.ledger import Noted
from pipeline.errors import Unavailable, WorkersKilled
from pipeline.ingest import accession, units
from pipeline.ingest.accession import Run
from pipeline.ingest.custody import CustodyTerms, FileReport, PartNote, Unit
from pipeline.ingest.patience import Patience
from pipeline.ingest.room import require_room
from pipeline.ingest.sources import fates
from pipeline.model import FileOutcome, FileState, PartLedger, PlannedFile
from pipeline.ports import Note
from pipeline.services import Services

_NOTES_EVERY = 1.0  # seconds: notes of that long are one transaction
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds until a unit goes out again
_TO_BLAME = 2  # times that every worker died of a file alone: once may be an accident


@dataclass(slots=True)
class _Out:
    """A unit that a worker has, or waits for one; `durable` bytes of its only file are acknowledged by the store."""

    unit: Unit
    durable: int = 0


@dataclass(slots=True)
class Assignments:
    """The units of an accession that are left to be taken in. Catalogue and store may be away for as long as `patience`
    lasts; `Interrupted` is raised where the run may not go on, `OutOfSpace` where the store has no room."""

    services: Services
    run: Run
    terms: CustodyTerms
    patience: Patience
    clock: Callable[[], float] = time.monotonic
    _out: dict[str, _Out] = field(default_factory=dict)
    _notes: list[Noted] = field(default_factory=list)
    _noted: float = 0.0
    _again: deque[tuple[float, Unit]] = field(default_factory=deque)
    _tries: dict[int, int] = field(default_factory=dict)
    _furthest: dict[int, int] = field(default_factory=dict)
    # Of files that workers died of: how often of the file alone, and not of a pack with it.
    _fatal: dict[int, int] = field(default_factory=dict)

    def hand_out(self, workers: int = 0) -> Iterator[Unit]:
        """Everything that is still to be read, the largest first, for that many workers (`units.left`); in between,
        what was put back a while ago. What was put back too late for that is left to the next call, where files of a
        pack that workers died of still go out one by one."""
        self._out.clear()
        self._again.clear()
        alone = self._fatal.keys()
        fresh = units.left(self.services, self.terms, self.patience, workers=workers, alone=alone)
        while (unit := self._next(fresh)) is not None:
            require_room(self.services, reserved=self._reserved() + unit.size)
            yield self._assigned(unit)

    def _next(self, fresh: Iterator[Unit]) -> Unit | None:
        if self._again and self._again[0][0] <= self.clock():
            return self._again.popleft()[1]
        return next(fresh, None)

    def _assigned(self, unit: Unit) -> Unit:
        resume = self.patience.insist(partial(self._ledger, unit))
        assigned = replace(unit, attempt=uuid.uuid4().hex, resume=resume)
        self._out[assigned.attempt] = _Out(assigned, resume.offset if resume else 0)
        return assigned

    def _ledger(self, unit: Unit) -> PartLedger | None:
        """What is durable of a unit's only file."""
        if len(unit.files) > 1:
            return None
        with self.services.catalogue.read() as tx:
            return ledger.ledgers(tx, unit.files).get(unit.files[0].id)

    def _reserved(self) -> int:
        """Bytes that the units out are still to bring: room that is as good as taken."""
        return sum(one.unit.size - one.durable for one in self._out.values())

    @property
    def durable(self) -> int:
        """Bytes of large files under way that the store has acknowledged."""
        return sum(one.durable for one in self._out.values())

    def hear(self, note: Note) -> None:
        """What an attempt tells (`custody.PartNote` as JSON)."""
        told = PartNote.from_json(note)
        out = self._out.get(told.attempt)
        if out is None:
            return
        [file] = out.unit.files  # nothing is told of small ones
        out.durable = told.offset
        news = PartLedger(told.upload_id, told.part_size, told.offset, told.checkpoint, told.parts)
        self._notes.append(Noted(file, told.attempt, news))

    def tick(self) -> None:
        """To be called several times a second: commits what was told."""
        if self._notes and self.clock() - self._noted >= _NOTES_EVERY:
            self._commit_notes()

    def _commit_notes(self) -> None:
        if self._notes:
            notes = list(self._notes)
            self.patience.insist(
                partial(accession.note, self.services, self.run, self.terms.accession_id, notes)
            )
            del self._notes[: len(notes)]
            self._note_movement(notes)
        self._noted = self.clock()

    def _note_movement(self, notes: Sequence[Noted]) -> None:
        """Only what no attempt had come to before is a movement: one that dies in the same place again is none."""
        for one in notes:
            if one.ledger.offset > self._furthest.get(one.file.id, 0):
                self._furthest[one.file.id] = one.ledger.offset
                self.patience.moved()

    def renew(self, unit: Unit) -> Unit:
        """The unit for another worker, where the one that had it died: it goes on from what is durable."""
        self._commit_notes()
        self._out.pop(unit.attempt, None)
        return self._assigned(unit)

    def settle(self, unit: Unit, reports: Sequence[FileReport]) -> None:
        """The unit was done: write what became of its files."""
        self._write(unit, reports)
        self.patience.moved()

    def _write(self, unit: Unit, reports: Sequence[FileReport]) -> None:
        done = {file.id for file in unit.files}
        self._notes = [one for one in self._notes if one.file.id not in done]
        self.patience.insist(partial(accession.settle, self.services, self.run, unit, reports))
        self._out.pop(unit.attempt, None)
        for id_ in done:
            self._tries.pop(id_, None)
            self._furthest.pop(id_, None)
            self._fatal.pop(id_, None)

    def put_back(self, unit: Unit, away: Unavailable) -> list[FileReport]:
        """The unit could not be done: it goes out again, later each time; who called is kept waiting only where no
        other unit is out. One that workers died of goes out file by file: the rest of it is not to share the fate of
        one of them. A file that they died of alone, twice, is rejected: the answer is its report, else empty.
        Raises `away` where patience is over."""
        self._commit_notes()
        self._out.pop(unit.attempt, None)
        if isinstance(away, WorkersKilled) and self._is_to_blame(unit):
            return self._reject(unit)
        first = unit.files[0].id
        tries = self._tries[first] = self._tries.get(first, 0) + 1
        pause = min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE)
        due = self.clock() + pause
        parts = [(file,) for file in unit.files] if isinstance(away, WorkersKilled) else [unit.files]
        self._again.extend((due, replace(unit, files=files)) for files in parts)
        (self.patience.bear if self._out else self.patience.endure)(away)
        return []

    def _is_to_blame(self, unit: Unit) -> bool:
        """Take note of what workers died of. In a pack it may have been any file, and once an accident."""
        is_alone = len(unit.files) == 1
        for file in unit.files:
            self._fatal[file.id] = self._fatal.get(file.id, 0) + is_alone
        return self._fatal[unit.files[0].id] >= _TO_BLAME

    def _reject(self, unit: Unit) -> list[FileReport]:
        """This is no movement, as a unit that was done is: where workers die of whatever they get, patience has to end
        the run before all of it is rejected."""
        reports = [_killing(file) for file in unit.files]
        self._write(unit, reports)
        return reports

    @property
    def is_done(self) -> bool:
        """Whether nothing was put back that is still to go out."""
        return not self._again


def _killing(file: PlannedFile) -> FileReport:
    problem = fates.rejected(
        file.record,
        file.path,
        "kills-workers",
        "every worker that read it died, again and again",
        "Look into the logs of the workers, for a lack of memory first; then headrace retry.",
    )
    return FileReport(FileOutcome(file.id, FileState.REJECTED), problem, bytes_read=0)
