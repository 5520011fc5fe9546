"""Accessions from a source to the storage root, through the use cases, on both databases: what is new, unchanged and
changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pipeline.catalogue import records
from pipeline.model import DoiState, RecordState
from tests.instance import Instance, write_record
from tests.ocfl_root import objects
from tests.tides import TIDES, ids, write_tides


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with two sound records."""
    return write_tides(tmp_path / "tides")


def touch(path: Path) -> None:
    """Give a file another modification time."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))


def relations(instance: Instance, doi: str) -> set[tuple[str, str]]:
    """(relation, DOI) of a DOI as the registry has it."""
    seen = instance.services.registry.get(doi)
    assert seen is not None
    return {
        (one["relationType"], one["relatedIdentifier"]) for one in seen.metadata.get("relatedIdentifiers", [])
    }


def test_a_sound_collection_is_published_whole(instance: Instance, source: Path) -> None:
    """Every record: its bytes to be read, preserved, its DOIs findable, in search and in the feed."""
    document = instance.ingest(source, owner="ida@pier.example", community="north-sea")
    assert (document["state"], document["problems"], document["held"]) == ("completed", [], 0)
    assert document["bytes_read"] == document["bytes"] == sum(map(len, TIDES.values())) + 5
    harbour, lighthouse = ids(document)
    assert instance.files(harbour) == TIDES
    assert instance.files(lighthouse) == {"notes.txt": b"calm\n"}
    for one in document["records"]:
        record = instance.record(one["id"])
        assert (record.state, record.is_latest, record.version) == (RecordState.PUBLISHED, True, 1)
        assert (record.ocfl_version, record.staged, record.owner) == (1, None, "ida@pier.example")
        for doi in (one["doi"], one["concept_doi"]):
            seen = instance.services.registry.get(doi)
            assert seen is not None
            assert seen.state is DoiState.FINDABLE
    assert instance.found() == set(ids(document))
    items = instance.harvested()
    assert set(items) == set(ids(document))
    assert {item.sets for item in items.values()} == {("user-north-sea",)}
    assert len(objects(instance.root)) == 3
    assert list((instance.store / "staging").rglob("*")) == []


def test_a_second_run_on_the_same_source_writes_nothing(instance: Instance, source: Path) -> None:
    """No row, no byte, no accession; and says that all of it is unchanged."""
    instance.ingest(source)
    before = instance.state()
    document = instance.ingest(source)
    assert instance.state() == before
    assert (document["accession"], document["unchanged"], document["records"]) == (None, 2, [])


def test_the_same_collection_from_another_place_is_unchanged(
    instance: Instance, source: Path, tmp_path: Path
) -> None:
    """Where a source lies does not matter: collection and key are a record's identity."""
    instance.ingest(source)
    before = instance.state()
    (tmp_path / "mounted").mkdir()
    shutil.copytree(source, tmp_path / "mounted" / "tides", copy_function=shutil.copy2)
    assert instance.ingest(tmp_path / "mounted" / "tides")["unchanged"] == 2
    assert instance.state() == before


def test_changed_bytes_make_a_new_version(instance: Instance, source: Path) -> None:
    """A new DOI under the same concept; the old version stays, and both know of each other. What outputs show of the
    old one has changed."""
    [first, _] = instance.ingest(source)["records"]
    before = instance.record(first["id"])
    write_record(source / "harbour", {"readings.csv": b"time,level\n0,9.9\n"})
    document = instance.ingest(source)
    [second] = document["records"]
    assert (document["unchanged"], second["version"]) == (1, 2)
    assert (second["concept_id"], second["concept_doi"]) == (first["concept_id"], first["concept_doi"])
    old, new = instance.record(first["id"]), instance.record(second["id"])
    assert (old.is_latest, new.is_latest) == (False, True)
    assert old.change > before.change
    assert instance.files(first["id"]) == TIDES
    assert instance.files(second["id"])["readings.csv"] == b"time,level\n0,9.9\n"
    assert ("IsNewVersionOf", first["doi"]) in relations(instance, second["doi"])
    assert ("IsPreviousVersionOf", second["doi"]) in relations(instance, first["doi"])
    assert first["id"] not in instance.found()
    assert second["id"] in instance.found()
    with instance.services.catalogue.read() as tx:
        assert records.resolve_doi(tx, first["concept_doi"]) == second["id"]
    # Only what is new was read, and stored.
    assert document["bytes_read"] == len(b"time,level\n0,9.9\n")
    assert len(list(instance.root.rglob("gauge.bin"))) == 1


def test_a_file_that_came_or_went_makes_a_new_version(instance: Instance, source: Path) -> None:
    """Nothing is read again of what stayed."""
    instance.ingest(source)
    write_record(source / "lighthouse", {"more.txt": b"more\n"})
    (source / "harbour" / "raw" / "gauge.bin").unlink()
    document = instance.ingest(source)
    harbour, lighthouse = ids(document)
    assert [one["version"] for one in document["records"]] == [2, 2]
    assert set(instance.files(harbour)) == {"readings.csv"}
    assert set(instance.files(lighthouse)) == {"notes.txt", "more.txt"}
    assert document["bytes_read"] == 5


