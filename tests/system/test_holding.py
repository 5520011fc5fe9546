"""Records that are held, and how they are completed, through the use cases, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.model import Outcome
from tests.eicar import EICAR
from tests.instance import Instance, codes, write_record
from tests.ocfl_root import objects
from tests.tides import TIDES, ids, mend, spoil, write_tides


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with two sound records."""
    return write_tides(tmp_path / "tides")


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
    before = instance.state()
    document = instance.ingest(source)
    assert instance.state() == before
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
