"""Databases that tests have one after the other: nothing of one test is seen by the next."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests import emptied
from tests.emptied import Databases

TABLES = (
    "CREATE TABLE boat (id serial PRIMARY KEY, name text, built timestamptz)",
    "CREATE TABLE trip (boat integer NOT NULL REFERENCES boat)",
    r"INSERT INTO boat (id, name, built) VALUES (7, E'back\\slash\ttab', '2026-03-09 14:10+00'), (8, NULL, NULL)",
)
AFLOAT = [(7, "back\\slash\ttab"), (8, None)]


@pytest.fixture(scope="module")
def databases(postgres_url: str) -> Iterator[Databases]:
    name = f"template_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        with connected(postgres_url.replace("/postgres?", f"/{name}?")) as template:
            for statement in TABLES:
                template.execute(statement)
        yield Databases(postgres_url, name)
        server.execute(f"DROP DATABASE {name}")


def connected(url: str) -> closing[psycopg.Connection]:
    return closing(psycopg.connect(url.replace("+psycopg", ""), autocommit=True))


def boats(url: str) -> list[tuple[object, ...]]:
    with connected(url) as connection:
        return connection.execute("SELECT id, name FROM boat").fetchall()


def change(url: str, rows: int = 3) -> list[int]:
    """Change, remove and add rows: the numbers of those added."""
    with connected(url) as connection:
        connection.execute("UPDATE boat SET name = 'renamed' WHERE id = 7")
        connection.execute("DELETE FROM boat WHERE id = 8")
        connection.execute("INSERT INTO trip SELECT 7 FROM generate_series(1, %s)", [rows])
        return [
            number
            for (number,) in connection.execute("INSERT INTO boat (name) VALUES ('a'), ('b') RETURNING id")
        ]


def test_the_next_has_what_the_template_has(databases: Databases) -> None:
    seen = []
    for _ in range(3):
        with databases.lent() as url:
            assert boats(url) == AFLOAT
            assert change(url) == [1, 2]  # numbers begin anew
            seen.append(url)
    assert len(set(seen)) == 1, "it was to be used again"


def test_two_at_once_are_two(databases: Databases) -> None:
    with databases.lent() as one, databases.lent() as other:
        change(one)
        assert boats(other) == AFLOAT


def test_one_that_had_many_rows_is_not_used_again(databases: Databases) -> None:
    with databases.lent() as first:
        change(first, rows=5_000)
    with databases.lent() as second:
        assert second != first
        assert boats(second) == AFLOAT


def test_a_connection_that_is_left_open_fails_the_test(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptied, "_GRACE_SECONDS", 0.1)
    lending = databases.lent()
    with connected(lending.__enter__()), pytest.raises(AssertionError, match="left open"):
        lending.__exit__(None, None, None)
