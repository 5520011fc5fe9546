"""What is SQLite's alone: how transactions begin, its write-ahead log, and looks at it that cost microseconds.

Transactions are begun here, and not by a listener of the engine: where an engine has any, SQLAlchemy goes through the
listeners of a dozen events for each statement.
"""

from __future__ import annotations

import sqlite3
import time
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from pipeline.catalogue.flushing import SharedFlush

BUSY_SECONDS = 60
_LOOK_EVERY = 0.002
_DIALECT = sqlite.dialect(paramstyle="named")


def begin_to_read(connection: sa.Connection) -> None:
    """What is read from now on is of one state, that of the first look."""
    _raw(connection).execute("BEGIN")


def begin_to_write(connection: sa.Connection) -> None:
    """SQLite has no queue of writers. Who waits looks again after ever longer pauses, 100 ms at last, and misses the
    moments between the transactions of a bulk ingest. Looking often nobody waits for much more than the one that is
    under way (decision 0016). For whatever else SQLite's own patience stays, though to say so twice takes 5 µs: who
    reads while another process recovers the log of one that was killed is refused as well."""
    raw = _raw(connection)
    raw.execute("PRAGMA busy_timeout=0")
    try:
        insist(raw, "BEGIN IMMEDIATE")
    except sqlite3.OperationalError as refused:
        raise sa.exc.OperationalError("BEGIN IMMEDIATE", None, refused) from refused
    finally:
        raw.execute(f"PRAGMA busy_timeout={1000 * BUSY_SECONDS}")


def insist(connection: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
    """Carry out what SQLite refuses at once while others keep it from that. Raises `sqlite3.OperationalError`."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return connection.execute(statement)
        except sqlite3.OperationalError as refused:
            is_busy = refused.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # and why, in the other bits
            if not is_busy or time.monotonic() > until:
                raise
        time.sleep(_LOOK_EVERY)


def _raw(connection: sa.Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


class Glance:
    """A statement that SQLite is asked itself: what SQLAlchemy does around one takes ten times as long. Its rows are
    those that SQLAlchemy would make."""

    def __init__(self, statement: sa.Select[Any]) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self._text = str(compiled)
        self._constants = dict(compiled.params)
        columns = list(statement.selected_columns)
        self._row = namedtuple("_row", [str(column.key) for column in columns])  # type: ignore[misc]
        self._processors = [
            (place, processor)
            for place, column in enumerate(columns)
            if (processor := column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None))
        ]

    def first(self, connection: sqlite3.Connection, values: Mapping[str, str | int]) -> Any:
        """The first row, None where there is none. Raises `sqlite3.Error`."""
        found = connection.execute(self._text, {**self._constants, **values}).fetchall()
        if not found:
            return None
        row = list(found[0])
        for place, process in self._processors:
            row[place] = process(row[place])
        return self._row(*row)


class Watching:
    """A connection to SQLite that only looks: whether others have committed anything (PRAGMA data_version), and what
    that may have changed."""

    def __init__(self, engine: sa.Engine) -> None:
        # Before anybody asks: who does is not to wait until a connection comes free.
        pooled = engine.raw_connection()
        self._connection = cast("sqlite3.Connection", pooled.dbapi_connection)
        # It is nobody else's, and takes no place among those of threads.
        pooled.detach()
        for pragma in ("busy_timeout=0", "cache_size=-2048"):
            self._connection.execute(f"PRAGMA {pragma}")

    def state(self) -> int | None:
        try:
            [state] = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None
        return int(state)

    def glance(self, at: Glance, values: Mapping[str, str | int]) -> Any:
        try:
            return at.first(self._connection, values)
        except sqlite3.Error:
            return None

    def log(self) -> Path:
        """The write-ahead log: there from the first look at the database on, for as long as this connection."""
        self._connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        for _, name, path in self._connection.execute("PRAGMA database_list"):
            if name == "main":
                return Path(f"{path}-wal")
        raise AssertionError("SQLite always has a main database")

    def close(self) -> None:
        self._connection.close()


def log(watching: Watching) -> SharedFlush:
    """Flushes of the log. Where there can be none, nothing is watched any more. Raises `OSError`."""
    try:
        return SharedFlush(watching.log())
    except BaseException:
        watching.close()
        raise
