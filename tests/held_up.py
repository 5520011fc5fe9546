"""Holding up transactions on PostgreSQL at a lock, so that a test decides how two of them interleave."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

_PATIENCE = 20.0


@contextmanager
def held_up(database_url: str, lock: str) -> Iterator[Callable[[int], None]]:
    """Whoever needs what the statement `lock` locks waits until the block ends, and with it what the statement did.
    Calling what is given waits until that many transactions wait, for this lock or for one another."""
    url = database_url.replace("+psycopg", "")
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as watcher:
        holder.execute(lock)  # type: ignore[call-overload]

        def until_waiting(number: int) -> None:
            deadline = time.monotonic() + _PATIENCE
            while (found := _waiting(watcher)) < number:
                assert time.monotonic() < deadline, f"{found} transactions wait instead of {number}"
                time.sleep(0.01)

        try:
            yield until_waiting
        finally:
            holder.rollback()


def _waiting(watcher: psycopg.Connection) -> int:
    [number] = watcher.execute(
        "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN"
        " (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
    ).fetchone() or (0,)
    return int(number)
