"""Plans and files on both databases: whatever is done twice is done once."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalogue import (
    Catalogue,
    Transaction,
    clearance,
    deposit_files,
    deposits,
    holdings,
    record_files,
    records,
    scans,
)
from pipeline.catalogue.deposit_files import FoundFile
from pipeline.errors import Conflict
from pipeline.lifecycle import DepositEvent
from pipeline.model import (
    Concept,
    DepositAction,
    DepositState,
    FileState,
    ScanStatus,
    ScanVerdict,
    SourceFile,
)
from tests.contracts import rows
from tests.contracts.rows import found, outcome


@pytest.fixture(autouse=True)
def _accession(catalogue: Catalogue) -> None:
    with catalogue.write() as tx:
        rows.add_accession(tx)


def planned(catalogue: Catalogue) -> list[str]:
    """Keys of files that are to be read."""
    with catalogue.read() as tx:
        return [one.key for one in deposit_files.planned(tx, "a1", below=1 << 40, after=0, limit=100)]


def counters(catalogue: Catalogue, deposit_id: int) -> tuple[int, int, int, int]:
    with catalogue.read() as tx:
        one = rows.deposit_of(tx, deposit_id)
    return one.files_total, one.bytes_total, one.files_open, one.files_bad


# ---------------------------------------------------------------- what is known


def test_a_key_never_seen_is_not_known(catalogue: Catalogue) -> None:
    """Nor is one of another collection."""
    with catalogue.write() as tx:
        records.add_concepts(tx, [Concept(1, "tides", "harbour")], now=rows.NOW)
        assert set(deposits.known(tx, "tides", ["harbour", "lighthouse"])) == {"harbour"}
        assert deposits.known(tx, "currents", ["harbour"]) == {}


def test_known_tells_the_latest_version_and_the_pending_deposit(catalogue: Catalogue) -> None:
    """Of those that have come to an end, none is pending."""
    with catalogue.write() as tx:
        records.add_concepts(tx, [Concept(1, "tides", "harbour")], now=rows.NOW)
        rows.add_record(tx, 2, concept_id=1)
        rows.add_record(tx, 3, concept_id=1, version=2)
        for state in (
            DepositState.HELD,
            DepositState.PUBLISHED,
            DepositState.UNCHANGED,
            DepositState.SUPERSEDED,
        ):
            rows.add_deposit(tx, 4, key="harbour", state=state)
        known = deposits.known(tx, "tides", ["harbour"])["harbour"]
        assert known.latest is not None
        assert (known.concept_id, known.latest.record_id) == (1, 3)
        assert known.pending is not None
        assert known.pending.state is DepositState.HELD


def test_ids_of_plan_lines_come_in_the_order_of_the_plan(catalogue: Catalogue) -> None:
    """However many are added at once."""
    line = {
        "accession_id": "a1", "concept_id": 1, "record_id": 2, "home": "staging/2", "action": DepositAction.NEW,
        "state": DepositState.PLANNED,
    }  # fmt: skip
    with catalogue.write() as tx:
        ids = deposits.add(tx, [{**line, "key": f"k{at}", "position": at} for at in range(300)])
        by_key = deposits.by_key(tx, "a1", [f"k{at}" for at in range(300)])
    assert ids == [by_key[f"k{at}"] for at in range(300)]


# ---------------------------------------------------------------- finding files


def test_what_is_in_custody_and_unchanged_is_not_read_again(catalogue: Catalogue) -> None:
    """Only what has another size, time or declared digest, or no time at all."""
    with catalogue.write() as tx:
        id_ = rows.add_deposit(tx)
        before = [
            found(id_, "same", md5="1"), found(id_, "size"), found(id_, "time"), found(id_, "declared"),
            found(id_, "timeless", mtime_ns=None),
        ]  # fmt: skip
        deposit_files.note_found(tx, before, run="one")
        deposit_files.count(tx, [id_])
        every = deposit_files.planned(tx, "a1", below=1 << 40, after=0, limit=100)
        deposit_files.settle(tx, [outcome(one.id) for one in every])
        after = [
            before[0], replace(before[1], size=2), replace(before[2], mtime_ns=6, stamp="6"),
            replace(before[3], declared={"md5": "1"}), before[4], found(id_, "new"),
        ]  # fmt: skip
        deposit_files.note_found(tx, after, run="two")
    assert planned(catalogue) == ["size", "time", "declared", "timeless", "new"]


def test_a_rejected_file_that_is_found_again_is_read_again(catalogue: Catalogue) -> None:
    """And so is a quarantined one: whoever asks for a retry has mended it, perhaps."""
    with catalogue.write() as tx:
        id_ = rows.add_deposit(tx)
        files = [found(id_, "rejected"), found(id_, "quarantined")]
        deposit_files.note_found(tx, files, run="one")
        deposit_files.count(tx, [id_])
        bad = deposit_files.planned(tx, "a1", below=1 << 40, after=0, limit=100)
        states = (FileState.REJECTED, FileState.QUARANTINED)
        deposit_files.settle(
            tx, [outcome(one.id, state=state) for one, state in zip(bad, states, strict=True)]
        )
    assert planned(catalogue) == []
    with catalogue.write() as tx:
        deposit_files.note_found(tx, files, run="two")
    assert planned(catalogue) == ["rejected", "quarantined"]


def test_files_that_are_gone_are_forgotten(catalogue: Catalogue) -> None:
    """Of the deposits that the run looked at."""
    with catalogue.write() as tx:
        one, other = rows.add_deposit(tx), rows.add_deposit(tx, 4, key="other")
        deposit_files.note_found(tx, [found(one, "a"), found(one, "b"), found(other, "c")], run="one")
        deposit_files.note_found(tx, [found(one, "a")], run="two")
        deposit_files.prune(tx, [one], run="two")
    assert planned(catalogue) == ["a", "c"]


def test_a_path_that_is_no_text_comes_back_byte_for_byte(catalogue: Catalogue) -> None:
    """As the source opens it."""
    path = os.fsdecode(b"caf\xe9/\xff\n")
    with catalogue.write() as tx:
        id_ = rows.add_deposit(tx)
        deposit_files.note_found(tx, [replace(found(id_, "key"), path=path)], run="one")
        [file] = deposit_files.planned(tx, "a1", below=1 << 40, after=0, limit=1)
    assert file.path == path


def test_large_files_come_first_and_every_file_once(catalogue: Catalogue) -> None:
    """Page by page, also where many have the same size."""
    with catalogue.write() as tx:
        id_ = rows.add_deposit(tx)
        sizes = [5, 50, 7, 50, 60, 50, 1, 70]
        deposit_files.note_found(
            tx, [found(id_, f"{at}", size=size) for at, size in enumerate(sizes)], run="r"
        )
        large: list[int] = []
        after = None
        while some := deposit_files.planned_large(tx, "a1", at_least=50, after=after, limit=2):
            large += [one.size for one in some]
            after = (some[-1].size, some[-1].id)
        small = [one.size for one in deposit_files.planned(tx, "a1", below=50, after=0, limit=100)]
    assert (large, small) == ([70, 60, 50, 50, 50], [5, 7, 1])


# ---------------------------------------------------------------- carrying over


def test_files_of_the_version_before_need_no_reading(catalogue: Catalogue) -> None:
    """Those of the same key, size, time and declared digests; doing it twice changes nothing."""
    with catalogue.write() as tx:
        first = rows.add_deposit(tx, 2)
        rows.take_in(tx, first, {"same": "d1", "size": "d2", "time": "d3"})
        rows.publish(tx, [first])
        second = rows.add_deposit(tx, 3, key="again", action="version", base_record_id=2)
        files = [
            found(second, "same"), found(second, "size", size=2), found(second, "time", mtime_ns=6),
            found(second, "new"),
        ]  # fmt: skip
        deposit_files.note_found(tx, files, run="two")
        for _ in range(2):
            deposit_files.carry_over(tx, [second])
            deposit_files.count(tx, [second])
    assert planned(catalogue) == ["size", "time", "new"]
    assert counters(catalogue, second) == (4, 5, 3, 0)


def publish_infected(tx: Transaction) -> None:
    """Record 2, with the files `good` (d1) and `bad` (d2)."""
    first = rows.add_deposit(tx, 2)
    rows.take_in(tx, first, {"good": "d1", "bad": "d2"})
    rows.publish(tx, [first])
    infected = ScanVerdict(ScanStatus.INFECTED, "test", signature="Test.Found")
    scans.give(tx, [("d2", infected)], now=rows.NOW)


def test_an_infected_file_of_the_version_before_is_read_again(catalogue: Catalogue) -> None:
    """Its bytes are judged anew; a plan says so, too."""
    with catalogue.write() as tx:
        publish_infected(tx)
        second = rows.add_deposit(tx, 3, key="again", action="version", base_record_id=2)
        deposit_files.note_found(tx, [found(second, "good"), found(second, "bad")], run="two")
        deposit_files.carry_over(tx, [second])
        assert set(holdings.in_records(tx, [(2, "good"), (2, "bad")])) == {(2, "good")}
    assert planned(catalogue) == ["bad"]


def test_bytes_that_were_found_infected_are_known_in_deposits_under_way(catalogue: Catalogue) -> None:
    """Whatever record has them; a deposit without one has to have it read again."""
    with catalogue.write() as tx:
        publish_infected(tx)
        second = rows.add_deposit(tx, 3, key="again")
        rows.take_in(tx, second, {"same": "d1", "renamed": "d2"})
        [known] = scans.known_infected(tx, [second])
        assert (known.path, known.signature, known.held_by) == ("source/renamed", "Test.Found", 2)
        clearance.reject(tx, [known])
        assert rows.deposit_of(tx, second).files_bad == 1
        assert scans.known_infected(tx, [second]) == []


# ---------------------------------------------------------------- the same file

SIGHTS = st.builds(
    SourceFile,
    record=st.just("record"),
    path=st.just("path"),
    key=st.just("key"),
    size=st.sampled_from([0, 1 << 40]),
    mtime_ns=st.none(),
    stamp=st.sampled_from(["", "5", 'W/"5é"']),
    declared=st.sampled_from(
        [{}, {"md5": "1"}, {"md5": "1", "sha256": "2"}, {"sha256": "2", "md5": "1"}, {"sha256": "1"}]
    ),
)
NUMBERS = itertools.count(10, 10)


def note_found(tx: Transaction, deposit_id: int, files: Mapping[str, SourceFile]) -> None:
    seen = [
        FoundFile(deposit_id, key, key, one.size, one.mtime_ns, one.stamp, one.declared)
        for key, one in files.items()
    ]
    deposit_files.note_found(tx, seen, run="run")
    deposit_files.count(tx, [deposit_id])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(SIGHTS, SIGHTS), min_size=10, max_size=30))
def test_every_way_to_compare_files_means_the_same_by_the_same(
    catalogue: Catalogue, sights: list[tuple[SourceFile, SourceFile]]
) -> None:
    """Which files of a deposit under way, and of the version before, a source has still: a plan on paper asks in
    Python, one that is carried out in the database."""
    before = {f"{at}": one for at, (one, _) in enumerate(sights)}
    now = {f"{at}": one for at, (_, one) in enumerate(sights)}
    number = next(NUMBERS)
    with catalogue.write() as tx:
        first, under_way = (
            rows.add_deposit(tx, id_, key=f"{id_}", concept_id=id_ + 5) for id_ in (number, number + 1)
        )
        for deposit_id in (first, under_way):
            note_found(tx, deposit_id, before)
            planned = deposit_files.planned(tx, "a1", below=1 << 50, after=0, limit=100)
            deposit_files.settle(tx, [outcome(one.id) for one in planned])
        rows.publish(tx, [first])
        second = rows.add_deposit(
            tx, number + 2, key=f"{number} again", concept_id=number + 7, base_record_id=number
        )
        held = holdings.in_deposits(tx, [(under_way, key) for key in now])
        of_base = holdings.in_records(tx, [(number, key) for key in now])
        for deposit_id in (under_way, second):
            note_found(tx, deposit_id, now)
        deposit_files.carry_over(tx, [second])
        kept = {*holdings.in_deposits(tx, [(id_, key) for id_ in (under_way, second) for key in now])}
        deposit_files.forget(tx, [under_way, second])
    assert kept == {
        (id_, key)
        for id_, files in ((under_way, held), (second, of_base))
        for (_, key), one in files.items()
        if one.is_same(now[key])
    }


# ---------------------------------------------------------------- settling


def test_settling_twice_counts_once(catalogue: Catalogue) -> None:
    """A unit may report twice; what it says the second time is not even written."""
    with catalogue.write() as tx:
        id_ = rows.add_deposit(tx)
        deposit_files.note_found(tx, [found(id_, "a"), found(id_, "b"), found(id_, "c")], run="r")
        deposit_files.count(tx, [id_])
        a, b, _ = deposit_files.planned(tx, "a1", below=1 << 40, after=0, limit=100)
        assert deposit_files.settle(tx, [outcome(a.id)]) == {a.id}
        bad = [outcome(a.id, state=FileState.REJECTED), outcome(b.id, state=FileState.REJECTED)]
        assert deposit_files.settle(tx, bad) == {b.id}
        assert deposit_files.settle(tx, bad) == set()
        assert deposit_files.settle(tx, []) == set()
    assert counters(catalogue, id_) == (3, 3, 1, 1)
    assert planned(catalogue) == ["c"]


def test_a_deposit_is_complete_when_no_file_is_open(catalogue: Catalogue) -> None:
    """In the order of the plan, and only planned ones."""
    with catalogue.write() as tx:
        late = rows.add_deposit(tx, 2, position=2)
        early = rows.add_deposit(tx, 4, position=1)
        waiting = rows.add_deposit(tx, 6, position=0)
        rows.add_deposit(tx, 8, position=3, state="held")
        deposit_files.note_found(tx, [found(waiting, "a")], run="r")
        deposit_files.count(tx, [waiting])
        assert [one.id for one in deposits.complete(tx, "a1", 10)] == [early, late]
        assert [one.id for one in deposits.complete(tx, "a1", 1)] == [early]


def test_an_illegal_step_changes_nothing(catalogue: Catalogue) -> None:
    """Of none of the deposits that were to take it."""
    with catalogue.write() as tx:
        id_ = rows.add_deposit(tx)
        rows.add_deposit(tx, 4, state="published")
        chosen = [rows.deposit_of(tx, id_), *deposits.in_state(tx, "a1", DepositState.PUBLISHED, 1)]
    with catalogue.write() as tx:
        with pytest.raises(Conflict):
            deposits.move(tx, chosen, DepositEvent.HOLD)
        assert deposits.tally(tx, "a1") == {DepositState.PLANNED: 1, DepositState.PUBLISHED: 1}


def test_a_deposit_takes_the_files_of_the_one_it_supersedes(catalogue: Catalogue) -> None:
    """With what became of them."""
    with catalogue.write() as tx:
        old = rows.add_deposit(tx, state="held")
        deposit_files.note_found(tx, [found(old, "a")], run="r")
        new = rows.add_deposit(tx, key="new")
        deposits.supersede(tx, rows.deposit_of(tx, old), new)
        assert rows.deposit_of(tx, old).state is DepositState.SUPERSEDED
        [file] = deposit_files.planned(tx, "a1", below=10, after=0, limit=10)
        assert file.deposit_id == new


# ---------------------------------------------------------------- becoming a record's


def held(catalogue: Catalogue, record_id: int) -> dict[str, tuple[int, str]]:
    """Key → (record version that brought the bytes, their content path)."""
    with catalogue.read() as tx:
        return {one.key: (one.holder, one.content) for one in record_files.files(tx, record_id)}


def test_bytes_that_a_record_has_twice_are_held_once(catalogue: Catalogue) -> None:
    """By the first key that has them; files of other bytes each hold their own."""
    with catalogue.write() as tx:
        id_ = rows.add_deposit(tx, 2)
        rows.take_in(tx, id_, {"b": "same", "a": "same", "c": "other"})
        rows.publish(tx, [id_])
        record = records.get(tx, 2)
    places = held(catalogue, 2)
    assert places["a"] == places["b"] != places["c"]
    assert (record.file_count, record.total_bytes) == (3, 3)


def test_bytes_that_the_work_has_already_are_held_by_the_version_that_brought_them(
    catalogue: Catalogue,
) -> None:
    """Over any number of versions, carried over or read again, under the same key or another."""
    with catalogue.write() as tx:
        first = rows.add_deposit(tx, 2)
        rows.take_in(tx, first, {"a": "d1", "b": "d2"})
        rows.publish(tx, [first])
        second = rows.add_deposit(tx, 3, key="second", base_record_id=2, action="version")
        rows.take_in(tx, second, {"moved": "d1", "new": "d3"})
        rows.publish(tx, [second], version=2)
        third = rows.add_deposit(tx, 4, key="third", base_record_id=3, action="version")
        rows.take_in(tx, third, {"back": "d2", "new again": "d3"}, mtime_ns=9)
        rows.publish(tx, [third], version=3)
    one, two, three = held(catalogue, 2), held(catalogue, 3), held(catalogue, 4)
    assert two["moved"] == one["a"]
    assert two["new"][0] == 3
    assert three["back"] == one["b"]
    assert three["new again"] == two["new"]


def test_works_share_no_bytes(catalogue: Catalogue) -> None:
    """Each object is whole in itself, also where both are published at once."""
    with catalogue.write() as tx:
        one = rows.add_deposit(tx, 2, concept_id=1)
        other = rows.add_deposit(tx, 4, concept_id=3)
        rows.take_in(tx, one, {"a": "same"})
        rows.take_in(tx, other, {"a": "same"})
        rows.publish(tx, [one, other])
    assert (held(catalogue, 2)["a"][0], held(catalogue, 4)["a"][0]) == (2, 4)


def test_rejected_files_become_nobodys(catalogue: Catalogue) -> None:
    """A partial record has only what is in custody."""
    with catalogue.write() as tx:
        id_ = rows.add_deposit(tx, 2)
        rows.take_in(tx, id_, {"good": "d1"})
        deposit_files.note_found(tx, [found(id_, "bad")], run="run")
        deposit_files.count(tx, [id_])
        [bad] = deposit_files.planned(tx, "a1", below=10, after=0, limit=10)
        deposit_files.settle(tx, [outcome(bad.id, state=FileState.REJECTED)])
        rows.publish(tx, [id_])
    assert set(held(catalogue, 2)) == {"good"}


@pytest.mark.parametrize(
    ("files", "differs"),
    [
        ({"a": "d1", "b": "d2"}, False),
        ({"a": "d1"}, True),
        ({"a": "d1", "b": "d3"}, True),
        ({"a": "d2", "b": "d1"}, True),
        ({"a": "d1", "b": "d2", "c": "d2"}, True),
        ({"a": "d1", "c": "d2"}, True),
    ],
)
def test_versions_differ_by_keys_and_digests(
    catalogue: Catalogue, files: dict[str, str], differs: bool
) -> None:
    """Not by times, nor by the order in which files come."""
    with catalogue.write() as tx:
        first = rows.add_deposit(tx, 2)
        rows.take_in(tx, first, {"a": "d1", "b": "d2"})
        rows.publish(tx, [first])
        second = rows.add_deposit(tx, 3, key="second", base_record_id=2, action="version")
        rows.take_in(tx, second, files, mtime_ns=9)
        assert deposits.differs_from_base(tx, rows.deposit_of(tx, second)) is differs


def test_publishing_a_version_moves_the_latest(catalogue: Catalogue) -> None:
    with catalogue.write() as tx:
        rows.add_record(tx, 2)
        rows.add_record(tx, 3, concept_id=1_000_002, version=2)
        older, newer = records.get(tx, 2), records.get(tx, 3)
    assert (older.is_latest, newer.is_latest) == (False, True)
