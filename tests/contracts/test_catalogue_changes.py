"""What changes of records, on both databases: all that shows it is wanted in the same breath."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.catalogue import Catalogue, Transaction, accounts, outbox, records
from pipeline.errors import Conflict, Missing
from pipeline.lifecycle import RecordEvent, record_steps
from pipeline.model import EffectKind, RecordState, Tombstone
from tests.contracts import rows

NOW = rows.NOW
OWNER = "ida@pier.example"
GONE = Tombstone("test-record", "", "admin@archive.example", NOW)
BESIDE = [
    RecordEvent.GAIN_VERSION,
    RecordEvent.CHANGE_COMMUNITIES,
    RecordEvent.PURGE,
    RecordEvent.EXAMINE,
    RecordEvent.EXTRACT,
    RecordEvent.REWORD,
]


def wanted(tx: Transaction, record_id: int) -> set[EffectKind]:
    return {kind for kind in EffectKind if outbox.wanted(tx, kind, [record_id])}


@pytest.mark.parametrize(
    "tell",
    [
        lambda tx, event, id_: records.tell(tx, event, [id_], now=NOW),
        lambda tx, event, id_: records.tell_works(tx, event, [1_000_000 + id_], now=NOW),
    ],
    ids=["record", "work"],
)
@pytest.mark.parametrize("event", BESIDE)
def test_whatever_shows_a_change_is_wanted_with_it(
    catalogue: Catalogue, event: RecordEvent, tell: Callable[[Transaction, RecordEvent, int], None]
) -> None:
    """What the record's state asks for, and nothing for any other; what waits already is wanted anew."""
    with catalogue.write() as tx:
        for one in (1, 2, 3):
            rows.add_record(tx, one)
        records.withdraw(tx, 2, GONE)
        rows.bring_about_all(tx)
        before = {one: records.get(tx, one).change for one in (1, 2, 3)}
        steps = record_steps(event)
        for _ in range(2):
            tell(tx, event, 1)
            tell(tx, event, 2)
        assert wanted(tx, 1) == set(steps[RecordState.PUBLISHED][1])
        assert wanted(tx, 2) == set(steps[RecordState.WITHDRAWN][1])
        assert wanted(tx, 3) == set()
        after = {one: records.get(tx, one).change for one in (1, 2, 3)}
        assert after == {1: before[1] + 2, 2: before[2] + 2, 3: before[3]}
        again = outbox.claim(
            tx, EffectKind.REGISTER, now=NOW, owner="one", lease=timedelta(minutes=5), limit=9
        )
        assert {one.generation for one in again} <= {2}


def test_what_was_asked_for_besides_the_changed_is_left_out(catalogue: Catalogue) -> None:
    with catalogue.write() as tx:
        rows.add_record(tx, 1)
        rows.add_record(tx, 2, concept_id=1_000_001, version=2)
        records.tell_works(tx, RecordEvent.CHANGE_COMMUNITIES, [1_000_001], besides=[2], now=NOW)
        assert (EffectKind.ANNOUNCE in wanted(tx, 1), wanted(tx, 2)) == (True, set())


def test_search_hears_of_an_account_that_was_made_later(catalogue: Catalogue) -> None:
    """All records of its address name it from then on."""
    with catalogue.write() as tx:
        for one, owner in ((1, OWNER), (2, OWNER), (3, "")):
            rows.add_record(tx, one)
            rows.give(tx, one, owner)
        records.withdraw(tx, 2, GONE)
        rows.bring_about_all(tx)
        accounts.create_account(tx, OWNER.upper(), admin=False, now=NOW)
        assert [wanted(tx, one) for one in (1, 2, 3)] == [{EffectKind.INDEX}, set(), set()]


def test_what_cannot_happen_changes_nothing(catalogue: Catalogue) -> None:
    """And says so."""
    with catalogue.write() as tx:
        rows.add_record(tx, 1)
        with pytest.raises(Conflict, match="published"):
            records.restore(tx, 1, now=NOW)
        records.withdraw(tx, 1, GONE)
        rows.bring_about_all(tx)
        before = records.get(tx, 1)
        with pytest.raises(Conflict, match="withdrawn"):
            records.withdraw(tx, 1, GONE)
        with pytest.raises(Conflict, match="withdrawn"):
            records.revise(tx, 1, {"description": {}}, now=NOW)
        with pytest.raises(Missing):
            records.withdraw(tx, 9, GONE)
        assert (records.get(tx, 1), wanted(tx, 1)) == (before, set())
