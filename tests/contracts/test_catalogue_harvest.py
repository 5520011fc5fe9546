"""Datestamps on both databases: however slowly a stamper commits, no harvester goes past it."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from pipeline.catalogue import Catalogue, Transaction, communities, harvest, tables
from pipeline.errors import Conflict
from tests.contracts import rows

NOW = rows.NOW
LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


def announce(catalogue: Catalogue, *record_ids: int, now: datetime = NOW, owner: str = "one") -> datetime:
    with catalogue.write() as tx:
        stamp = harvest.open_stamper(tx, owner=owner, now=now, lease=LEASE)
    with catalogue.write() as tx:
        harvest.stamp(tx, record_ids, owner=owner, datestamp=stamp)
    return stamp


def open_(catalogue: Catalogue, owner: str, now: datetime) -> datetime:
    with catalogue.write() as tx:
        return harvest.open_stamper(tx, owner=owner, now=now, lease=LEASE)


def horizon(catalogue: Catalogue, now: datetime) -> datetime:
    with catalogue.read() as tx:
        return harvest.horizon(tx, now=now)


def add_records(catalogue: Catalogue, number: int) -> None:
    with catalogue.write() as tx:
        for id_ in range(1, number + 1):
            rows.add_record(tx, id_)


def test_there_is_one_stamper_at_a_time(catalogue: Catalogue) -> None:
    """Another takes over when its lease has ended; it then gives no stamp any more."""
    add_records(catalogue, 1)
    slow = open_(catalogue, "slow", NOW)
    with pytest.raises(Conflict):
        open_(catalogue, "other", NOW + LEASE - SECOND)
    open_(catalogue, "other", NOW + LEASE)
    with pytest.raises(Conflict), catalogue.write() as tx:
        harvest.stamp(tx, [1], owner="slow", datestamp=slow)
    with catalogue.read() as tx:
        assert harvest.earliest(tx) is None


def test_stamps_never_go_back(catalogue: Catalogue) -> None:
    """Though a stamper's clock does; they are whole seconds."""
    add_records(catalogue, 2)
    first = announce(catalogue, 1, now=NOW + timedelta(seconds=10, microseconds=999_999))
    assert announce(catalogue, 2, now=NOW, owner="other") == first == NOW + timedelta(seconds=10)


def test_nothing_is_shown_beside_an_open_stamper(catalogue: Catalogue) -> None:
    """Nor later than it, until it has closed."""
    add_records(catalogue, 1)
    stamp = open_(catalogue, "one", NOW)
    assert horizon(catalogue, NOW + timedelta(hours=1)) == NOW - SECOND
    with catalogue.write() as tx:
        harvest.stamp(tx, [1], owner="one", datestamp=stamp)
    assert horizon(catalogue, NOW + timedelta(hours=1)) > NOW


def test_pages_give_each_record_once_in_order(catalogue: Catalogue) -> None:
    """By datestamp and id, both ends inclusive, whatever the size of a page."""
    add_records(catalogue, 9)
    announce(catalogue, 9, 3, 5, now=NOW)
    announce(catalogue, 1, 7, 2, now=NOW + SECOND)
    announce(catalogue, 4, now=NOW + 2 * SECOND)
    with catalogue.read() as tx:
        for limit in (1, 2, 100):
            assert _pages(tx, NOW, NOW + SECOND, limit) == [3, 5, 9, 1, 2, 7]
        assert _pages(tx, NOW + SECOND, NOW + SECOND, 2) == [1, 2, 7]
        assert _pages(tx, None, NOW + 9 * SECOND, 2) == [3, 5, 9, 1, 2, 7, 4]
        assert harvest.count(tx, start=NOW, until=NOW + SECOND, community=None) == 6
        assert harvest.earliest(tx) == NOW


def test_a_set_holds_the_works_of_its_community(catalogue: Catalogue) -> None:
    """With all their versions, and no others."""
    add_records(catalogue, 3)
    with catalogue.write() as tx:
        rows.add_record(tx, 4, concept_id=1_000_002, version=2)
        communities.ensure(tx, "tides", title="Tides", now=NOW)
        communities.include(tx, [(1_000_002, communities.get(tx, "tides").id)])
    announce(catalogue, 1, 2, 3, 4)
    with catalogue.read() as tx:
        page = harvest.page(tx, start=None, until=NOW, community="tides", after=None, limit=10)
        assert [one.record_id for one in page] == [2, 4]
        assert harvest.count(tx, start=None, until=NOW, community="tides") == 2
        assert harvest.count(tx, start=None, until=NOW, community="none") == 0


