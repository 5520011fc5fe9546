"""What a plan can tell of its application beforehand, from sizes, names and declared digests alone: duplicates, the
store's requests, the time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pipeline.catalogue import accessions, holdings
from pipeline.catalogue.accessions import Pace
from pipeline.errors import Rejected
from pipeline.ingest.manifest import SurveyedFile
from pipeline.services import Services

SCHEMA = """
CREATE TABLE digest (algorithm TEXT, digest TEXT, PRIMARY KEY (algorithm, digest)) WITHOUT ROWID;
CREATE TABLE likeness (size INTEGER, name TEXT, PRIMARY KEY (size, name)) WITHOUT ROWID;
"""
"""Of the scratch database in which files are compared: there may be more than memory holds."""

_PACES = 20


@dataclass(slots=True)
class Extent:
    """Files, and the sum of their bytes."""

    files: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.files += 1
        self.bytes += size


@dataclass(slots=True)
class Estimate:
    """Of the files of a source that can be read and are not empty: `declared` are those with a declared digest that
    one before them has, too; `likely` those without any digest whose size and name one before them has. Of the files to
    be read: `compared` are those with a declared digest of the storage root's algorithm, `in_custody` those of them
    whose bytes published records have. `requests` are those that writing the files to the store takes; `seconds` is
    None where no earlier accession tells."""

    declared: Extent = field(default_factory=Extent)
    likely: Extent = field(default_factory=Extent)
    compared: Extent = field(default_factory=Extent)
    in_custody: Extent = field(default_factory=Extent)
    requests: int = 0
    seconds: float | None = None


class Estimator:
    """Adds up an estimate while files come by, in an empty scratch database of `SCHEMA`."""

    def __init__(self, services: Services, database: sqlite3.Connection) -> None:
        self._services = services
        self._database = database
        self._estimate = Estimate()

    def add(self, found: Sequence[SurveyedFile], to_be_read: Sequence[SurveyedFile]) -> None:
        """Some files that can be read, and those of them that will be."""
        for one in found:
            if one.file.size:
                self._compare(one)
        for one in to_be_read:
            with suppress(Rejected):  # when it is taken in
                self._estimate.requests += self._services.store.requests(one.file.size)
        self._look_into_custody(to_be_read)

    def end(self, *, files: int, size: int) -> Estimate:
        """The estimate, where so many files and bytes are to be read."""
        with self._services.catalogue.read() as tx:
            self._estimate.seconds = seconds(files, size, accessions.paces(tx, _PACES))
        return self._estimate

    def _compare(self, one: SurveyedFile) -> None:
        file = one.file
        if not file.declared:
            name = PurePosixPath(file.key).name
            if not self._is_first("likeness", file.size, name):
                self._estimate.likely.add(file.size)
            return
        # All of them are noted, whichever is known.
        are_first = [self._is_first("digest", *digest) for digest in file.declared.items()]
        if not all(are_first):
            self._estimate.declared.add(file.size)

    def _is_first(self, table: str, *values: object) -> bool:
        added = self._database.execute(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", values)  # noqa: S608
        return added.rowcount > 0

    def _look_into_custody(self, to_be_read: Sequence[SurveyedFile]) -> None:
        algorithm = self._services.root_digest
        wanted = [one.file for one in to_be_read if one.file.size and algorithm in one.file.declared]
        if not wanted:
            return
        with self._services.catalogue.read() as tx:
            known = holdings.root_digests(tx, (file.declared[algorithm] for file in wanted))
        for file in wanted:
            self._estimate.compared.add(file.size)
            if file.declared[algorithm] in known:
                self._estimate.in_custody.add(file.size)


def seconds(files: int, size: int, paces: Sequence[Pace]) -> float | None:
    """How long so many files and bytes take where each goes as fast as in the fastest of earlier accessions, from
    beginning to end; the slower of the two counts. None where there are none. One that was stopped and gone on with
    later looks slow, and is not the fastest then."""
    told = [pace for pace in paces if pace.files and pace.bytes and pace.seconds > 0]
    if not told:
        return None
    a_file = min(pace.seconds / pace.files for pace in told)
    a_byte = min(pace.seconds / pace.bytes for pace in told)
    return max(files * a_file, size * a_byte)
