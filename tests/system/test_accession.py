"""Accessions from a source to the storage root, through the use cases, on both databases."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import publication
from pipeline.catalogue import accessions, deposits, identifiers, records
from pipeline.errors import Conflict, Interrupted
from pipeline.ingest import accession
from pipeline.model import AccessionState, DoiState, JsonObject, Outcome, RecordState
from tests.instance import Instance, codes, open_instance, write_record
from tests.ocfl_root import objects, problems

TIDES = {"readings.csv": b"time,level\n0,1.2\n", "raw/gauge.bin": bytes(range(256)) * 40}
EICAR = b"".join((rb"X5O!P%@AP[4\PZX54(P^)7CC)7}", rb"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"))


@pytest.fixture
def instance(tmp_path: Path, database_url: str) -> Iterator[Instance]:
    """An instance, whose storage root is valid when the test ends."""
    with open_instance(tmp_path / "home", database=database_url) as opened:
        yield opened
        assert problems(opened.root) == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with two sound records."""
    top = tmp_path / "tides"
    write_record(top / "harbour", TIDES)
    write_record(top / "lighthouse", {"notes.txt": b"calm\n"})
    return top


def ids(document: JsonObject) -> list[int]:
    return [one["id"] for one in document["records"]]


def touch(path: Path) -> None:
    """Give a file another modification time."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))


def declare(folder: Path, name: str, digest: str) -> None:
    """Put a checksum file beside a record's data."""
    (folder / "SHA256SUMS").write_text(f"{digest}  {name}\n", encoding="utf-8")


def state(instance: Instance) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
    """All that a run may have written."""
    return instance.stored(), instance.row_counts()


def relations(instance: Instance, doi: str) -> set[tuple[str, str]]:
    """(relation, DOI) of a DOI as the registry has it."""
    seen = instance.services.registry.get(doi)
    assert seen is not None
    return {
        (one["relationType"], one["relatedIdentifier"]) for one in seen.metadata.get("relatedIdentifiers", [])
    }


# ---------------------------------------------------------------- new, unchanged, changed


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
    before = state(instance)
    document = instance.ingest(source)
    assert state(instance) == before
    assert (document["accession"], document["unchanged"], document["records"]) == (None, 2, [])


def test_the_same_collection_from_another_place_is_unchanged(
    instance: Instance, source: Path, tmp_path: Path
) -> None:
    """Where a source lies does not matter: collection and key are a record's identity."""
    instance.ingest(source)
    before = state(instance)
    (tmp_path / "mounted").mkdir()
    shutil.copytree(source, tmp_path / "mounted" / "tides", copy_function=shutil.copy2)
    assert instance.ingest(tmp_path / "mounted" / "tides")["unchanged"] == 2
    assert state(instance) == before


def test_changed_bytes_make_a_new_version(instance: Instance, source: Path) -> None:
    """A new DOI under the same concept; the old version stays, and both know of each other."""
    [first, _] = instance.ingest(source)["records"]
    write_record(source / "harbour", {"readings.csv": b"time,level\n0,9.9\n"})
    document = instance.ingest(source)
    [second] = document["records"]
    assert (document["unchanged"], second["version"]) == (1, 2)
    assert (second["concept_id"], second["concept_doi"]) == (first["concept_id"], first["concept_doi"])
    old, new = instance.record(first["id"]), instance.record(second["id"])
    assert (old.is_latest, new.is_latest) == (False, True)
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
    stored, rows = state(instance)
    touch(source / "harbour" / "readings.csv")
    document = instance.ingest(source)
    assert document["bytes_read"] == len(TIDES["readings.csv"])
    assert (document["records"], document["unchanged"]) == ([], 2)
    assert instance.stored() == stored
    after = instance.row_counts()
    assert {name for name in rows if rows[name] != after[name]} == {"accession", "deposit"}
    before = state(instance)
    assert instance.ingest(source)["accession"] is None
    assert state(instance) == before


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
    before = state(instance)
    assert instance.ingest(source)["unchanged"] == 1
    assert state(instance) == before
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


# ---------------------------------------------------------------- held, mended


def spoil(source: Path) -> None:
    """Of the record `harbour`, declare a digest that its readings do not have."""
    declare(source / "harbour", "readings.csv", hashlib.sha256(b"other").hexdigest())


def mend(source: Path) -> None:
    declare(source / "harbour", "readings.csv", hashlib.sha256(TIDES["readings.csv"]).hexdigest())


def test_a_record_with_a_bad_file_is_held_whole(instance: Instance, source: Path) -> None:
    """Nothing of it is public, its good files wait in staging; the others are published."""
    spoil(source)
    document = instance.ingest(source)
    assert [one["id"] for one in document["records"]] == [4]
    assert (document["held"], codes(document)) == (
        1,
        [("harbour", "harbour/readings.csv", "digest-mismatch")],
    )
    staged = {path.name for path in (instance.store / "staging").rglob("*") if path.is_file()}
    assert "gauge.bin" in staged
    assert "readings.csv" not in staged
    assert len(objects(instance.root)) == 2
    assert instance.services.registry.get("10.5072/headrace.2") is None


