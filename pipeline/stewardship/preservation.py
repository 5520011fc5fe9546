"""Handler of the *preserve* effect: bring record versions into the OCFL storage root.

An object's versions are those of the work's records, in the order in which they were written: each one's message
begins with the record that it holds (`Record 12, `), as does its metadata/record.json with the number. So the head
may be an older record's, revised or withdrawn after a newer one was written. Whoever rebuilds a catalogue reads the
last version of each record, and of the works' records the one with the highest `version` as the newest. A record
that was withdrawn before it was written gets two versions, so that no tombstone costs bytes.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from pipeline.catalogue import events, record_files, records, works
from pipeline.catalogue.record_files import Holding
from pipeline.catalogue.works import Size
from pipeline.errors import HeadraceError, Unavailable
from pipeline.model import JsonObject, Record, RecordState
from pipeline.running.beside import renewing
from pipeline.services import Services, lease_owner
from pipeline.stewardship import aip
from pipeline.stewardship.aip import Package
from pipeline.store import commit, layout, ocfl
from pipeline.store.commit import Commit, Overtaken

_AT_ONCE = 16
_LEASE = timedelta(minutes=5)
_MINUTE = timedelta(minutes=1)
_FILES_AT_ONCE = 20_000
_FIXITY = ("md5", "sha1", "sha256", "sha512")


def preserve(
    services: Services, record_ids: Sequence[int], *, on_round: Callable[[], None] = lambda: None
) -> Mapping[int, HeadraceError]:
    """Bring records into the storage root as they are now, and before them earlier versions of the same works that
    still wait; what failed, by id. Records that are there already change nothing. `on_round` is called after each group
    that was committed, and every minute while one is, then from another thread. Raises `Unavailable` where another
    process has taken the lease meanwhile."""
    owner = lease_owner(services)
    with services.catalogue.write() as tx:
        # The lease is the lock of the object: its versions are written one after the other.
        leased = works.lease(tx, record_ids, owner=owner, now=services.now(), length=_LEASE)
        due = works.due(tx, sorted(leased))
    failed: dict[int, HeadraceError] = {
        id_: Unavailable("another process writes to the same object") for id_ in set(record_ids) - leased
    }
    objects = len({one.concept_id for one in due})

    def keep_lease() -> None:
        with services.catalogue.write() as tx:
            kept = works.renew(tx, owner=owner, until=services.now() + _LEASE)
        if kept < objects:
            raise Unavailable("the lease of an object was lost to another process")

    try:
        failed |= _preserve_leased(services, due, keep_lease, on_round)
    finally:
        with services.catalogue.write() as tx:
            works.unlease(tx, owner=owner)
    return failed


def _preserve_leased(
    services: Services, due: Sequence[Size], keep_lease: Callable[[], None], on_round: Callable[[], None]
) -> dict[int, HeadraceError]:
    queues: dict[int, deque[Size]] = {}
    for one in due:
        queues.setdefault(one.concept_id, deque()).append(one)
    failed: dict[int, HeadraceError] = {}
    while queues:
        chosen = _round([waiting[0] for waiting in queues.values()])
        packages = _collect(services, [one.record_id for one in chosen])
        with renewing(_MINUTE, keep_lease, on_round):
            errors = _preserve_round(services, packages, keep_lease)
        for package in packages:
            id_, waiting = package.record.id, queues[package.record.concept_id]
            if id_ in errors:
                # A later version must not come before one that is still missing.
                failed |= {later.record_id: errors[id_] for later in waiting}
                waiting.clear()
            elif not package.is_interim:
                waiting.popleft()
            if not waiting:
                del queues[package.record.concept_id]
        on_round()
    return failed


def _round(waiting: Sequence[Size]) -> list[Size]:
    """Of the versions that come next in their works, as many as have no more files than fit into memory: one of a
    work, since its versions go one after the other, while works go side by side."""
    chosen: list[Size] = []
    files = 0
    for one in waiting:
        files += one.file_count
        if chosen and files > _FILES_AT_ONCE:
            break
        chosen.append(one)
    return chosen


def _collect(services: Services, record_ids: Sequence[int]) -> list[Package]:
    with services.catalogue.read() as tx:
        shown = records.disseminate(tx, services.repository, record_ids, file_limit=0)
        holdings = record_files.holdings(tx, shown)
        concepts = records.concepts(tx, {one.record.concept_id for one in shown.values()})
        happened = events.of_records(tx, *shown)
    packages = [
        Package(
            record=one.record,
            concept=concepts[one.record.concept_id],
            holdings=holdings[id_],
            events=[event for event in happened if event.record_id == id_],
            # The files are read once for all, which is what reading a record costs.
            dissemination=replace(one, files=tuple(each.entry for each in holdings[id_][: records.LISTED])),
        )
        for id_, one in sorted(shown.items())
    ]
    return [aip.before_withdrawal(one) if aip.is_withdrawn_early(one.record) else one for one in packages]


def _preserve_round(
    services: Services, packages: Sequence[Package], keep_lease: Callable[[], None]
) -> dict[int, HeadraceError]:
    """Commit one version of each work, as a group: a step is durable for all of them before the next begins. What
    failed, by record; of a group that one object breaks, each goes by itself from where that left it."""
    failed: dict[int, HeadraceError] = {}
    prepared: list[_Prepared] = []
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="preserve") as pool:
        for package, one in zip(packages, pool.map(partial(_prepared, services), packages), strict=True):
            if isinstance(one, HeadraceError):
                failed[package.record.id] = one
            else:
                prepared.append(one)
    try:
        commit.carry_out(services.store, [one.commit for one in prepared], before_step=keep_lease)
    except Overtaken as overtaken:
        if len(packages) == 1:
            return {packages[0].record.id: overtaken}
        for package in packages:
            keep_lease()  # what is prepared anew may finish a commit, which only its holder may
            failed |= _preserve_round(services, [package], keep_lease)
        return failed
    with services.catalogue.write() as tx:
        records.note_preserved(tx, {one.record_id: one.own_version for one in prepared})
    return failed


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A record's commit; `own_version` is the OCFL version that the record's own bytes are in afterwards."""

    record_id: int
    own_version: int | None
    commit: Commit


