"""Records with many files: what the number of them must not cost. How long all takes with 100,000 of them
`loadtests.bench_many_files` measures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from loadtests.bench_many_files import fill
from pipeline import dispatch
from pipeline.catalogue import record_files
from tests.archive import UNSCANNED, Archive
from tests.statements import counted_statements
from tests.system.over_http.contract.depositor import Depositor, path_of

FEW, MANY = 50, 1_000
_STEPS_AT_ONCE = 10

Deposition = dict[str, Any]


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """The last number is how many instructions SQLite has carried out meanwhile: what time it takes tells little."""
    counts, seen = [0], set()

    def tick() -> None:
        counts[-1] += _STEPS_AT_ONCE

    def watch(connection: sa.Connection, *_: object) -> None:
        seen.add(connection.connection.dbapi_connection)
        connection.connection.dbapi_connection.set_progress_handler(tick, _STEPS_AT_ONCE)

    sa.event.listen(sa.Engine, "before_cursor_execute", watch)
    try:
        yield counts
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", watch)
        for one in seen:
            one.set_progress_handler(None, 0)


def cost(act: Callable[[], object]) -> tuple[int, int]:
    """Statements, and instructions of SQLite."""
    with counted_statements() as asked, counted_steps() as steps:
        act()
    return len(asked), steps[-1]


@pytest.fixture
def drafts(archive: Archive, ida: Depositor) -> tuple[Deposition, Deposition]:
    """One with few files and one with many."""
    made = ida.create(), ida.create()
    for deposition, number in zip(made, (FEW, MANY), strict=True):
        fill(archive.services, deposition["id"], range(number))
    return made


def test_adding_a_file_costs_the_same_however_many_there_are(
    ida: Depositor, drafts: tuple[Deposition, Deposition]
) -> None:
    """As many statements, and within them no more work than an index that is one level deeper."""
    few, many = (cost(lambda one=one: ida.put(one, "one-more.csv")) for one in drafts)
    assert few[0] == many[0]
    assert many[1] < 1.2 * few[1]


def test_publishing_and_showing_ask_as_much_however_many_files_there_are(
    ida: Depositor, drafts: tuple[Deposition, Deposition]
) -> None:
    """The draft, its publication, the landing page and the record's JSON."""

    def pages(deposition: Deposition) -> Iterator[tuple[str, int]]:
        number = deposition["id"]
        yield "draft", cost(lambda: ida.send("GET", deposition["links"]["self"]))[0]
        yield "publish", cost(lambda: ida.publish(deposition))[0]
        for path in (f"/records/{number}", f"/api/records/{number}", deposition["links"]["self"]):
            yield path.replace(str(number), "…"), cost(lambda path=path: ida.send("GET", path))[0]

    few, many = (dict(pages(one)) for one in drafts)
    assert few == many


def test_publishing_costs_as_much_a_file_however_many_there_are(
    ida: Depositor, drafts: tuple[Deposition, Deposition]
) -> None:
    """Nothing in it looks at all files for each file."""
    few, many = (cost(lambda one=one: ida.publish(one))[1] for one in drafts)
    assert many / MANY < 1.2 * few / FEW


def test_looking_into_a_file_costs_the_same_however_many_there_are(
    archive: Archive, ida: Depositor, drafts: tuple[Deposition, Deposition]
) -> None:
    """What the *examine* effect does for each file of a record, drafted or published, noting verdicts included."""

    def examining(deposition: Deposition) -> int:
        ida.publish(deposition)
        return cost(lambda: dispatch.drain(archive.services, [dispatch.EffectKind.EXAMINE]))[1]

    few, many = map(examining, drafts)
    assert many / MANY < 1.2 * few / FEW
    with archive.services.catalogue.read() as tx:
        listed = record_files.files(tx, drafts[1]["id"])
    assert len(listed) == MANY
    assert all(one.scan.engine != UNSCANNED.engine for one in listed)


def test_a_bucket_lists_all_its_files(ida: Depositor, drafts: tuple[Deposition, Deposition]) -> None:
    """However many, in the order of their names, indented where that is asked for, in a document like any other."""
    _, many = drafts
    ida.put(many, "one-more.csv")
    for query in ("", "?prettyprint=1"):
        bucket = ida.client.get(path_of(many["links"]["bucket"]) + query).json()
        keys = [one["key"] for one in bucket["contents"]]
        assert keys == sorted(keys)
        assert len(keys) == MANY + 1
        assert bucket["size"] == sum(one["size"] for one in bucket["contents"])
        assert bucket["links"]["self"] == many["links"]["bucket"]


def test_a_bucket_without_files_lists_none(ida: Depositor) -> None:
    assert ida.send("GET", ida.create()["links"]["bucket"]).json()["contents"] == []
