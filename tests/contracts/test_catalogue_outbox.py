"""The outbox on both databases: whatever was wanted is brought about, by one at a time, however many die at it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pipeline.catalogue import Catalogue, accessions, outbox, tables
from pipeline.catalogue.outbox import Claim, Standing
from pipeline.model import EffectKind
from tests.contracts import rows

NOW = rows.NOW
LEASE = timedelta(minutes=5)
LATER = NOW + 2 * LEASE
INDEX = EffectKind.INDEX


def want(
    catalogue: Catalogue, *record_ids: int, now: datetime = NOW, accession_id: str | None = None
) -> None:
    with catalogue.write() as tx:
        outbox.want(tx, [(INDEX, one) for one in record_ids], now=now, accession_id=accession_id)


def claim(
    catalogue: Catalogue,
    owner: str,
    *,
    now: datetime = NOW,
    limit: int = 100,
    accession_id: str | None = None,
) -> list[Claim]:
    with catalogue.write() as tx:
        return outbox.claim(
            tx, INDEX, now=now, owner=owner, lease=LEASE, limit=limit, accession_id=accession_id
        )


def settle(catalogue: Catalogue, claims: list[Claim], owner: str) -> None:
    with catalogue.write() as tx:
        outbox.settle(tx, claims, owner=owner)


def ids(claims: list[Claim]) -> list[int]:
    return [one.record_id for one in claims]


def waiting(catalogue: Catalogue) -> int:
    with catalogue.read() as tx:
        return sum(one.due + one.parked for one in outbox.waiting(tx))


def test_what_is_wanted_is_handed_out_in_order_and_once(catalogue: Catalogue) -> None:
    """Up to a limit, the longest waiting first; settled, it is gone."""
    want(catalogue, 3, 1, 2)
    first = claim(catalogue, "one", limit=2)
    rest = claim(catalogue, "other")
    assert (ids(first), ids(rest), claim(catalogue, "third")) == ([3, 1], [2], [])
    settle(catalogue, first, "one")
    settle(catalogue, rest, "other")
    assert waiting(catalogue) == 0


def test_wanting_twice_is_wanting_once(catalogue: Catalogue) -> None:
    """An effect brings about a state, not a step."""
    want(catalogue, 1)
    want(catalogue, 1)
    assert ids(claim(catalogue, "one")) == [1]


def test_a_record_is_preserved_once_its_files_were_looked_into(catalogue: Catalogue) -> None:
    """Or a first attempt at that failed, or it takes hours: what is found is preserved with it. No other kind waits."""
    kinds = (EffectKind.EXAMINE, EffectKind.PRESERVE, INDEX)
    with catalogue.write() as tx:
        outbox.want(tx, [(kind, record_id) for record_id in (1, 2, 3) for kind in kinds], now=NOW)
        outbox.want(tx, [(EffectKind.PRESERVE, 4)], now=NOW)

    def handed_out(kind: EffectKind, now: datetime = NOW) -> list[int]:
        with catalogue.write() as tx:
            is_due = outbox.is_due(tx, [kind], now=now)
            found = outbox.claim(tx, kind, now=now, owner="one", lease=LEASE, limit=9)
        assert is_due == bool(found)
        return sorted(ids(found))

    with catalogue.write() as tx:
        looks = outbox.claim(tx, EffectKind.EXAMINE, now=NOW, owner="one", lease=LEASE, limit=9)
    assert handed_out(INDEX) == [1, 2, 3]
    assert handed_out(EffectKind.PRESERVE) == [4]
    with catalogue.write() as tx:
        first, second, _ = sorted(looks, key=lambda one: one.record_id)
        outbox.settle(tx, [first], owner="one")
        outbox.put_off(tx, second, owner="one", due=LATER, error="away", parked=False)
    assert handed_out(EffectKind.PRESERVE) == [1, 2]
    assert handed_out(EffectKind.PRESERVE, LATER) == [1, 2, 4]
    assert 3 in handed_out(EffectKind.PRESERVE, NOW + timedelta(hours=2))


def test_claimers_at_once_share_the_work(catalogue: Catalogue) -> None:
    """None of it is handed to two, none is left."""
    want(catalogue, *range(100))
    with ThreadPoolExecutor(8) as pool:
        shares = list(pool.map(lambda number: ids(claim(catalogue, f"owner {number}", limit=7)), range(24)))
    assert sorted(id_ for share in shares for id_ in share) == list(range(100))


def test_what_a_dead_claimer_held_is_handed_out_again(catalogue: Catalogue) -> None:
    """When its lease has ended, not before."""
    want(catalogue, 1)
    claim(catalogue, "dead")
    assert claim(catalogue, "living", now=NOW + LEASE) == []
    assert ids(claim(catalogue, "living", now=LATER)) == [1]


def test_a_lease_can_be_prolonged_by_its_owner(catalogue: Catalogue) -> None:
    """And by nobody else."""
    want(catalogue, 1)
    claims = claim(catalogue, "one")
    with catalogue.write() as tx:
        outbox.renew(tx, claims, owner="other", until=NOW)
        outbox.renew(tx, claims, owner="one", until=LATER + LEASE)
    assert claim(catalogue, "other", now=LATER) == []


def test_what_is_wanted_anew_meanwhile_stays(catalogue: Catalogue) -> None:
    """The state that was brought about is not the one that is wanted now; it can be claimed at once."""
    want(catalogue, 1)
    claims = claim(catalogue, "one")
    want(catalogue, 1)
    assert claim(catalogue, "other") == []
    settle(catalogue, claims, "one")
    assert ids(claim(catalogue, "other")) == [1]


def test_a_failed_effect_is_due_later(catalogue: Catalogue) -> None:
    """With a count of its attempts and the reason."""
    want(catalogue, 1)
    [failed] = claim(catalogue, "one")
    with catalogue.write() as tx:
        outbox.put_off(tx, failed, owner="one", due=NOW + LEASE, error="away", parked=False)
        assert not outbox.is_due(tx, [INDEX], now=NOW)
        assert outbox.is_due(tx, [INDEX], now=NOW + LEASE)
        assert not outbox.is_due(tx, [EffectKind.REGISTER], now=NOW + LEASE)
    assert claim(catalogue, "other") == []
    [again] = claim(catalogue, "other", now=NOW + LEASE)
    assert again.attempts == 1


def test_a_parked_effect_waits_for_somebody_to_release_it(catalogue: Catalogue) -> None:
    """Visible, with its reason, and never due by itself."""
    want(catalogue, 1)
    [failed] = claim(catalogue, "one")
    with catalogue.write() as tx:
        outbox.put_off(tx, failed, owner="one", due=NOW, error="refused", parked=True)
    assert claim(catalogue, "other", now=LATER) == []
    with catalogue.write() as tx:
        [parked] = outbox.parked(tx)
        assert (parked.record_id, parked.attempts, parked.error) == (1, 1, "refused")
        assert outbox.release(tx, now=LATER) == 1
    [again] = claim(catalogue, "other", now=LATER)
    assert again.attempts == 0


@pytest.mark.parametrize("word", ["\0", "\ud800", "\x1b[2J"])
def test_whatever_a_server_says_can_be_kept(catalogue: Catalogue, word: str) -> None:
    """What no database takes, or a terminal would obey, is written out, and of a page the beginning is kept."""
    want(catalogue, 1)
    [failed] = claim(catalogue, "one")
    with catalogue.write() as tx:
        said = f"refused: {word} " + "<p>sorry</p>\n" * 1000
        outbox.put_off(tx, failed, owner="one", due=NOW, error=said, remedy=word, parked=True)
        [parked] = outbox.parked(tx)
    assert parked.error.startswith(r"refused: \x")
    assert len(parked.error) == 1000
    assert parked.remedy.startswith(r"\x")


def test_wanting_a_parked_effect_frees_it(catalogue: Catalogue) -> None:
    """What was refused may be accepted as it is now."""
    want(catalogue, 1)
    [failed] = claim(catalogue, "one")
    with catalogue.write() as tx:
        outbox.put_off(tx, failed, owner="one", due=NOW, error="refused", parked=True)
    want(catalogue, 1)
    assert ids(claim(catalogue, "other")) == [1]


def test_a_failure_says_nothing_of_what_is_wanted_anew(catalogue: Catalogue) -> None:
    """An effect that was refused, and wanted anew meanwhile, is tried in its new state: not parked, not put off."""
    want(catalogue, 1)
    [failed] = claim(catalogue, "one")
    want(catalogue, 1)
    with catalogue.write() as tx:
        outbox.put_off(tx, failed, owner="one", due=LATER, error="refused", parked=True)
    [again] = claim(catalogue, "other")
    assert again.attempts == 0


def test_who_lost_the_lease_puts_nothing_off(catalogue: Catalogue) -> None:
    """It is in the hands of another, who is not disturbed."""
    want(catalogue, 1)
    [slow] = claim(catalogue, "slow")
    claim(catalogue, "quick", now=LATER)
    with catalogue.write() as tx:
        outbox.put_off(tx, slow, owner="slow", due=LATER, error="timeout", parked=True)
    assert claim(catalogue, "third", now=LATER) == []
    with catalogue.read() as tx:
        assert outbox.parked(tx) == []


def test_who_lost_the_lease_settles_nothing(catalogue: Catalogue) -> None:
    """What was settled by another and is wanted again since is not what it did."""
    want(catalogue, 1)
    slow = claim(catalogue, "slow")
    settle(catalogue, claim(catalogue, "quick", now=LATER), "quick")
    want(catalogue, 1)
    settle(catalogue, slow, "slow")
    assert waiting(catalogue) == 1


def test_a_run_brings_its_own_effects_about(catalogue: Catalogue) -> None:
    """The dispatcher takes those of an accession only when no run works on it."""
    with catalogue.write() as tx:
        rows.add_accession(tx)
        accessions.lease(tx, "a1", owner="run", now=NOW, length=LEASE)
    want(catalogue, 1, accession_id="a1")
    want(catalogue, 2)
    assert ids(claim(catalogue, "dispatcher")) == [2]
    with catalogue.read() as tx:
        assert not outbox.is_due(tx, [INDEX], now=NOW)
        assert outbox.is_due(tx, [INDEX], now=NOW, accession_id="a1")
        assert not outbox.is_due(tx, [EffectKind.PRESERVE], now=NOW, accession_id="a1")
    assert ids(claim(catalogue, "run", accession_id="a1")) == [1]
    want(catalogue, 3, accession_id="a1")
    assert ids(claim(catalogue, "dispatcher", now=LATER)) == [1, 2, 3]


def test_what_waits_is_counted_by_kind(catalogue: Catalogue) -> None:
    """With the parked ones apart."""
    with catalogue.write() as tx:
        outbox.want(tx, [(kind, 1) for kind in EffectKind], now=NOW)
        outbox.want(tx, [(INDEX, 2)], now=LATER)
    [first, *_] = claim(catalogue, "one")
    with catalogue.write() as tx:
        outbox.put_off(tx, first, owner="one", due=NOW, error="x", parked=True)
        counted = {one.kind: one for one in outbox.waiting(tx)}
    assert set(counted) == set(EffectKind)
    assert (counted[INDEX].due, counted[INDEX].parked) == (1, 1)


def test_how_effects_stand_is_told_by_kind(catalogue: Catalogue) -> None:
    """Each effect is one of waiting, under way, put off and parked; the oldest is none that is parked; a lease that has
    ended holds nothing."""
    for number in range(1, 6):
        want(catalogue, number, now=NOW + timedelta(seconds=number))
    begun = NOW + timedelta(minutes=1)
    parked, put_off, *_ = claim(catalogue, "one", now=begun, limit=3)
    with catalogue.write() as tx:
        outbox.put_off(tx, parked, owner="one", due=begun, error="refused", parked=True)
        outbox.put_off(tx, put_off, owner="one", due=LATER, error="away", parked=False)
        [now] = outbox.standing(tx, now=begun)
        [after] = outbox.standing(tx, now=LATER)
    assert now == Standing(
        INDEX,
        waiting=2,
        under_way=1,
        put_off=1,
        parked=1,
        oldest=NOW + timedelta(seconds=2),
        next_due=LATER,
    )
    assert after == replace(now, waiting=4, under_way=0, put_off=0, next_due=None)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_how_effects_stand_is_read_from_an_index(catalogue: Catalogue) -> None:
    """A million may wait: what Prometheus asks for reads no row of them, and the list of those parked no others."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if "FROM outbox" in statement:
            asked.append((statement, parameters))

    sa.event.listen(catalogue._engine, "before_cursor_execute", note)
    with catalogue.read() as tx:
        outbox.standing(tx, now=NOW)
        outbox.parked(tx)
        standing, parked = (
            " ".join(row.detail for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
            for statement, parameters in list(asked)
        )
    assert "USING COVERING INDEX ix_outbox_standing" in standing
    assert "USING INDEX ix_outbox_standing (kind=? AND parked=?)" in parked


def test_effects_are_released_one_by_one(catalogue: Catalogue) -> None:
    """Those that failed; what never was tried is due as it is."""
    want(catalogue, 1, 2, 3, 4)
    failed = claim(catalogue, "one", limit=3)
    with catalogue.write() as tx:
        for one in failed:
            outbox.put_off(tx, one, owner="one", due=LATER, error="x", parked=one.record_id != 3)
        assert outbox.known(tx, [failed[0].id, 4711]) == {failed[0].id}
        assert outbox.release(tx, now=NOW, ids=[failed[0].id]) == 1
        assert [one.record_id for one in outbox.parked(tx)] == [2]
        assert outbox.release(tx, now=NOW, kind=EffectKind.MAIL) == 0
        assert outbox.release(tx, now=NOW) == 2
    assert sorted((one.record_id, one.attempts) for one in claim(catalogue, "other")) == [
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 0),
    ]


