"""Works as storage objects: what is to be written to them, and by whom."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from pipeline.catalogue import Catalogue, works
from pipeline.catalogue.tables import record
from tests.contracts import rows
from tests.contracts.rows import NOW

LENGTH = timedelta(minutes=5)


def test_earlier_versions_that_wait_are_due_with_later_ones(catalogue: Catalogue) -> None:
    """Not the later ones with the earlier, nor what is preserved, nor another work's."""
    with catalogue.write() as tx:
        for id_, version in ((2, 1), (3, 2), (4, 3), (5, 4)):
            rows.add_record(tx, id_, concept_id=None if version == 1 else 1_000_002, version=version)
        rows.add_record(tx, 6)
        tx.execute(
            sa.update(record).where(record.c.id.in_([3, 4, 5, 6])).values(staged=sa.text("'staging/x'"))
        )
    with catalogue.read() as tx:
        assert [one.record_id for one in works.due(tx, [4])] == [3, 4]
        assert [one.record_id for one in works.due(tx, [2])] == [2]
        assert [one.record_id for one in works.due(tx, [6, 5, 99])] == [3, 4, 5, 6]


def test_who_lost_a_lease_learns_it_when_renewing(catalogue: Catalogue) -> None:
    """Another may take it once its time is over; renewing counts those that are left."""
    with catalogue.write() as tx:
        rows.add_record(tx, 2)
        rows.add_record(tx, 3)
    with catalogue.write() as tx:
        assert works.lease(tx, [2, 3], owner="slow", now=NOW, length=LENGTH) == {2, 3}
        assert works.renew(tx, owner="slow", until=NOW + LENGTH) == 2
        assert works.lease(tx, [2], owner="other", now=NOW, length=LENGTH) == set()
    later = NOW + 2 * LENGTH
    with catalogue.write() as tx:
        assert works.lease(tx, [2], owner="other", now=later, length=LENGTH) == {2}
        assert works.renew(tx, owner="slow", until=later + LENGTH) == 1
