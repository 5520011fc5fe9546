"""The catalogue on SQLite and on PostgreSQL: schema, transactions, ids, accessions."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pipeline.catalogue import (
    MOST_THREADS,
    Catalogue,
    Transaction,
    accessions,
    communities,
    dois,
    identifiers,
    records,
    tables,
)
from pipeline.catalogue.accessions import Stage
from pipeline.catalogue.dois import WantedDoi
from pipeline.catalogue.engine import open_catalogue
from pipeline.errors import Conflict, Misconfigured, Missing, Unavailable
from pipeline.model import AccessionState, Outcome, Problem
from tests.contracts import rows

NOW = rows.NOW
HALF_A_MINUTE = timedelta(seconds=30)


def run_side_by_side(program: str, url: str, number: int = 4) -> None:
    """Run a program in several processes at once. Each reads its database URL from its arguments, says `ready`, and
    begins when a line comes in; all have to end well."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(number)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error


def failing(catalogue: Catalogue, action: Callable[[Transaction], object]) -> None:
    """A transaction that fails after `action`."""
    with catalogue.write() as tx:
        action(tx)
        raise ZeroDivisionError


# ---------------------------------------------------------------- schema


def test_the_migrations_make_the_schema_of_the_code(catalogue: Catalogue) -> None:
    """Alembic finds no difference between a migrated database and the tables that the code speaks of."""
    with catalogue.write() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_a_database_of_a_later_release_is_refused(catalogue: Catalogue, database_url: str) -> None:
    """Whoever goes back to an older release is told so, and nothing is written."""
    with catalogue.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = 'later'"))
    with pytest.raises(Misconfigured, match="later release") as refused:
        open_catalogue(database_url)
    assert "backup" in refused.value.remedy


def test_the_migrations_make_every_check_of_the_code(catalogue: Catalogue) -> None:
    """Which Alembic does not compare."""
    with catalogue.read() as tx:
        inspected = sa.inspect(tx)
        for name, table in tables.metadata.tables.items():
            wanted = {one.name for one in table.constraints if isinstance(one, sa.CheckConstraint)}
            assert {one["name"] for one in inspected.get_check_constraints(name)} == wanted, name


OPEN_AND_USE = """
import sys
from pipeline.catalogue import identifiers
from pipeline.catalogue.engine import open_catalogue
print("ready", flush=True)
sys.stdin.readline()
catalogue = open_catalogue(sys.argv[1])
with catalogue.write() as tx:
    identifiers.allot(tx, 5)
catalogue.close()
"""


def test_processes_may_open_a_new_sqlite_file_at_once(tmp_path: Path) -> None:
    """One of them migrates it, the others wait and use it."""
    run_side_by_side(OPEN_AND_USE, f"sqlite:///{tmp_path}/catalogue.sqlite")
    with (
        closing(open_catalogue(f"sqlite:///{tmp_path}/catalogue.sqlite")) as catalogue,
        catalogue.read() as tx,
    ):
        assert identifiers.high_water_mark(tx) == 20


def test_processes_may_open_a_new_postgresql_database_at_once(postgres_database: str) -> None:
    """As on SQLite."""
    run_side_by_side(OPEN_AND_USE, postgres_database)
    with closing(open_catalogue(postgres_database)) as catalogue, catalogue.read() as tx:
        assert identifiers.high_water_mark(tx) == 20


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/x", ""])
def test_a_url_that_cannot_be_used_is_the_operators_to_mend(url: str) -> None:
    """And names the setting."""
    with pytest.raises(Misconfigured) as refused:
        open_catalogue(url)
    assert refused.value.field == "HEADRACE_DATABASE"


def test_a_server_that_does_not_answer_is_unavailable_and_keeps_its_secret(tmp_path: Path) -> None:
    """The password is not told."""
    with pytest.raises(Unavailable) as away:
        open_catalogue(f"postgresql+psycopg://me:secret@/archive?host={tmp_path}")
    assert "secret" not in str(away.value)


