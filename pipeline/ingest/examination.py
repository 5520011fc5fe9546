"""Handler of the *examine* effect: look into files that came over HTTP, which are in custody since they came.

Their bytes are read once more, for format and viruses together; what waited for that is published, and what turns out
infected is neither published nor served. What came straight into the store is read here for the first time, for its
digests as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import timedelta
from itertools import accumulate
from typing import NamedTuple

from pipeline import publication
from pipeline.access import heeded
from pipeline.catalogue import drafts, examinations, outbox, quarantine, records, scans
from pipeline.catalogue.draft_files import MULTIPART
from pipeline.catalogue.examinations import Examined, Unexamined
from pipeline.errors import FieldFault, HeadraceError, Missing
from pipeline.ingest.digests import Hash, PartsHash, new_hashes
from pipeline.ingest.identify import Sample, identify_many
from pipeline.lifecycle import RecordEvent
from pipeline.model import Digests, EffectKind, ScanVerdict
from pipeline.services import Services
from pipeline.stewardship import retrieval

_FILES, _BYTES = 100, 32 << 20
"""Of so many files and bytes at once what was found is noted: a record may have very many small files, and what was
found in large ones is not to be lost with what comes after them."""

_TIME = timedelta(seconds=10)
"""After so long no further records are begun with: other effects wait meanwhile, and whoever wants an end."""

_SENT = re.compile("[0-9a-f]{32}-([0-9]+)")
"""Of a file in parts whose md5s were told when they came."""


def examine(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError | None]:
    """Look into every file of records, drafted or published, that nobody has looked into; what failed, by id. None of
    those that there was no time for; the first of `record_ids` is never among these."""
    undone: dict[int, HeadraceError | None] = {}
    ends = services.now() + _TIME
    # Those with little first: they are soon done.
    for group in sorted(_groups(services, record_ids), key=len, reverse=True):
        if services.now() < ends or record_ids[0] in group:
            undone |= _examine_group(services, group)
        else:
            undone |= dict.fromkeys(group)
    return undone


def _groups(services: Services, record_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Records that are looked into together, since each for itself would cost several times as much: as many as do not
    have more than one handful."""
    if len(record_ids) > 1 and not _is_handful(_following(services, record_ids, None)):
        middle = len(record_ids) // 2
        yield from _groups(services, record_ids[:middle])
        yield from _groups(services, record_ids[middle:])
    elif record_ids:
        yield record_ids


def _examine_group(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError]:
    """What failed, by id: where one record breaks a group, each is looked into by itself."""
    try:
        _examine_records(services, record_ids)
    except HeadraceError as error:
        if len(record_ids) == 1:
            return {record_ids[0]: error}
    else:
        return {}
    return {id_: error for one in record_ids for id_, error in _examine_group(services, [one]).items()}


def _examine_records(services: Services, record_ids: Sequence[int]) -> None:
    with services.catalogue.read() as tx:
        false_alarms = quarantine.released(tx, services.root_digest)
    unsound: list[tuple[Unexamined, str]] = []
    for files, following in _handfuls(services, record_ids):
        looked = [(one, found) for one in files if (found := _look(services, one, unsound)) is not None]
        formats = identify_many([(one.key, found.sample) for one, found in looked])
        _note(
            services,
            [
                Examined(
                    one,
                    format_,
                    heeded(found.verdict, _digest(services, one, found), false_alarms),
                    found.digests,
                )
                for (one, found), format_ in zip(looked, formats, strict=True)
            ],
            # With the last of them: whoever goes on where this is cut off comes to them, or to others.
            tells=_published(files) - _published(following),
        )
    _withdraw_infected(services, record_ids)
    _refuse(services, unsound)
    with services.catalogue.read() as tx:
        waiting = drafts.waiting(tx, record_ids)
    for record_id in waiting:
        publication.publish_waiting(services, record_id)


def _published(files: Sequence[Unexamined]) -> set[int]:
    """The records that these are files of, where they are published."""
    return {one.record_id for one in files if one.file_id is None}


def _handfuls(
    services: Services, record_ids: Sequence[int]
) -> Iterator[tuple[list[Unexamined], list[Unexamined]]]:
    """All that nobody has looked into, with what follows on it, if anything does. What comes meanwhile asks for this
    effect again."""
    after = None
    while files := _following(services, record_ids, after):
        total = list(accumulate(one.size for one in files[:_FILES]))
        number = sum(1 for size in total if size <= _BYTES) or 1
        yield files[:number], files[number : number + 1]
        after = files[number - 1]


