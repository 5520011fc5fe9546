"""The members of an archive as folders and files: names are judged, folders that are only implied are made.

Members come in the archive's order and may be millions, so they lie in a database of their own in a temporary file,
which the system takes away with the process.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import weakref
from typing import TYPE_CHECKING, NamedTuple

from pipeline.display import shown
from pipeline.ingest.sources.names import KEY_LIMIT, escaped, join, normal, path_fault, segments
from pipeline.ingest.sources.protocol import Entry, Remark
from pipeline.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SCHEMA = """
    PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;
    CREATE TABLE member (
        folder BLOB, name BLOB, legal INTEGER, mode INTEGER, size INTEGER, mtime_ns INTEGER, place TEXT, remark TEXT,
        PRIMARY KEY (folder, name)
    ) WITHOUT ROWID;
    BEGIN
"""
_COLUMNS = "name, legal, mode, size, mtime_ns, place, remark"
_VALUES = "INTO member VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FOLDER = stat.S_IFDIR | 0o755
_AGAIN = "Make the archive anew, from a folder, with a tool that writes each file once."


class Member(NamedTuple):
    """One member, as the archive names it (`path`); `mode` is as `stat` has it; `place` says to its format where its
    bytes are. With `link` it has the bytes of the member of that path, which came before it."""

    path: str
    mode: int
    size: int = 0
    mtime_ns: int | None = None
    place: str = ""
    remark: Remark | None = None
    link: str | None = None


class Members:
    """The tree that `members` make. Where names are given twice the last one counts, as it does where archives are
    unpacked; a person is told. The only folder at the top, where nothing else is there, is the tree's top (RFC 8493,
    section 4.2), and `name` is its name, else `""`."""

    def __init__(self, members: Iterable[Member]) -> None:
        # SQLite's own temporary file: it has no name, and begins on disk only when it outgrows the cache.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self._database.close)
        self._database.executescript(_SCHEMA)
        self._made = ""
        for member in members:
            self._add(member)
        self.name = self._only_folder()

    def names(self, folder: str) -> list[str]:
        """The legal names in the folder, in the order of their bytes; none where there is no such folder."""
        query = "SELECT name FROM member WHERE folder = ? AND legal ORDER BY name"
        return [os.fsdecode(name) for (name,) in self._database.execute(query, (self._path(folder),))]

    def folders(self, folder: str) -> list[str]:
        query = "SELECT name FROM member WHERE folder = ? AND legal AND mode = ?"
        found = self._database.execute(query, (self._path(folder), _FOLDER))
        return [os.fsdecode(name) for (name,) in found]

    def is_folder(self, path: str) -> bool:
        if not path:
            return True
        found = self.find(path)
        return found is not None and stat.S_ISDIR(found.mode)

    def find(self, path: str) -> Entry | None:
        """What the path stands for; `Entry.stamp` is its member's place."""
        found = self._row(join(self.name, path))
        return None if found is None else _entry(found, {})

    def entries(self, folder: str) -> Iterator[Entry]:
        """What the names in the folder stand for, and those that are not legal, with what is wrong with them."""
        renamed = segments(self.names(folder))
        query = f"SELECT {_COLUMNS} FROM member WHERE folder = ? ORDER BY name"  # noqa: S608 - no input
        for row in self._database.execute(query, (self._path(folder),)):
            yield _entry(row, renamed)

    def _path(self, folder: str) -> bytes:
        return os.fsencode(join(self.name, folder) if folder else self.name)

    def _only_folder(self) -> str:
        query = "SELECT name, mode FROM member WHERE folder = x'' AND legal LIMIT 2"
        tops = self._database.execute(query).fetchall()
        if len(tops) != 1 or tops[0][1] != _FOLDER:
            return ""
        # What has no place below it hangs there all the same: it would not be seen elsewhere.
        self._database.execute(
            "UPDATE OR REPLACE member SET folder = ? WHERE folder = x'' AND NOT legal", tops[0][:1]
        )
        return os.fsdecode(tops[0][0])

    # ------------------------------------------------------------ making

    def _add(self, member: Member) -> None:
        folder, name, fault = _placed(member.path)
        if fault:
            remark = Remark(
                Outcome.REJECTED, "bad-name", fault, "Give it another name, and make the archive anew."
            )
            # A folder that nothing else lies in is not made for it: the archive would have one more top.
            parent = folder if folder and self._row(folder) else ""
            rest = name if parent else join(folder, name)
            self._put(parent, rest, member._replace(remark=remark, mode=stat.S_IFREG), legal=False)
        elif name:
            self._make_folders(folder)
            self._put_legal(
                folder, name, member if member.link is None else self._linked(member, member.link)
            )

    def _put_legal(self, folder: str, name: str, member: Member) -> None:
        is_folder = stat.S_ISDIR(member.mode)
        if self._put_new(folder, name, member._replace(mode=_FOLDER) if is_folder else member):
            return
        before = self._row(join(folder, name))
        was_folder = before is not None and before[2] == _FOLDER
        if was_folder != is_folder:
            self._collide(folder, name)
        elif not is_folder:
            twice = "its name stands more than once in the archive: the last one counts"
            remark = member.remark or Remark(Outcome.WARNED, "listed-twice", twice, _AGAIN)
            self._put(folder, name, member._replace(remark=remark))

    def _collide(self, folder: str, name: str) -> None:
        reason = "the archive has a file and a folder of this name"
        remark = Remark(Outcome.REJECTED, "key-collision", reason, _AGAIN)
        self._put(folder, name, Member("", _FOLDER, remark=remark))

    def _make_folders(self, folder: str) -> None:
        """All folders down to this one."""
        missing = folder
        while missing and missing != self._made:
            parent, _, name = missing.rpartition("/")
            before = self._row(missing)
            if before is None:
                self._put(parent, name, Member("", _FOLDER))
            elif before[2] != _FOLDER:
                self._collide(parent, name)
            else:
                break
            missing = parent
        self._made = folder

    def _linked(self, member: Member, target: str) -> Member:
        """A hard link is its target's bytes under another name."""
        folder, name, fault = _placed(target)
        found = None if fault else self._row(join(folder, name))
        if found is None or found[2] == _FOLDER:
            reason = f"it is a hard link to {shown(target)}, which is not in the archive before it"
            remark = Remark(Outcome.REJECTED, "dangling-link", reason, "Put the file itself in its place.")
            return member._replace(remark=remark)
        _, _, mode, size, _, place, said = found
        return member._replace(mode=mode, size=size, place=place, remark=_remark(said))

    def _row(self, path: str) -> tuple[bytes, int, int, int, int | None, str, str | None] | None:
        folder, _, name = path.rpartition("/")
        query = f"SELECT {_COLUMNS} FROM member WHERE folder = ? AND name = ? AND legal"  # noqa: S608 - no input
        found: tuple[bytes, int, int, int, int | None, str, str | None] | None = self._database.execute(
            query, (os.fsencode(folder), os.fsencode(name))
        ).fetchone()
        return found

    def _put(self, folder: str, name: str, member: Member, *, legal: bool = True) -> None:
        """In the place of what has the name."""
        self._database.execute(f"INSERT OR REPLACE {_VALUES}", _values(folder, name, member, legal=legal))

    def _put_new(self, folder: str, name: str, member: Member) -> bool:
        """Whether nothing had the name."""
        row = _values(folder, name, member, legal=True)
        return self._database.execute(f"INSERT OR IGNORE {_VALUES}", row).rowcount == 1