def test_whoever_waits_to_write_goes_on_as_soon_as_the_other_has_written(tmp_path: Path) -> None:
    """On SQLite, which would have a thread look again ten times a second, however long it has waited."""
    with closing(open_catalogue(f"sqlite:///{tmp_path}/catalogue.sqlite")) as catalogue:
        waits = sorted(_wait_behind_a_writer(catalogue) for _ in range(7))
    assert waits[3] < 0.02


def _wait_behind_a_writer(catalogue: Catalogue) -> float:
    """Seconds from the end of one write to the beginning of another, which had waited for it longer than SQLite looks
    often."""
    begun = list[float]()

    def write() -> None:
        with catalogue.write() as tx:
            begun.append(time.monotonic())
            identifiers.allot(tx, 1)

    other = threading.Thread(target=write)
    with catalogue.write() as tx:
        identifiers.allot(tx, 1)
        other.start()
        time.sleep(0.4)
    ended = time.monotonic()
    other.join()
    return begun[0] - ended


# ---------------------------------------------------------------- transactions


def test_a_failed_transaction_leaves_nothing(catalogue: Catalogue) -> None:
    """It happens whole or not at all."""
    with pytest.raises(ZeroDivisionError):
        failing(catalogue, rows.add_accession)
    with catalogue.read() as tx, pytest.raises(Missing):
        accessions.get(tx, "a1")


def test_what_is_written_through_a_reader_is_lost(catalogue: Catalogue) -> None:
    """Reading never changes anything."""
    with catalogue.read() as tx:
        rows.add_accession(tx)
    with catalogue.read() as tx, pytest.raises(Missing):
        accessions.get(tx, "a1")


def test_a_reader_sees_one_moment(catalogue: Catalogue) -> None:
    """Whatever is committed meanwhile; and it holds up no writer."""
    with catalogue.read() as tx:
        before = identifiers.high_water_mark(tx)
        with catalogue.write() as other:
            identifiers.allot(other, 3)
        assert identifiers.high_water_mark(tx) == before
    with catalogue.read() as tx:
        assert identifiers.high_water_mark(tx) == before + 3


def test_every_thread_of_the_gateway_gets_a_connection(catalogue: Catalogue) -> None:
    """On SQLite none waits for the connection of another; on PostgreSQL there are 40, and others wait their turn."""
    at_once = MOST_THREADS if catalogue.describe().startswith("sqlite") else 40
    meeting = threading.Barrier(at_once, timeout=60)

    def read() -> None:
        with catalogue.read() as tx:
            tx.execute(sa.text("SELECT 1"))
            meeting.wait()

    with ThreadPoolExecutor(MOST_THREADS) as threads:
        for done in [threads.submit(read) for _ in range(2 * at_once)]:
            done.result()


def test_who_writes_a_little_gets_in_between_those_who_write_on_and_on(tmp_path: Path) -> None:
    """SQLite, which has no queue of writers, lets in who looks at the right moment. Here that is some milliseconds
    between transactions of ten times that, as of a bulk ingest in a process of its own."""
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    done, met = 0, set[int]()
    with closing(open_catalogue(url)) as bulk, closing(open_catalogue(url)) as people:

        def write_on_and_on() -> None:
            nonlocal done
            for _ in range(40):
                with bulk.write():
                    time.sleep(0.05)
                done += 1
                time.sleep(0.005)

        with ThreadPoolExecutor(1) as thread:
            writing = thread.submit(write_on_and_on)
            while not writing.done():
                with people.write():
                    met.add(done)
            writing.result()
    assert len(met) > 25, "it got in after too few of 40 transactions"


def test_a_database_without_a_free_connection_is_unavailable(tmp_path: Path) -> None:
    """That is no bug: the gateway answers 503, and a run waits. Its state is told all the same."""
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    open_catalogue(url).close()
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    with closing(Catalogue(engine)) as catalogue, catalogue.read():
        assert catalogue.state() is not None
        with pytest.raises(Unavailable, match="came free") as full:
            catalogue.ping()
    assert full.value.remedy


