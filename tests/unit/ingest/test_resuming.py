"""What the next run finds of one that did not come to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import Interrupted
from pipeline.ingest import accession
from tests.instance import open_instance, write_record

LEASE = accession.LEASE.total_seconds() + 1


def test_what_is_left_is_counted(tmp_path: Path) -> None:
    """The next run is told how much there is left to read, and reads that much."""
    write_record(tmp_path / "tides" / "one", {"a": b"12", "b": b"345"})
    write_record(tmp_path / "tides" / "two", {"c": b"6789"})
    with open_instance(tmp_path / "home") as instance:
        before = instance.attempt(tmp_path / "tides")
        assert (before.plan.files_to_ingest, before.plan.bytes_to_ingest) == (3, 9)
        instance.clock.move(seconds=LEASE)
        again = instance.attempt(tmp_path / "tides")
        assert (again.plan.files_to_ingest, again.plan.bytes_to_ingest) == (3, 9)
        again.take_in()
        instance.clock.move(seconds=LEASE)
        last = instance.attempt(tmp_path / "tides")
        assert (last.plan.files_to_ingest, last.plan.bytes_to_ingest) == (0, 0)


def test_what_is_left_keeps_the_accession_open(tmp_path: Path) -> None:
    """An accession with a file that is still to be read is not completed."""
    write_record(tmp_path / "tides" / "one", {"a": b"12"})
    with open_instance(tmp_path / "home") as instance:
        attempt = instance.attempt(tmp_path / "tides")
        with pytest.raises(Interrupted, match="1 records"):
            attempt.finish()


def test_what_the_accession_published_is_not_unchanged(tmp_path: Path) -> None:
    """A record that the run before published counts as published, once."""
    write_record(tmp_path / "tides" / "one", {"a": b"12"})
    with open_instance(tmp_path / "home") as instance:
        before = instance.attempt(tmp_path / "tides")
        before.take_in()
        before.publish()
        instance.clock.move(seconds=LEASE)
        document = instance.ingest(tmp_path / "tides")
        assert (document["records_total"], document["unchanged"]) == (1, 0)


def test_what_was_published_and_changed_has_a_further_version(tmp_path: Path) -> None:
    """A record that the run before published, and that has changed since, is published in its new version."""
    write_record(tmp_path / "tides" / "one", {"a": b"12"})
    with open_instance(tmp_path / "home") as instance:
        before = instance.attempt(tmp_path / "tides")
        before.take_in()
        before.publish()
        write_record(tmp_path / "tides" / "one", {"a": b"345"})
        instance.clock.move(seconds=LEASE)
        document = instance.ingest(tmp_path / "tides")
        assert [one["version"] for one in document["records"]] == [1, 2]
