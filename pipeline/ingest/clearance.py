"""Use case: records that the scan gate `publish` keeps waiting. Their files are scanned again where they lie in
custody; those that are clean at last are published, those with an infected file are held, and the file is put apart."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pipeline import codec, publication
from pipeline.catalogue import accessions, clearance, events, quarantine
from pipeline.catalogue.accessions import Stage
from pipeline.catalogue.clearance import WaitingFile
from pipeline.catalogue.quarantine import QuarantinedFile
from pipeline.errors import Conflict, HeadraceError, Interrupted, Missing, Unavailable
from pipeline.ingest import accession
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.ingest.custody import infected
from pipeline.ingest.patience import Patience
from pipeline.lifecycle import DepositEvent
from pipeline.model import LET_THROUGH, Accession, AccessionState, ScanStatus, ScanVerdict
from pipeline.services import Services
from pipeline.stewardship.rereading import reread
from pipeline.store import layout

_PAGE = 500


@dataclass(slots=True)
class Cleared:
    """What became of the waiting records of an accession. `put_apart` are the files that are infected; what could not
    be read is `put_off`, with why."""

    files: int
    size: int
    published: int
    put_apart: list[tuple[WaitingFile, str]]
    put_off: list[tuple[WaitingFile, str]]


def waiting(services: Services) -> list[str]:
    """Accessions with records that wait for a verdict, and for nothing else."""
    with services.catalogue.read() as tx:
        return clearance.waiting_accessions(tx)


def clear(
    services: Services,
    accession_id: str,
    judge: Callable[[str, ScanVerdict], ScanVerdict],
    *,
    patience: Patience,
    checkpoint: Callable[[], None],
    scans: bool = True,
) -> Cleared | None:
    """Scan what keeps the accession's records waiting, and publish those that need not wait any longer. `judge` has the
    last word on the verdict on bytes with a digest. Unless it `scans`, only the verdicts count that published records
    have on files carried over by now. None where a run was or is at work on the accession, which publishes by itself,
    and where it is cancelled meanwhile. Raises as `rescanning.rescan` does."""
    found = patience.insist(partial(_accession, services, accession_id))
    run = Run(uuid.uuid4().hex, found.collection, found.source, IngestOptions(**found.options))
    try:
        patience.insist(partial(_lease, services, run, accession_id))
    except Conflict:
        return None
    try:
        with accession.keeping(services, run, accession_id):
            clearing = _Clearing(services, run, accession_id, judge, patience)
            done = clearing.clear(checkpoint, scans=scans)
            done.published = _publish(services, run, accession_id, patience)
        patience.insist(partial(accession.finish, services, run, accession_id))
    except BaseException as error:
        # It waits as before; where the catalogue is away the lease ends by time.
        with suppress(Unavailable):
            accession.give_up_lease(services, run, accession_id)
        if isinstance(error, Interrupted):
            found = patience.insist(partial(_accession, services, accession_id))
            if found.state is AccessionState.CANCELLED:
                return None
        raise
    return done


def _accession(services: Services, accession_id: str) -> Accession:
    with services.catalogue.read() as tx:
        return accessions.get(tx, accession_id)


def _lease(services: Services, run: Run, accession_id: str) -> None:
    with services.catalogue.write() as tx:
        accession.lease(tx, services, run, accession_id)
        if accession_id not in clearance.waiting_accessions(tx):
            raise Conflict(f"a run was at work on accession {accession_id} meanwhile")


def _publish(services: Services, run: Run, accession_id: str, patience: Patience) -> int:
    publish = partial(
        publication.publish_sealed,
        services,
        accession_id,
        run_id=run.id,
        owner=run.options.owner,
        community=run.options.community,
    )
    number = 0
    while published := patience.insist(publish):
        number += published
    return number


def see_scanner(services: Services, verdict: ScanVerdict, patience: Patience) -> None:
    """Where a verdict says little, ask whether the scanner is there: one that is away may let files pass instead of
    saying so, and while it is there is nothing to read for. Raises `Unavailable` where it stays away for longer than
    `patience` lasts."""
    if verdict.status in (ScanStatus.UNSCANNED, ScanStatus.PARTIAL) and services.scanner.gives_clean:
        patience.insist(services.scanner.signatures)


def that_counts(before: ScanVerdict | None, now: ScanVerdict) -> ScanVerdict:
    """Of two verdicts on the same bytes: what was found stands until a scanner finds it again, or goes through all of
    them and finds nothing."""
    is_less = now.status not in LET_THROUGH and now.status is not ScanStatus.INFECTED
    if before is not None and before.status is ScanStatus.INFECTED and is_less:
        return before
    return now


class _Scanned(NamedTuple):
    """A verdict on a file's bytes, and the key in the store where they were found."""

    place: str
    verdict: ScanVerdict


