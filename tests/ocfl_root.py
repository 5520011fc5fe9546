"""Checks an OCFL 1.1 storage root on disk, or fetched to disk, by layout extension 0004, which ocfl-py does not know:
that each object lies where its id says, and that nothing lies between the objects. The objects themselves are
ocfl-py's to judge."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
from ocfl.validator import Validator as ObjectValidator  # type: ignore[import-untyped]

from pipeline.ports import ObjectStore
from pipeline.store import layout
from tests.reference import reference

_LAYOUT = "0004-hashed-n-tuple-storage-layout"
_OBJECT = "0=ocfl_object_1.1"
_DECLARATION = "0=ocfl_1.1"
# A root may be made with sha256, which hurts nobody and is twice as fast where the CPU knows it.
_ON_PURPOSE = {"W004"}
_AT_TOP = {_DECLARATION, "ocfl_1.1.txt", "ocfl_layout.json", "extensions"}


def problems(root: Path) -> list[str]:
    """What is wrong with the storage root at rest in the folder `root`; nothing for a good one."""
    found = [*_declaration(root), *_layout(root), *_empty_folders(root), *_between(root)]
    for place in objects(root):
        found += [*_misplaced(root, place), *_invalid(root, place)]
    return found


def fetched(store: ObjectStore, folder: Path) -> Path:
    """A copy of a store's root as it is now, in a new folder."""
    for one in store.list(layout.ROOT):
        path = folder / one.key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(store.read(one.key))
    return folder / layout.ROOT


def objects(root: Path) -> list[Path]:
    """The folders of all objects."""
    return sorted(declaration.parent for declaration in root.rglob(_OBJECT))


def _declaration(root: Path) -> Iterator[str]:
    path = root / _DECLARATION
    if not path.is_file() or path.read_bytes() != b"ocfl_1.1\n":
        yield f"{_DECLARATION} is missing or says something else"
    others = sorted(one.name for one in root.glob("0=*") if one.name != _DECLARATION)
    yield from (f"{name} is one declaration too many" for name in others)


def _layout(root: Path) -> Iterator[str]:
    layout, config = _json(root / "ocfl_layout.json"), _json(root / "extensions" / _LAYOUT / "config.json")
    if layout.get("extension") != _LAYOUT or not layout.get("description"):
        yield "ocfl_layout.json does not name and describe the layout"
    schema = _json(reference("testdata", "ocfl", "extension-json-schema", f"{_LAYOUT}-schema.json"))
    faults = jsonschema.Draft7Validator(schema).iter_errors(config)
    yield from (f"config.json: {fault.message}" for fault in faults)


def _empty_folders(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        if not folders and not files:
            yield f"{Path(folder).relative_to(root)} is an empty folder"


def _between(root: Path) -> Iterator[str]:
    """Files that are neither the root's own nor in an object, and objects in objects."""
    for folder, folders, files in os.walk(root):
        place = Path(folder).relative_to(root)
        if place == Path():
            folders[:] = [name for name in folders if name != "extensions"]
            files = [name for name in files if name not in _AT_TOP]
        elif _OBJECT in files:
            inner = Path(folder).rglob(f"*/{_OBJECT}")
            yield from (f"{one.parent.relative_to(root)} is an object in an object" for one in inner)
            folders.clear()
            continue
        yield from (f"{place / name} belongs to no object" for name in files)


def _misplaced(root: Path, place: Path) -> Iterator[str]:
    config = _json(root / "extensions" / _LAYOUT / "config.json")
    size, number = int(config["tupleSize"]), int(config["numberOfTuples"])
    object_id = _json(place / "inventory.json")["id"]
    digest = hashlib.new(str(config["digestAlgorithm"]), object_id.encode()).hexdigest()
    expected = Path(*(digest[at * size : (at + 1) * size] for at in range(number)), digest)
    if place.relative_to(root) != expected:
        yield f"{place.relative_to(root)} should lie at {expected}"


def _invalid(root: Path, place: Path) -> Iterator[str]:
    validator = ObjectValidator()
    validator.validate_object(str(place))
    told = {code: message for code, message in validator.log.codes.items() if code not in _ON_PURPOSE}
    yield from (f"{place.relative_to(root)}: {message}" for message in told.values())


def _json(path: Path) -> dict[str, str]:
    try:
        document: dict[str, str] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return document
