"""Handler of the *index* effect; the rebuild of the whole index from the catalogue, and its comparison with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from pipeline import access
from pipeline.catalogue import Transaction, file_texts, outbox, records
from pipeline.catalogue.file_texts import Unread
from pipeline.errors import HeadraceError, Rejected
from pipeline.index.document import document, entry
from pipeline.ingest.patience import Patience
from pipeline.model import EffectKind, Record
from pipeline.ports import IndexDocument, IndexEntry, SearchIndex
from pipeline.services import Services

_BATCH = 500
_FILES = 20_000
"""Files that the records of a batch list together, which is what a batch takes in memory."""
_CHARACTERS = 4_000_000
"""Of the texts of their files, which are in memory several times."""
_LARGEST_ID = 1 << 62


def index(
    services: Services, record_ids: Sequence[int], *, at_once: bool = False
) -> Mapping[int, HeadraceError]:
    """Write records into search as they are now, so that it shows them within a second, or `at_once` when this returns;
    what was refused, by id. What is to be read in their files, and was not yet, is wanted."""
    refused: dict[int, HeadraceError] = {}
    left = list(record_ids)
    while left:
        with services.catalogue.read() as tx:
            batch = _few(services, tx, left)
        refused |= _write(services, services.index, batch, at_once=at_once)
        left = left[len(batch) :]
    return refused


def rebuild(
    services: Services,
    *,
    on_batch: Callable[[int], None] = lambda _number: None,
    wait: Callable[[float], None] = time.sleep,
) -> Mapping[int, HeadraceError]:
    """Fill a new index from the catalogue and swap it in for the one in use, which need not be readable; what was
    refused, by record id. `on_batch` is told how many records each batch had. Each is tried again, for as long as the
    setting `patience` says, where the index or the catalogue is away: `wait` is told for how many seconds. Raises
    `Conflict` where another rebuild began meanwhile, `Unavailable`."""
    refused: dict[int, HeadraceError] = {}
    patience = Patience(services.settings.patience, wait)
    with closing(services.index.begin_rebuild()) as fresh:
        last = 0
        while batch := patience.insist(partial(_following, services, last)):
            refused |= patience.insist(partial(_write, services, fresh, batch))
            last = batch[-1]
            on_batch(len(batch))
        patience.insist(fresh.finish_rebuild)
    return refused


@dataclass(frozen=True, slots=True)
class Differences:
    """Where an index is not what the catalogue says, as record ids: those that it lacks, has besides, has as they were
    before, and has in the same version with something else in it. `awaited` records wait to be written anyway."""

    records: int
    missing: tuple[int, ...] = ()
    surplus: tuple[int, ...] = ()
    outdated: tuple[int, ...] = ()
    altered: tuple[int, ...] = ()
    awaited: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.outdated or self.altered)


def verify(services: Services, *, on_batch: Callable[[int], None] = lambda _number: None) -> Differences:
    """Compare the index with the catalogue, document by document, while both go on. `on_batch` is told how many records
    each batch had. Raises `Unavailable`."""
    found, last, is_over = Differences(0), 0, False
    while not is_over:
        batch = _following(services, last)
        is_over = not batch
        upto = _LARGEST_ID if is_over else batch[-1]
        found = _joined(found, _differences(services, batch, last, upto))
        last = upto
        on_batch(len(batch))
    return found


def _differences(services: Services, batch: Sequence[int], after: int, upto: int) -> Differences:
    documents = _held(services, batch).documents
    wanted = {one.id: one for one in map(_wanted, documents) if one is not None}
    held = {one.id: one for one in services.index.entries(after, upto)}
    differing = sorted(
        id_ for id_ in wanted.keys() | held.keys() if not _is_right(held.get(id_), wanted.get(id_))
    )
    # What changed since it was read above was maybe written since as well.
    with services.catalogue.read() as tx:
        changes = records.changes(tx, differing)
        awaited = outbox.wanted(tx, EffectKind.INDEX, differing, parked=False)
    certain = [
        id_
        for id_ in differing
        if id_ not in awaited and changes.get(id_) == (wanted[id_].version if id_ in wanted else None)
    ]
    both = [(wanted[id_], held[id_]) for id_ in certain if id_ in wanted and id_ in held]
    return Differences(
        records=len(wanted),
        missing=tuple(id_ for id_ in certain if id_ not in held),
        surplus=tuple(id_ for id_ in certain if id_ not in wanted),
        outdated=tuple(one.id for one, other in both if one.version != other.version),
        altered=tuple(one.id for one, other in both if one.version == other.version),
        awaited=len(awaited),
    )


def _is_right(held: IndexEntry | None, wanted: IndexEntry | None) -> bool:
    if held is None or wanted is None:
        return held is wanted
    # Not all that changes of a record is searched; where none of it is, nothing was written.
    return held.checksum == wanted.checksum and held.version <= wanted.version


def _wanted(one: IndexDocument) -> IndexEntry | None:
    with suppress(Rejected):  # then its effect is parked
        return entry(one)
    return None


def _joined(one: Differences, other: Differences) -> Differences:
    return Differences(*(getattr(one, each.name) + getattr(other, each.name) for each in fields(Differences)))


def _following(services: Services, last: int) -> list[int]:
    with services.catalogue.read() as tx:
        return _few(services, tx, records.ids(tx, after=last, limit=_BATCH))


def _few(services: Services, tx: Transaction, record_ids: Sequence[int]) -> list[int]:
    """The first of them, and one at least, that list no more than `_FILES` together, with no more text than
    `_CHARACTERS`."""
    listed = records.listed(tx, record_ids)
    largest = services.settings.full_text
    lengths = file_texts.characters(tx, record_ids, largest=largest) if largest else {}
    files = accumulate(listed.get(id_, 0) for id_ in record_ids)
    characters = accumulate(lengths.get(id_, 0) for id_ in record_ids)
    return [
        id_
        for nth, (id_, *sums) in enumerate(zip(record_ids, files, characters, strict=True))
        if nth == 0 or (sums[0] <= _FILES and sums[1] <= _CHARACTERS)
    ]


def _write(
    services: Services, index_: SearchIndex, record_ids: Sequence[int], *, at_once: bool = False
) -> Mapping[int, HeadraceError]:
    held = _held(services, record_ids)
    refused = index_.write(held.documents, at_once=at_once)
    if held.unread:
        with services.catalogue.write() as tx:
            outbox.want(tx, [(EffectKind.EXTRACT, one) for one in held.unread], now=services.now())
    return {record_id: Rejected(reason) for record_id, reason in refused.items()}


class _Held(NamedTuple):
    """What search shall hold of some records, and of which of them not all texts were read."""

    documents: list[IndexDocument]
    unread: list[int]


def _held(services: Services, record_ids: Sequence[int]) -> _Held:
    largest = services.settings.full_text
    with services.catalogue.read() as tx:
        shown = records.disseminate(tx, services.repository, record_ids)
        texts = file_texts.of_records(tx, record_ids, largest=largest) if largest else {}
        left = unread(services, tx, [one.record for one in shown.values()])
    said = {record_id: [each.text for each in some] for record_id, some in texts.items()}
    documents = [
        document(one, version=one.record.change, texts=said.get(id_, ())) for id_, one in shown.items()
    ]
    return _Held(documents, sorted({one.record_id for one in left}))


def unread(services: Services, tx: Transaction, shown: Sequence[Record]) -> list[Unread]:
    """Files of records that everybody may read now, that search is to know the text of, and that nobody has read it
    of."""
    largest, today = services.settings.full_text, services.now().date()
    opened = [one.id for one in shown if largest and access.are_files_open(one, today=today)]
    left = file_texts.left(tx, opened, largest=largest) if opened else []
    return [one for one in left if access.withheld(one.scan, services.settings.scan_gate) is None]
