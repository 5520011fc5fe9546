"""Folders made of the keys of a bucket."""

from __future__ import annotations

import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.sources.directory import Place, files_below
from pipeline.ingest.sources.names import join
from pipeline.ingest.sources.trees.listing import Listed, ListedFolder, ListedTree, listing_database, spot_of
from pipeline.model import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.ingest.sources import Tree

KEYS = st.lists(st.sampled_from(["a", "b", "c.txt", "", ".", ".."]), min_size=1, max_size=4).map("/".join)


def told(keys: Iterable[str], size: int = 1) -> tuple[set[str], dict[str, str]]:
    """(files that can be taken, path → reason of all others), as a survey meets them."""
    objects = [Listed(key, 0 if key.endswith("/") else size, None, "x") for key in keys]
    taken: set[str] = set()
    refused: dict[str, str] = {}
    with listing_database(Path(tempfile.gettempdir()), objects) as database:
        for found in files_below(ListedTree(_none(), database), "record", Place("", "")):
            if isinstance(found, SourceFile):
                taken.add(found.path)
            else:
                refused[found.path] = found.reason
    return taken, refused


def _none() -> Tree:
    return None  # type: ignore[return-value]


@given(st.sets(KEYS))
def test_no_object_is_lost_silently(keys: set[str]) -> None:
    """Each object is a file to be taken or is told of, by its key, in whatever order a bucket lists; but for those of
    no bytes that stand for a folder."""
    files = {key for key in keys if not key.endswith("/") and key}
    taken, refused = told(sorted(keys, reverse=True))
    assert taken | set(refused) >= files
    assert taken <= files
    assert not any({"", ".", ".."} & set(path.split("/")) for path in taken)
    folders = {path[:end] for path in taken for end in range(len(path)) if path[end] == "/"}
    assert not taken & folders, "a file is a folder of another"


@given(st.sets(KEYS))
def test_the_order_of_a_listing_does_not_matter(keys: set[str]) -> None:
    """Servers list in the order of bytes, or of their own folders."""
    assert told(sorted(keys)) == told(sorted(keys, reverse=True))


@pytest.mark.parametrize(
    ("key", "path", "reason"),
    [
        ("a//b", "a//b", "empty"),
        ("/b", "/b", "empty"),
        ("a/../b", "a/../b", r"\.\."),
        ("./b", "./b", r"\.\."),
        ("a", "a", "below a/"),
    ],
)
def test_what_is_no_path_is_told(key: str, path: str, reason: str) -> None:
    """By its whole key, with the reason, beside what can be taken."""
    taken, refused = told([key, "a/good.csv"])
    assert taken == {"a/good.csv"}
    assert list(refused) == [path]
    assert re.search(reason, refused[path])


def test_a_marker_of_no_bytes_is_a_folder(tmp_path: Path) -> None:
    """As consoles make them; one that holds bytes is told of."""
    assert spot_of("a/b/", 0) == ("a/b", "", "")
    spot = spot_of("a/b/", 5)
    assert (join(spot.folder, spot.name), bool(spot.fault)) == ("a/b/", True)
    with listing_database(tmp_path, [Listed("a/b/", 0, None, "x")]) as database:
        entries = list(ListedFolder(database, "a").entries())
    assert [(one.name, stat.S_ISDIR(one.mode)) for one in entries] == [("b", True)]


def test_names_come_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    """As from any other tree; `in` and the number do not need them all."""
    names = ["z", "a", "ß", "B", "a-b", "a.b"]
    with listing_database(tmp_path, (Listed(f"f/{name}", 1, None, "x") for name in names)) as database:
        found = ListedFolder(database, "f").names
        assert list(found) == sorted(names, key=str.encode)
        assert len(found) == len(names)
        assert "ß" in found
        assert "b" not in found
