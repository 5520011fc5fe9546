"""The truth about records while the system runs; the only SQLAlchemy in the project.

A use case opens one transaction (`catalogue.write()`) and hands it to the functions of the sub-modules;
everything it does in there happens whole or not at all. `Transaction` is opaque to everyone else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import sqlalchemy as sa

from pipeline.catalogue import sqlite
from pipeline.catalogue.sqlite import Glance
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
        self._watching = sqlite.Watching(engine) if is_sqlite else None
        self._log = None if self._watching is None else sqlite.log(self._watching)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that may write. Raises `Unavailable` where the database is away, stays locked, or is so slow
        that no connection to it comes free. Once its disk has refused to flush, nothing is written any more: all
        would see what the power takes back."""
        with _translated():
            with self._taking_turns(), self._engine.begin() as connection:
                if self._turn is not None:
                    sqlite.begin_to_write(connection)
                yield connection
            if self._log is not None:
                # Not while others wait for their turn, who write meanwhile and share the next flush.
                self._log.wait()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A snapshot to read from; whatever is written through it is lost."""
        with _translated(), self._engine.connect() as connection:
            if self._turn is not None:
                sqlite.begin_to_read(connection)
                yield connection
            else:
                yield connection.execution_options(isolation_level="REPEATABLE READ")

    def state(self) -> int | None:
        """A number that is another whenever anything was committed, by any process, since it was asked for last: asking
        takes microseconds, and never waits. None where a database cannot tell like that, or not just now. For one
        thread."""
        return None if self._watching is None else self._watching.state()

    def glance(self, at: Glance, **values: str | int) -> Any:
        """The first row of what is asked for, as quickly, for the same thread; None where there is none, and where the
        database cannot tell."""
        return None if self._watching is None else self._watching.glance(at, values)

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
