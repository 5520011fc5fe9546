"""DOIs in the catalogue, and the pace at which they are put, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.catalogue import Catalogue, doi_rate, dois, outbox, records
from pipeline.catalogue.dois import Shown, WantedDoi
from pipeline.model import Concept, DoiState, EffectKind, Tombstone
from pipeline.pid.pace import after, granted, room
from tests.contracts import rows

NOW = rows.NOW
FINDABLE, REGISTERED = DoiState.FINDABLE, DoiState.REGISTERED
RATE = 100
EFFECT = EffectKind.REGISTER


@pytest.fixture
def works(catalogue: Catalogue) -> Catalogue:
    """Two works: one of two versions, the newer of which was withdrawn, and one with a DOI of its own."""
    with catalogue.write() as tx:
        records.add_concepts(tx, [Concept(1), Concept(2)], now=NOW)
        rows.add_record(tx, 11, concept_id=1)
        rows.add_record(tx, 12, concept_id=1, version=2)
        rows.add_record(tx, 21, concept_id=2)
        records.withdraw(tx, 12, Tombstone("test-record", "", "admin@archive.example", NOW))
        rows.bring_about_all(tx)
        dois.want(
            tx,
            [
                WantedDoi("10.5072/a.1", 1, None, FINDABLE),
                WantedDoi("10.5072/a.11", 1, 11, FINDABLE),
                WantedDoi("10.5072/a.12", 1, 12, REGISTERED),
                WantedDoi("10.1000/brought", 2, 21, FINDABLE, external=True),
            ],
        )
    return catalogue


def test_what_is_not_as_it_shall_be_is_told_with_what_keeps_it(works: Catalogue) -> None:
    """Of a work the version that describes it is named; what somebody brought is not ours to tell of."""
    with works.write() as tx:
        outbox.want(tx, [(EFFECT, 11)], now=NOW)
        [claim] = outbox.claim(tx, EFFECT, now=NOW, owner="a", lease=timedelta(minutes=5), limit=9)
        outbox.put_off(tx, claim, owner="a", due=NOW, error="no", remedy="mend it", parked=True)
        dois.note_seen(tx, {"10.5072/a.12": (REGISTERED, "d")}, now=NOW)
    with works.read() as tx:
        found, everything, parked = (
            dois.statuses(tx, shown, limit=9) for shown in (Shown.LEFT, Shown.ALL, Shown.PARKED)
        )
        assert dois.statuses(tx, Shown.ALL, limit=2) == everything[:2]
        assert (dois.count(tx, Shown.LEFT), dois.count(tx, Shown.ALL)) == (2, 3)
        named = dois.named(tx, ["10.5072/a.12"])
    assert [(one.name, one.record_id, one.is_parked) for one in found] == [
        ("10.5072/a.1", 11, True),
        ("10.5072/a.11", 11, True),
    ]
    assert {(one.error, one.remedy, one.since, one.attempts) for one in found} == {("no", "mend it", NOW, 1)}
    assert parked == found
    assert [one.name for one in everything] == ["10.5072/a.1", "10.5072/a.11", "10.5072/a.12"]
    assert [(one.seen, one.seen_at) for one in named] == [(REGISTERED, NOW)]


def test_those_unseen_for_longest_come_first(works: Catalogue) -> None:
    """And none that was never put, or that somebody brought."""
    with works.write() as tx:
        dois.note_seen(tx, {"10.5072/a.12": (REGISTERED, "d")}, now=NOW)
        dois.note_seen(tx, {"10.5072/a.11": (FINDABLE, "d")}, now=NOW + timedelta(hours=1))
        assert dois.longest_unseen(tx, before=NOW + timedelta(days=1), limit=9) == [12, 11]
        assert dois.longest_unseen(tx, before=NOW + timedelta(minutes=1), limit=9) == [12]
        dois.note_turn(tx, 11, now=NOW + timedelta(hours=2))
        assert dois.longest_unseen(tx, before=NOW + timedelta(hours=2), limit=9) == [12]
        dois.note_seen(tx, {"10.5072/a.11": (FINDABLE, "d")}, now=NOW + timedelta(hours=1))
        dois.doubt(tx, "10.5072/a.12", now=NOW + timedelta(hours=2))
        assert dois.longest_unseen(tx, before=NOW + timedelta(days=1), limit=9) == [11, 12]
        assert {one.name: one.seen for one in dois.of_concepts(tx, [1])}["10.5072/a.12"] is None


def test_effects_of_some_records_are_released(works: Catalogue) -> None:
    """And of no others, nor of another kind."""
    with works.write() as tx:
        outbox.want(tx, [(EFFECT, 11), (EFFECT, 12), (EffectKind.INDEX, 11)], now=NOW)
        for claim in [
            *outbox.claim(tx, EFFECT, now=NOW, owner="a", lease=timedelta(minutes=5), limit=9),
            *outbox.claim(tx, EffectKind.INDEX, now=NOW, owner="a", lease=timedelta(minutes=5), limit=9),
        ]:
            outbox.put_off(tx, claim, owner="a", due=NOW, error="no", parked=True)
        assert outbox.release(tx, now=NOW, kind=EFFECT, record_ids={11}) == 1
        assert {(one.kind, one.record_id) for one in outbox.parked(tx)} == {
            (EFFECT, 12),
            (EffectKind.INDEX, 11),
        }
        assert outbox.wanted(tx, EFFECT, {11, 12, 13}) == {11, 12}
        assert outbox.wanted(tx, EFFECT, {11, 12, 13}, parked=True) == {12}
        assert outbox.wanted(tx, EFFECT, {11, 12, 13}, parked=False) == {11}


def test_what_was_withdrawn_is_claimed_first(works: Catalogue) -> None:
    """With all that registers its work, however long others wait; until it is hidden."""
    lease = timedelta(minutes=5)
    with works.write() as tx:
        outbox.want(tx, [(EFFECT, 21)], now=NOW - timedelta(days=1))
        outbox.want(tx, [(EFFECT, 12), (EFFECT, 11)], now=NOW)
        first = outbox.claim(tx, EFFECT, now=NOW, owner="a", lease=lease, limit=2)
        assert {one.record_id for one in first} == {11, 12}
        outbox.give_back(tx, first, owner="a")
        dois.note_seen(tx, {"10.5072/a.12": (REGISTERED, None)}, now=NOW)
        [next_] = outbox.claim(tx, EFFECT, now=NOW, owner="a", lease=lease, limit=1)
        assert next_.record_id == 21


def test_those_who_ask_at_once_are_granted_no_more_than_one(catalogue: Catalogue) -> None:
    """However many they are, together they get what one would."""

    def take(_: int) -> int:
        with catalogue.write() as tx:
            kept = doi_rate.hold(tx)
            number = min(room(kept, RATE, NOW), 2)
            doi_rate.keep(tx, granted(kept, number, RATE, NOW))
            return number

    with catalogue.read() as tx:
        alone = room(doi_rate.look(tx), RATE, NOW)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(24))) == alone


def test_a_registry_that_rests_can_be_asked_at_once(catalogue: Catalogue) -> None:
    """Where an operator says so; what was granted already stays granted."""
    with catalogue.write() as tx:
        resting = after(
            granted(doi_rate.hold(tx), 5, RATE, NOW), NOW, answered=False, wait=timedelta(hours=1)
        )
        doi_rate.keep(tx, resting)
        doi_rate.lift(tx, now=NOW)
        assert doi_rate.look(tx) == replace(resting, rests_until=NOW, failures=0)
