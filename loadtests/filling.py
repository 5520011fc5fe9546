"""Instances with many records, made by the project's own use cases: only that a source is read, and the workers that
would read it, are left out.

    HEADRACE_HOME=… python -m loadtests.filling --records 100000

Each record has a file of some bytes, about 90 words whose frequencies follow Zipf's law, and facets
(`loadtests.bench_index.entries`). All that follows a publication is carried out: records are preserved, registered,
found and announced, as those of `headrace ingest` are.
"""

from __future__ import annotations

import argparse
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from multiprocessing.synchronize import Event

from loadtests.bench_index import Entry, entries
from pipeline import codec, dispatch, publication, wiring
from pipeline.catalogue import accessions, communities, deposit_files, deposits, identifiers, records
from pipeline.catalogue.deposit_files import FoundFile
from pipeline.ingest.digests import new_hashes
from pipeline.lifecycle import DepositEvent
from pipeline.model import (
    UNIDENTIFIED,
    Access,
    Accession,
    AccessionState,
    Concept,
    DepositAction,
    DepositState,
    Description,
    EffectKind,
    FileOutcome,
    FilesAccess,
    FileState,
    JsonObject,
    ScanStatus,
    ScanVerdict,
)
from pipeline.services import Services
from pipeline.settings import Settings, load_settings
from pipeline.store import layout

_OWNER = "filling@pier.example"
_NOT_SCANNED = ScanVerdict(ScanStatus.UNSCANNED, engine="")
_COMMUNITIES = 300
_SHARED_OUT = (
    (EffectKind.PRESERVE,),
    (EffectKind.REGISTER, EffectKind.INDEX, EffectKind.ANNOUNCE, EffectKind.PRESERVE),
)
"""Which effects each of the processes carries out; preserving takes as long as all others."""
_PAUSE = 0.1
_ACCESSION = 500  # records of one


def fill(services: Services, number: int, *, on_batch: Callable[[int], None] = lambda _number: None) -> None:
    """Publish so many records, and carry out all that follows, in processes beside this one. `on_batch` is told how
    many there are by now. Raises `SystemExit` where one of the processes fails."""
    if number:
        with _carried_out(services.settings):
            publish(services, number, on_batch=on_batch)


def publish(
    services: Services, number: int, *, on_batch: Callable[[int], None] = lambda _number: None
) -> None:
    """Publish so many records; what follows waits."""
    with services.catalogue.write() as tx:
        for one in range(1, _COMMUNITIES + 1):
            communities.ensure(tx, f"c{one}", title=f"Community {one}", now=services.now())
    source, done = entries(), 0
    while done < number:
        batch = list(islice(source, min(_ACCESSION, number - done)))
        accession_id = _deposit(services, batch)
        while publication.publish_sealed(services, accession_id, owner=_OWNER):
            pass
        done += len(batch)
        on_batch(done)


@contextmanager
def _carried_out(settings: Settings) -> Iterator[None]:
    """What follows the publications of the block is carried out, all of it by its end."""
    making = get_context("spawn")
    is_over = making.Event()
    helpers = [making.Process(target=_carry_out, args=(settings, kinds, is_over)) for kinds in _SHARED_OUT]
    for helper in helpers:
        helper.start()
    try:
        yield
    finally:
        is_over.set()
        for helper in helpers:
            helper.join()
    if any(helper.exitcode for helper in helpers):
        raise SystemExit("what follows publications could not be carried out")


def _carry_out(settings: Settings, kinds: Sequence[EffectKind], is_over: Event) -> None:
    with wiring.open_services(settings) as services:
        while True:
            was_over = is_over.is_set()
            drained = dispatch.drain(services, kinds)
            if drained.put_off or drained.parked:
                raise SystemExit(f"effects failed: {drained}")
            if not drained.done:
                if was_over:
                    return
                time.sleep(_PAUSE)