def test_a_held_record_is_not_tried_again_while_nothing_changed(instance: Instance, source: Path) -> None:
    """It is reported again, and nothing is read or written."""
    spoil(source)
    instance.ingest(source)
    before = state(instance)
    document = instance.ingest(source)
    assert state(instance) == before
    assert (document["held"], document["unchanged"], len(document["problems"])) == (1, 1, 1)


def test_a_mended_source_completes_the_held_record(instance: Instance, source: Path) -> None:
    """Only what is not in custody yet is read, and the record keeps the number it was given."""
    spoil(source)
    instance.ingest(source)
    mend(source)
    document = instance.ingest(source)
    [harbour] = ids(document)
    assert (harbour, document["held"], document["problems"]) == (2, 0, [])
    assert {key: body for key, body in instance.files(harbour).items() if key in TIDES} == TIDES
    assert document["bytes_read"] < len(TIDES["raw/gauge.bin"])
    assert list((instance.store / "staging").rglob("*")) == []


def test_retry_tries_a_held_record_again(instance: Instance, source: Path) -> None:
    """Though nothing of it changed at the source as far as a survey can see."""
    spoil(source)
    first = instance.ingest(source)
    again = instance.ingest(source, retry=first["accession"])
    assert again["accession"] == first["accession"]
    assert (again["held"], codes(again)) == (1, codes(first))
    mend(source)
    mended = instance.ingest(source, retry=first["accession"])
    assert (mended["accession"], mended["held"], sorted(ids(mended))) == (first["accession"], 0, [2, 4])
    assert mended["problems"] == []


def test_allow_partial_publishes_the_rest(instance: Instance, source: Path) -> None:
    """And keeps what is missing in the record; mended, the file follows in a new version."""
    spoil(source)
    document = instance.ingest(source, allow_partial=True)
    harbour = instance.record(2)
    assert harbour.missing_files == ("harbour/readings.csv",)
    assert "readings.csv" not in instance.files(2)
    assert codes(document) == [("harbour", "harbour/readings.csv", "digest-mismatch")]
    mend(source)
    [second] = ids(instance.ingest(source))
    assert instance.record(second).version == 2
    assert instance.record(second).missing_files == ()
    assert instance.files(second)["readings.csv"] == TIDES["readings.csv"]


def test_allow_partial_publishes_what_an_earlier_run_held(instance: Instance, source: Path) -> None:
    """With files that are in custody already and need no reading."""
    spoil(source)
    instance.ingest(source)
    document = instance.ingest(source, allow_partial=True)
    assert ids(document) == [2]
    assert "raw/gauge.bin" in instance.files(2)
    assert document["bytes_read"] < len(TIDES["raw/gauge.bin"])


def test_an_infected_file_is_put_apart(instance: Instance, source: Path) -> None:
    """Out of staging, out of the root; its record is held, the report says why."""
    (source / "harbour" / "raw" / "virus.com").write_bytes(EICAR)
    document = instance.ingest(source)
    assert document["held"] == 1
    assert codes(document) == [("harbour", "harbour/raw/virus.com", "infected")]
    assert document["problems"][0]["outcome"] == Outcome.QUARANTINED
    holding = [path for path in instance.store.rglob("*") if path.is_file() and EICAR in path.read_bytes()]
    assert [path.relative_to(instance.store).parts[0] for path in holding] == ["quarantine"]


def test_a_partial_record_leaves_no_trace_of_its_infected_file(instance: Instance, source: Path) -> None:
    """Not even an empty folder, which no OCFL object may have."""
    write_record(source / "harbour", {"apart/virus.com": EICAR})
    instance.ingest(source, allow_partial=True)
    assert instance.files(2) == TIDES
    assert instance.record(2).missing_files == ("harbour/apart/virus.com",)


def test_invalid_metadata_rejects_the_record_unread(instance: Instance, source: Path) -> None:
    """With the field; once it is mended the record follows."""
    write_record(source / "harbour", {}, title="", upload_type="nonsense")
    document = instance.ingest(source)
    assert (ids(document), document["held"]) == ([4], 1)
    assert {one["record"] for one in document["problems"]} == {"harbour"}
    assert all(one["field"] for one in document["problems"])
    assert document["bytes_read"] == 5
    write_record(source / "harbour", {})
    assert ids(instance.ingest(source)) == [2]


def test_a_record_without_files_is_rejected(instance: Instance, tmp_path: Path) -> None:
    """And one with nothing but bad files has nothing to publish, `--allow-partial` or not."""
    write_record(tmp_path / "s" / "nothing", {})
    write_record(tmp_path / "s" / "bad", {"virus.com": EICAR})
    document = instance.ingest(tmp_path / "s", allow_partial=True)
    assert (document["records"], document["held"]) == ([], 2)
    assert {(record, code) for record, _, code in codes(document)} == {
        ("nothing", "no-files"),
        ("bad", "infected"),
    }


