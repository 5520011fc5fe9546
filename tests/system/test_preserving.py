"""What the storage root holds of works whose versions are withdrawn, revised or interrupted in an awkward order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline import dispatch, preservation
from pipeline.catalogue import tables
from pipeline.model import JsonObject, Record
from pipeline.preservation import preserve
from pipeline.store import layout
from tests import ocfl_root
from tests.archive import Archive, open_archive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive, whose storage root is valid when the test ends."""
    with open_archive(tmp_path / "home") as opened:
        yield opened
        assert ocfl_root.problems(root(opened)) == []


def root(archive: Archive) -> Path:
    return archive.services.settings.home / "store" / "root"


def folder(archive: Archive, record: Record) -> Path:
    object_id = layout.concept_object(archive.services.repository.id, record.concept_id)
    return root(archive).parent / layout.object_root(object_id)


def versions(archive: Archive, record: Record) -> list[JsonObject]:
    """The versions of a work's object, oldest first."""
    inventory = json.loads((folder(archive, record) / "inventory.json").read_bytes())
    return [inventory["versions"][f"v{number}"] for number in range(1, len(inventory["versions"]) + 1)]


def paths(version: JsonObject) -> set[str]:
    return {path for each in version["state"].values() for path in each}


class Unpreserved(Archive):
    """Publishes, and leaves all that follows waiting."""

    def _settle(self) -> None:
        self.clock.move(seconds=1)


def test_bytes_withdrawn_before_they_were_preserved_are_kept(archive: Archive) -> None:
    """A record that is withdrawn before its preserve effect ran is in the root with its bytes, and after that with
    its tombstone."""
    hasty = Unpreserved(archive.services, archive.clock)
    record = hasty.publish(files={"readings.csv": b"0,1.2\n"})
    hasty.withdraw(record)
    assert not dispatch.drain(archive.services).parked
    first, last = versions(archive, record)
    assert "data/readings.csv" in paths(first)
    assert paths(last) == {"metadata/record.json", "metadata/premis.jsonl"}
    digest = hashlib.new(archive.services.root_digest, b"0,1.2\n").hexdigest()
    [stored] = json.loads((folder(archive, record) / "inventory.json").read_bytes())["manifest"][digest]
    assert (folder(archive, record) / stored).read_bytes() == b"0,1.2\n"
    assert "deaccession" not in (folder(archive, record) / "v1/content/metadata/premis.jsonl").read_text()


def test_two_versions_that_share_bytes_are_preserved_by_one_call(archive: Archive) -> None:
    """A version with bytes of an earlier one that waits, too, does not need another call."""
    hasty = Unpreserved(archive.services, archive.clock)
    first = hasty.publish(files={"a.csv": b"a\n"})
    second = hasty.publish(files={"a.csv": b"a\n", "b.csv": b"b\n"}, version_of=first)
    assert preserve(archive.services, [first.id, second.id]) == {}
    assert paths(versions(archive, first)[1]) >= {"data/a.csv", "data/b.csv"}


def test_a_crash_before_it_was_noted_leads_to_no_copy(archive: Archive) -> None:
    """Versions of one work that the root has though the catalogue does not know yet are found there, the head's and
    the one before it alike."""
    hasty = Unpreserved(archive.services, archive.clock)
    first = hasty.publish(files={"a.csv": b"a\n"})
    second = hasty.publish(files={"b.csv": b"b\n"}, version_of=first)
    both = [first.id, second.id]
    assert preserve(archive.services, both) == {}
    before = versions(archive, first)
    for one in both:
        forget_preserved(archive, one)
        assert preserve(archive.services, both) == {}
    assert versions(archive, first) == before
    assert [archive.record(one).ocfl_version for one in both] == [1, 2]


def forget_preserved(archive: Archive, record_id: int) -> None:
    """Leave the catalogue as a crash does between the storage root's commit and the catalogue's."""
    unnoted = {"ocfl_version": None, "staged": layout.staged(record_id)}
    with archive.services.catalogue.write() as tx:
        tx.execute(sa.update(tables.record).where(tables.record.c.id == record_id).values(**unnoted))


def test_an_older_version_that_is_withdrawn_says_that_it_is_the_older_one(archive: Archive) -> None:
    """A tombstone that follows a newer version names its own record, so that both can be told apart."""
    first = archive.publish(files={"a.csv": b"a\n"})
    second = archive.publish(files={"b.csv": b"b\n"}, version_of=first)
    archive.withdraw(archive.record(first.id))
    messages = [one["message"].split(", ")[0] for one in versions(archive, first)]
    assert messages == [f"Record {first.id}", f"Record {second.id}", f"Record {first.id}"]


def test_a_claim_of_many_files_is_preserved_in_groups(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records whose files together are too many for memory go in several groups; the leases are renewed between."""
    monkeypatch.setattr(preservation, "_FILES_AT_ONCE", 3)
    hasty = Unpreserved(archive.services, archive.clock)
    published = [hasty.publish(files={"a": b"a", "b": b"b"}).id for _ in range(3)]
    rounds: list[int] = []
    assert preserve(archive.services, published, on_round=lambda: rounds.append(1)) == {}
    assert len(rounds) == 3
    assert all(archive.record(one).ocfl_version == 1 for one in published)
