"""Committing versions to OCFL objects, on stores of both kinds (`StoreTraits.renames_trees`).

Where trees are renamed, a version is built beside its bytes in staging and renamed into its object: a new object
appears whole in one step; a further version's folder first, then the object's inventory and sidecar.

Elsewhere (S3) a version comes object by object: its documents, the copies of its bytes (a new object's lie in place
from the start), its own inventory and sidecar, with a new object's declaration; then the object's inventory, its
sidecar, and last goes what was staged. As long as a version has no inventory, what lies in its folder counts for
nothing, and its bytes are all still at their home; once it has one, all that it speaks of is there, and whoever comes
next finishes the commit. So no state that a crash leaves needs more than the root itself to go on from.

One process at a time may write to an object (the caller's lease). One that goes on although it lost that right finds
another's documents where it would write its own, or another inventory than it knows, and has to give up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

from pipeline.errors import Conflict, Corrupt, Missing, Unavailable
from pipeline.model import JsonObject
from pipeline.ports import ObjectStore
from pipeline.store import layout, ocfl

Value = TypeVar("Value")

_AT_ONCE = 16


class Overtaken(Unavailable):
    """Another process has written to the object, or something else lies in its place."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version to be committed. `inventory` is the object's with it, `before` the raw one that it follows (None for a
    new object). Paths are relative to the object's root and begin with `v<number>/`: those of `documents` are written,
    the bytes of `data` wait below `<home>/`, in place of the `v<number>/`."""

    object_id: str
    before: bytes | None
    inventory: JsonObject
    documents: Mapping[str, bytes]
    data: frozenset[str]
    home: str


@dataclass(frozen=True, slots=True)
class Commit:
    """What is to be done, step by step, in this order. A step is durable before the next one is begun. What is created
    must not be there, unless it is the same."""

    clear: tuple[str, ...] = ()
    put: Mapping[str, bytes] = field(default_factory=dict)
    build: Mapping[str, str] = field(default_factory=dict)
    move: Mapping[str, str] = field(default_factory=dict)
    create: Mapping[str, bytes] = field(default_factory=dict)
    copy: Mapping[str, str] = field(default_factory=dict)
    seal: Mapping[str, bytes] = field(default_factory=dict)
    """Created as well; the version's inventory is among them."""
    swap: Mapping[str, tuple[bytes | None, bytes]] = field(default_factory=dict)
    vouch: Mapping[str, bytes] = field(default_factory=dict)
    delete: tuple[str, ...] = ()


def settled_inventory(store: ObjectStore, object_id: str) -> bytes | None:
    """The raw inventory of an object, after finishing a commit that was cut off once its version had an inventory, or
    before the object's sidecar; None where there is no object. Raises `Corrupt` where there is another one."""
    root = layout.object_root(object_id)
    raw = _read(store, f"{root}/inventory.json")
    number = _head(raw, object_id) + 1
    following = _read(store, f"{root}/v{number}/inventory.json")
    if following is not None:
        algorithm = str(ocfl.parse(following, object_id)["digestAlgorithm"])
        rest = _sealing(root, number, raw, following, algorithm)
        carry_out(store, [replace(rest, put=rest.seal, seal={})])
        return following
    if raw is not None:
        name, line = ocfl.sidecar(raw, str(ocfl.parse(raw, object_id)["digestAlgorithm"]))
        if _read(store, f"{root}/{name}") != line:
            store.put_many({f"{root}/{name}": line})
    return raw


def _head(raw: bytes | None, object_id: str) -> int:
    return ocfl.head(ocfl.parse(raw, object_id)) if raw is not None else 0


def _read(store: ObjectStore, key: str) -> bytes | None:
    try:
        return b"".join(store.read(key))
    except Missing:
        return None


def prepare(store: ObjectStore, version: Version) -> Commit:
    """The steps to commit a version, from whatever an earlier attempt left of it, beginning with what is no part of it.
    Raises `Corrupt` where bytes of it are gone."""
    return _by_renaming(store, version) if store.traits.renames_trees else _by_copying(store, version)