def test_a_held_change_leaves_the_published_version_as_it_is(instance: Instance, source: Path) -> None:
    """Files and metadata; when it is mended, the new version follows."""
    [harbour, _] = ids(instance.ingest(source))
    write_record(source / "harbour", {"virus.com": EICAR}, title="Changed")
    assert instance.ingest(source)["held"] == 1
    assert instance.files(harbour) == TIDES
    assert instance.record(harbour).description.metadata["title"] == "harbour"
    (source / "harbour" / "virus.com").write_bytes(b"clean now")
    [second] = ids(instance.ingest(source))
    assert instance.files(second) == {**TIDES, "virus.com": b"clean now"}
    assert instance.record(second).description.metadata["title"] == "Changed"
    assert (instance.record(second).version, instance.record(harbour).is_latest) == (2, False)


# ---------------------------------------------------------------- interrupted, cancelled, side by side


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


# ---------------------------------------------------------------- DOIs and withdrawal


def test_an_external_doi_is_kept_and_never_registered(instance: Instance, source: Path) -> None:
    """The record has it, the registry is not told of it; there is no concept DOI."""
    write_record(source / "harbour", {}, doi="10.1234/Elsewhere.1")
    document = instance.ingest(source)
    [harbour] = [one for one in document["records"] if one["id"] == 2]
    assert harbour["doi"].lower() == "10.1234/elsewhere.1"
    assert harbour["concept_doi"] is None
    for doi in ("10.1234/Elsewhere.1", "10.5072/headrace.2", "10.5072/headrace.1"):
        assert instance.services.registry.get(doi) is None
    with instance.services.catalogue.read() as tx:
        assert records.resolve_doi(tx, "10.1234/ELSEWHERE.1") == 2


def test_a_doi_of_our_own_prefix_is_rejected_unless_trusted(instance: Instance, source: Path) -> None:
    """Names under it are ours to give; in a migration records keep those that they had, which are not registered
    again."""
    name = "10.5072/zenodo.99"
    write_record(source / "harbour", {}, doi=name)
    document = instance.ingest(source)
    assert document["held"] == 1
    assert codes(document) == [("harbour", "", "own-prefix")]
    [harbour] = instance.ingest(source, trust_dois=True)["records"]
    assert (harbour["doi"], harbour["concept_doi"]) == (name, None)
    assert instance.services.registry.get(name) is None
    with instance.services.catalogue.read() as tx:
        assert records.resolve_doi(tx, name) == harbour["id"]


@pytest.mark.parametrize("name", ["10.5072/headrace.99", "10.5072/HEADRACE.1"])
def test_a_doi_that_is_given_here_one_day_is_rejected_even_if_trusted(
    instance: Instance, source: Path, name: str
) -> None:
    """No name is given twice."""
    write_record(source / "harbour", {}, doi=name)
    document = instance.ingest(source, trust_dois=True)
    assert codes(document) == [("harbour", "", "own-name")]


def test_two_works_cannot_have_one_external_doi(instance: Instance, source: Path) -> None:
    """The second is held and told so, in one run or in two."""
    for name in ("harbour", "lighthouse"):
        write_record(source / name, {}, doi="10.1234/elsewhere.1")
    document = instance.ingest(source)
    assert (document["records_total"], document["held"]) == (1, 1)
    assert [code for _, _, code in codes(document)] == ["doi-taken"]


def test_metadata_changed_for_a_withdrawn_record_does_not_stop_the_others(
    instance: Instance, source: Path
) -> None:
    """The withdrawn one stays withdrawn and is reported; the rest is published."""
    [harbour, lighthouse] = ids(instance.ingest(source))
    publication.withdraw(instance.services, harbour, reason="retracted", note="", by="admin@x")
    instance.drain()
    for name in ("harbour", "lighthouse"):
        write_record(source / name, {}, title="New title")
    document = instance.ingest(source)
    assert ids(document) == [lighthouse]
    assert (document["held"], [code for _, _, code in codes(document)]) == (1, ["withdrawn"])
    assert instance.record(harbour).state is RecordState.WITHDRAWN


def test_a_withdrawn_record_leaves_a_tombstone(instance: Instance, source: Path) -> None:
    """Its DOI is no longer findable, search forgets it, the feed says deleted; its bytes stay in the root."""
    [harbour, _] = instance.ingest(source)["records"]
    publication.withdraw(
        instance.services, harbour["id"], reason="retracted", note="by its authors", by="admin@x"
    )
    instance.drain()
    record = instance.record(harbour["id"])
    assert record.tombstone is not None
    assert (record.state, record.tombstone.note) == (RecordState.WITHDRAWN, "by its authors")
    seen = instance.services.registry.get(harbour["doi"])
    assert seen is not None
    assert seen.state is DoiState.REGISTERED
    assert harbour["id"] not in instance.found()
    assert instance.harvested()[harbour["id"]].deleted
    assert len(list(instance.root.rglob("gauge.bin"))) == 1
    with pytest.raises(Conflict):
        publication.withdraw(instance.services, harbour["id"], reason="again", note="", by="admin@x")
