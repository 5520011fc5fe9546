"""The payload of a bag against its manifests (RFC 8493, section 3): what is listed and not there, there and
not listed, listed twice. Both sides go into a temporary database, for a bag may hold millions of files.
"""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.codec import problem_from_json, problem_to_json, to_text
from pipeline.errors import Rejected
from pipeline.ingest.sources import tagfiles
from pipeline.ingest.sources.directory import Place, files_below
from pipeline.ingest.sources.fates import refused, rejected, warned
from pipeline.ingest.sources.names import escaped
from pipeline.ingest.sources.protocol import FileMissing
from pipeline.model import Problem, SourceFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from pipeline.ingest.sources.bagit import BagSource
    from pipeline.ingest.sources.protocol import Found

SCHEMA = """
    CREATE TABLE listed (path BLOB, algorithm TEXT, digest TEXT, PRIMARY KEY (path, algorithm)) WITHOUT ROWID;
    CREATE TABLE found (
        path BLOB PRIMARY KEY, key TEXT, size INTEGER, mtime_ns INTEGER, stamp TEXT, problem TEXT
    ) WITHOUT ROWID;
    CREATE TABLE fetched (path BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE missing (path BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE folded (name TEXT PRIMARY KEY, path BLOB, count INTEGER) WITHOUT ROWID
"""
_FETCH = "fetch.txt"
# Operating systems make these by themselves and delete them so too: nothing of the data is lost.
_SYSTEM_FILES = frozenset({b".DS_Store", b"Thumbs.db", b"desktop.ini"})