def test_a_database_that_went_away_is_unavailable(tmp_path: Path) -> None:
    """And the operator is told which setting says where it should be."""
    (tmp_path / "disk").mkdir()
    with closing(open_catalogue(f"sqlite:///{tmp_path}/disk/catalogue.sqlite")) as catalogue:
        catalogue.close()
        (tmp_path / "disk").rename(tmp_path / "unmounted")
        with pytest.raises(Unavailable, match="does not answer") as away:
            catalogue.ping()
    assert "HEADRACE_DATABASE" in away.value.remedy


def test_times_need_a_zone_and_come_back_in_utc(catalogue: Catalogue) -> None:
    """Which SQLite would forget."""
    with catalogue.write() as tx:
        rows.add_accession(tx)
    with catalogue.read() as tx:
        assert accessions.get(tx, "a1").started == NOW
        assert accessions.get(tx, "a1").started.tzinfo is not None
    with pytest.raises(sa.exc.StatementError, match="zone"), catalogue.write() as tx:
        accessions.change(tx, "a1", finished=datetime(2026, 1, 1))  # noqa: DTZ001


def test_no_update_is_lost_between_processes(tmp_path: Path) -> None:
    """On SQLite a transaction that reads and then writes is begun as a writer: of 4 processes that count, none
    overwrites another's count."""
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    open_catalogue(url).close()
    program = """
import sys
import sqlalchemy as sa
from pipeline.catalogue.engine import open_catalogue
from pipeline.catalogue.tables import sequence
catalogue = open_catalogue(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(40):
    with catalogue.write() as tx:
        before = tx.execute(sa.select(sequence.c.value)).scalar_one()
        tx.execute(sa.update(sequence).values(value=before + 1))
catalogue.close()
"""
    run_side_by_side(program, url)
    with closing(open_catalogue(url)) as catalogue, catalogue.read() as tx:
        assert identifiers.high_water_mark(tx) == 160


# ---------------------------------------------------------------- ids


def test_no_id_is_given_twice(catalogue: Catalogue) -> None:
    """To however many ask at once; within a block they follow each other."""

    def ask(number: int) -> list[int]:
        with catalogue.write() as tx:
            return list(identifiers.allot(tx, 1 + number % 3))

    with ThreadPoolExecutor(8) as pool:
        blocks = list(pool.map(ask, range(60)))
    given = [id_ for block in blocks for id_ in block]
    assert sorted(given) == list(range(1, len(given) + 1))
    assert all(block == list(range(block[0], block[0] + len(block))) for block in blocks)


def test_ids_are_given_in_a_transaction_or_not_at_all(catalogue: Catalogue) -> None:
    """None of a transaction that failed was seen by anybody."""
    with pytest.raises(ZeroDivisionError):
        failing(catalogue, lambda tx: identifiers.allot(tx, 10))
    with catalogue.write() as tx:
        assert list(identifiers.allot(tx, 0)) == []
        assert list(identifiers.allot(tx, 2)) == [1, 2]
        assert identifiers.high_water_mark(tx) == 2


# ---------------------------------------------------------------- invariants


def _second_latest(tx: Transaction) -> None:
    tx.execute(sa.update(tables.record).values(is_latest=True))


def _version_twice(tx: Transaction) -> None:
    rows.add_record(tx, 7, concept_id=1_000_001, version=2)


def _withdrawn_without_tombstone(tx: Transaction) -> None:
    tx.execute(sa.update(tables.record).where(tables.record.c.id == 1).values(state="withdrawn"))


def _unknown_state(tx: Transaction) -> None:
    tx.execute(sa.update(tables.record).where(tables.record.c.id == 1).values(state="hidden"))


def _version_zero(tx: Transaction) -> None:
    tx.execute(sa.update(tables.record).where(tables.record.c.id == 1).values(version=0))


def _record_without_work(tx: Transaction) -> None:
    rows.add_record(tx, 8, concept_id=999)


def _work_twice(tx: Transaction) -> None:
    for id_ in (20, 21):
        tx.execute(
            sa.insert(tables.concept).values(id=id_, collection="tides", key="harbour", owner="", created=NOW)
        )


