"""The truth about records while the system runs; the only SQLAlchemy in the project.

A use case opens one transaction (`catalogue.write()`) and hands it to the functions of the sub-modules;
everything it does in there happens whole or not at all. `Transaction` is opaque to everyone else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import sqlalchemy as sa

from pipeline.errors import OutOfSpace, Unavailable

Transaction: TypeAlias = sa.Connection

MOST_THREADS = 168
"""Threads of one process that use a catalogue at once, each in one transaction at a time."""


_TURN_SECONDS = 60.0


class Catalogue:
    """Hands out transactions on one database. Threads and processes may share the database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that may write. Raises `Unavailable` where the database is away, stays locked, or is so slow
        that no connection to it comes free."""
        with _translated(), self._taking_turns(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A snapshot to read from; whatever is written through it is lost."""
        with _translated(), self._engine.connect() as connection:
            options: dict[str, object] = {"headrace_reading": True}
            if self._engine.dialect.name == "postgresql":
                options["isolation_level"] = "REPEATABLE READ"
            yield connection.execution_options(**options)

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        """SQLite has one writer, and whoever waits for it looks again and again, ever more seldom, while others get
        ahead. Threads of one process wait in line instead."""
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=_TURN_SECONDS):
            raise Unavailable(
                "the database does not answer: another thread keeps writing to it", remedy=_AWAY
            )
        try:
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
