"""Handler of the *preserve* effect: commit record versions into the OCFL storage root.

A version is built beside its staged bytes and renamed into its object: a new object appears whole in one
step; a further version's folder first, then the object's inventory and sidecar. Whatever a crash leaves
behind is completed by the next attempt, from what lies in the root itself.

An object's versions are those of the work's records, in the order in which they were written: each one's message
begins with the record that it holds (`Record 12, `), as does its metadata/record.json with the number. So the head
may be an older record's, revised or withdrawn after a newer one was written. Whoever rebuilds a catalogue reads the
last version of each record, and of the works' records the one with the highest `version` as the newest. A record
that was withdrawn before it was written gets two versions, so that no tombstone costs bytes.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

from pipeline import codec
from pipeline.catalogue import records, works
from pipeline.catalogue.records import Holding
from pipeline.catalogue.works import Size
from pipeline.errors import Corrupt, HeadraceError, Missing, Unavailable
from pipeline.feeds import crosswalks
from pipeline.model import (
    Concept,
    Dissemination,
    Event,
    EventType,
    FileEntry,
    JsonObject,
    Record,
    RecordState,
)
from pipeline.services import Services, lease_owner
from pipeline.store import layout, ocfl

Value = TypeVar("Value")

_AT_ONCE = 16
_LEASE = timedelta(minutes=5)
_FILES_AT_ONCE = 20_000
_FIXITY = ("md5", "sha1", "sha256", "sha512")


@dataclass(frozen=True, slots=True)
class _Package:
    """Everything that a record's version in the root is made of."""

    record: Record
    concept: Concept
    holdings: list[Holding]
    events: list[Event]
    dissemination: Dissemination
    is_interim: bool = False
    """The record as it was before it was withdrawn: its bytes go first, the tombstone into the next version."""


def preserve(
    services: Services, record_ids: Sequence[int], *, on_round: Callable[[], None] = lambda: None
) -> Mapping[int, HeadraceError]:
    """Bring records into the storage root as they are now; what failed, by id. Records that are there already
    change nothing. `on_round` is called after each group that was committed."""
    owner = lease_owner(services)
    with services.catalogue.write() as tx:
        # The lease is the lock of the object: its versions are written one after the other.
        leased = works.lease(tx, record_ids, owner=owner, now=services.now(), length=_LEASE)
        sizes = works.sizes(tx, sorted(leased))
    failed: dict[int, HeadraceError] = {
        id_: Unavailable("another process writes to the same object") for id_ in set(record_ids) - leased
    }

    def keep_lease() -> None:
        with services.catalogue.write() as tx:
            works.renew(tx, owner=owner, until=services.now() + _LEASE)
        on_round()

    try:
        failed |= _preserve_leased(services, sizes, keep_lease)
    finally:
        with services.catalogue.write() as tx:
            works.unlease(tx, owner=owner)
    return failed


def _preserve_leased(
    services: Services, sizes: Sequence[Size], on_round: Callable[[], None]
) -> dict[int, HeadraceError]:
    queues: dict[int, deque[Size]] = {}
    for one in sizes:
        queues.setdefault(one.concept_id, deque()).append(one)
    failed: dict[int, HeadraceError] = {}
    while queues:
        chosen = _round([waiting[0] for waiting in queues.values()])
        packages = _collect(services, [one.record_id for one in chosen])
        errors = _preserve_round(services, packages)
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


def _preserve_round(services: Services, packages: Sequence[_Package]) -> dict[int, HeadraceError]:
    """Commit one version of each work, as a group: a step is durable for all of them before the next begins."""
    failed: dict[int, HeadraceError] = {}
    done: dict[int, int | None] = {}
    commits: list[_Commit] = []
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="preserve") as pool:
        for package, prepared in zip(packages, pool.map(partial(_prepared, services), packages), strict=True):
            if isinstance(prepared, HeadraceError):
                failed[package.record.id] = prepared
            else:
                done[package.record.id] = prepared.own_version
                commits.append(prepared)
    store = services.store
    store.put_many(_merged(one.writes for one in commits))
    store.move_many(_merged(one.build for one in commits))
    store.move_many(_merged(one.move for one in commits))
    store.put_many(_merged(one.inventory for one in commits))
    store.put_many(_merged(one.sidecar for one in commits))
    with services.catalogue.write() as tx:
        records.note_preserved(tx, done)
    return failed


def _merged(parts: Iterable[Mapping[str, Value]]) -> dict[str, Value]:
    return {key: value for part in parts for key, value in part.items()}


def _collect(services: Services, record_ids: Sequence[int]) -> list[_Package]:
    with services.catalogue.read() as tx:
        shown = records.disseminate(tx, services.repository, record_ids)
        packages = [
            _Package(
                record=shown[id_].record,
                concept=records.get_concept(tx, shown[id_].record.concept_id),
                holdings=list(records.holdings(tx, id_)),
                events=records.events(tx, id_),
                dissemination=shown[id_],
            )
            for id_ in sorted(shown)
        ]
    return [_before_withdrawal(one) if _is_withdrawn_early(one.record) else one for one in packages]


