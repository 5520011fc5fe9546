"""The truth about records while the system runs; the only SQLAlchemy in the project.

A use case opens one transaction (`catalogue.write()`) and hands it to the functions of the sub-modules;
everything it does in there happens whole or not at all. `Transaction` is opaque to everyone else.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import sqlalchemy as sa

from pipeline.catalogue.flushing import SharedFlush
from pipeline.errors import OutOfSpace, Unavailable

Transaction: TypeAlias = sa.Connection

MOST_THREADS = 168
"""Threads of one process that use a catalogue at once, each in one transaction at a time."""


_TURN_SECONDS = 60.0


class Catalogue:
    """Hands out transactions on one database. Threads and processes may share the database."""

    def __init__(self, engine: sa.Engine) -> None:
        """Raises `OSError` where SQLite's log cannot be flushed."""
        self._engine = engine
        is_sqlite = engine.dialect.name == "sqlite"
        self._turn = threading.Lock() if is_sqlite else None
        self._watching = _Watching(engine) if is_sqlite else None
        self._log = None if self._watching is None else _log(self._watching)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that may write. Raises `Unavailable` where the database is away, stays locked, or is so slow
        that no connection to it comes free. Once its disk has refused to flush, nothing is written any more: all
        would see what the power takes back."""
        with _translated():
            with self._taking_turns(), self._engine.begin() as connection:
                yield connection
            if self._log is not None:
                # Not while others wait for their turn, who write meanwhile and share the next flush.
                self._log.wait()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A snapshot to read from; whatever is written through it is lost."""
        with _translated(), self._engine.connect() as connection:
            options: dict[str, object] = {"headrace_reading": True}
            if self._engine.dialect.name == "postgresql":
                options["isolation_level"] = "REPEATABLE READ"
            yield connection.execution_options(**options)

    def state(self) -> int | None:
        """A number that is another whenever anything was committed, by any process, since it was asked for last: asking
        takes microseconds, and never waits. None where a database cannot tell like that, or not just now. For one
        thread."""
        return None if self._watching is None else self._watching.state()

    def glance(self, statement: str, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """The first row that a statement in SQLite's words finds, as quickly, for the same thread; None where there is
        none, and where the database cannot tell."""
        return None if self._watching is None else self._watching.glance(statement, values)

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        """SQLite has one writer and no queue: whoever waits looks again and again, and others get ahead. Threads of one
        process wait in line instead, and of them only the first looks."""
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=_TURN_SECONDS):
            raise Unavailable(
                "the database does not answer: another thread keeps writing to it", remedy=_AWAY
            )
        try:
            if self._log is not None:
                # Who stood in line when that was found out writes no more, either.
                self._log.require_sound()
            yield
        finally:
            self._turn.release()

    def describe(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    def ping(self) -> None:
        """Raises `Unavailable` where the database does not answer."""
        with self.read() as tx:
            tx.execute(sa.text("SELECT 1"))

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
        if self._watching is not None:
            self._watching.close()
        self._engine.dispose()


class _Watching:
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

    def glance(self, statement: str, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        try:
            rows = self._connection.execute(statement, values).fetchall()
        except sqlite3.Error:
            return None
        return rows[0] if rows else None

    def log(self) -> Path:
        """The write-ahead log: there from the first look at the database on, for as long as this connection."""
        self._connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        for _, name, path in self._connection.execute("PRAGMA database_list"):
            if name == "main":
                return Path(f"{path}-wal")
        raise AssertionError("SQLite always has a main database")

    def close(self) -> None:
        self._connection.close()


def _log(watching: _Watching) -> SharedFlush:
    try:
        return SharedFlush(watching.log())
    except BaseException:
        watching.close()
        raise


_AWAY = (
    "see that the database (HEADRACE_DATABASE) is up and can be written to, then run the same command again"
)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.TimeoutError as error:  # the pool's own, not of the kind that databases raise
        raise Unavailable(
            "no connection to the database came free: others keep them all",
            remedy="see what slows the database down, then run the same command again",
        ) from error
    except sa.exc.OperationalError as error:
        text = str(error.orig).strip()
        if "disk is full" in text:
            raise OutOfSpace(
                "no room left for the database",
                remedy="make room on its disk, then run the same command again",
            ) from error
        raise Unavailable(f"the database does not answer: {text}", remedy=_AWAY) from error
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable(
                f"the connection to the database was lost: {error.orig}", remedy=_AWAY
            ) from error
        raise
