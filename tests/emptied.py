"""PostgreSQL databases for tests, one after the other: to empty one takes a tenth of what it takes to make one and to
drop it again, which are hundreds of files."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

_GRACE_SECONDS = 5.0
_FEW = 2_000
"""Rows. A database that had more is dropped: it would be left with statistics that are not those of a new one."""


class Databases:
    """Databases of the server at `server_url` that begin as `template`, which has few rows, and none that refers to
    another. Tests change rows in them, and no tables."""

    def __init__(self, server_url: str, template: str) -> None:
        self._server_url = server_url
        self._template = template
        self._free: list[str] = []
        with self._connected(template) as connection:
            self._rows = {table: _rows(connection, table) for table in _tables(connection)}

    @contextmanager
    def lent(self) -> Iterator[str]:
        """SQLAlchemy URL of a database with what the template has. Fails when a connection to it was left open. After
        an error it is not lent again."""
        name = self._free.pop() if self._free else self._made()
        yield self._url(name)
        self._await_nobody(name)
        if self._empty(name):
            self._free.append(name)
        else:
            with self._connected("postgres") as server:
                server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    def _made(self) -> str:
        name = f"test_{uuid.uuid4().hex}"
        making = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with self._connected("postgres") as server:
            server.execute(making.format(sql.Identifier(name), sql.Identifier(self._template)))
        return name

    def _await_nobody(self, name: str) -> None:
        """A connection that was closed may be there for a moment still."""
        asking = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
        )
        deadline = time.monotonic() + _GRACE_SECONDS
        with self._connected("postgres") as server:
            while server.execute(asking, [name]).fetchone() != (0,):
                assert time.monotonic() < deadline, f"a connection to {name} was left open"
                time.sleep(0.02)

    def _empty(self, name: str) -> bool:
        """Bring it back to what the template has; False where that is not worth it."""
        with self._connected(name) as connection:
            with connection.transaction():
                # No foreign key is looked at meanwhile.
                connection.execute("SET LOCAL session_replication_role = replica")
                used = {table: _deleted(connection, table) for table in self._rows}
                for table, rows in self._rows.items():
                    _restore(connection, table, rows)
                connection.execute(
                    "SELECT setval(quote_ident(sequencename)::regclass, start_value, false) FROM pg_sequences"
                    " WHERE schemaname = 'public' AND last_value IS NOT NULL"
                )
            if sum(used.values()) > _FEW:
                return False
            # Rows come to lie in the order in which they are written again.
            emptied = sql.SQL(", ").join(sql.Identifier(table) for table, number in used.items() if number)
            connection.execute(sql.SQL("VACUUM {}").format(emptied))
        return True

    @contextmanager
    def _connected(self, name: str) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self._url(name).replace("+psycopg", ""), autocommit=True) as connection:
            yield connection

    def _url(self, name: str) -> str:
        return self._server_url.replace("/postgres?", f"/{name}?")


def _tables(connection: psycopg.Connection) -> list[str]:
    return [
        name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]


def _rows(connection: psycopg.Connection, table: str) -> bytes:
    """As COPY gives them, in the order in which they lie."""
    with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:
        return b"".join(copy)


def _deleted(connection: psycopg.Connection, table: str) -> int:
    return connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table))).rowcount


def _restore(connection: psycopg.Connection, table: str, rows: bytes) -> None:
    if rows:
        with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
            copy.write(rows)
