"""Where things lie."""

from __future__ import annotations

import hashlib
import json
import re

import jsonschema  # type: ignore[import-untyped]
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline.store import layout
from tests.reference import reference

_ODD = st.sampled_from(
    ["~", ". ", " ", ":", "a*", "?", "é", "e\u0301", "_", "..", ".", "\n", "a~" + "0" * 32]
)
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12)
_LONG = st.builds(lambda text, number: text * number, _TEXT, st.integers(20, 300))
_PLAIN = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", fullmatch=True)
KEYS = st.lists(_TEXT | _ODD | _LONG | _PLAIN, min_size=1, max_size=6).map("/".join)


def test_an_objects_root_is_three_tuples_and_the_whole_digest() -> None:
    """Extension 0004 with its default parameters, as its own example has it:
    `object-01` lies at `3c0/ff4/240/3c0ff4240c1e…`."""
    assert layout.object_root("object-01") == (
        "root/3c0/ff4/240/3c0ff4240c1e116dba14c7627f2319b58aa3d77606d0d90dfc6161608ac987d4"
    )


@given(st.text(st.characters(codec="utf-8")))
def test_an_objects_root_follows_from_its_id_alone(object_id: str) -> None:
    """The digest is sha256 of the id in UTF-8, in lower case."""
    digest = hashlib.sha256(object_id.encode()).hexdigest()
    assert re.fullmatch(r"root/(...)/(...)/(...)/\1\2\3[0-9a-f]{55}", layout.object_root(object_id))
    assert layout.object_root(object_id).endswith(f"/{digest}")


def test_the_roots_configuration_is_valid() -> None:
    """By the extension's own schema, and by OCFL 1.1 §4.1 for the layout file."""
    files = layout.root_files("data.example.org")
    config = json.loads(files[f"root/extensions/{layout.LAYOUT}/config.json"])
    schema = reference("testdata", "ocfl", "extension-json-schema", f"{layout.LAYOUT}-schema.json")
    jsonschema.Draft7Validator(json.loads(schema.read_bytes())).validate(config)
    described = json.loads(files["root/ocfl_layout.json"])
    assert set(described) == {"extension", "description"}
    assert described["extension"] == config["extensionName"] == layout.LAYOUT
    assert layout.DECLARATION == {"root/0=ocfl_1.1": b"ocfl_1.1\n"}


@given(st.text(min_size=1), st.text(min_size=1), st.integers(1), st.integers(1))
def test_no_two_works_share_an_object(one: str, other: str, first: int, second: int) -> None:
    """Nor do works of two repositories, whatever these are called."""
    is_same = (one, first) == (other, second)
    assert (layout.concept_object(one, first) == layout.concept_object(other, second)) is is_same


@given(KEYS, KEYS)
@example("e\u0301", "é")
@example("a", "a ")
@example("a?", "a*")
@example("a/b", "a?b")
@example("x" * 256, "x" * 257)
@example("/".join(["x" * 250] * 9), "/".join(["x" * 250] * 10))
def test_different_keys_have_different_content_paths(one: str, other: str) -> None:
    """And neither is a folder of the other, unless the keys are."""
    assume(one != other)
    first, second = layout.content_path(one), layout.content_path(other)
    assert first != second
    if not other.startswith(f"{one}/"):
        assert not second.startswith(f"{first}/")


@given(KEYS)
def test_no_key_can_be_made_to_collide_with_a_tagged_one(key: str) -> None:
    """The path of an odd key, itself used as a key, leads elsewhere."""
    path = layout.content_path(key)
    assume(path != f"data/{key}")
    assert layout.content_path(path.removeprefix("data/")) != path


@given(KEYS)
def test_a_content_path_is_one_that_every_file_system_bears(key: str) -> None:
    """Names of 255 bytes at most, in normal form C, without control characters or what Windows forbids."""
    path = layout.content_path(key)
    assert path.startswith("data/")
    assert len(path.encode()) <= 800
    for name in path.split("/"):
        assert name not in ("", ".", "..")
        assert len(name.encode()) <= 255
        assert name.isprintable()
        assert not set(name) & set('\\:*?"<>|')
        assert name[-1] not in " ."


@given(st.lists(_PLAIN, min_size=1, max_size=4).map("/".join))
def test_a_plain_key_is_its_own_content_path(key: str) -> None:
    """So that people find files in the root by their names."""
    assert layout.content_path(key) == f"data/{key}"


def test_an_odd_name_stays_readable() -> None:
    """Its path begins as it does."""
    assert layout.content_path("what?.txt").startswith("data/what_.txt~")


# ---------------------------------------------------------------- homes


def test_a_version_waits_in_staging_where_trees_can_be_renamed() -> None:
    """Whether it is the first of its work or a further one: moving it costs no byte."""
    for is_first in (True, False):
        assert layout.home("a.example", 1, 2, is_first=is_first, renames_trees=True) == layout.staged(2)


def test_a_first_version_lies_in_its_place_at_once_where_moving_costs() -> None:
    """In the work's own object; a further version waits in staging, for the object has versions already."""
    object_root = layout.object_root(layout.concept_object("a.example", 1))
    assert layout.home("a.example", 1, 2, is_first=True, renames_trees=False) == f"{object_root}/v1"
    assert layout.home("a.example", 1, 3, is_first=False, renames_trees=False) == layout.staged(3)


def test_a_place_is_below_its_home() -> None:
    """Different keys have different places, as they have different content paths."""
    assert layout.place("staging/2", "raw/a.csv") == "staging/2/content/data/raw/a.csv"
    assert layout.place("staging/2", "a:b") == f"staging/2/content/{layout.content_path('a:b')}"
