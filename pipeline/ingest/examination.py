"""Handler of the *examine* effect: look into files that came over HTTP, which are in custody since they came.

Their bytes are read once more, for format and viruses together; what waited for that is published, and what turns out
infected is neither published nor served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import accumulate

from pipeline import publication, retrieval
from pipeline.access import heeded
from pipeline.catalogue import examinations, outbox, quarantine, records, scans
from pipeline.catalogue.examinations import Examined, Unexamined
from pipeline.errors import HeadraceError, Missing
from pipeline.ingest.identify import Sample, identify_many
from pipeline.model import EffectKind, ScanVerdict
from pipeline.services import Services

_FILES, _BYTES = 100, 32 << 20
"""Of so many files and bytes at once what was found is noted: a record may have very many small files, and what was
found in large ones is not to be lost with what comes after them."""


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
    for files, are_last in _handfuls(services, record_id):
        looked = [(one, found) for one in files if (found := _look(services, one)) is not None]
        formats = identify_many([(one.key, sample) for one, (sample, _) in looked])
        _note(
            services,
            record_id,
            [
                Examined(one, format_, heeded(verdict, one.digest, false_alarms))
                for (one, (_, verdict)), format_ in zip(looked, formats, strict=True)
            ],
            # With the last of them: whoever goes on where this is cut off comes to them, or to others.
            tells=are_last and any(one.file_id is None for one in files),
        )
    _withdraw_infected(services, record_id)
    publication.publish_waiting(services, record_id)


def _handfuls(services: Services, record_id: int) -> Iterator[tuple[list[Unexamined], bool]]:
    """All that nobody has looked into, and whether no more are left. What comes meanwhile asks for this effect
    again."""
    after = None
    while files := _following(services, record_id, after):
        total = list(accumulate(one.size for one in files[:_FILES]))
        few = [one for one, size in zip(files, total, strict=False) if size <= _BYTES] or files[:1]
        yield few, len(few) == len(files)
        after = few[-1]


def _following(services: Services, record_id: int, after: Unexamined | None) -> list[Unexamined]:
    with services.catalogue.read() as tx:
        # One more tells whether any are left.
        return examinations.left(tx, record_id, after=after, limit=_FILES + 1)


def _look(services: Services, one: Unexamined) -> tuple[Sample, ScanVerdict] | None:
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
        return sample, session.finish()


def _read(services: Services, one: Unexamined) -> Iterator[bytes]:
    if one.place is not None:
        with suppress(Missing):
            return services.store.read(one.place)
    # It was published meanwhile, or before.
    return retrieval.read_file(services, one.record_id, one.key)


def _note(services: Services, record_id: int, examined: Sequence[Examined], *, tells: bool) -> None:
    """`tells` whether all that is shown and kept of the record is to follow."""
    now = services.now()
    published = [one for one in examined if one.file.file_id is None]
    with services.catalogue.write() as tx:
        examinations.note_drafted(tx, [one for one in examined if one.file.file_id is not None])
        if published:
            examinations.note_published(tx, published)
            scans.give(tx, [(one.file.digest, one.verdict) for one in published], now=now)
            records.touch(tx, record_id)
        if tells:
            outbox.want(tx, [(kind, record_id) for kind in (EffectKind.PRESERVE, EffectKind.INDEX)], now=now)


def _withdraw_infected(services: Services, record_id: int) -> None:
    """After all was noted: what was cut off in between is done by the next call."""
    with services.catalogue.read() as tx:
        found = scans.infected_in_service(tx, record_id=record_id, limit=1)
    for one in found:
        publication.withdraw_infected(services, one)
