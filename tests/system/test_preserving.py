"""What the storage root holds of works whose versions are withdrawn, revised or interrupted in an awkward order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline import dispatch
from pipeline.catalogue import tables
from pipeline.model import JsonObject, Record
from pipeline.stewardship import preservation
from pipeline.stewardship.preservation import preserve
from pipeline.stewardship.retrieval import read_file
from pipeline.store import layout
from tests import ocfl_root
from tests.archive import Archive, open_archive


@pytest.fixture(params=["local", "seaweedfs", "versitygw"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """An archive on each store. When the test ends its storage root is valid and nothing waits beside it."""
    location = None if request.param == "local" else request.getfixturevalue(f"{request.param}_location")
    with open_archive(tmp_path / "home", location) as opened:
        yield opened
        assert ocfl_root.problems(ocfl_root.fetched(opened.services.store, tmp_path / "fetched")) == []
        assert list(opened.services.store.list("staging")) == []


def root_of(archive: Archive, record: Record) -> str:
    """The key of the work's object."""
    return layout.object_root(layout.concept_object(archive.services.repository.id, record.concept_id))


def stored(archive: Archive, record: Record, path: str) -> bytes:
    """What the work's object has at a path."""
    return b"".join(archive.services.store.read(f"{root_of(archive, record)}/{path}"))


def inventory(archive: Archive, record: Record) -> JsonObject:
    document: JsonObject = json.loads(stored(archive, record, "inventory.json"))
    return document


def versions(archive: Archive, record: Record) -> list[JsonObject]:
    """The versions of a work's object, oldest first."""
    found = inventory(archive, record)["versions"]
    return [found[f"v{number}"] for number in range(1, len(found) + 1)]


def files(archive: Archive, record: Record, *keys: str) -> dict[str, bytes]:
    """Key → bytes of files of a record, as its readers get them."""
    return {key: b"".join(read_file(archive.services, record.id, key)) for key in keys}


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
    [place] = inventory(archive, record)["manifest"][digest]
    assert stored(archive, record, place) == b"0,1.2\n"
    assert b"deaccession" not in stored(archive, record, "v1/content/metadata/premis.jsonl")


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
    for one in (first, second):
        forget_preserved(archive, one)
        assert preserve(archive.services, both) == {}
    assert versions(archive, first) == before
    assert [archive.record(one).ocfl_version for one in both] == [1, 2]


def forget_preserved(archive: Archive, published: Record) -> None:
    """Leave the catalogue as a crash does between the storage root's commit and the catalogue's."""
    unnoted = {"ocfl_version": None, "staged": published.staged}
    with archive.services.catalogue.write() as tx:
        tx.execute(sa.update(tables.record).where(tables.record.c.id == published.id).values(**unnoted))


def test_earlier_versions_that_wait_come_first(archive: Archive) -> None:
    """Whoever asks for a newer version alone: the first version's place in the object is its own."""
    hasty = Unpreserved(archive.services, archive.clock)
    first = hasty.publish(files={"a.csv": b"a\n"})
    second = hasty.publish(files={"b.csv": b"b\n"}, version_of=first)
    assert preserve(archive.services, [second.id]) == {}
    assert [archive.record(one.id).ocfl_version for one in (first, second)] == [1, 2]


def test_equal_bytes_are_in_an_object_once(archive: Archive) -> None:
    """Whether one version brings them twice or a later one again; all their names lead to them."""
    first = archive.publish(files={"a": b"same", "b/copy": b"same", "c": b"other"})
    second = archive.publish(files={"new name": b"same", "d": b"fresh"}, version_of=first)
    listed = sorted(path for each in inventory(archive, first)["manifest"].values() for path in each)
    data = [path for path in listed if "/content/data/" in path]
    assert data == ["v1/content/data/a", "v1/content/data/c", "v2/content/data/d"]
    root = root_of(archive, first)
    contents = [one.key for one in archive.services.store.list(root) if "/content/" in one.key]
    assert sorted(contents) == [f"{root}/{path}" for path in listed]
    assert files(archive, first, "a", "b/copy", "c") == {"a": b"same", "b/copy": b"same", "c": b"other"}
    assert files(archive, second, "new name", "d") == {"new name": b"same", "d": b"fresh"}


def test_a_record_without_files_is_preserved(archive: Archive) -> None:
    """What is said of it is all there is."""
    record = archive.publish()
    assert [paths(one) for one in versions(archive, record)] == [
        {"metadata/record.json", "metadata/premis.jsonl", "metadata/datacite.json"}
    ]


def test_the_bytes_of_a_record_that_was_held_come_from_outside_the_root(archive: Archive) -> None:
    """They are moved to their place in the object, wherever they waited."""
    record = archive.publish(files={"a": b"a", "empty": b""}, was_held=True)
    assert files(archive, record, "a", "empty") == {"a": b"a", "empty": b""}
    assert (archive.record(record.id).ocfl_version, archive.record(record.id).staged) == (1, None)


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
