"""Bytes leave the archive: from every version that has them, from nowhere else; what is cut off is completed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from gateway.app import create_app
from pipeline.catalogue import events, outbox
from pipeline.errors import Conflict, Missing, Unavailable
from pipeline.model import EventType, JsonObject, PurgeState, Record, RecordState
from pipeline.stewardship import purging
from pipeline.stewardship.auditing import AuditPolicy, audit
from pipeline.stewardship.purging import Purged
from pipeline.stewardship.retrieval import read_file
from pipeline.stewardship.stocktaking import compare
from pipeline.store import layout
from tests import ocfl_root
from tests.archive import Archive, open_archive
from tests.asking import Client
from tests.instance import Instance, open_instance, write_record
from tests.recording_disk import PowerLoss
from tests.stepping_store import with_store, without_power

SECRET = b"a name that must not be known\n"
FILES = {"a.csv": b"1,2\n", "deep/secret.txt": SECRET, "again.txt": SECRET, "empty": b""}


@pytest.fixture(params=["local", "seaweedfs"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """An archive on each kind of store. When the test ends its storage root is valid, and store and catalogue agree."""
    location = None if request.param == "local" else request.getfixturevalue(f"{request.param}_location")
    with open_archive(tmp_path / "home", location) as opened:
        yield opened
        assert ocfl_root.problems(ocfl_root.fetched(opened.services.store, tmp_path / "fetched")) == []
        assert list(compare(opened.services)) == []


def purge(archive: Archive, record: Record, key: str = "") -> Purged:
    return purging.purge(archive.services, record.id, key=key, reason="a court said so", by="ida")


def settle(archive: Archive) -> None:
    """Bring all effects about."""
    archive._settle()


def root_of(archive: Archive, record: Record) -> str:
    return layout.object_root(layout.concept_object(archive.services.repository.id, record.concept_id))


def holding(archive: Archive, content: bytes) -> list[str]:
    """Keys of all objects in the store with these bytes."""
    store = archive.services.store
    return [
        one.key
        for top in ("root", "staging", "quarantine")
        for one in store.list(top)
        if b"".join(store.read(one.key)) == content
    ]


def paths(archive: Archive, record: Record) -> set[str]:
    """Logical paths in the state of any version of the work's object, by its inventory."""
    inventory = json.loads(
        b"".join(archive.services.store.read(f"{root_of(archive, record)}/inventory.json"))
    )
    return {
        path
        for version in inventory["versions"].values()
        for each in version["state"].values()
        for path in each
    }


def read(archive: Archive, record: Record, key: str) -> bytes:
    return b"".join(read_file(archive.services, record.id, key))


def two_versions(archive: Archive, **more: bytes) -> tuple[Record, Record]:
    first = archive.publish(files=FILES)
    return first, archive.publish(files={**FILES, "a.csv": b"3,4\n", **more}, version_of=first)


# ---------------------------------------------------------------- what goes, and what stays


def test_a_purged_file_goes_from_all_versions(archive: Archive) -> None:
    """With everything that has the same bytes in the work; the rest, and other works, stay, and are told of."""
    first, second = two_versions(archive)
    other = archive.publish(files={"mine.txt": SECRET})
    done = purge(archive, second, "again.txt")
    both = [(one.id, key) for one in (first, second) for key in ("again.txt", "deep/secret.txt")]
    assert [(one.record_id, one.key) for one in done.copies] == both
    assert [(one.record_id, one.key) for one in done.elsewhere] == [(other.id, "mine.txt")]
    assert (done.purge.state, len(done.purge.content)) == (PurgeState.PURGED, 1)
    settle(archive)
    [left] = holding(archive, SECRET)
    assert left.startswith(root_of(archive, other))
    assert {path for path in paths(archive, first) if path.startswith("data/")} == {
        "data/a.csv",
        "data/empty",
    }
    for record, content in ((first, b"1,2\n"), (second, b"3,4\n")):
        assert archive.record(record.id).state is RecordState.PUBLISHED
        assert (read(archive, record, "a.csv"), read(archive, record, "empty")) == (content, b"")
        with pytest.raises(Missing, match="purged"):
            read(archive, record, "deep/secret.txt")
    assert read(archive, other, "mine.txt") == SECRET
    audited = audit(archive.services, AuditPolicy(share=Fraction(1), older_than=timedelta()))
    assert (audited.differing, audited.put_off) == (0, 0)


