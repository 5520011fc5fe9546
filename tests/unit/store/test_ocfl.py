"""Inventories: judged by OCFL's JSON schema, and by an independent validator on disk."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ocfl.validator import Validator as ObjectValidator  # type: ignore[import-untyped]

from pipeline.errors import Corrupt
from pipeline.model import JsonObject
from pipeline.store import ocfl
from tests.reference import reference

OBJECT_ID = "urn:x-headrace:data.example.org:concept:1"
AUTHORSHIP = ocfl.Authorship(
    datetime(2026, 3, 9, 14, 10, 7, 123, tzinfo=UTC), "why", "Archive", "mailto:keeper@data.example.org"
)
SCHEMA = jsonschema.Draft202012Validator(
    json.loads(reference("testdata", "ocfl", "inventory_schema-1.1.json").read_bytes())
)

Files = Mapping[str, bytes]
paths = st.sampled_from(["data/a", "data/b", "data/c/d", "data/é 中.txt", "metadata/record.json"])
versions = st.lists(st.dictionaries(paths, st.binary(max_size=2), min_size=1), min_size=1, max_size=5)
algorithms = st.sampled_from(["sha512", "sha256"])


def following(before: JsonObject | None, files: Files, algorithm: str = "sha512") -> JsonObject:
    """The inventory of one version more; bytes that the object has already are not stored again."""
    number = ocfl.head(before) + 1
    stored: dict[str, str] = {}
    contents = []
    for path, content in sorted(files.items()):
        digest = hashlib.new(algorithm, content).hexdigest()
        place = ocfl.place_of(before, digest) or stored.setdefault(digest, f"v{number}/content/{path}")
        contents.append(ocfl.Content(path, digest, place, {"md5": hashlib.md5(content).hexdigest()}))
    return ocfl.next_inventory(
        before, object_id=OBJECT_ID, algorithm=algorithm, contents=contents, authorship=AUTHORSHIP
    )


def write(folder: Path, inventory: JsonObject, files: Files, algorithm: str) -> None:
    """Put an object's newest version on disk."""
    raw = ocfl.to_bytes(inventory)
    name, digest_line = ocfl.sidecar(raw, algorithm)
    version = folder / inventory["head"]
    for place in (folder, version):
        place.mkdir(exist_ok=True)
        (place / "inventory.json").write_bytes(raw)
        (place / name).write_bytes(digest_line)
    (folder / ocfl.DECLARATION).write_bytes(ocfl.DECLARATION_BYTES)
    for path, content in files.items():
        stored = inventory["manifest"][hashlib.new(algorithm, content).hexdigest()]
        place = folder / stored[0]
        if stored[0].startswith(f"{inventory['head']}/") and stored[0].endswith(path):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


@settings(max_examples=30, deadline=None)
@given(versions, algorithms)
def test_any_sequence_of_versions_is_a_valid_object(history: list[Files], algorithm: str) -> None:
    """Files that come, go, come back, change and equal each other: ocfl-py finds no fault in the folder."""
    with tempfile.TemporaryDirectory() as name:
        folder, inventory = Path(name), None
        for files in history:
            inventory = following(inventory, files, algorithm)
            write(folder, inventory, files, algorithm)
        validator = ObjectValidator()
        validator.validate_object(name)
        assert set(validator.log.codes) <= {"W004"}, validator.status_str()


@given(versions, algorithms)
def test_every_inventory_fits_the_schema(history: list[Files], algorithm: str) -> None:
    """OCFL's own JSON schema of 1.1."""
    inventory = None
    for files in history:
        inventory = following(inventory, files, algorithm)
        SCHEMA.validate(json.loads(ocfl.to_bytes(inventory)))


@given(versions)
def test_the_state_is_exactly_what_was_given(history: list[Files]) -> None:
    """And what older versions say of themselves never changes."""
    inventory: JsonObject | None = None
    states: list[Any] = []
    for files in history:
        inventory = following(inventory, files)
        assert ocfl.state(inventory, ocfl.head(inventory)) == {
            path: hashlib.sha512(content).hexdigest() for path, content in files.items()
        }
        states.append(inventory["versions"][inventory["head"]])
    assert inventory is not None
    assert list(inventory["versions"].values()) == states
    assert ocfl.head(inventory) == len(history)