OWNERS = st.sampled_from(["one", "other"])
RECORDS = st.integers(1, 3)


class Dispatching(RuleBasedStateMachine):
    """Two dispatchers, either of which may die or be slow at any point. The world outside has for each record the
    state that was wanted when an effect was last brought about."""

    catalogue: Catalogue

    def __init__(self) -> None:
        super().__init__()
        with self.catalogue.write() as tx:
            tx.execute(sa.delete(tables.outbox))
        self.now = NOW
        self.wanted: dict[int, int] = {}
        self.outside: dict[int, int] = {}
        self.held: dict[str, list[Claim]] = {"one": [], "other": []}
        self.did: dict[str, list[Claim]] = {"one": [], "other": []}

    @rule(record_id=RECORDS)
    def want(self, record_id: int) -> None:
        self.wanted[record_id] = self.wanted.get(record_id, 0) + 1
        want(self.catalogue, record_id, now=self.now)

    @rule(owner=OWNERS)
    def claim(self, owner: str) -> None:
        """Whatever it had claimed before is forgotten, as by one that was killed and started again."""
        self.held[owner] = claim(self.catalogue, owner, now=self.now, limit=2)

    @rule(owner=OWNERS)
    def bring_about(self, owner: str) -> None:
        self.outside |= {one.record_id: self.wanted[one.record_id] for one in self.held[owner]}
        self.did[owner] = self.held[owner]

    @rule(owner=OWNERS)
    def settle(self, owner: str) -> None:
        """Long after having brought it about, maybe."""
        settle(self.catalogue, self.did[owner], owner)
        self.did[owner] = []

    @rule(owner=OWNERS, parked=st.booleans())
    def fail(self, owner: str, parked: bool) -> None:
        with self.catalogue.write() as tx:
            for one in self.held[owner]:
                outbox.put_off(tx, one, owner=owner, due=self.now + LEASE, error="x", parked=parked)
        self.held[owner] = []

    @rule(minutes=st.integers(1, 20))
    def pass_time(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        with self.catalogue.read() as tx:
            noted = set(tx.execute(sa.select(tables.outbox.c.record_id)).scalars())
        assert {one for one, state in self.wanted.items() if self.outside.get(one) != state} <= noted

    def teardown(self) -> None:
        self.now += timedelta(days=1)
        with self.catalogue.write() as tx:
            outbox.release(tx, now=self.now)
        last = claim(self.catalogue, "last", now=self.now)
        self.outside |= {one.record_id: self.wanted[one.record_id] for one in last}
        assert self.outside == self.wanted


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_effect_is_lost_whoever_dies(catalogue: Catalogue) -> None:
    """In any order of wanting, claiming, doing, failing, dying and waiting, the world ends as it was wanted last."""
    machine = type("Machine", (Dispatching,), {"catalogue": catalogue})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=20, stateful_step_count=20, deadline=None)
    )