def expunge(
    store: ObjectStore,
    object_id: str,
    digests: Collection[str],
    content: Collection[str],
    log: Mapping[str, bytes],
) -> Commit:
    """The steps to take the bytes of these digests, which lie or lay at the paths `content`, out of every version of an
    object, from wherever an earlier attempt left it: first its `log` and the inventories of its versions, then its own,
    last go the bytes. Paths are relative to the object's root. Raises `Corrupt` where there is no such object,
    `Conflict` where bytes that stay would go with them."""
    root = layout.object_root(object_id)
    raw = settled_inventory(store, object_id)
    if raw is None:
        raise Corrupt(f"{object_id} is not in the storage root", remedy="headrace check --storage")
    put = {f"{root}/{path}": bytes_ for path, bytes_ in log.items()}
    inventory = ocfl.parse(raw, object_id)
    for version in inventory["versions"]:
        of_version = _read(store, f"{root}/{version}/inventory.json")
        if of_version is not None:
            after = ocfl.to_bytes(ocfl.without(ocfl.parse(of_version, object_id), digests))
            name, line = ocfl.sidecar(after, str(inventory["digestAlgorithm"]))
            put |= {f"{root}/{version}/inventory.json": after, f"{root}/{version}/{name}": line}
    left = ocfl.without(inventory, digests)
    _require_apart(left, content)
    after = ocfl.to_bytes(left)
    name, line = ocfl.sidecar(after, str(inventory["digestAlgorithm"]))
    return Commit(
        put=put,
        swap={f"{root}/inventory.json": (raw, after)},
        vouch={f"{root}/{name}": line},
        delete=tuple(f"{root}/{path}" for path in content),
    )


def _require_apart(inventory: JsonObject, content: Collection[str]) -> None:
    """Nothing that stays lies below a path that is to be deleted, as it may where keys are no folders."""
    folders = {
        folder.as_posix()
        for paths in inventory["manifest"].values()
        for path in paths
        for folder in PurePosixPath(path).parents
    }
    if both := sorted(folders.intersection(content)):
        raise Conflict(
            f"other files lie below {both[0]}, which is to be deleted", remedy="purge those files as well"
        )


def finish(store: ObjectStore, object_id: str, home: str) -> Commit:
    """What may be left to do for a version that the object has already: deleting what was staged for it."""
    is_in_place = home.startswith(f"{layout.object_root(object_id)}/")
    return Commit(delete=() if is_in_place or store.traits.renames_trees else (home,))


def carry_out(
    store: ObjectStore, commits: Sequence[Commit], *, before_step: Callable[[], None] = lambda: None
) -> None:
    """Carry out commits to different objects, as a group. What `before_step` raises ends it. Raises `Overtaken` where
    another process has written to one of the objects meanwhile, and leaves the others as a crash would."""
    delete_many = partial(_delete_many, store)
    steps: Sequence[tuple[Callable[[Any], None], Any]] = (
        (delete_many, [key for one in commits for key in one.clear]),
        (store.put_many, _merged(one.put for one in commits)),
        (store.move_many, _merged(one.build for one in commits)),
        (store.move_many, _merged(one.move for one in commits)),
        (store.swap_many, _created(one.create for one in commits)),
        (store.copy_many, _merged(one.copy for one in commits)),
        (store.swap_many, _created(one.seal for one in commits)),
        (store.swap_many, _merged(one.swap for one in commits)),
        (store.put_many, _merged(one.vouch for one in commits)),
        (delete_many, [key for one in commits for key in one.delete]),
    )
    for do, what in steps:
        if what:
            before_step()
            try:
                do(what)
            except (Conflict, Missing) as lost:
                raise Overtaken(f"another process writes to the same object: {lost.message}") from lost


def _merged(parts: Iterable[Mapping[str, Value]]) -> dict[str, Value]:
    return {key: value for part in parts for key, value in part.items()}


def _created(parts: Iterable[Mapping[str, bytes]]) -> dict[str, tuple[None, bytes]]:
    return {key: (None, content) for key, content in _merged(parts).items()}


