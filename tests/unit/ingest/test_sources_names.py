"""Keys from names that may be any bytes."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.sources.names import escaped, is_utf8, key_fault, normal, path_fault, segments

ANY_NAME = st.one_of(
    st.binary(min_size=1, max_size=6),
    # Names that look like what odd names become, to make them meet.
    st.text("%Ff8a", min_size=1, max_size=5).map(str.encode),
    st.lists(st.sampled_from([b"%", b"F", b"\xff", b"%FF", b"\xe9"]), min_size=1, max_size=4).map(b"".join),
).map(os.fsdecode)


@given(st.sets(ANY_NAME, max_size=12))
def test_no_two_names_of_a_folder_get_the_same_segment(names: set[str]) -> None:
    """Any bytes at all: as many segments as names, each of them valid Unicode."""
    renamed = segments(names)
    keys = [renamed.get(name, name) for name in names]
    assert len(set(keys)) == len(names)
    for key in keys:
        key.encode()


@given(st.sets(ANY_NAME, max_size=12))
def test_names_that_are_utf8_stay_as_they_are(names: set[str]) -> None:
    """Only the others are renamed, `%` in a good name included."""
    assert set(segments(names)) == {name for name in names if not is_utf8(name)}


def test_the_odd_bytes_alone_are_escaped() -> None:
    """`%XX` for the byte, and one `%` more as long as a sibling has that name."""
    odd = os.fsdecode(b"50%-\xe9\xc3\xa9")
    assert segments([odd]) == {odd: "50%-%E9é"}
    assert segments([odd, "50%-%E9é", "%50%-%E9é"]) == {odd: "%%50%-%E9é"}


@pytest.mark.parametrize("key", ["a\0b", "a\nb", "\x7f", "\x85", "x" * 4097, "é" * 2049])
def test_keys_over_the_limits_have_a_fault(key: str) -> None:
    """Control characters, and more than 4096 bytes."""
    assert key_fault(key)


@pytest.mark.parametrize("key", ["a", "x" * 300, "x" * 4096, "é" * 2048, "a b%/ü\u200b"])
def test_long_segments_and_odd_characters_have_none(key: str) -> None:
    """A segment may be longer than file systems allow; invisible characters are characters."""
    assert key_fault(key) == ""


@pytest.mark.parametrize("path", ["/a", "..", "a/..", "../a", "a/../b", "a\0"])
def test_paths_that_lead_elsewhere_have_a_fault(path: str) -> None:
    """Whatever they come to in the end."""
    assert path_fault(path)


@pytest.mark.parametrize("path", ["a", "a..b", "...", "a/.b", "~"])
def test_paths_that_only_look_odd_have_none(path: str) -> None:
    """Dots within a name lead nowhere."""
    assert path_fault(path) == ""


@given(st.lists(st.sampled_from(["a", "b", ".", ""]), max_size=6))
def test_normal_paths_have_no_empty_segments(parts: list[str]) -> None:
    """Nor `.`; the others stay in order."""
    assert normal("/".join(parts)) == "/".join(part for part in parts if part not in (".", ""))


@given(ANY_NAME)
def test_escaping_changes_nothing_else(name: str) -> None:
    """A valid name is its own escape."""
    assert (escaped(name) == name) == is_utf8(name)