def _deposit(services: Services, batch: Sequence[Entry]) -> str:
    """The accession of sealed deposits, whose bytes are where their records will have them."""
    now, accession_id = services.now(), f"filling-{uuid.uuid4().hex[:12]}"
    with services.catalogue.write() as tx:
        ids = identifiers.allot(tx, 2 * len(batch))
        pairs = list(zip(ids[::2], ids[1::2], strict=True))
        homes = [_home(services, *pair) for pair in pairs]
        records.add_concepts(tx, [Concept(concept_id) for concept_id, _ in pairs], now=now)
        accessions.create(
            tx, Accession(accession_id, accession_id, "generated", AccessionState.INGESTING, now)
        )
        lines = [
            _line(accession_id, position, entry, pair, home)
            for position, (entry, pair, home) in enumerate(zip(batch, pairs, homes, strict=True))
        ]
        deposit_ids = deposits.add(tx, lines)
        contents = {id_: _content(entry) for id_, entry in zip(deposit_ids, batch, strict=True)}
        keys = {id_: _key(entry) for id_, entry in zip(deposit_ids, batch, strict=True)}
        found = [
            FoundFile(id_, keys[id_], keys[id_], len(contents[id_]), None, "", {}) for id_ in deposit_ids
        ]
        deposit_files.note_found(tx, found, run=accession_id)
        planned = deposit_files.planned(tx, accession_id, below=1 << 40, after=0, limit=len(batch))
        taken = [_outcome(services, one.id, one.key, contents[one.deposit_id]) for one in planned]
        deposit_files.settle(tx, taken)
    services.store.put_many(
        {layout.place(home, keys[id_]): contents[id_] for id_, home in zip(deposit_ids, homes, strict=True)}
    )
    with services.catalogue.write() as tx:
        whole = deposits.in_state(tx, accession_id, DepositState.PLANNED, limit=len(batch))
        deposits.move(tx, whole, DepositEvent.SEAL)
        accessions.change(tx, accession_id, state=AccessionState.COMPLETED)
    return accession_id


def _home(services: Services, concept_id: int, record_id: int) -> str:
    renames = services.store.traits.renames_trees
    return layout.home(services.repository.id, concept_id, record_id, is_first=True, renames_trees=renames)


def _line(accession_id: str, position: int, entry: Entry, pair: tuple[int, int], home: str) -> JsonObject:
    return {
        "accession_id": accession_id,
        "position": position,
        "key": f"record {entry.id}",
        "concept_id": pair[0],
        "record_id": pair[1],
        "home": home,
        "base_record_id": None,
        "action": DepositAction.NEW,
        "state": DepositState.PLANNED,
        "description": codec.description_to_json(_description(entry)),
        "files_total": 1,
        "files_open": 1,
    }


def _description(entry: Entry) -> Description:
    facets = entry.facets
    metadata = {
        "title": entry.title,
        "resource_type": {"id": facets["resource_type"]},
        "creators": [
            {
                "person_or_org": {
                    "type": "personal",
                    "name": f"Family{entry.id % 997}, Given",
                    "family_name": f"Family{entry.id % 997}",
                    "given_name": "Given",
                },
                "affiliations": [{"name": f"Institute {entry.id % 89}"}],
            }
        ],
        "publication_date": f"{facets['year']}-01-01",
        "description": f"<p>{entry.text}</p>",
        "rights": [{"id": "cc-by-4.0"}],
        "subjects": [{"subject": f"subject {entry.id % 211}"}],
    }
    access = Access(FilesAccess.PUBLIC if facets["access"] == "open" else FilesAccess.RESTRICTED)
    return Description(metadata, access=access, communities=(facets["community"],))


def _key(entry: Entry) -> str:
    return f"data.{entry.facets['file_type']}"


def _content(entry: Entry) -> bytes:
    return f"record {entry.id}\n{entry.text}\n".encode()


def _outcome(services: Services, file_id: int, key: str, content: bytes) -> FileOutcome:
    hashes = new_hashes([services.root_digest, "md5", *services.settings.digests])
    for one in hashes.values():
        one.update(content)
    digests = {name: one.hexdigest() for name, one in hashes.items()}
    return FileOutcome(
        id=file_id,
        state=FileState.IN_CUSTODY,
        content=layout.content_path(key),
        root_digest=digests[services.root_digest],
        digests=digests,
        identification=codec.identification_to_json(UNIDENTIFIED),
        scan=codec.verdict_to_json(_NOT_SCANNED),
    )


def main() -> None:
    """Fill the instance that the settings name."""
    options = argparse.ArgumentParser(prog="python -m loadtests.filling")
    options.add_argument("--records", type=int, default=100_000)
    chosen = options.parse_args()
    with wiring.open_services(load_settings()) as services:
        fill(services, chosen.records, on_batch=lambda done: print(f"{done:,} records", flush=True))


if __name__ == "__main__":
    main()
