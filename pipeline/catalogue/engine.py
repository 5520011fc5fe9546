"""Connections to SQLite and PostgreSQL, and the migrations that bring a database up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from pipeline.catalogue import MOST_THREADS, Catalogue
from pipeline.catalogue.sqlite import BUSY_SECONDS, begin_to_write, insist
from pipeline.errors import Misconfigured, Unavailable
from pipeline.settings import redacted

# Connections that are kept; further ones are closed when they are given back. SQLite has one for each thread: who
# waits for the one writer keeps its own for as long, and no reader is to wait for that. A PostgreSQL server has few for
# all processes, 100 unless it is told otherwise: threads wait for one another, for as long as a transaction takes.
# Of those of SQLite the one that was used last is used next, since it has most in its cache. That is of 4 MiB: many
# threads have many, what others commit empties them, and the system has the pages as well.
_SQLITE_KEPT, _POSTGRESQL_KEPT = 5, 10
_POSTGRESQL_MOST = 40
# Whoever writes when the log has grown to so many pages (16 MiB) brings them into the database, while others wait: the
# longer the log, the more often a page was changed that is then written once.
_GROWTH = "wal_autocheckpoint=4096"
_READ_ONLY = "25006"  # after a failover, or while it recovers (PostgreSQL, error codes)
_MIGRATION_LOCK = 0x48656164  # one number for all processes: "Head"


def open_catalogue(url: str) -> Catalogue:
    """The catalogue at a database URL, migrated. Raises `Misconfigured` for a URL that cannot be used, a place where
    SQLite cannot have its log, or a database of a later release; `Unavailable` where the server does not answer, or
    the disk refuses."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise Misconfigured(
            f"HEADRACE_DATABASE is not a database URL: {redacted(url)}",
            field="HEADRACE_DATABASE",
            remedy="use sqlite:///path or postgresql+psycopg://user@host/name",
        ) from None
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    try:
        _make_folder(parsed)
        _migrate(engine)
        return Catalogue(engine)
    except Misconfigured:
        engine.dispose()
        raise
    except sa.exc.OperationalError as away:
        engine.dispose()
        raise Unavailable(
            f"the database {redacted(url)} does not answer: {str(away.orig).strip()}",
            remedy="start the database server, or correct HEADRACE_DATABASE",
        ) from away
    except OSError as refused:
        engine.dispose()
        raise Unavailable(
            f"the disk of the database {redacted(url)} answers: {refused.strerror}",
            remedy="see that the disk is mounted, sound and writable, or correct HEADRACE_DATABASE",
        ) from refused


def _make_folder(url: sa.URL) -> None:
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        poolclass=sa.QueuePool,  # in memory, too, which is refused by name then
        pool_size=_SQLITE_KEPT,
        max_overflow=MOST_THREADS - _SQLITE_KEPT,
        pool_use_lifo=True,
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver's own transactions begin too late: a read that turns into a write would lose updates
        # made in between. The catalogue begins them itself, and waits for the one writer instead of failing.
        connection.isolation_level = None
        _keep_a_log(connection)
        # With NORMAL a commit is whole or not there after any crash, and may be lost with the power until the log is
        # flushed, which `Catalogue.write` waits for: SQLite itself would while nobody else may write.
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "cache_size=-4096", _GROWTH):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Where several open a new database at once SQLite refuses all but one of them at once: it cannot tell whether the
    lock that it would wait for waits for its own. Raises `Misconfigured` where it says that there is to be no log, as
    in memory, or on a disk without memory that processes share."""
    try:
        [mode] = insist(connection, "PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise Misconfigured(
                f"SQLite cannot keep a write-ahead log (WAL) where HEADRACE_DATABASE is, only: {mode}",
                field="HEADRACE_DATABASE",
                remedy="name a file on a disk of this machine, not in memory nor on a network, or use PostgreSQL",
            )
    except BaseException:
        connection.close()  # the pool does not know of it yet
        raise


def _postgresql(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "postgresql":
        raise Misconfigured(
            f"HEADRACE_DATABASE: {url.get_backend_name()} is not supported",
            field="HEADRACE_DATABASE",
            remedy="use sqlite:///path or postgresql+psycopg://user@host/name",
        )
    engine = sa.create_engine(
        url, pool_pre_ping=True, pool_size=_POSTGRESQL_KEPT, max_overflow=_POSTGRESQL_MOST - _POSTGRESQL_KEPT
    )

    @sa.event.listens_for(engine, "handle_error")
    def leave(context: sa.ExceptionContext) -> None:
        # It answers a ping, and is not the server to write to any more: the next connection may find that one.
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True

    return engine


def alembic_config() -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _migrate(engine: sa.Engine) -> None:
    """Bring the schema to its newest revision, one process at a time. Raises `Misconfigured` where it is of a later
    release."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == _scripts().get_current_head():
        return
    if current not in {None, *(one.revision for one in _scripts().walk_revisions())}:
        raise Misconfigured(
            f"the catalogue at {redacted(str(engine.url))} is of a later release of Headrace ({current})",
            field="HEADRACE_DATABASE",
            remedy="install that release here, too, or restore the backup from before the upgrade",
        )
    config = alembic_config()
    with _one_at_a_time(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@cache
def _scripts() -> ScriptDirectory:
    """The migrations. Each is compiled when they are read, which takes longer than the rest of opening a catalogue."""
    return ScriptDirectory.from_config(alembic_config())


@contextmanager
def _one_at_a_time(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        else:
            begin_to_write(connection)
        yield connection