@dataclass(frozen=True, slots=True)
class Payload:
    """One bag's payload, judged in an empty database with `SCHEMA`."""

    bag: BagSource
    database: sqlite3.Connection

    def judged(self, info: tagfiles.BagInfo) -> Iterator[Found]:
        """The files, with what the manifests declare, and everything that is wrong."""
        manifests = self.bag.manifests("manifest")
        if not manifests:
            yield rejected(self.bag.key, "", "no-manifest", "the bag has no payload manifest (section 2.1.3)")
        for name, algorithm in manifests:
            yield from self._load_manifest(name, algorithm)
        yield from self._load_fetch()
        yield from self._load_found()
        yield from self._missing()
        yield from self._oxum(info)
        yield from self._files(sum(algorithm is not None for _, algorithm in manifests))

    # ------------------------------------------------------------ loading

    def _load_manifest(self, name: str, algorithm: str | None) -> Iterator[Problem]:
        if algorithm is None:
            yield self.bag.unknown_algorithm(name)
            return
        for line in self.bag.manifest_lines(name, algorithm, payload=True):
            if isinstance(line, Problem):
                yield line
            elif problem := self._list(name, algorithm, line):
                yield problem

    def _list(self, manifest: str, algorithm: str, line: tagfiles.Listed) -> Problem | None:
        """Add a line to what is listed. A second one for the same file is wrong since 1.0, and always
        where the digests differ."""
        row = (os.fsencode(line.path), algorithm, line.digest)
        if self.database.execute("INSERT OR IGNORE INTO listed VALUES (?, ?, ?)", row).rowcount:
            return None
        query = "SELECT digest FROM listed WHERE path = ? AND algorithm = ?"
        (digest,) = self.database.execute(query, row[:2]).fetchone()
        tell = warned if digest == line.digest and not self.bag.declaration.strict else rejected
        how = "the same digest" if digest == line.digest else "different digests"
        return tell(self.bag.key, line.path, "listed-twice", f"{manifest} lists it twice, with {how}")

    def _load_fetch(self) -> Iterator[Problem]:
        try:
            with self.bag.lines(_FETCH) as lines:
                for line in tagfiles.fetch_lines(lines, self.bag.declaration):
                    if isinstance(line, tagfiles.BadLine):
                        yield self.bag.bad_line(_FETCH, line)
                    else:
                        self.database.execute(
                            "INSERT OR IGNORE INTO fetched VALUES (?)", (os.fsencode(line),)
                        )
        except FileMissing:
            return
        except Rejected as error:
            yield refused(self.bag.key, _FETCH, error)
        for (path,) in self.database.execute(
            "SELECT path FROM fetched WHERE path NOT IN (SELECT path FROM listed) ORDER BY path"
        ):
            reason = "fetch.txt names it, no manifest lists it (section 2.2.3)"
            yield rejected(self.bag.key, os.fsdecode(path), "unlisted", reason)

    def _load_found(self) -> Iterator[Problem]:
        top = Place(tagfiles.PAYLOAD, "")
        for file in files_below(self.bag.tree, self.bag.key, top):
            if isinstance(file, Problem):
                yield file
                continue
            problem = to_text(problem_to_json(file.problem)) if file.problem else None
            row = (os.fsencode(file.path), file.key, file.size, file.mtime_ns, file.stamp, problem)
            self.database.execute("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)", row)

    # ------------------------------------------------------------ judging

    def _missing(self) -> Iterator[Found]:
        """What is said of each listed path without a file."""
        self.database.execute(
            "INSERT INTO missing SELECT DISTINCT path FROM listed WHERE path NOT IN (SELECT path FROM found)"
        )
        if self.database.execute("SELECT 1 FROM missing").fetchone():
            self.database.create_function("fold", 1, _fold, deterministic=True)
            self.database.execute(
                "INSERT INTO folded SELECT fold(path), path, 1 FROM found WHERE true"
                " ON CONFLICT (name) DO UPDATE SET count = count + 1"
            )
        for (path,) in self.database.execute("SELECT path FROM missing ORDER BY path"):
            yield self._twin(path) or self._absent(path)

    def _twin(self, path: bytes) -> Problem | None:
        """A listed name may be that of a file whose name differs only in case or normal form, where the bag
        was made on a file system that does not tell them apart. That file then has to have both digests."""
        query = "SELECT path FROM folded WHERE name = ? AND count = 1"
        twin = self.database.execute(query, (_fold(path),)).fetchone()
        if twin is None:
            return None
        differing = self.database.execute(
            "SELECT 1 FROM listed AS one JOIN listed AS other USING (algorithm)"
            " WHERE one.path = ? AND other.path = ? AND one.digest <> other.digest",
            (path, *twin),
        ).fetchone()
        if differing:
            return None
        self.database.execute(
            "INSERT OR IGNORE INTO listed SELECT ?, algorithm, digest FROM listed WHERE path = ?",
            (*twin, path),
        )
        name = escaped(os.fsdecode(twin[0]))
        reason = f"it is there as {name}: the names differ only in case or in Unicode normal form"
        return warned(self.bag.key, os.fsdecode(path), "name-differs", reason)

    def _absent(self, path: bytes) -> Found:
        name = os.fsdecode(path)
        if _is_system_file(path):
            reason = "an operating system's own file is listed and not there"
            return warned(self.bag.key, name, "system-file-missing", reason)
        if self.database.execute("SELECT 1 FROM fetched WHERE path = ?", (path,)).fetchone():
            reason = "it is still to be fetched (fetch.txt), and nothing is fetched here"
            problem = rejected(self.bag.key, name, "not-fetched", reason, "Complete the bag first.")
        else:
            problem = rejected(self.bag.key, name, "missing", "a manifest lists it, no file is there")
        key = escaped(name.removeprefix(f"{tagfiles.PAYLOAD}/"))
        # Only an escaped name can have become the key of another file.
        if "%" in key and self.database.execute("SELECT 1 FROM found WHERE key = ?", (key,)).fetchone():
            return problem
        return SourceFile(self.bag.key, name, key, 0, None, problem=problem)

    def _oxum(self, info: tagfiles.BagInfo) -> Iterator[Problem]:
        """Section 2.2.2, Payload-Oxum."""
        query = "SELECT coalesce(sum(size), 0), count(*) FROM found"
        size, files = self.database.execute(query).fetchone()
        try:
            wanted = tagfiles.oxum(info)
        except ValueError as error:
            yield rejected(self.bag.key, "", "bad-tag-file", str(error))
            return
        lost = self._system_files_missing()
        # How large files were that are gone is not known.
        if wanted in (None, (size, files)) or (lost and wanted[1] == files + lost):
            return
        reason = f"Payload-Oxum tells of {wanted[0]}.{wanted[1]}, the payload has {size}.{files}"
        yield rejected(self.bag.key, "", "oxum-mismatch", reason)

    def _system_files_missing(self) -> int:
        return sum(_is_system_file(path) for (path,) in self.database.execute("SELECT path FROM missing"))

    def _files(self, manifests: int) -> Iterator[SourceFile]:
        for path, key, size, mtime_ns, stamp, fault, digests in self.database.execute(
            "SELECT found.path, key, size, mtime_ns, stamp, problem,"
            " group_concat(algorithm || ':' || digest, ' ')"
            " FROM found LEFT JOIN listed USING (path) GROUP BY found.path ORDER BY found.path"
        ):
            name = os.fsdecode(path)
            declared = dict(each.split(":") for each in sorted((digests or "").split()))
            problem = (
                problem_from_json(json.loads(fault))
                if fault
                else self._unlisted(name, len(declared), manifests)
            )
            yield SourceFile(self.bag.key, name, key, size, mtime_ns, declared, problem, stamp)

    def _unlisted(self, name: str, listed: int, manifests: int) -> Problem | None:
        """What is wrong with a file that so many of the manifests list."""
        if not listed:
            reason = "it is in the payload, and no manifest lists it"
            return rejected(self.bag.key, name, "unlisted", reason)
        if self.bag.declaration.strict and listed < manifests:
            reason = "not every manifest lists it (section 2.1.3)"
            return rejected(self.bag.key, name, "not-in-every-manifest", reason)
        return None


def _is_system_file(path: bytes) -> bool:
    return path.rpartition(b"/")[2] in _SYSTEM_FILES


def _fold(path: bytes) -> str:
    """The same for names that some file systems take for one."""
    text = unicodedata.normalize("NFC", os.fsdecode(path)).casefold()
    # Into SQLite only text that is UTF-8 goes.
    return escaped(unicodedata.normalize("NFC", text))