def test_a_purged_record_is_withdrawn(archive: Archive) -> None:
    """Its tombstone says why; the other version keeps what only it has."""
    first, second = two_versions(archive, new=b"new")
    done = purge(archive, first)
    assert {one.record_id for one in done.copies} == {first.id, second.id}
    tombstone = archive.record(first.id).tombstone
    assert tombstone is not None
    assert (tombstone.reason, tombstone.note) == ("take-down-request", "a court said so")
    settle(archive)
    assert holding(archive, SECRET) == holding(archive, b"1,2\n") == []
    assert (read(archive, second, "a.csv"), read(archive, second, "new")) == (b"3,4\n", b"new")
    purge(archive, second)
    settle(archive)
    assert {path.partition("/")[0] for path in paths(archive, first)} == {"metadata"}


def test_the_object_and_the_records_tell_what_was_done(archive: Archive) -> None:
    """A log beside the versions; an event of each record, kept with it; and every version that lost files says so."""
    first, second = two_versions(archive)
    done = purge(archive, second, "again.txt")
    settle(archive)
    store, root = archive.services.store, root_of(archive, first)
    [log] = list(store.list(f"{root}/logs"))
    told = json.loads(b"".join(store.read(log.key)))
    assert told["decision"] == {"by": "ida", "reason": "a court said so", "at": "2026-03-09T14:10:02Z"}
    assert told["digests"] == list(done.purge.digests)
    assert {(one["record"], one["key"]) for one in told["files"]} == {
        (one.record_id, one.key) for one in done.copies
    }
    inventory = json.loads(b"".join(store.read(f"{root}/inventory.json")))
    messages = [one["message"] for one in inventory["versions"].values()]
    assert ["purged" in one for one in messages] == [True, True, False, False]
    found = []
    for record in (first, second):
        with archive.services.catalogue.read() as tx:
            found += [one for one in events.of_records(tx, record.id) if one.type is EventType.DELETION]
    assert [one.agent for one in found] == ["ida", "ida"]
    kept = [one.key for one in store.list(root) if one.key.endswith("premis.jsonl")]
    texts = [b"".join(store.read(key)).decode() for key in kept]
    assert all(any(event.id in text for text in texts) for event in found)


def test_a_purge_can_be_repeated(archive: Archive) -> None:
    """The first stands, and nothing is wanted again. There must be such a record, and such a file."""
    first, _ = two_versions(archive)
    done = purge(archive, first, "again.txt")
    settle(archive)
    assert purge(archive, first, "again.txt") == done
    assert purge(archive, first, "deep/secret.txt") == done
    with archive.services.catalogue.read() as tx:
        assert outbox.waiting(tx) == []
    with pytest.raises(Missing):
        purge(archive, first, "no such file")
    with pytest.raises(Missing):
        purging.purge(archive.services, 999, reason="a", by="b")


def test_what_was_not_preserved_yet_goes_as_well(archive: Archive) -> None:
    """A record is purged the moment after it was published."""
    hasty = Hasty(archive.services, archive.clock)
    record = hasty.publish(files=FILES)
    purge(archive, record)
    settle(archive)
    assert holding(archive, SECRET) == []


class Hasty(Archive):
    """Publishes, and leaves all that follows waiting."""

    def _settle(self) -> None:
        self.clock.move(seconds=1)


def test_an_empty_file_that_comes_later_stands_by_itself(archive: Archive) -> None:
    """It is refused for no purge of another, and none is promised in a place that was emptied."""
    first = archive.publish(files=FILES)
    purge(archive, first, "empty")
    settle(archive)
    later = archive.publish(files={"back.txt": b"", "a.csv": b"1,2\n"}, version_of=first)
    assert read(archive, later, "back.txt") == b""
    with pytest.raises(Missing):
        read(archive, first, "empty")


