"""Runs that were interrupted, were cancelled, or meet another, through the use cases, on both databases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.catalogue import accessions, deposits, identifiers
from pipeline.errors import Conflict, Interrupted
from pipeline.ingest import accession
from pipeline.model import AccessionState
from tests.instance import Instance, write_record
from tests.tides import TIDES, ids, mend, spoil, write_tides


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with two sound records."""
    return write_tides(tmp_path / "tides")


def test_an_interrupted_run_is_gone_on_with(instance: Instance, source: Path) -> None:
    """By the same command: under the same accession, reading only what was not taken in yet."""
    killed = instance.attempt(source)
    [unit] = killed.units()
    half = type(unit)(unit.terms, unit.files[:1])
    killed.take_in([half])
    instance.clock.move(minutes=1)  # the lease of a killed run ends
    document = instance.ingest(source)
    assert document["accession"] == killed.accession_id
    assert (document["records_total"], document["problems"]) == (2, [])
    assert document["bytes_read"] == document["bytes"]


def test_bytes_changed_after_a_revision_was_planned_make_a_version(instance: Instance, source: Path) -> None:
    """The run that planned the revision was stopped; what is found now counts."""
    instance.ingest(source)
    write_record(source / "harbour", {}, title="New title")
    instance.attempt(source)
    instance.clock.move(minutes=1)
    write_record(source / "harbour", {"readings.csv": b"other\n"}, title="New title")
    [second] = instance.ingest(source)["records"]
    assert second["version"] == 2
    assert (instance.record(2).revision, instance.record(2).is_latest) == (1, False)
    assert instance.files(second["id"])["readings.csv"] == b"other\n"


def test_bytes_changed_back_after_a_version_was_planned_make_a_revision(
    instance: Instance, source: Path
) -> None:
    """What was staged for the version is swept."""
    instance.ingest(source)
    path = source / "harbour" / "readings.csv"
    before = path.stat()
    write_record(source / "harbour", {"readings.csv": b"other\n"}, title="New title")
    stopped = instance.attempt(source)
    stopped.take_in()
    instance.clock.move(minutes=1)
    path.write_bytes(TIDES["readings.csv"])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    document = instance.ingest(source)
    assert (ids(document), document["records"][0]["version"]) == ([2], 1)
    assert instance.record(2).revision == 2
    assert instance.files(2) == TIDES
    assert list((instance.store / "staging").rglob("*")) == []


def test_a_unit_may_report_twice(instance: Instance, source: Path) -> None:
    """Running it again ends in the same files and the same outcome."""
    attempt = instance.attempt(source)
    units = attempt.units()
    attempt.take_in(units)
    attempt.take_in(units)
    attempt.publish()
    attempt.finish()
    assert instance.files(2) == TIDES
    assert attempt.report()["records_total"] == 2


def test_a_collection_is_taken_in_by_one_run_at_a_time(
    instance: Instance, source: Path, tmp_path: Path
) -> None:
    """A second one is told so; one on another collection goes on beside it."""
    write_record(tmp_path / "other" / "record", {"a": b"a"})
    first = instance.attempt(source)
    with pytest.raises(Conflict, match="another process"):
        instance.attempt(source)
    assert instance.ingest(tmp_path / "other")["records_total"] == 1
    first.take_in()
    first.publish()
    first.finish()
    assert first.report()["records_total"] == 2


def test_a_run_that_lost_its_lease_stops(instance: Instance, source: Path) -> None:
    """Whoever took over goes on alone, and everything is published once."""
    slow = instance.attempt(source)
    units = slow.units()
    instance.clock.move(minutes=1)
    quick = instance.attempt(source)
    with pytest.raises(Interrupted):
        slow.take_in(units)
    quick.take_in()
    quick.publish()
    quick.finish()
    assert quick.report()["records_total"] == 2
    assert instance.row_counts()["record"] == 2


def test_cancelling_gives_up_what_is_not_published(instance: Instance, source: Path) -> None:
    """For good: its bytes are swept, its numbers stay used, what is published stays."""
    spoil(source)
    document = instance.ingest(source)
    assert accession.cancel(instance.services, document["accession"]) == 1
    assert list((instance.store / "staging").rglob("*")) == []
    assert instance.files(4) == {"notes.txt": b"calm\n"}
    with pytest.raises(Conflict):
        accession.cancel(instance.services, document["accession"])
    with pytest.raises(Conflict, match="final"):
        instance.ingest(source, retry=document["accession"])
    mend(source)
    [harbour] = ids(instance.ingest(source))
    assert harbour > 4
    assert instance.record(harbour).concept_id == 1


def test_a_cancelled_run_stops_at_its_next_step(instance: Instance, source: Path) -> None:
    """And publishes nothing."""
    attempt = instance.attempt(source)
    units = attempt.units()
    accession.cancel(instance.services, attempt.accession_id)
    with pytest.raises(Interrupted):
        attempt.take_in(units)
    accession.stop(instance.services, attempt.run, attempt.accession_id, Interrupted("cancelled"))
    with instance.services.catalogue.read() as tx:
        assert accessions.get(tx, attempt.accession_id).state is AccessionState.CANCELLED
        assert deposits.tally(tx, attempt.accession_id) == {"cancelled": 2}
        assert identifiers.high_water_mark(tx) == 4
    assert instance.row_counts()["record"] == 0