def _is_handful(files: Sequence[Unexamined]) -> bool:
    return len(files) <= _FILES and sum(one.size for one in files) <= _BYTES


def _following(services: Services, record_ids: Sequence[int], after: Unexamined | None) -> list[Unexamined]:
    with services.catalogue.read() as tx:
        # One more tells whether any are left.
        return examinations.left(tx, record_ids, after=after, limit=_FILES + 1)


class _Look(NamedTuple):
    """What one reading told; `digests` of a file that nobody had read before."""

    sample: Sample
    verdict: ScanVerdict
    digests: Digests


def _look(services: Services, one: Unexamined, unsound: list[tuple[Unexamined, str]]) -> _Look | None:
    """None where its bytes are not there any more: it was deleted, or another took its place; and where they are not
    what was declared. Of files that nobody had read what is wrong is added to `unsound`."""
    try:
        blocks = _read(services, one)
    except Missing:
        if not one.digest:
            unsound.append((one, "its bytes are not in the store any more: send it again, or delete it"))
        return None
    hashes = _hashes(services, one)
    sample = Sample(one.size)
    with closing(services.scanner.begin(one.size)) as session:
        for block in blocks:
            sample.feed(block)
            session.feed(block)
            for running in hashes.values():
                running.update(block)
        verdict = session.finish()
    digests = {name: running.hexdigest() for name, running in hashes.items()}
    if digests.pop(MULTIPART, one.sent) != one.sent:
        unsound.append((one, "its parts are not there as they were sent: send it again"))
        return None
    for name, value in one.declared.items():
        if digests.get(name, value) != value:
            unsound.append((one, f"its {name} is {digests[name]}, not {value}: send it again"))
            return None
    return _Look(sample, verdict, digests)


def _hashes(services: Services, one: Unexamined) -> dict[str, Hash]:
    """Those of a file that nobody has read; none of any other."""
    if one.digest:
        return {}
    hashes = new_hashes([services.root_digest, "md5", *services.settings.digests, *one.declared])
    sent = _SENT.fullmatch(one.sent)
    return {**hashes, MULTIPART: PartsHash(int(sent[1]))} if sent else hashes


def _digest(services: Services, one: Unexamined, found: _Look) -> str:
    return one.digest or found.digests[services.root_digest]


def _read(services: Services, one: Unexamined) -> Iterator[bytes]:
    if one.place is not None:
        with suppress(Missing):
            return services.store.read(one.place)
    # It was published meanwhile, or before.
    return retrieval.read_file(services, one.record_id, one.key)


def _note(services: Services, examined: Sequence[Examined], *, tells: Collection[int]) -> None:
    """`tells` of which records all that is kept is to follow. Of what is found here search goes by nothing
    but which files have text."""
    now = services.now()
    published = [one for one in examined if one.file.file_id is None]
    drafted = [one for one in examined if one.file.file_id is not None]
    with services.catalogue.write() as tx:
        examinations.note_drafted(tx, [one for one in drafted if not one.digests])
        for one in drafted:
            if one.digests:
                examinations.note_read(tx, one, one.digests[services.root_digest], now=now)
        if published:
            examinations.note_published(tx, published)
            scans.give(tx, [(one.file.digest, one.verdict) for one in published], now=now)
            changed = sorted({one.file.record_id for one in published})
            records.tell(tx, RecordEvent.EXAMINE, changed, now=now)
        told = (
            (EffectKind.PRESERVE, EffectKind.EXTRACT)
            if services.settings.full_text
            else (EffectKind.PRESERVE,)
        )
        outbox.want(tx, [(kind, one) for one in sorted(tells) for kind in told], now=now)


def _refuse(services: Services, unsound: Sequence[tuple[Unexamined, str]]) -> None:
    """Those that were deleted or sent again meanwhile are wrong no more."""
    with services.catalogue.read() as tx:
        still = [(one, text) for one, text in unsound if examinations.is_unread(tx, one)]
    for record_id in {one.record_id: None for one, _ in still}:
        faults = [
            FieldFault("files", (f"{one.key}: {text}",)) for one, text in still if one.record_id == record_id
        ]
        publication.refuse_draft(services, record_id, faults)


def _withdraw_infected(services: Services, record_ids: Sequence[int]) -> None:
    """After all was noted: what was cut off in between is done by the next call."""
    with services.catalogue.read() as tx:
        found = scans.infected_in_service(tx, record_ids=record_ids, limit=_FILES)
    for one in found:
        publication.withdraw_infected(services, one)
    if len(found) == _FILES:
        _withdraw_infected(services, record_ids)