def test_an_object_that_another_process_writes_to_is_left_alone(archive: Archive) -> None:
    """The lease of the work is the lock of its object."""
    first = archive.publish(files=FILES)
    second = archive.publish(files={"b": b"b"}, version_of=first)
    refused = []

    def meanwhile(_done: int) -> None:
        with pytest.raises(Unavailable, match="same object"):
            purge(archive, second, "b")
        refused.append(1)

    purging.purge(with_store(archive.services, meanwhile), first.id, key="a.csv", reason="a", by="b")
    assert refused
    settle(archive)


# ---------------------------------------------------------------- cut off


def test_a_purge_that_was_cut_off_is_completed(archive: Archive) -> None:
    """Wherever the power goes: nobody gets the bytes from then on, all else can be read, store and catalogue agree, and
    though further versions are written meanwhile the same call ends with the bytes gone."""
    for survives in range(100):
        first, second = two_versions(archive)
        is_cut = True
        with suppress(PowerLoss):
            stopping = without_power(archive.services, survives)
            purging.purge(stopping, second.id, key="again.txt", reason="a court said so", by="ida")
            is_cut = False
        assert list(compare(archive.services)) == [], survives
        for record in (first, second):
            with pytest.raises(Missing):
                read(archive, record, "again.txt")
        if survives % 2:
            archive.publish(files={"c": b"c"}, version_of=second)
            assert list(compare(archive.services)) == [], survives
        done = purging.purge(archive.services, second.id, key="again.txt", reason="another", by="somebody")
        assert done.purge.decision.by == "ida"
        settle(archive)
        assert (read(archive, first, "a.csv"), read(archive, second, "a.csv")) == (b"1,2\n", b"3,4\n")
        assert holding(archive, SECRET) == []
        if not is_cut:
            break
    assert survives > 5


# ---------------------------------------------------------------- with collections


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    with open_instance(tmp_path / "home") as opened:
        yield opened


def test_a_version_under_way_with_the_bytes_comes_first(instance: Instance, tmp_path: Path) -> None:
    """It is published or given up before they can be purged; and a file that was purged is not carried over."""
    source = tmp_path / "source"
    write_record(source / "pier", {"a.csv": b"1", "secret.txt": SECRET})
    [record] = instance.ingest(source)["records"]
    write_record(source / "pier", {"a.csv": b"2"})
    attempt = instance.attempt(source)
    ask = {"key": "secret.txt", "reason": "a court said so", "by": "ida"}
    with pytest.raises(Conflict, match="under way"):
        purging.purge(instance.services, record["id"], **ask)
    attempt.take_in()
    attempt.publish()
    attempt.finish()
    done = purging.purge(instance.services, record["id"], **ask)
    assert len(done.copies) == 2
    instance.drain()
    write_record(source / "pier", {"a.csv": b"3"})
    (source / "pier/secret.txt").unlink()
    [third] = instance.ingest(source)["records"]
    assert instance.files(third["id"]) == {"a.csv": b"3"}
    assert list(compare(instance.services)) == []


def test_purged_bytes_do_not_come_back(instance: Instance, tmp_path: Path) -> None:
    """Though the source has them still, under any name, and though the record is withdrawn: the file is rejected, and
    says when and why. Its record is held, or published without it where that was asked for; other works are free to
    have such bytes."""
    pier = tmp_path / "source" / "pier"
    write_record(pier, {"a.csv": b"1", "secret.txt": SECRET})
    [first] = instance.ingest(tmp_path / "source")["records"]
    ask = {"reason": "a court said so", "by": "ida"}
    purging.purge(instance.services, first["id"], key="secret.txt", **ask)
    instance.drain()
    write_record(pier, {"a.csv": b"2", "copy.txt": SECRET})
    write_record(tmp_path / "source" / "quay", {"theirs.txt": SECRET})
    document = instance.ingest(tmp_path / "source")
    [other] = document["records"]
    assert (instance.files(other["id"]), document["held"]) == ({"theirs.txt": SECRET}, 1)
    told = {(one["path"], one["outcome"], one["code"]) for one in document["problems"]}
    assert told == {(f"pier/{name}.txt", "rejected", "purged") for name in ("secret", "copy")}
    assert all("2026-03-09: a court said so" in one["reason"] for one in document["problems"])
    [second] = instance.ingest(tmp_path / "source", allow_partial=True)["records"]
    assert instance.files(second["id"]) == {"a.csv": b"2"}
    purging.purge(instance.services, second["id"], **ask)
    instance.drain()
    write_record(pier, {"a.csv": b"3"})
    third = instance.ingest(tmp_path / "source")
    assert (third["records"], third["held"]) == ([], 1)
    assert list(compare(instance.services)) == []