def _sealed_with_open_files(tx: Transaction) -> None:
    rows.add_deposit(tx, state="sealed", files_open=1)


def _sealed_without_description(tx: Transaction) -> None:
    # Not JSON's null, but none at all.
    rows.add_deposit(tx, state="sealed", description=sa.null())


def _custody_without_digest(tx: Transaction) -> None:
    deposit_id = rows.add_deposit(tx)
    tx.execute(
        sa.insert(tables.deposit_file).values(
            deposit_id=deposit_id, run="r", key="a", path=b"a", size=1, declared={}, state="in-custody"
        )
    )


def _second_stamper(tx: Transaction) -> None:
    tx.execute(sa.insert(tables.stamper).values(id=2, last=NOW))


@pytest.mark.parametrize(
    "breach",
    [
        _second_latest, _version_twice, _withdrawn_without_tombstone, _unknown_state, _version_zero,
        _record_without_work, _work_twice, _sealed_with_open_files, _sealed_without_description,
        _custody_without_digest, _second_stamper,
    ],
)  # fmt: skip
def test_the_database_itself_keeps_invariants(
    catalogue: Catalogue, breach: Callable[[Transaction], None]
) -> None:
    """No code can skip them."""
    with catalogue.write() as tx:
        rows.add_accession(tx)
        rows.add_record(tx, 1)
        rows.add_record(tx, 2, concept_id=1_000_001, version=2)
    with pytest.raises(sa.exc.IntegrityError), catalogue.write() as tx:
        breach(tx)


# ---------------------------------------------------------------- accessions


def test_a_collection_has_one_unfinished_accession(catalogue: Catalogue) -> None:
    """The second is a conflict, however close they come; when the first has ended there may be another."""
    together = 8

    def begin(number: int) -> bool:
        try:
            with catalogue.write() as tx:
                rows.add_accession(tx, f"a{number}")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(together) as pool:
        assert sum(pool.map(begin, range(together))) == 1
    with catalogue.write() as tx:
        under_way = accessions.unfinished(tx, "tides")
        assert under_way is not None
        accessions.change(tx, under_way.id, state=AccessionState.COMPLETED)
        assert accessions.unfinished(tx, "tides") is None
        rows.add_accession(tx, "next")


def test_an_accession_is_worked_on_by_one_run(catalogue: Catalogue) -> None:
    """Whoever has the lease may prolong it; another waits until it was given back or ran out."""
    with catalogue.write() as tx:
        rows.add_accession(tx)
        accessions.lease(tx, "a1", owner="one", now=NOW, length=HALF_A_MINUTE)
        accessions.lease(tx, "a1", owner="one", now=NOW + HALF_A_MINUTE, length=HALF_A_MINUTE)
        with pytest.raises(Conflict):
            accessions.lease(tx, "a1", owner="other", now=NOW + HALF_A_MINUTE, length=HALF_A_MINUTE)
        accessions.lease(tx, "a1", owner="other", now=NOW + 3 * HALF_A_MINUTE, length=HALF_A_MINUTE)
        accessions.unlease(tx, "a1", owner="one")
        with pytest.raises(Conflict):
            accessions.lease(tx, "a1", owner="one", now=NOW + 3 * HALF_A_MINUTE, length=HALF_A_MINUTE)
        accessions.unlease(tx, "a1", owner="other")
        accessions.lease(tx, "a1", owner="one", now=NOW + 3 * HALF_A_MINUTE, length=HALF_A_MINUTE)


def test_a_report_counts_what_it_lists(catalogue: Catalogue) -> None:
    """What was superseded by a later accession is in neither."""
    with catalogue.write() as tx:
        rows.add_accession(tx)
        old = rows.add_deposit(tx, state="superseded")
        kept = rows.add_deposit(tx, 4, key="kept")
        said = Problem("p", "r", Outcome.REJECTED, "code", "why")
        accessions.report(tx, "a1", Stage.INTAKE, [(old, said), (kept, said), (None, said)])
        assert len(list(accessions.problems(tx, "a1"))) == 2
        assert sum(accessions.problem_counts(tx, "a1").values()) == 2