def _delete_many(store: ObjectStore, prefixes: Sequence[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="delete") as pool:
        list(pool.map(store.delete, prefixes))


def _sizes(store: ObjectStore, prefix: str) -> dict[str, int]:
    return {one.key: one.size for one in store.list(prefix)}


def _require(there: Iterable[str], wanted: Iterable[str]) -> None:
    if lost := sorted(set(wanted).difference(there)):
        raise Corrupt(
            f"bytes in custody are gone from the store: {lost[0]} (and {len(lost) - 1} more)",
            remedy="bring them back from a copy of the store; `headrace check --storage` lists all that is missing",
        )


# ---------------------------------------------------------------- stores that rename trees


def _by_renaming(store: ObjectStore, version: Version) -> Commit:
    root, number, home = layout.object_root(version.object_id), ocfl.head(version.inventory), version.home
    object_ = layout.assembled(home)
    _unbuild(store, home, object_)
    documents = {_waiting(path, home): content for path, content in version.documents.items()}
    data = {_waiting(path, home) for path in version.data}
    there = _sizes(store, f"{home}/content")
    _require(there, data)
    clear = tuple(there.keys() - data - documents.keys())
    raw = ocfl.to_bytes(version.inventory)
    name, line = ocfl.sidecar(raw, str(version.inventory["digestAlgorithm"]))
    put = {**documents, f"{home}/inventory.json": raw, f"{home}/{name}": line}
    if number > 1:
        return Commit(
            clear=clear,
            put=put,
            move={home: f"{root}/v{number}"},
            swap={f"{root}/inventory.json": (version.before, raw)},
            vouch={f"{root}/{name}": line},
        )
    put |= {
        f"{object_}/{ocfl.DECLARATION}": ocfl.DECLARATION_BYTES,
        f"{object_}/inventory.json": raw,
        f"{object_}/{name}": line,
    }
    return Commit(clear=clear, put=put, build={home: f"{object_}/v1"}, move={object_: root})


def _waiting(path: str, home: str) -> str:
    """The key below `home` of what a version has at a path."""
    return f"{home}/{path.partition('/')[2]}"


def _unbuild(store: ObjectStore, home: str, object_: str) -> None:
    """Take apart a new object that a crash left half built beside its staged bytes."""
    if any(True for _ in store.list(f"{object_}/v1")):
        store.move_many({f"{object_}/v1": home})
    store.delete(object_)


# ---------------------------------------------------------------- stores that do not


def _by_copying(store: ObjectStore, version: Version) -> Commit:
    root, number, home = layout.object_root(version.object_id), ocfl.head(version.inventory), version.home
    source_of = {f"{root}/{path}": _waiting(path, home) for path in version.data}
    documents = {f"{root}/{path}": content for path, content in version.documents.items()}
    there = _sizes(store, f"{root}/v{number}")
    is_in_place = home == f"{root}/v{number}"
    waiting = there if is_in_place or not source_of else _sizes(store, f"{home}/content")
    _require(waiting, source_of.values())
    is_own = _is_written(store, documents, there)
    done = {
        key
        for key, source in source_of.items()
        if is_in_place or (is_own and there.get(key) == waiting[source])
    }
    raw = ocfl.to_bytes(version.inventory)
    sealing = _sealing(root, number, version.before, raw, str(version.inventory["digestAlgorithm"]))
    return Commit(
        clear=tuple(there.keys() - done - (documents.keys() if is_own else set())),
        create=documents,
        copy={source: key for key, source in source_of.items() if key not in done},
        seal={f"{root}/v{number}/inventory.json": raw, **sealing.seal},
        swap=sealing.swap,
        vouch=sealing.vouch,
        delete=finish(store, version.object_id, home).delete,
    )


def _is_written(store: ObjectStore, documents: Mapping[str, bytes], there: Mapping[str, int]) -> bool:
    """Whether an attempt at this very version was cut off after its documents, so that the bytes found beside them are
    its own copies. What another version left may be of the same names and sizes."""
    return bool(documents) and all(
        there.get(key) == len(content) and _read(store, key) == content for key, content in documents.items()
    )


def _sealing(root: str, number: int, before: bytes | None, raw: bytes, algorithm: str) -> Commit:
    """The steps from a version's inventory `raw` on."""
    name, line = ocfl.sidecar(raw, algorithm)
    declaration = {f"{root}/{ocfl.DECLARATION}": ocfl.DECLARATION_BYTES} if number == 1 else {}
    return Commit(
        seal={f"{root}/v{number}/{name}": line, **declaration},
        swap={f"{root}/inventory.json": (before, raw)},
        vouch={f"{root}/{name}": line},
    )
