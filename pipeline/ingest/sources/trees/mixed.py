"""A tree that also has what URLs name: the files of a manifest may lie beside it, or on servers of the web."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.ingest.sources.names import is_web

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.ingest.sources.protocol import Entry, Folder, SourceReader, Tree
    from pipeline.settings import SourceLocation


@dataclass(frozen=True, slots=True)
class MixedTree:
    """`tree`, but for paths that are http(s) URLs; `open_web`, called when the first is met and whenever another is,
    gives the tree of those."""

    tree: Tree
    open_web: Callable[[], Tree]

    @property
    def location(self) -> SourceLocation:
        return self.tree.location

    @property
    def name(self) -> str:
        return self.tree.name

    def folder(self, path: str) -> AbstractContextManager[Folder]:
        return self.tree.folder(path)

    def look(self, path: str) -> Entry:
        return self._of(path).look(path)

    def open(self, path: str, size: int, stamp: str) -> SourceReader:
        return self._of(path).open(path, size, stamp)

    def open_now(self, path: str) -> SourceReader:
        return self._of(path).open_now(path)

    def holds(self, name: str) -> bool:
        return self.tree.holds(name)

    def listed(self, scratch: Path) -> AbstractContextManager[Tree]:
        return self.tree.listed(scratch)

    def is_far(self, path: str) -> bool:
        return self._of(path).is_far(path)

    def _of(self, path: str) -> Tree:
        return self.open_web() if is_web(path) else self.tree