def test_what_is_found_anew_takes_back_what_was_said_before(catalogue: Catalogue) -> None:
    """Stage by stage, and of chosen deposits only where these are named."""
    with catalogue.write() as tx:
        rows.add_accession(tx)
        one, other = rows.add_deposit(tx), rows.add_deposit(tx, 4, key="other")
        said = Problem("p", "r", Outcome.REJECTED, "code", "why")
        accessions.report(tx, "a1", Stage.SURVEY, [(one, said)])
        accessions.report(tx, "a1", Stage.INTAKE, [(one, said), (other, said)])
        accessions.retract(tx, "a1", Stage.INTAKE, [one])
        assert len(list(accessions.problems(tx, "a1"))) == 2
        accessions.retract(tx, "a1", Stage.SURVEY)
        assert accessions.problems_of(tx, [one, other]) == list(accessions.problems(tx, "a1")) == [said]


# ---------------------------------------------------------------- communities, DOIs


def test_a_community_is_made_once(catalogue: Catalogue) -> None:
    """By whoever comes first of many at once; works join it once."""

    def ensure(_: int) -> bool:
        with catalogue.write() as tx:
            return communities.ensure(tx, "tides", title="Tides", now=NOW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ensure, range(8))) == 1
    with catalogue.write() as tx:
        rows.add_record(tx, 1)
        tides = communities.get(tx, "tides").id
        communities.include(tx, [(1_000_001, tides)])
        communities.include(tx, [(1_000_001, tides)])
        assert [one.slug for one in communities.of_concepts(tx, [1_000_001])[1_000_001]] == ["tides"]


def test_a_doi_keeps_what_it_stands_for(catalogue: Catalogue) -> None:
    """Wanting it anew changes the wanted state alone; names are found in any case."""
    with catalogue.write() as tx:
        rows.add_record(tx, 1)
        dois.want(tx, [WantedDoi("10.1/a", 1_000_001, 1, "findable")])
        of_work = WantedDoi("10.1/c", 1_000_001, None, "findable")
        dois.want(tx, [WantedDoi("10.1/a", 77, 88, "registered"), of_work])
        assert dois.of_concepts(tx, [1_000_001]) == [
            WantedDoi("10.1/a", 1_000_001, 1, "registered"),
            of_work,
        ]
        assert (records.resolve_doi(tx, "10.1/A"), records.resolve_doi(tx, "10.1/C")) == (1, 1)
        assert dois.taken(tx, ["10.1/a", "10.1/z"]) == {"10.1/a": 1_000_001}
        with pytest.raises(Missing):
            records.resolve_doi(tx, "10.1/z")


def test_any_commit_changes_the_state_of_a_catalogue(catalogue: Catalogue, database_url: str) -> None:
    """Be it another process's; nothing else does. A database that is asked over a network has none."""
    if not database_url.startswith("sqlite"):
        assert catalogue.state() is None
        return
    seen = catalogue.state()
    with closing(open_catalogue(database_url)) as others:
        for one in (catalogue, others):
            with one.write() as tx:
                identifiers.allot(tx, 1)
                assert catalogue.state() == seen
            assert catalogue.state() == catalogue.state() != seen
            seen = catalogue.state()
        with pytest.raises(ZeroDivisionError):
            failing(others, lambda tx: identifiers.allot(tx, 1))
        others.ping()
        assert catalogue.state() == seen


def test_a_server_that_became_read_only_is_away_and_left(postgres_catalogue: str) -> None:
    """After a failover connections lead to what is a standby by now: the next one is made anew."""
    with closing(open_catalogue(postgres_catalogue)) as catalogue:
        with catalogue.write() as tx:
            tx.execute(sa.text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        with pytest.raises(Unavailable, match="read-only"), catalogue.write() as tx:
            tx.execute(sa.text("UPDATE doi_pace SET failures = 1"))
        with catalogue.write() as tx:
            assert tx.execute(sa.text("UPDATE doi_pace SET failures = 0")).rowcount == 1
