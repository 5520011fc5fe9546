"""Folders made of a list of keys, for places that know objects and no folders: the list is met once, in any order, and
sorted in a temporary database."""

from __future__ import annotations

import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pipeline.ingest.sources.names import join
from pipeline.ingest.sources.protocol import Entry, FileMissing, Remark
from pipeline.model import Outcome
from pipeline.running.scratch import scratch_database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.ingest.sources.protocol import Folder, SourceReader, Tree
    from pipeline.settings import SourceLocation

_SCHEMA = """
    CREATE TABLE entry (
        folder TEXT, name TEXT, mode INTEGER, size INTEGER, mtime_ns INTEGER, stamp TEXT, fault TEXT,
        PRIMARY KEY (folder, name, mode)
    ) WITHOUT ROWID
"""
_FILE, _FOLDER = stat.S_IFREG, stat.S_IFDIR
_RENAME = "Give the object another key, or leave it out of the source."


class Listed(NamedTuple):
    """An object by its key below the tree's top. A key that ends with `/`, of no bytes, stands for a folder."""

    key: str
    size: int
    mtime_ns: int | None
    stamp: str


class Spot(NamedTuple):
    """Where a key is met: in which folder, by which name there (`""`: the key is that of the folder itself), and why
    no file can have that place."""

    folder: str
    name: str
    fault: str = ""


def spot_of(key: str, size: int) -> Spot:
    """Keys are any text; paths have segments that are not empty and are neither `.` nor `..`. What cannot be a path is
    met in the deepest folder that can, by all the rest of its key."""
    segments = key.split("/")
    for number, segment in enumerate(segments):
        if segment in (".", ".."):
            fault = "a segment of its key is `.` or `..`"
        elif segment:
            continue
        elif number < len(segments) - 1:
            fault = "a segment of its key is empty (`//`, or `/` at the beginning)"
        elif size == 0:
            return Spot("/".join(segments[:-1]), "")
        else:
            # Shown with its `/`: without it, it would be another's name.
            number, fault = (
                max(number - 1, 0),
                "its key is that of a folder (it ends with `/`), and yet it holds bytes",
            )
        return Spot("/".join(segments[:number]), "/".join(segments[number:]), fault)
    folder, _, name = key.rpartition("/")
    return Spot(folder, name)


@contextmanager
def listing_database(scratch: Path, objects: Iterable[Listed]) -> Iterator[sqlite3.Connection]:
    """The objects by folder, in a temporary file below `scratch`."""
    with scratch_database(scratch, _SCHEMA) as database:
        known = ""
        for one in objects:
            spot = spot_of(one.key, one.size)
            if spot.folder != known:
                _note_folders(database, spot.folder)
                known = spot.folder
            if spot.name:
                row = (spot.folder, spot.name, _FILE, one.size, one.mtime_ns, one.stamp, spot.fault)
                database.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        yield database


def _note_folders(database: sqlite3.Connection, folder: str) -> None:
    while folder:
        parent, _, name = folder.rpartition("/")
        row = (parent, name, _FOLDER)
        if not database.execute(
            "INSERT OR IGNORE INTO entry VALUES (?, ?, ?, 0, NULL, '', '')", row
        ).rowcount:
            return
        folder = parent


@dataclass(frozen=True, slots=True)
class ListedTree:
    """`tree`, all of whose objects are in the database."""

    tree: Tree
    database: sqlite3.Connection

    @property
    def location(self) -> SourceLocation:
        return self.tree.location

    @property
    def name(self) -> str:
        return self.tree.name

    @contextmanager
    def folder(self, path: str) -> Iterator[Folder]:
        parent, _, name = path.rpartition("/")
        query = "SELECT 1 FROM entry WHERE folder = ? AND name = ? AND mode = ?"
        if path and not self.database.execute(query, (parent, name, _FOLDER)).fetchone():
            raise FileMissing(f"there is no folder {path}")
        yield ListedFolder(self.database, path)

    def look(self, path: str) -> Entry:
        return self.tree.look(path)

    def open(self, path: str, size: int, stamp: str) -> SourceReader:
        return self.tree.open(path, size, stamp)

    def open_now(self, path: str) -> SourceReader:
        return self.tree.open_now(path)

    def holds(self, name: str) -> bool:
        query = "SELECT 1 FROM entry WHERE name = ? AND mode = ? LIMIT 1"
        return self.database.execute(query, (name, _FILE)).fetchone() is not None

    def listed(self, scratch: Path) -> AbstractContextManager[Tree]:
        return self.tree.listed(scratch)

    def is_far(self, path: str) -> bool:
        return self.tree.is_far(path)


@dataclass(frozen=True, slots=True)
class ListedFolder:
    database: sqlite3.Connection
    path: str

    @property
    def names(self) -> Collection[str]:
        return _Names(self)

    def has_document(self, name: str) -> bool:
        query = "SELECT 1 FROM entry WHERE folder = ? AND name = ? AND mode = ?"
        return self.database.execute(query, (self.path, name, _FILE)).fetchone() is not None

    def folders(self) -> list[str]:
        query = "SELECT name FROM entry WHERE folder = ? AND mode = ?"
        return [name for (name,) in self.database.execute(query, (self.path, _FOLDER))]

    def entries(self) -> Iterator[Entry]:
        # SQLite compares text by its bytes.
        for name, mode, size, mtime_ns, stamp, fault, is_both in self.database.execute(
            "SELECT name, mode, size, mtime_ns, stamp, fault, EXISTS ("
            "   SELECT 1 FROM entry AS other"
            "   WHERE other.folder = entry.folder AND other.name = entry.name AND other.mode <> entry.mode"
            " ) FROM entry WHERE folder = ? ORDER BY name, mode",
            (self.path,),
        ):
            remark = Remark(Outcome.REJECTED, "bad-name", fault, _RENAME) if fault else None
            if is_both and mode == _FILE:
                reason = f"it is an object, and there are others below {join(self.path, name)}/"
                remark = Remark(Outcome.REJECTED, "key-collision", reason, _RENAME)
            yield Entry(name, "" if remark else name, mode, size, mtime_ns, stamp, remark)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names in a folder, which may be millions."""

    folder: ListedFolder

    def __iter__(self) -> Iterator[str]:
        query = "SELECT DISTINCT name FROM entry WHERE folder = ? ORDER BY name"
        return (name for (name,) in self.folder.database.execute(query, (self.folder.path,)))

    def __len__(self) -> int:
        query = "SELECT count(DISTINCT name) FROM entry WHERE folder = ?"
        return int(self.folder.database.execute(query, (self.folder.path,)).fetchone()[0])

    def __contains__(self, name: object) -> bool:
        query = "SELECT 1 FROM entry WHERE folder = ? AND name = ?"
        return self.folder.database.execute(query, (self.folder.path, name)).fetchone() is not None