def _prepared(services: Services, package: Package) -> _Prepared | HeadraceError:
    try:
        return _prepare(services, package)
    except HeadraceError as error:
        return error


def _prepare(services: Services, package: Package) -> _Prepared:
    record = package.record
    object_id = layout.concept_object(services.repository.id, record.concept_id)
    raw = commit.settled_inventory(services.store, object_id)
    before = None if raw is None else ocfl.parse(raw, object_id)
    number = ocfl.head(before) + 1
    own_version = _own_version(package, before)
    documents = aip.documents(package, services.root_digest)
    is_withdrawn = record.state is RecordState.WITHDRAWN
    kept = [] if is_withdrawn else [one for one in package.holdings if one.entry.purged is None]
    data = [_data(services, one, own_version or number, record.id) for one in kept]
    metadata = [_metadata(services, before, name, bytes_, number) for name, bytes_ in documents.items()]
    home = record.staged or layout.staged(record.id)
    if _state_of(record, before) == {one.path: one.digest for one in [*data, *metadata]}:
        return _Prepared(record.id, own_version, commit.finish(services.store, object_id, home))
    inventory = ocfl.next_inventory(
        before,
        object_id=object_id,
        algorithm=services.root_digest,
        contents=[*data, *metadata],
        authorship=ocfl.Authorship(
            created=record.modified,
            message=_message(package),
            name=services.repository.name,
            address=f"mailto:{services.repository.admin_email}",
        ),
    )
    version = commit.Version(
        object_id=object_id,
        before=raw,
        inventory=inventory,
        documents={
            one.stored: documents[one.path.removeprefix("metadata/")]
            for one in metadata
            if one.stored.startswith(f"v{number}/")
        },
        data=frozenset(one.stored for one in data if one.stored.startswith(f"v{number}/")),
        home=home,
    )
    own_version = own_version or (number if record.staged else None)
    return _Prepared(record.id, own_version, commit.prepare(services.store, version))


def _own_version(package: Package, before: JsonObject | None) -> int | None:
    """The version that brought this record's bytes, those that it brought last, when the root has it though the
    catalogue does not know yet."""
    record = package.record
    if record.ocfl_version is not None:
        return record.ocfl_version
    written = _versions_of(record, before)
    waiting = {
        one.entry.content
        for one in package.holdings
        if one.entry.holder == record.id and one.ocfl_version is None and one.entry.purged is None
    }
    if not waiting:
        return next(iter(written), None)
    there = {path for paths in (before or {}).get("manifest", {}).values() for path in paths}
    return next(
        (one for one in written if any(f"v{one}/content/{content}" in there for content in waiting)), None
    )


def _state_of(record: Record, before: JsonObject | None) -> dict[str, str]:
    """Logical path → digest of the record as the root has it: another of the work's may have been written since."""
    written = _versions_of(record, before)
    return ocfl.state(before, written[-1]) if before and written else {}


def _versions_of(record: Record, before: JsonObject | None) -> list[int]:
    """The object's versions that hold this record, in order."""
    marker = _marker(record)
    versions = (before or {}).get("versions", {})
    return sorted(int(name[1:]) for name, one in versions.items() if one["message"].startswith(marker))


def _marker(record: Record) -> str:
    return f"Record {record.id}, "


def _message(package: Package) -> str:
    record = package.record
    what = "withdrawn" if record.state is RecordState.WITHDRAWN else f"revision {record.revision}"
    return f"{_marker(record)}version {record.version}, {what}; DOI {package.dissemination.doi}"


def _data(services: Services, holding: Holding, own_version: int, record_id: int) -> ocfl.Content:
    entry = holding.entry
    version = holding.ocfl_version or (own_version if entry.holder == record_id else None)
    if version is None:
        raise Unavailable(f"the version that brought {entry.key} is not preserved yet")
    return ocfl.Content(
        path=f"data/{entry.key}",
        digest=entry.digests[services.root_digest],
        stored=f"v{version}/content/{entry.content}",
        fixity={
            name: value
            for name, value in entry.digests.items()
            if name in _FIXITY and name != services.root_digest
        },
    )


def _metadata(
    services: Services, before: JsonObject | None, name: str, document: bytes, number: int
) -> ocfl.Content:
    digest = hashlib.new(services.root_digest, document).hexdigest()
    stored = ocfl.place_of(before, digest) or f"v{number}/content/metadata/{name}"
    return ocfl.Content(path=f"metadata/{name}", digest=digest, stored=stored, fixity={})