def _values(folder: str, name: str, member: Member, *, legal: bool) -> tuple[object, ...]:
    return (
        os.fsencode(folder),
        os.fsencode(name),
        legal,
        member.mode,
        member.size,
        member.mtime_ns,
        member.place,
        json.dumps(member.remark) if member.remark else None,
    )


def _entry(row: tuple[bytes, int, int, int, int | None, str, str | None], renamed: dict[str, str]) -> Entry:
    name = os.fsdecode(row[0])
    segment = renamed.get(name, escaped(name)) if row[1] else ""
    return Entry(name, segment, row[2], row[3], row[4], row[5], _remark(row[6]))


def _remark(text: str | None) -> Remark | None:
    if text is None:
        return None
    outcome, code, reason, remedy = json.loads(text)
    return Remark(Outcome(outcome), code, reason, remedy)


def _placed(path: str) -> tuple[str, str, str]:
    """The folder and the name that a member's path stands for, `("", "")` for the top; and what is wrong with it: then
    the folder is as much of it as can be a folder's, and the name all that follows."""
    fault = path_fault(path)
    if not fault:
        path = normal(path)
        if len(os.fsencode(path)) <= KEY_LIMIT:
            folder, _, name = path.rpartition("/")
            return folder, name, ""
        folder, _, name = path.partition("/")
        too_long = f"the path is longer than {KEY_LIMIT} bytes"
        return (folder, name, too_long) if name and len(folder) <= KEY_LIMIT else ("", path, too_long)
    parts = path.split("/")
    good = 0
    while parts[good] not in ("", "..") and "\0" not in parts[good]:
        good += 1
    return normal("/".join(parts[:good])), "/".join(parts[good:]), fault
