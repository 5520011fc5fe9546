"""Handler of the *examine* effect: look into files that came over HTTP, which are in custody since they came.

Their bytes are read once more, for format and viruses together; what waited for that is published, and what turns out
infected is neither published nor served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress

from pipeline import publication, retrieval
from pipeline.access import heeded
from pipeline.catalogue import examinations, outbox, quarantine, records, scans
from pipeline.catalogue.examinations import Unexamined
from pipeline.errors import HeadraceError, Missing
from pipeline.ingest.identify import Sample, identify_many
from pipeline.model import EffectKind, Identification, ScanVerdict
from pipeline.services import Services

_PAGE = 100


def examine(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError]:
    """Look into every file of records, drafted or published, that nobody has looked into; what failed, by id."""
    failed: dict[int, HeadraceError] = {}
    for record_id in record_ids:
        try:
            _examine_record(services, record_id)
        except HeadraceError as error:
            failed[record_id] = error
    return failed


def _examine_record(services: Services, record_id: int) -> None:
    with services.catalogue.read() as tx:
        false_alarms = quarantine.released(tx, services.root_digest)
    while page := _left(services, record_id):
        for one in page:
            found = _look(services, one)
            if found is not None:
                identification, verdict = found
                _note(services, one, identification, heeded(verdict, one.digest, false_alarms))
        if _left(services, record_id) == page:
            break
    _withdraw_infected(services, record_id)
    publication.publish_waiting(services, record_id)


def _left(services: Services, record_id: int) -> list[Unexamined]:
    with services.catalogue.read() as tx:
        return examinations.left(tx, record_id, limit=_PAGE)


def _look(services: Services, one: Unexamined) -> tuple[Identification, ScanVerdict] | None:
    """None where its bytes are not there any more: it was deleted, or another took its place."""
    try:
        blocks = _read(services, one)
    except Missing:
        return None
    sample = Sample(one.size)
    with closing(services.scanner.begin(one.size)) as session:
        for block in blocks:
            sample.feed(block)
            session.feed(block)
        verdict = session.finish()
    [found] = identify_many([(one.key, sample)])
    return found, verdict


def _read(services: Services, one: Unexamined) -> Iterator[bytes]:
    if one.place is not None:
        with suppress(Missing):
            return services.store.read(one.place)
    # It was published meanwhile, or before.
    return retrieval.read_file(services, one.record_id, one.key)


def _note(
    services: Services,
    one: Unexamined,
    found: Identification,
    verdict: ScanVerdict,
) -> None:
    now = services.now()
    with services.catalogue.write() as tx:
        if one.file_id is not None:
            examinations.note_drafted(tx, one, found, verdict)
            return
        examinations.note_published(tx, one, found)
        scans.give(tx, [(one.digest, verdict)], now=now)
        records.touch(tx, one.record_id)
        outbox.want(tx, [(kind, one.record_id) for kind in (EffectKind.PRESERVE, EffectKind.INDEX)], now=now)


def _withdraw_infected(services: Services, record_id: int) -> None:
    """After all was noted: what was cut off in between is done by the next call."""
    with services.catalogue.read() as tx:
        found = scans.infected_in_service(tx, record_id=record_id, limit=1)
    for one in found:
        publication.withdraw_infected(services, one)