class _Clearing:
    def __init__(
        self,
        services: Services,
        run: Run,
        accession_id: str,
        judge: Callable[[str, ScanVerdict], ScanVerdict],
        patience: Patience,
    ) -> None:
        self._services = services
        self._run = run
        self._accession_id = accession_id
        self._judge = judge
        self._patience = patience
        self._done = Cleared(0, 0, 0, [], [])

    def clear(self, checkpoint: Callable[[], None], *, scans: bool) -> Cleared:
        self._patience.insist(self._take_over)
        if scans:
            self._scan_all(checkpoint)
        return self._done

    def _take_over(self) -> None:
        with self._services.catalogue.write() as tx:
            clearance.take_over_verdicts(tx, self._accession_id)

    def _scan_all(self, checkpoint: Callable[[], None]) -> None:
        with closing(reread(self._files(), self._scan, checkpoint=checkpoint)) as found:
            for one, scanned in found:
                if isinstance(scanned, HeadraceError):
                    self._done.put_off.append((one, scanned.message))
                    self._patience.endure(scanned)
                elif scanned is None:
                    self._done.put_off.append((one, "its bytes are not in the store"))
                else:
                    self._patience.moved()
                    see_scanner(self._services, scanned.verdict, self._patience)
                    self._take(one, scanned)

    def _files(self) -> Iterator[WaitingFile]:
        after = 0
        while page := self._patience.insist(partial(self._page, after)):
            after = page[-1].id
            yield from page

    def _page(self, after: int) -> list[WaitingFile]:
        with self._services.catalogue.read() as tx:
            return clearance.waiting_files(tx, self._accession_id, after=after, limit=_PAGE)

    def _apart(self, one: WaitingFile) -> str:
        return layout.quarantined(self._accession_id, one.id)

    def _scan(self, one: WaitingFile, go_on: Callable[[], None]) -> _Scanned | None:
        # It lies apart where an earlier try was cut off.
        for place in (one.place, self._apart(one)):
            with suppress(Missing):
                blocks = self._services.store.read(place)
                with closing(self._services.scanner.begin(one.size)) as session:
                    for block in blocks:
                        go_on()
                        session.feed(block)
                    return _Scanned(place, session.finish())
        return None

    def _take(self, one: WaitingFile, scanned: _Scanned) -> None:
        verdict = self._judge(
            one.digests[self._services.root_digest], that_counts(one.verdict, scanned.verdict)
        )
        self._done.files += 1
        self._done.size += one.size
        if verdict.status is ScanStatus.INFECTED:
            self._put_apart(one, verdict)
            self._done.put_apart.append((one, verdict.signature))
        else:
            if scanned.place != one.place:
                self._patience.insist(partial(self._bring_back, one))
            self._patience.insist(partial(self._note, one, verdict))

    def _note(self, one: WaitingFile, verdict: ScanVerdict) -> None:
        with self._services.catalogue.write() as tx:
            accession.hold_on(tx, self._services, self._run, self._accession_id)
            clearance.note_verdict(tx, one.id, codec.verdict_to_json(verdict))

    def _bring_back(self, one: WaitingFile) -> None:
        """An earlier try, cut off, put it apart for what it is not found to be any more."""
        with suppress(Missing):  # the accession was cancelled just now, as the next step finds
            self._services.store.move_many({self._apart(one): one.place})

    def _put_apart(self, one: WaitingFile, verdict: ScanVerdict) -> None:
        """Where nothing serves it; its record is held."""
        # Before its bytes move: where this is cut off, a record with an infected file is published under no gate.
        self._patience.insist(partial(self._note, one, verdict))
        self._patience.insist(partial(self._move_apart, one))
        self._patience.insist(partial(self._hold, one, verdict))

    def _move_apart(self, one: WaitingFile) -> None:
        with suppress(Missing):
            self._services.store.size(one.place)
            self._services.store.delete(self._apart(one))
            self._services.store.move_many({one.place: self._apart(one)})

    def _hold(self, one: WaitingFile, verdict: ScanVerdict) -> None:
        services = self._services
        apart = QuarantinedFile(
            accession_id=self._accession_id,
            deposit_id=one.deposit_id,
            file_id=one.id,
            record=one.record,
            path=one.path,
            key=self._apart(one),
            signature=verdict.signature,
            digests=one.digests,
            size=one.size,
            at=services.now(),
        )
        problem = infected(one.path, one.record, verdict.signature)
        with services.catalogue.write() as tx:
            accession.hold_on(tx, services, self._run, self._accession_id)
            if not clearance.put_apart(tx, one, codec.verdict_to_json(verdict), DepositEvent.HOLD):
                return
            quarantine.add(tx, [apart])
            event = accession.event_of_quarantine(services, apart)
            events.add(tx, [event], accession_id=self._accession_id)
            accessions.report(tx, self._accession_id, Stage.INTAKE, [(one.deposit_id, problem)])
