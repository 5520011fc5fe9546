"""OCFL 1.1 inventories (pure): what a version adds to an object, and the bytes that say so.

An inventory maps digests to the paths of content (`manifest`), and for each version digests to the logical
paths that they stand under (`state`). Equal content is stored once an object.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from pipeline.errors import Corrupt
from pipeline.model import JsonObject

_TYPE = "https://ocfl.io/1.1/spec/#inventory"
_RESTORE = "bring the object back from a copy of the storage root; `headrace check --storage` lists what else is wrong"
_ENCODER = json.JSONEncoder(indent=1, ensure_ascii=False)
DECLARATION = "0=ocfl_object_1.1"
DECLARATION_BYTES = b"ocfl_object_1.1\n"


@dataclass(frozen=True, slots=True)
class Content:
    """One logical file of a version: its digest by the root's algorithm, and where its bytes are relative to the
    object's root. `fixity` holds further digests of it."""

    path: str
    digest: str
    stored: str
    fixity: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Authorship:
    created: datetime
    message: str
    name: str
    address: str


def head(inventory: JsonObject | None) -> int:
    """The number of the newest version, 0 where there is no object yet."""
    return int(str(inventory["head"])[1:]) if inventory else 0


def next_inventory(
    before: JsonObject | None,
    *,
    object_id: str,
    algorithm: str,
    contents: list[Content],
    authorship: Authorship,
) -> JsonObject:
    """The inventory with one version more, whose state is exactly `contents`: where each one's bytes are, in an
    older version or in the new one, is the caller's to say."""
    number = head(before) + 1
    manifest: dict[str, list[str]] = {
        digest: list(paths) for digest, paths in (before or {}).get("manifest", {}).items()
    }
    fixity: dict[str, dict[str, list[str]]] = {
        name: {digest: list(paths) for digest, paths in block.items()}
        for name, block in (before or {}).get("fixity", {}).items()
    }
    state: dict[str, list[str]] = {}
    for one in sorted(contents, key=lambda content: content.path):
        state.setdefault(one.digest, []).append(one.path)
        places = manifest.setdefault(one.digest, [])
        if one.stored not in places:
            places.append(one.stored)
            for name, value in one.fixity.items():
                fixity.setdefault(name, {}).setdefault(value, []).append(one.stored)
    version = {
        "created": authorship.created.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "message": authorship.message,
        "state": state,
        "user": {"name": authorship.name, "address": authorship.address},
    }
    inventory: JsonObject = {
        "id": object_id,
        "type": _TYPE,
        "digestAlgorithm": algorithm,
        "head": f"v{number}",
        "manifest": manifest,
        "versions": {**(before or {}).get("versions", {}), f"v{number}": version},
    }
    if fixity:
        inventory["fixity"] = fixity
    return inventory


_PURGED = "; files of it were purged, see logs"


def without(inventory: JsonObject, digests: Collection[str]) -> JsonObject:
    """The inventory as if content with these digests had never been: gone from the manifest, from fixity and from the
    state of every version, whose message says so."""
    gone = {path for digest in digests for path in inventory["manifest"].get(digest, [])}

    def kept(block: Mapping[str, list[str]]) -> dict[str, list[str]]:
        left = {digest: [path for path in paths if path not in gone] for digest, paths in block.items()}
        return {digest: paths for digest, paths in left.items() if paths}

    def version(before: JsonObject) -> JsonObject:
        state = {digest: paths for digest, paths in before["state"].items() if digest not in digests}
        message = str(before["message"])
        if len(state) == len(before["state"]) or message.endswith(_PURGED):
            return {**before, "state": state}
        return {**before, "state": state, "message": message + _PURGED}

    after = {
        **inventory,
        "manifest": {
            digest: paths for digest, paths in inventory["manifest"].items() if digest not in digests
        },
        "versions": {name: version(one) for name, one in inventory["versions"].items()},
    }
    fixity = {name: kept(block) for name, block in inventory.get("fixity", {}).items()}
    if fixity := {name: block for name, block in fixity.items() if block}:
        return {**after, "fixity": fixity}
    return {name: value for name, value in after.items() if name != "fixity"}


def state(inventory: JsonObject, number: int) -> dict[str, str]:
    """Logical path → digest of a version."""
    paths_of = inventory["versions"][f"v{number}"]["state"]
    return {path: digest for digest, paths in paths_of.items() for path in paths}


def place_of(inventory: JsonObject | None, digest: str) -> str | None:
    """Where the object has bytes with this digest, if it does."""
    places = (inventory or {}).get("manifest", {}).get(digest)
    return str(places[0]) if places else None


def to_bytes(inventory: JsonObject) -> bytes:
    joined = BytesIO()
    # In pieces, for an inventory may be of very many files.
    joined.writelines(one.encode() for one in _ENCODER.iterencode(inventory))
    joined.write(b"\n")
    return joined.getvalue()


def sidecar(inventory: bytes, algorithm: str) -> tuple[str, bytes]:
    """(file name, content) of an inventory's sidecar (OCFL 1.1 §3.7)."""
    digest = hashlib.new(algorithm, inventory).hexdigest()
    return f"inventory.json.{algorithm}", f"{digest} inventory.json\n".encode()


def parse(inventory: bytes, object_id: str) -> JsonObject:
    """Raises `Corrupt` for bytes that are no inventory of the object."""
    try:
        document = json.loads(inventory)
    except ValueError:
        raise Corrupt(f"the inventory of {object_id} is not JSON", remedy=_RESTORE) from None
    if not isinstance(document, dict) or document.get("id") != object_id or "versions" not in document:
        raise Corrupt(f"there is another object where {object_id} should be", remedy=_RESTORE)
    return document