def _pages(tx: Transaction, start: datetime | None, until: datetime, limit: int) -> list[int]:
    found: list[harvest.Stamped] = []
    while True:
        after = (found[-1].datestamp, found[-1].record_id) if found else None
        page = harvest.page(tx, start=start, until=until, community=None, after=after, limit=limit)
        if not page:
            return [one.record_id for one in found]
        assert len(page) <= limit
        found += page


RECORDS = range(1, 5)
STAMPERS = st.sampled_from(["one", "other"])


class Harvesting(RuleBasedStateMachine):
    """Two stampers, whose clocks differ by up to 20 seconds and which may be slow, die, or hold their transaction
    open; and a harvester that asks for what is new since the date that it was told the last time."""

    catalogue: Catalogue

    def __init__(self) -> None:
        super().__init__()
        with self.catalogue.write() as tx:
            tx.execute(sa.update(tables.record).values(datestamp=None))
            tx.execute(
                sa.update(tables.stamper).values(last=NOW, opened=None, lease_owner=None, lease_until=None)
            )
        self.now = NOW
        self.stamps: dict[str, datetime] = {}
        self.harvested: dict[int, datetime] = {}
        self.since: datetime | None = None
        self.committing: ExitStack | None = None

    def clock(self, who: str) -> datetime:
        return self.now + timedelta(seconds={"one": -10, "other": 10}[who])

    @rule(seconds=st.integers(1, 50))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.committing is None)
    @rule(who=STAMPERS)
    def open_stamper(self, who: str) -> None:
        try:
            self.stamps[who] = open_(self.catalogue, who, self.clock(who))
        except Conflict:
            self.stamps.pop(who, None)

    @precondition(lambda self: self.committing is None)
    @rule(who=STAMPERS, chosen=st.sets(st.sampled_from(RECORDS), min_size=1))
    def stamp(self, who: str, chosen: set[int]) -> None:
        """Stamp, and leave the transaction open."""
        if who not in self.stamps:
            return
        stack = ExitStack()
        tx = stack.enter_context(self.catalogue.write())
        try:
            harvest.stamp(tx, sorted(chosen), owner=who, datestamp=self.stamps.pop(who))
        except Conflict:
            stack.close()
        else:
            self.committing = stack

    @precondition(lambda self: self.committing is not None)
    @rule()
    def commit(self) -> None:
        assert self.committing is not None
        self.committing.close()
        self.committing = None

    @rule(limit=st.integers(1, 3))
    def harvest(self, limit: int) -> None:
        with self.catalogue.read() as tx:
            until = harvest.horizon(tx, now=self.now)
            after = None
            while page := harvest.page(
                tx, start=self.since, until=until, community=None, after=after, limit=limit
            ):
                self.harvested |= {one.record_id: one.datestamp for one in page}
                after = (page[-1].datestamp, page[-1].record_id)
        assert self.since is None or until >= self.since - timedelta(seconds=120)
        self.since = max(until, self.since or until)

    def teardown(self) -> None:
        if self.committing is not None:
            self.commit()
        self.now += timedelta(hours=1)
        announce(self.catalogue, now=self.now, owner="last")
        self.harvest(limit=2)
        with self.catalogue.read() as tx:
            stamped = tx.execute(
                sa.select(tables.record.c.id, tables.record.c.datestamp).where(
                    tables.record.c.datestamp.is_not(None)
                )
            )
            assert self.harvested == {row.id: row.datestamp for row in stamped}


def test_no_harvester_skips_a_record(catalogue: Catalogue) -> None:
    """In any order of opening, stamping, committing, dying, waiting and harvesting, it has in the end every record
    with the datestamp that it was given last."""
    add_records(catalogue, len(RECORDS))
    machine = type("Machine", (Harvesting,), {"catalogue": catalogue})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=30, stateful_step_count=20, deadline=None)
    )