def test_what_was_read_before_a_purge_is_not_published_after_it(instance: Instance, tmp_path: Path) -> None:
    """A worker that began before could not know. The file is rejected and its bytes are deleted; the next run publishes
    the record once the source has the file no more."""
    pier = tmp_path / "source" / "pier"
    write_record(pier, {"a.csv": b"1", "secret.txt": SECRET})
    [first] = instance.ingest(tmp_path / "source")["records"]
    (pier / "secret.txt").rename(pier / "renamed.txt")
    attempt = instance.attempt(tmp_path / "source")
    under_way = attempt.units()
    purging.purge(instance.services, first["id"], key="secret.txt", reason="a court said so", by="ida")
    attempt.take_in(under_way)
    attempt.publish()
    attempt.finish()
    document = attempt.report()
    assert (document["records"], document["held"]) == ([], 1)
    [problem] = document["problems"]
    assert (problem["path"], problem["code"]) == ("pier/renamed.txt", "purged")
    assert [
        path for path in instance.store.rglob("*") if path.is_file() and path.read_bytes() == SECRET
    ] == []
    assert list(compare(instance.services)) == []
    (pier / "renamed.txt").unlink()
    write_record(pier, {"a.csv": b"2"})
    [second] = instance.ingest(tmp_path / "source")["records"]
    assert instance.files(second["id"]) == {"a.csv": b"2"}


def test_the_command_tells_what_it_did(instance: Instance, tmp_path: Path) -> None:
    """As one JSON object; nothing is asked without a terminal."""
    write_record(tmp_path / "source" / "pier", {"a.csv": b"1", "secret.txt": SECRET})
    [record] = instance.ingest(tmp_path / "source")["records"]
    environment = {**os.environ, "HEADRACE_HOME": str(instance.services.settings.home)}
    command = ["purge", str(record["id"]), "--file", "secret.txt", "--reason", "a court said so", "--json"]
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", *command],
        env=environment, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    document: JsonObject = json.loads(ended.stdout)
    assert (ended.returncode, document["state"], document["file"]) == (0, "purged", "secret.txt")
    assert [one["key"] for one in document["files"]] == ["secret.txt"]
    assert document["decided"]["reason"] == "a court said so"
    assert not list(instance.root.rglob("secret.txt"))


def test_what_was_purged_answers_so(tmp_path: Path) -> None:
    """410 for the file, which the record still lists, and shows without a link; the archive of all files leaves it out.
    410 with the tombstone for a record."""
    with open_archive(tmp_path) as archive:
        record = archive.publish(files=FILES)
        purge(archive, record, "again.txt")
        client = Client(create_app(archive.services))
        base = f"/api/records/{record.id}/files"
        assert client.get(f"{base}/again.txt/content").status_code == 410
        assert client.get(f"{base}/a.csv/content").status_code == 200
        entries = {one["key"]: one["purged"] for one in client.get(base).json()["entries"]}
        assert {key for key, purged in entries.items() if purged} == {"again.txt", "deep/secret.txt"}
        page = client.get(f"/records/{record.id}").text
        assert "Purged on 2026-03-09" in page
        assert f"/records/{record.id}/files/again.txt" not in page
        archived = client.get(f"/api/records/{record.id}/files-archive")
        assert (archived.status_code, b"a.csv" in archived.content, b"again.txt" in archived.content) == (
            200,
            True,
            False,
        )
        purge(archive, record)
        assert client.get(f"/api/records/{record.id}").status_code == 410
