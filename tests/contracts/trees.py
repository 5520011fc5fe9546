"""The trees of files that pass the contract suite of sources. A new one adds itself to `TREES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from pipeline.ingest.sources import Tree
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.settings import SourceLocation

FOLDERS = "folders"
"""A tree whose folders can be listed; one without is good for manifests only."""
CHANGES = "changes"
"""A tree whose files can be replaced one by one while others are read."""


class Place(Protocol):
    """An empty place for files, to be filled by a test and then read as a source."""

    @property
    def top(self) -> str:
        """What `headrace ingest` is given for the whole; files written later are not seen where it cannot change."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file, or another in its place."""

    def remove(self, path: str) -> None: ...

    def open_tree(self, url: str) -> Tree: ...


@dataclass(frozen=True)
class Kind:
    """A kind of tree: how a test gets a place of that kind, and what it can."""

    place: Callable[[pytest.FixtureRequest], Place]
    can: frozenset[str] = frozenset({FOLDERS, CHANGES})


@dataclass(frozen=True)
class LocalPlace:
    folder: Path

    @property
    def top(self) -> str:
        return str(self.folder)

    def put(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def remove(self, path: str) -> None:
        (self.folder / path).unlink()

    def open_tree(self, url: str) -> Tree:
        return LocalTree(SourceLocation(url))


def _local(request: pytest.FixtureRequest) -> Place:
    folder = request.getfixturevalue("tmp_path") / "collection"
    folder.mkdir()
    return LocalPlace(folder)


TREES: dict[str, Kind] = {
    "local": Kind(_local),
}