@given(versions)
def test_making_a_version_leaves_the_inventory_before_alone(history: list[Files]) -> None:
    """Inventories are values: a commit that fails must not have changed the one that stands."""
    inventory = None
    for files in history:
        before = json.dumps(inventory)
        following_ = following(inventory, files)
        assert json.dumps(inventory) == before
        inventory = following_


def remove(path: Path) -> None:
    """A file, and the folders that are empty then, as a store has none."""
    path.unlink()
    for folder in path.parents:
        if any(folder.iterdir()):
            break
        folder.rmdir()


@settings(max_examples=30, deadline=None)
@given(versions, algorithms, st.data())
def test_an_object_without_some_content_is_valid(
    history: list[Files], algorithm: str, data: st.DataObject
) -> None:
    """Whichever bytes are taken out of it, in one go or in two: ocfl-py finds no fault, no version speaks of them, and
    all others stay where they were."""
    with tempfile.TemporaryDirectory() as name:
        folder, inventory = Path(name), None
        for files in history:
            inventory = following(inventory, files, algorithm)
            write(folder, inventory, files, algorithm)
        assert inventory is not None
        known = sorted(inventory["manifest"])
        first, second = (set(data.draw(st.lists(st.sampled_from(known), unique=True))) for _ in range(2))
        # An object keeps at least its last version's metadata.
        gone = (first | second) - {known[0]}
        for raw in folder.rglob("inventory.json"):
            before = json.loads(raw.read_bytes())
            after = ocfl.without(before, gone)
            assert after == ocfl.without(ocfl.without(before, first - {known[0]}), second - {known[0]})
            raw.write_bytes(ocfl.to_bytes(after))
            sidecar, line = ocfl.sidecar(raw.read_bytes(), algorithm)
            (raw.parent / sidecar).write_bytes(line)
        left = ocfl.without(inventory, gone)
        for digest in gone:
            for path in inventory["manifest"][digest]:
                remove(folder / path)
        assert left["manifest"] == {key: one for key, one in inventory["manifest"].items() if key not in gone}
        for number in range(1, len(history) + 1):
            assert not gone.intersection(ocfl.state(left, number).values())
        validator = ObjectValidator()
        validator.validate_object(name)
        assert set(validator.log.codes) <= {"W004"}, validator.status_str()


def test_equal_bytes_are_stored_once() -> None:
    """Two paths of a version share one content path, and its fixity is said once."""
    inventory = following(None, {"data/a": b"same", "data/b": b"same"})
    assert list(inventory["manifest"].values()) == [["v1/content/data/a"]]
    assert list(inventory["fixity"]["md5"].values()) == [["v1/content/data/a"]]


def test_there_is_nothing_before_the_first_version() -> None:
    """No head, no state, no place of anything."""
    assert (ocfl.head(None), ocfl.place_of(None, "00")) == (0, None)


def test_a_sidecar_names_algorithm_and_file() -> None:
    """OCFL 1.1 §3.7: `inventory.json.<algorithm>` holds digest, white space, and the inventory's name."""
    digest = hashlib.sha256(b"{}").hexdigest()
    assert ocfl.sidecar(b"{}", "sha256") == ("inventory.json.sha256", f"{digest} inventory.json\n".encode())


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[]", b"{}", b"null", b'{"id": "urn:other", "versions": {}}', b'{"id": "%s"}']
)
def test_what_is_no_inventory_of_the_object_is_corrupt(raw: bytes) -> None:
    """Nothing is added to an object whose inventory cannot be trusted; whoever is told hears what to do."""
    with pytest.raises(Corrupt) as found:
        ocfl.parse(raw.replace(b"%s", OBJECT_ID.encode()), OBJECT_ID)
    assert "headrace check --storage" in found.value.remedy


def test_an_inventory_comes_back_from_its_bytes() -> None:
    """`parse` reads what `to_bytes` wrote."""
    inventory = following(None, {"data/é": b"x"})
    assert ocfl.parse(ocfl.to_bytes(inventory), OBJECT_ID) == inventory
