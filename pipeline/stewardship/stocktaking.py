"""Use case: compare the store with the catalogue.

Both may hold millions of objects, so they are compared in a database on disk. Whoever is at work meanwhile moves bytes
that were listed already; only what is found in two comparisons, one after the other, is told.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline import codec
from pipeline.catalogue import purges, references
from pipeline.catalogue.purges import Purge
from pipeline.catalogue.references import PublishedBytes, Work
from pipeline.errors import Corrupt, Missing
from pipeline.model import JsonObject, PurgeState
from pipeline.ports import OpenUpload
from pipeline.running.scratch import scratch_database, scratch_folder
from pipeline.services import Services
from pipeline.store import layout, ocfl

_AT_ONCE = 16
_BATCH = 500
_TOPS = (layout.ROOT, "staging", "quarantine")

_SCHEMA = """
CREATE TABLE seen (key TEXT PRIMARY KEY, size INTEGER NOT NULL, since TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE expected (
    key TEXT PRIMARY KEY, size INTEGER, owner TEXT NOT NULL, is_due INTEGER NOT NULL, elsewhere TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE head (root TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE shelter (prefix TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE finding (
    kind TEXT, key TEXT, upload_id TEXT, size INTEGER, expected INTEGER, owner TEXT NOT NULL, since TEXT NOT NULL,
    PRIMARY KEY (kind, key, upload_id)
) WITHOUT ROWID;
"""
# Whoever expects a key first need not know its size.
_EXPECT = """
INSERT INTO expected VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    size = COALESCE(size, excluded.size), is_due = MAX(is_due, excluded.is_due),
    owner = CASE WHEN size IS NULL THEN excluded.owner ELSE owner END
"""
_ABSENT = """
SELECT key, size, owner, elsewhere FROM expected WHERE is_due AND NOT EXISTS (
    SELECT 1 FROM seen WHERE seen.key = expected.key)
"""
_OTHER_SIZE = """
INSERT INTO finding SELECT 'differs', key, '', seen.size, expected.size, owner, since
FROM expected JOIN seen USING (key) WHERE expected.size <> seen.size
"""
_UNEXPECTED = """
SELECT key, size, since FROM seen WHERE NOT EXISTS (SELECT 1 FROM expected WHERE expected.key = seen.key)
ORDER BY key
"""
_SHELTERED = "SELECT 1 FROM shelter WHERE prefix IN (SELECT value FROM json_each(?))"


class FindingKind(StrEnum):
    """`missing`: the catalogue has it, the store has not. `differs`: it is there with another size, or is no inventory
    though it should be. `orphan`: the store has it, and nothing refers to it. `open-upload`: parts of an object that
    nobody will go on with."""

    MISSING = "missing"
    DIFFERS = "differs"
    ORPHAN = "orphan"
    OPEN_UPLOAD = "open-upload"


@dataclass(frozen=True, slots=True)
class StorageFinding:
    """Where store and catalogue disagree. `size` in bytes is what the store has, `expected` what the catalogue says of
    it, where either is known; `owner` is whose it is, `since` when it was written last or begun."""

    kind: FindingKind
    key: str
    upload_id: str = ""
    size: int | None = None
    expected: int | None = None
    owner: str = ""
    since: datetime | None = None


def compare(services: Services) -> Iterator[StorageFinding]:
    """Whatever is in the store and not in the catalogue, or the other way round; for a store at rest, nothing. Reads
    inventories, and no content."""
    with _looked_at(services) as first:
        if not first.has_findings():
            return
        with _looked_at(services) as second:
            yield from (one for one in second.findings() if first.has(one))


@contextmanager
def _looked_at(services: Services) -> Iterator[_Look]:
    with (
        scratch_folder(services.settings.home) as folder,
        scratch_database(folder, _SCHEMA) as database,
    ):
        look = _Look(services, database)
        look.take()
        yield look


class _Look:
    """One comparison."""

    def __init__(self, services: Services, database: sqlite3.Connection) -> None:
        self._services = services
        self._database = database

    def take(self) -> None:
        """The store is listed first: what is taken in meanwhile is missing from the list, and there the second time."""
        self._list()
        self._expect_root()
        self._expect_works()
        self._expect_bytes()
        self._shelter_what_is_under_way()
        self._find()

    def has_findings(self) -> bool:
        return self._database.execute("SELECT 1 FROM finding LIMIT 1").fetchone() is not None

    def has(self, one: StorageFinding) -> bool:
        found = self._database.execute(
            "SELECT 1 FROM finding WHERE kind = ? AND key = ? AND upload_id = ?",
            (one.kind, one.key, one.upload_id),
        )
        return found.fetchone() is not None

    def findings(self) -> Iterator[StorageFinding]:
        """By kind and key."""
        for kind, key, upload_id, size, expected, owner, since in self._database.execute(
            "SELECT * FROM finding ORDER BY kind, key, upload_id"
        ):
            at = codec.time_from_json(since) if since else None
            yield StorageFinding(FindingKind(kind), key, upload_id, size, expected, owner, at)

    # ------------------------------------------------------------ what there is

    def _list(self) -> None:
        rows = (
            (one.key, one.size, codec.time_to_json(one.modified) if one.modified else "")
            for top in _TOPS
            for one in self._services.store.list(top)
        )
        self._database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)

    # ------------------------------------------------------------ what there should be

    def _expect(
        self,
        keys: Iterable[str],
        owner: str,
        *,
        size: int | None = None,
        is_due: bool = True,
        elsewhere: str = "",
    ) -> None:
        self._database.executemany(_EXPECT, ((key, size, owner, is_due, elsewhere) for key in keys))

    def _shelter(self, prefixes: Iterable[str]) -> None:
        """Whatever is below these is somebody's, who is at work on it."""
        self._database.executemany("INSERT OR IGNORE INTO shelter VALUES (?)", ((one,) for one in prefixes))

    def _expect_root(self) -> None:
        self._expect([*layout.root_files(self._services.repository.id), *layout.DECLARATION], "storage root")
        place = layout.object_root(layout.REPOSITORY_OBJECT)
        self._expect([f"{place}/inventory.json"], "storage root")
        inventory = self._parsed(layout.REPOSITORY_OBJECT, self._raw_inventory(layout.REPOSITORY_OBJECT))
        if inventory is not None:
            self._expect(_object_keys(place, inventory), "storage root")

    def _expect_works(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="inventory") as pool:
            for batch in _works(self._services):
                raw = pool.map(self._raw_inventory, map(self._object_id, batch))
                for work, content in zip(batch, raw, strict=True):
                    self._expect_work(work, content)

    def _object_id(self, work: Work) -> str:
        return layout.concept_object(self._services.repository.id, work.concept_id)

    def _raw_inventory(self, object_id: str) -> bytes | None:
        try:
            return b"".join(self._services.store.read(f"{layout.object_root(object_id)}/inventory.json"))
        except Missing:
            return None

    def _parsed(self, object_id: str, raw: bytes | None) -> JsonObject | None:
        if raw is None:
            return None
        try:
            return ocfl.parse(raw, object_id)
        except Corrupt:
            key = f"{layout.object_root(object_id)}/inventory.json"
            self._note(StorageFinding(FindingKind.DIFFERS, key, size=len(raw), owner=object_id))
            return None

    def _expect_work(self, work: Work, raw: bytes | None) -> None:
        object_id = self._object_id(work)
        inventory = self._parsed(object_id, raw)
        root = layout.object_root(object_id)
        head = ocfl.head(inventory)
        self._database.execute("INSERT INTO head VALUES (?, ?)", (root, head))
        if inventory is not None:
            # While a version is being committed, the object's own inventory comes before the sidecar.
            self._expect(_object_keys(root, inventory), object_id, is_due=not work.is_pending)
        elif work.is_preserved:
            self._expect([f"{root}/inventory.json"], object_id)
        if inventory is None:
            self._shelter([root])
        elif work.is_pending:
            self._shelter([f"{root}/v{head + 1}"])

    def _expect_bytes(self) -> None:
        with self._services.catalogue.read() as tx:
            for held in references.published_bytes(tx):
                key, elsewhere = self._places(held)
                self._expect([key], f"record {held.record_id}", size=held.size, elsewhere=elsewhere)
            for waiting in references.waiting_bytes(tx):
                key = f"{waiting.home}/content/{waiting.content}"
                owner = f"record {waiting.record_id}, not published"
                staged = layout.staged(waiting.record_id)
                self._expect([key], owner, size=waiting.size, elsewhere=staged)
            for key, size, is_due in references.quarantined(tx):
                self._expect([key], "quarantine", size=size, is_due=is_due)
            for one in purges.everything(tx):
                self._expect_purge(one)

    def _expect_purge(self, one: Purge) -> None:
        """An object tells of its purges. The bytes go last, when no inventory speaks of them any more."""
        root = layout.object_root(layout.concept_object(self._services.repository.id, one.concept_id))
        owner, is_done = f"purge of record {one.record_id}", one.state is PurgeState.PURGED
        self._expect([f"{root}/{layout.purge_log(one.id, one.decision.at)}"], owner, is_due=is_done)
        if not is_done:
            self._expect([f"{root}/{path}" for path in one.content], owner, is_due=False)

    def _places(self, held: PublishedBytes) -> tuple[str, str]:
        """Where a published file's bytes are; and, while they may be on their way into an object, that one's root."""
        root = layout.object_root(layout.concept_object(self._services.repository.id, held.concept_id))
        if held.staged is None:
            return f"{root}/v{held.ocfl_version}/content/{held.content}", ""
        return f"{held.staged}/content/{held.content}", root

    def _shelter_what_is_under_way(self) -> None:
        with self._services.catalogue.read() as tx:
            for home in references.homes(tx):
                self._shelter([home, layout.assembled(home)])
            self._shelter(f"quarantine/{id_}" for id_ in references.unfinished_accessions(tx))

    # ------------------------------------------------------------ where they disagree

    def _find(self) -> None:
        self._find_missing()
        self._database.execute(_OTHER_SIZE)
        self._find_orphans()
        for batch in _batches(self._services.store.open_uploads()):
            for one in _unwanted(self._services, batch):
                found = StorageFinding(FindingKind.OPEN_UPLOAD, one.key, one.upload_id)
                self._note(found, codec.time_to_json(one.begun))

    def _find_orphans(self) -> None:
        """By folder, for what is sheltered is so for all keys that lie together."""
        rows = self._database.execute(_UNEXPECTED)
        for folder, together in itertools.groupby(rows, key=lambda row: row[0].rpartition("/")[0]):
            if not self._is_sheltered(folder):
                for key, size, since in together:
                    self._note(StorageFinding(FindingKind.ORPHAN, key, size=size), since)

    def _find_missing(self) -> None:
        for key, size, owner, elsewhere in self._database.execute(_ABSENT):
            if not (elsewhere and self._is_on_its_way(key, size, elsewhere)):
                self._note(StorageFinding(FindingKind.MISSING, key, expected=size, owner=owner))

    def _is_on_its_way(self, key: str, size: int, elsewhere: str) -> bool:
        """Whether bytes that should be at home have gone to another place already: into their object, into one that is
        being put together, or to staging."""
        home, _, content = key.partition("/content/")
        head = self._database.execute("SELECT number FROM head WHERE root = ?", (elsewhere,)).fetchone()
        versions = [f"{elsewhere}/v{number + 1}" for number in range(head[0] + 1 if head else 0)]
        return any(
            self._has_seen(f"{place}/content/{content}", size)
            for place in (elsewhere, f"{layout.assembled(home)}/v1", *versions)
        )

    def _has_seen(self, key: str, size: int) -> bool:
        found = self._database.execute("SELECT 1 FROM seen WHERE key = ? AND size = ?", (key, size))
        return found.fetchone() is not None

    def _is_sheltered(self, folder: str) -> bool:
        prefixes = json.dumps([folder, *keys_above(folder)])
        return self._database.execute(_SHELTERED, (prefixes,)).fetchone() is not None

    def _note(self, one: StorageFinding, since: str = "") -> None:
        self._database.execute(
            "INSERT OR IGNORE INTO finding VALUES (?, ?, ?, ?, ?, ?, ?)",
            (one.kind, one.key, one.upload_id, one.size, one.expected, one.owner, since),
        )


def _works(services: Services) -> Iterator[list[Work]]:
    after = 0
    while True:
        with services.catalogue.read() as tx:
            batch = references.works(tx, after=after, limit=_BATCH)
        if not batch:
            return
        yield batch
        after = batch[-1].concept_id


def _object_keys(root: str, inventory: JsonObject) -> Iterator[str]:
    """Everything that an object has by its inventory (OCFL 1.1 §3)."""
    sidecar = f"inventory.json.{inventory['digestAlgorithm']}"
    for place in (root, *(f"{root}/{version}" for version in inventory["versions"])):
        yield from (f"{place}/inventory.json", f"{place}/{sidecar}")
    yield f"{root}/{ocfl.DECLARATION}"
    for paths in inventory["manifest"].values():
        yield from (f"{root}/{path}" for path in paths)


def _unwanted(services: Services, uploads: list[OpenUpload]) -> list[OpenUpload]:
    """Those that neither the catalogue knows nor a request or a run under way may have begun."""
    home_of = {one: one.key.partition("/content/")[0] for one in uploads}
    with services.catalogue.read() as tx:
        noted = references.noted_uploads(tx, [one.upload_id for one in uploads])
        homes = references.receiving_homes(tx, set(home_of.values()), now=services.now())
    return [one for one in uploads if (one.key, one.upload_id) not in noted and home_of[one] not in homes]


def keys_above(key: str) -> Iterator[str]:
    """The keys that this one is below."""
    at = key.rfind("/")
    while at > 0:
        yield key[:at]
        at = key.rfind("/", 0, at)


def _batches(uploads: Iterator[OpenUpload]) -> Iterator[list[OpenUpload]]:
    while batch := list(itertools.islice(uploads, _BATCH)):
        yield batch