def _is_withdrawn_early(record: Record) -> bool:
    return record.state is RecordState.WITHDRAWN and record.staged is not None


def _before_withdrawal(package: _Package) -> _Package:
    record = replace(package.record, state=RecordState.PUBLISHED, tombstone=None)
    return replace(
        package,
        record=record,
        dissemination=replace(package.dissemination, record=record),
        events=[one for one in package.events if one.type is not EventType.DEACCESSION],
        is_interim=True,
    )


@dataclass(frozen=True, slots=True)
class _Commit:
    """What is to be done for one version, step by step. `own_version` is the OCFL version that the record's own bytes
    are in afterwards. `inventory` and `sidecar` are the object's own, where it was there before."""

    own_version: int | None
    writes: Mapping[str, bytes] = field(default_factory=dict)
    build: Mapping[str, str] = field(default_factory=dict)
    move: Mapping[str, str] = field(default_factory=dict)
    inventory: Mapping[str, bytes] = field(default_factory=dict)
    sidecar: Mapping[str, bytes] = field(default_factory=dict)


def _prepared(services: Services, package: _Package) -> _Commit | HeadraceError:
    try:
        return _prepare(services, package)
    except HeadraceError as error:
        return error


def _prepare(services: Services, package: _Package) -> _Commit:
    object_id = layout.concept_object(services.repository.id, package.concept.id)
    root = layout.object_root(object_id)
    before = _settled_inventory(services, object_id, root)
    number = ocfl.head(before) + 1
    documents = _documents(services, package)
    kept = [] if package.record.state is RecordState.WITHDRAWN else package.holdings
    own_version = _own_version(package, before)
    contents = [_data(services, one, own_version or number, package.record.id) for one in kept]
    contents += [_metadata(services, before, name, bytes_, number) for name, bytes_ in documents.items()]
    if _state_of(package.record, before) == {one.path: one.digest for one in contents}:
        return _Commit(own_version)
    inventory = ocfl.next_inventory(
        before,
        object_id=object_id,
        algorithm=services.root_digest,
        contents=contents,
        authorship=ocfl.Authorship(
            created=package.record.modified,
            message=_message(package),
            name=services.repository.name,
            address=f"mailto:{services.repository.admin_email}",
        ),
    )
    new = {one.stored for one in contents if one.stored.startswith(f"v{number}/")}
    return _steps(services, package, root, number, inventory, new, documents, own_version)


def _own_version(package: _Package, before: JsonObject | None) -> int | None:
    """The version that brought this record's bytes, when the root has it though the catalogue does not know yet."""
    if package.record.ocfl_version is not None:
        return package.record.ocfl_version
    return next(iter(_versions_of(package.record, before)), None)


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


def _message(package: _Package) -> str:
    record = package.record
    what = "withdrawn" if record.state is RecordState.WITHDRAWN else f"revision {record.revision}"
    return f"{_marker(record)}version {record.version}, {what}; DOI {package.dissemination.doi}"


def _settled_inventory(services: Services, object_id: str, root: str) -> JsonObject | None:
    """The object's inventory, after finishing a commit that was cut off between its version's folder and its root
    inventory, or between that and its sidecar."""
    try:
        raw = b"".join(services.store.read(f"{root}/inventory.json"))
    except Missing:
        return None
    inventory = ocfl.parse(raw, object_id)
    algorithm = str(inventory["digestAlgorithm"])
    following = f"{root}/v{ocfl.head(inventory) + 1}/inventory.json"
    try:
        raw = b"".join(services.store.read(following))
        inventory = ocfl.parse(raw, object_id)
    except Missing:
        name, digest_line = ocfl.sidecar(raw, algorithm)
        if b"".join(services.store.read(f"{root}/{name}")) == digest_line:
            return inventory
    _put_root_inventory(services, root, raw, algorithm)
    return inventory


def _put_root_inventory(services: Services, root: str, raw: bytes, algorithm: str) -> None:
    name, digest_line = ocfl.sidecar(raw, algorithm)
    services.store.put_many({f"{root}/inventory.json": raw})
    services.store.put_many({f"{root}/{name}": digest_line})


def _data(services: Services, holding: Holding, own_version: int, record_id: int) -> ocfl.Content:
    entry = holding.entry
    version = own_version if entry.holder == record_id else holding.ocfl_version
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


