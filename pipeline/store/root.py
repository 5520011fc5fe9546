"""Making and opening the OCFL storage root. Whose it is, and with which algorithm its inventories are made, stands in
a system object of its own: both are settled once, for the root's life."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pipeline.errors import Conflict, Misconfigured, Missing
from pipeline.ports import ObjectStore
from pipeline.store import layout, ocfl


def open_root(store: ObjectStore, repository_id: str, algorithm: str | None, *, now: datetime) -> str:
    """The root's digest algorithm; the root is made where there is none, by one process of those that find none. Raises
    `Misconfigured` where the root is another repository's, or was made with another algorithm than the one asked for.
    """
    place = layout.object_root(layout.REPOSITORY_OBJECT)
    try:
        raw = b"".join(store.read(f"{place}/inventory.json"))
        about = json.loads(b"".join(store.read(f"{place}/v1/content/repository.json")))
    except Missing:
        with suppress(Conflict):  # another process was faster
            _make(store, place, repository_id, algorithm or preferred_algorithm(), now)
        return open_root(store, repository_id, algorithm, now=now)
    made_with = str(ocfl.parse(raw, layout.REPOSITORY_OBJECT)["digestAlgorithm"])
    if about["repository"] != repository_id:
        raise Misconfigured(
            f"the storage root belongs to the repository {about['repository']}, not to {repository_id}",
            field="HEADRACE_REPOSITORY_ID",
            remedy=f"set HEADRACE_REPOSITORY_ID={about['repository']}, or use another store",
        )
    if algorithm not in (None, made_with):
        raise Misconfigured(
            f"the storage root was made with {made_with}, which is kept for its life",
            field="HEADRACE_ROOT_DIGEST",
            remedy="leave HEADRACE_ROOT_DIGEST unset",
        )
    _finish(store, place, raw, made_with)
    return made_with


def preferred_algorithm() -> str:
    """The algorithm for a new root: sha256 where the CPU has instructions for it, else sha512, which is then the
    faster one. OCFL 1.1 allows both."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return "sha512"
    return "sha256" if {"sha_ni", "sha2"} & set(flags) else "sha512"


def _make(store: ObjectStore, place: str, repository_id: str, algorithm: str, now: datetime) -> None:
    """Make the root up to the system object's inventory, which settles whose it is: a root half made before that is
    made again. Raises `Conflict` where there is an inventory meanwhile."""
    about = json.dumps({"format": "headrace-repository/1", "repository": repository_id}).encode() + b"\n"
    content = "v1/content/repository.json"
    inventory = ocfl.next_inventory(
        None,
        object_id=layout.REPOSITORY_OBJECT,
        algorithm=algorithm,
        contents=[ocfl.Content("repository.json", hashlib.new(algorithm, about).hexdigest(), content, {})],
        authorship=ocfl.Authorship(
            now, "The storage root is made", "Headrace", f"urn:x-headrace:{repository_id}"
        ),
    )
    store.put_many(
        {
            **layout.root_files(repository_id),
            f"{place}/{ocfl.DECLARATION}": ocfl.DECLARATION_BYTES,
            f"{place}/{content}": about,
        }
    )
    store.swap_many({f"{place}/inventory.json": (None, ocfl.to_bytes(inventory))})


def _finish(store: ObjectStore, place: str, inventory: bytes, algorithm: str) -> None:
    """Write what follows from the system object's inventory, and last the declaration, which says that it is done."""
    [(declaration, content)] = layout.DECLARATION.items()
    try:
        store.size(declaration)
    except Missing:
        name, line = ocfl.sidecar(inventory, algorithm)
        store.put_many(
            {
                f"{place}/v1/inventory.json": inventory,
                f"{place}/v1/{name}": line,
                f"{place}/{name}": line,
            }
        )
        store.put_many({declaration: content})