def test_a_renamed_file_is_stored_once(instance: Instance, source: Path) -> None:
    """A new version whose bytes the object has already."""
    instance.ingest(source)
    (source / "harbour" / "raw" / "gauge.bin").rename(source / "harbour" / "gauge.bin")
    [harbour] = ids(instance.ingest(source))
    assert instance.files(harbour) == {
        "readings.csv": TIDES["readings.csv"],
        "gauge.bin": TIDES["raw/gauge.bin"],
    }
    assert len(list(instance.root.rglob("gauge.bin"))) == 1


def test_changed_metadata_makes_a_revision(instance: Instance, source: Path) -> None:
    """The same record and DOI, the next version of its object; no file is read."""
    first = ids(instance.ingest(source))
    write_record(source / "harbour", {}, title="Tide gauge, harbour")
    document = instance.ingest(source)
    assert (ids(document), document["bytes_read"], document["unchanged"]) == (first[:1], 0, 1)
    record = instance.record(first[0])
    assert (record.version, record.revision, record.is_latest) == (1, 2, True)
    assert record.description.metadata["title"] == "Tide gauge, harbour"
    seen = instance.services.registry.get(document["records"][0]["doi"])
    assert seen is not None
    assert seen.metadata["titles"][0]["title"] == "Tide gauge, harbour"
    [place] = [one for one in objects(instance.root) if (one / "v2").is_dir()]
    assert not (place / "v2" / "content" / "data").exists()
    assert instance.files(first[0]) == TIDES
    assert instance.ingest(source)["unchanged"] == 2


def test_files_that_were_only_touched_are_unchanged(instance: Instance, source: Path) -> None:
    """They are read, for their time is new; no version follows, nothing stays behind, and the next run
    need not read them again."""
    instance.ingest(source)
    stored, rows = instance.state()
    touch(source / "harbour" / "readings.csv")
    document = instance.ingest(source)
    assert document["bytes_read"] == len(TIDES["readings.csv"])
    assert (document["records"], document["unchanged"]) == ([], 2)
    assert instance.stored() == stored
    after = instance.row_counts()
    assert {name for name in rows if rows[name] != after[name]} == {"accession", "deposit"}
    before = instance.state()
    assert instance.ingest(source)["accession"] is None
    assert instance.state() == before


def test_touched_files_with_new_metadata_make_a_revision(instance: Instance, source: Path) -> None:
    """What was read for nothing does not stay in staging."""
    first = ids(instance.ingest(source))
    write_record(source / "harbour", {}, title="Tide gauge, harbour")
    touch(source / "harbour" / "readings.csv")
    document = instance.ingest(source)
    assert ids(document) == first[:1]
    assert (instance.record(first[0]).version, instance.record(first[0]).revision) == (1, 2)
    assert list((instance.store / "staging").rglob("*")) == []


def test_checksum_finds_what_size_and_time_hide(instance: Instance, source: Path) -> None:
    """Other bytes of the same size and time are found by reading; without it they are not."""
    instance.ingest(source)
    path = source / "lighthouse" / "notes.txt"
    found_ = path.stat()
    path.write_bytes(b"wild\n")
    os.utime(path, ns=(found_.st_atime_ns, found_.st_mtime_ns))
    assert instance.ingest(source)["unchanged"] == 2
    document = instance.ingest(source, checksum=True)
    [lighthouse] = ids(document)
    assert instance.files(lighthouse) == {"notes.txt": b"wild\n"}
    assert document["bytes_read"] == sum(map(len, TIDES.values())) + 5
    assert (document["records"][0]["version"], document["unchanged"]) == (2, 1)
    assert list((instance.store / "staging").rglob("*")) == []


def test_a_record_gone_from_the_source_stays(instance: Instance, source: Path) -> None:
    """Nothing is done to it."""
    [harbour, _] = ids(instance.ingest(source))
    shutil.rmtree(source / "harbour")
    before = instance.state()
    assert instance.ingest(source)["unchanged"] == 1
    assert instance.state() == before
    assert instance.files(harbour) == TIDES


def test_works_with_the_same_bytes_are_two_works(instance: Instance, tmp_path: Path) -> None:
    """Each object is whole in itself."""
    for name in ("one", "other"):
        write_record(tmp_path / "twins" / name, TIDES)
    document = instance.ingest(tmp_path / "twins")
    assert [instance.files(one) for one in ids(document)] == [TIDES, TIDES]
    assert len({one["concept_id"] for one in document["records"]}) == 2


def test_the_same_bytes_twice_in_a_record_are_held_once(instance: Instance, tmp_path: Path) -> None:
    """Both keys stay, over versions too, and reading either gives the bytes."""
    files = {"a.txt": b"same", "copies/b.txt": b"same", "empty": b"", "copies/empty": b""}
    write_record(tmp_path / "s" / "record", files)
    [first] = ids(instance.ingest(tmp_path / "s"))
    assert instance.files(first) == files
    write_record(tmp_path / "s" / "record", {"c.txt": b"same", "new.txt": b"new"})
    [second] = ids(instance.ingest(tmp_path / "s"))
    assert instance.files(second) == {**files, "c.txt": b"same", "new.txt": b"new"}
    assert len([path for path in instance.root.rglob("data/**/*.txt") if path.read_bytes() == b"same"]) == 1