def _steps(
    services: Services,
    package: _Package,
    root: str,
    number: int,
    inventory: JsonObject,
    new: set[str],
    documents: Mapping[str, bytes],
    own_version: int | None,
) -> _Commit:
    staged = package.record.staged or layout.staged(package.record.id)
    object_ = layout.assembled(staged)
    _unbuild(services, staged, object_)
    prefix = f"v{number}/"
    metadata = {f"{staged}/content/metadata/{name}": document for name, document in documents.items()}
    wanted = {f"{staged}/{path.removeprefix(prefix)}" for path in new}
    _tidy(services, staged, wanted, set(metadata))
    raw = ocfl.to_bytes(inventory)
    name, digest_line = ocfl.sidecar(raw, services.root_digest)
    writes = {key: document for key, document in metadata.items() if key in wanted}
    writes |= {f"{staged}/inventory.json": raw, f"{staged}/{name}": digest_line}
    own_version = own_version or (number if package.record.staged else None)
    if number > 1:
        return _Commit(
            own_version,
            writes,
            move={staged: f"{root}/v{number}"},
            inventory={f"{root}/inventory.json": raw},
            sidecar={f"{root}/{name}": digest_line},
        )
    writes |= {
        f"{object_}/{ocfl.DECLARATION}": ocfl.DECLARATION_BYTES,
        f"{object_}/inventory.json": raw,
        f"{object_}/{name}": digest_line,
    }
    return _Commit(own_version, writes, build={staged: f"{object_}/v1"}, move={object_: root})


def _unbuild(services: Services, staged: str, object_: str) -> None:
    """Take apart a new object that a crash left half built beside its staged bytes."""
    if any(True for _ in services.store.list(f"{object_}/v1")):
        services.store.move_many({f"{object_}/v1": staged})
    services.store.delete(object_)


def _tidy(services: Services, staged: str, wanted: set[str], metadata: set[str]) -> None:
    """Of the staged bytes keep those that the version lists. Raises `Corrupt` where one is missing."""
    there = {one.key for one in services.store.list(f"{staged}/content")}
    if lost := sorted(wanted - there - metadata):
        raise Corrupt(f"bytes in custody are gone from the store: {lost[0]} (and {len(lost) - 1} more)")
    for spare in there - wanted:
        services.store.delete(spare)


# ---------------------------------------------------------------- what stands beside the data


def _documents(services: Services, package: _Package) -> dict[str, bytes]:
    """The files below metadata/: enough to know the record again without the catalogue."""
    documents = {
        "record.json": _json(_record_json(package)),
        "premis.jsonl": "".join(codec.to_text(one) + "\n" for one in _premis(services, package)).encode(),
    }
    if package.record.state is RecordState.PUBLISHED:
        documents["datacite.json"] = _json(crosswalks.datacite_json(package.dissemination))
    return documents


def _record_json(package: _Package) -> JsonObject:
    record, shown = package.record, package.dissemination
    return {
        "format": "headrace-record/1",
        "id": record.id,
        "concept_id": record.concept_id,
        "collection": package.concept.collection,
        "key": package.concept.key,
        "version": record.version,
        "revision": record.revision,
        "state": record.state,
        "doi": shown.doi,
        "concept_doi": shown.concept_doi,
        "owner": record.owner,
        "created": codec.time_to_json(record.created),
        "modified": codec.time_to_json(record.modified),
        "accession": record.accession_id,
        "communities": [one.slug for one in shown.communities],
        "description": codec.description_to_json(record.description),
        "missing_files": list(record.missing_files),
        "tombstone": None
        if record.tombstone is None
        else {
            "reason": record.tombstone.reason,
            "note": record.tombstone.note,
            "removed_by": record.tombstone.removed_by,
            "removed_at": codec.time_to_json(record.tombstone.removed_at),
        },
        "files": [_file_json(one.entry) for one in package.holdings],
    }


def _file_json(entry: FileEntry) -> JsonObject:
    document = codec.file_to_json(entry)
    # Where the bytes lie is the inventory's to say.
    del document["content"]
    return document


def _premis(services: Services, package: _Package) -> list[JsonObject]:
    """PREMIS events: the record's own, then of each file what the one read of it found."""
    events = [codec.event_to_json(one) for one in package.events]
    for holding in package.holdings:
        events += _file_events(services, package.record, holding.entry)
    return events


def _file_events(services: Services, record: Record, entry: FileEntry) -> list[JsonObject]:
    object_ = f"{services.root_digest}:{entry.digests[services.root_digest]}"
    at = codec.time_to_json(record.created)

    def event(type_: EventType, agent: str, outcome: str, detail: JsonObject) -> JsonObject:
        return {
            "type": type_,
            "at": at,
            "agent": agent,
            "outcome": outcome,
            "objects": [object_],
            "detail": {"key": entry.key, **detail},
        }

    compared = sorted(set(entry.declared) & set(entry.digests))
    found = [
        event(EventType.DIGEST, "headrace", "success", {"digests": dict(sorted(entry.digests.items()))}),
        event(
            EventType.IDENTIFICATION,
            entry.identification.tool or "siegfried",
            "success" if entry.identification.puid else "unknown",
            {"puid": entry.identification.puid, "basis": entry.identification.basis},
        ),
        event(EventType.VIRUS, entry.scan.engine, _virus_outcome(entry), {"verdict": entry.scan.status}),
    ]
    if compared:
        found.append(event(EventType.FIXITY, "headrace", "pass", {"declared": compared}))
    return found


def _virus_outcome(entry: FileEntry) -> str:
    return {"clean": "pass", "infected": "fail", "partial": "warning"}.get(entry.scan.status, "skipped")


def _json(document: JsonObject) -> bytes:
    return (codec.to_text(document) + "\n").encode()
