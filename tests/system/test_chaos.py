"""A collection of large and small files is ingested on S3 and PostgreSQL by processes of which one after the other is
killed, at every stage: what comes of it is what comes of an undisturbed run, and little is read twice."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest

from pipeline.model import JsonObject
from tests.blows import KILLED, STAGES, Blow, Victim, blows
from tests.command import Instance, Running, wait_until
from tests.counting import Counter
from tests.faults import Trap
from tests.final_state import final_state
from tests.random_collection import MIB, Collection, make_collection
from tests.site import KEYS, WORKERS, Site, site

DONE, STOPPED = 0, 4

PARTS_IN_FLIGHT = 5
IN_HAND = PARTS_IN_FLIGHT * 16 * MIB
"""Bytes that a worker may have read and that nobody knows to be safe: of a large file four parts that are sent and
one that is filled, more than a batch of small files has here."""

LOSES_FILES_IN_HAND = {
    Victim.WORKER: 1,
    Victim.NANNY: WORKERS,
    Victim.SCHEDULER: WORKERS,
    Victim.FLOW: WORKERS,
    Victim.S3: WORKERS,
    Victim.POSTGRES: WORKERS,
    Victim.PREFECT: 0,
    Victim.DISPATCHER: 0,
}
"""How many workers may have to read again what they had in hand."""


@dataclass(frozen=True, slots=True)
class Size:
    seed: int
    large: tuple[int, ...]
    small: int
    kills: int


SHORT = Size(seed=7, large=(72 * MIB + 5, 48 * MIB), small=600, kills=9)
LONG = Size(seed=1, large=(*[512 * MIB + 1] * 6, 256 * MIB, 100 * MIB), small=12_000, kills=20)


@pytest.fixture(scope="module")
def running_site(tmp_path_factory: pytest.TempPathFactory, prefect_files: Path) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site"), prefect_files) as running:
        yield running


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SHORT, id="short", marks=pytest.mark.timeout(900)),
        pytest.param(LONG, id="long", marks=[pytest.mark.chaos, pytest.mark.timeout(7200)]),
    ],
)
def test_kills_cost_time_and_nothing_else(
    size: Size,
    running_site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """With kills at every stage, and a stop of S3 and of PostgreSQL, the final state is that of an undisturbed run;
    what is read again is bounded by what was in hand at each; nothing is orphaned, left open or there twice."""
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    collection = make_collection(tmp_path / "collection", size.seed, large=size.large, small=size.small)
    once, expected = undisturbed(running_site, collection, tmp_path)
    assert once == collection.size + collection.documents
    planned = blows(size.seed, size.kills)
    trap, counter = Trap(tmp_path / "trap", *(blow.at for blow in planned)), Counter(tmp_path / "count")
    with running_site.instance("disturbed", {**counter.environment, **trap.environment}) as instance:
        ingest_under_blows(running_site, instance, collection, planned, trap)
        checked = instance.run("check", "--storage", "--json")
        assert checked.code == DONE, checked.out
    assert [str(blow) for number, blow in enumerate(planned) if trap.sprung(number) is None] == []
    assert final_state(instance.home, **running_site.settings("disturbed")) == expected
    again = counter.bytes_read() - once
    record_property("bytes read again", again)
    assert 0 <= again <= IN_HAND * sum(LOSES_FILES_IN_HAND[blow.victim] for blow in planned)


def undisturbed(at: Site, collection: Collection, folder: Path) -> tuple[int, JsonObject]:
    """The bytes that a run reads which nobody disturbs, and the state that it leaves: who does the work makes no
    difference to them."""
    counter = Counter(folder / "count-undisturbed")
    instance = at.instance_alone("undisturbed", counter.environment)
    ended = instance.run(*arguments(collection))
    assert ended.code == DONE, ended.err
    assert is_at_rest(at, "undisturbed")
    return counter.bytes_read(), final_state(instance.home, **at.settings("undisturbed"))


def arguments(collection: Collection) -> list[str]:
    return ["ingest", str(collection.folder), "--collection", "chaos", "--json"]


def ingest_under_blows(
    at: Site, instance: Instance, collection: Collection, planned: list[Blow], trap: Trap
) -> None:
    """Run the same ingest until it comes to its end and all of its effects are brought about; strike each blow when
    somebody gets to its point."""
    left = set(range(len(planned)))

    def strike_due(flow: Running) -> None:
        for number in sorted(left):
            if met := trap.sprung(number):
                left.remove(number)
                at.strike(planned[number].victim, flow, met.pid)
                trap.let_go(number)
        at.tend()

    def is_over(flow: Running) -> bool:
        strike_due(flow)  # also the dispatcher may get to a point
        return is_at_rest(at, "disturbed")

    while True:
        with instance.start(*arguments(collection)) as flow:
            while flow.process.poll() is None:
                strike_due(flow)
                time.sleep(0.02)
            ended = flow.end()
            if ended.code in (-signal.SIGKILL, STOPPED):
                continue
            assert ended.code == DONE, ended.err
            at.await_all()
            wait_until(partial(is_over, flow), "the last effects")
            return


def is_at_rest(at: Site, name: str) -> bool:
    """Whether every effect was brought about, as far as the database can be asked."""
    with (
        suppress(psycopg.OperationalError),
        psycopg.connect(at.settings(name)["database"].replace("+psycopg", "")) as connection,
    ):
        return connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    return False


def test_the_long_form_strikes_everybody_at_every_stage() -> None:
    """Its plan has each stage and each victim."""
    planned = blows(LONG.seed, LONG.kills)
    assert {blow.stage for blow in planned} == set(STAGES)
    assert {blow.victim for blow in planned} == set(Victim)
    assert sum(blow.victim in KILLED for blow in planned) == LONG.kills
