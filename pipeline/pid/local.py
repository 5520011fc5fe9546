"""A `DoiRegistry` in a file: DataCite's rules of states, for instances that have no account there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline.errors import Unavailable
from pipeline.model import DoiState
from pipeline.ports import DoiFault, DoiOutcome, DoiRequest, DoiSeen

_SCHEMA = """
CREATE TABLE IF NOT EXISTS doi (
    name TEXT PRIMARY KEY, state TEXT NOT NULL, url TEXT NOT NULL, metadata TEXT NOT NULL,
    updates INTEGER NOT NULL DEFAULT 1
)
"""
# There is no way back to draft (DataCite's REST API, DOI states).
_LEGAL = {
    (None, DoiState.DRAFT),
    (None, DoiState.REGISTERED),
    (None, DoiState.FINDABLE),
    (DoiState.DRAFT, DoiState.DRAFT),
    (DoiState.DRAFT, DoiState.REGISTERED),
    (DoiState.DRAFT, DoiState.FINDABLE),
    (DoiState.REGISTERED, DoiState.REGISTERED),
    (DoiState.REGISTERED, DoiState.FINDABLE),
    (DoiState.FINDABLE, DoiState.REGISTERED),
    (DoiState.FINDABLE, DoiState.FINDABLE),
}
# What a registered or findable DOI must be described by (DataCite Metadata Schema 4.7).
_MANDATORY = ("creators", "titles", "publisher", "publicationYear", "types")
_BUSY_SECONDS = 60


class LocalRegistry:
    """DOIs in an SQLite file; names are compared in lower case."""

    id = "local"
    is_rate_limited = False

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            database.execute(_SCHEMA)

    def put_many(self, requests: Sequence[DoiRequest]) -> Sequence[DoiOutcome]:
        with self._open() as database:
            return [self._put(database, request) for request in requests]

    def get(self, doi: str) -> DoiSeen | None:
        with self._open() as database:
            row = database.execute(
                "SELECT state, url, metadata FROM doi WHERE name = ?", (doi.lower(),)
            ).fetchone()
        return None if row is None else DoiSeen(doi.lower(), DoiState(row[0]), row[1], json.loads(row[2]))

    def describe(self) -> str:
        with self._open() as database:
            (number,) = database.execute("SELECT count(*) FROM doi").fetchone()
        return f"embedded registry {self._path} with {number} DOIs, known to nobody else"

    def close(self) -> None:
        """Connections are short-lived: there is nothing to close."""

    def _put(self, database: sqlite3.Connection, request: DoiRequest) -> DoiOutcome:
        name = request.doi.lower()
        row = database.execute("SELECT state, url, metadata FROM doi WHERE name = ?", (name,)).fetchone()
        before = None if row is None else DoiState(row[0])
        if request.is_bare and row is not None:
            request = replace(request, url=row[1], metadata=json.loads(row[2]))
        if (before, request.state) not in _LEGAL:
            return DoiOutcome(
                request.doi,
                None,
                DoiFault.REFUSED,
                f"cannot go from {before} to {request.state}",
                "nothing leads back to an earlier state",
            )
        if request.state is not DoiState.DRAFT:
            lacking = [field for field in _MANDATORY if not request.metadata.get(field)]
            lacking += [] if request.url else ["url"]
            if lacking:
                return DoiOutcome(
                    request.doi,
                    None,
                    DoiFault.REFUSED,
                    f"{lacking[0]}: can't be blank",
                    "correct it by an edit of the record, then: headrace dois retry",
                )
        database.execute(
            "INSERT INTO doi (name, state, url, metadata) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " state = excluded.state, url = excluded.url, metadata = excluded.metadata, updates = updates + 1",
            (name, request.state, request.url, json.dumps(request.metadata)),
        )
        return DoiOutcome(request.doi, request.state)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            ) as database:
                database.execute("PRAGMA journal_mode=WAL")
                database.execute("BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Unavailable(
                f"the DOI registry {self._path} does not answer: {error}",
                remedy="see that it can be written to and has room to grow, then run the same command again",
            ) from error
