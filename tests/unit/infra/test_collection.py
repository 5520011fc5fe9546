"""The sample collection: the same on every machine, and wrong exactly where it means to be."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date
from typing import TYPE_CHECKING

import pytest
from idutils.validators import is_orcid

from infra.demo.collection import make_collection
from infra.demo.on_purpose import ODDITIES
from infra.demo.samples import RECORDS
from pipeline import metadata
from pipeline.ingest.checksums import checksum_algorithm, parse_checksum_file

if TYPE_CHECKING:
    from pathlib import Path

BULK_BYTES = 3_000_000
TODAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("demo") / "collection"
    make_collection(directory, bulk_bytes=BULK_BYTES)
    return directory


def contents(directory: Path) -> dict[bytes, tuple[int, str]]:
    """Path → (time of modification, digest of the bytes or the link's target) of everything below."""
    found = {}
    for path in sorted(directory.rglob("*")):
        content = (
            os.fsencode(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        )
        found[os.fsencode(path.relative_to(directory))] = (
            path.lstat().st_mtime_ns,
            hashlib.sha256(content).hexdigest(),
        )
    return found


def mismatches(record: Path) -> list[str]:
    """Files of a record whose bytes are not those that its checksum files declare."""
    wrong = []
    for listing in filter(lambda path: checksum_algorithm(path.name), sorted(record.iterdir())):
        algorithm, declared = parse_checksum_file(listing.name, listing.read_bytes())
        for path, digest in declared.items():
            if hashlib.new(algorithm, (record / os.fsdecode(path)).read_bytes()).hexdigest() != digest:
                wrong.append(os.fsdecode(path))
    return wrong


def orcids(document: object) -> list[str]:
    if isinstance(document, dict):
        own = [document["orcid"]] if "orcid" in document else []
        return own + [orcid for value in document.values() for orcid in orcids(value)]
    return [orcid for value in document for orcid in orcids(value)] if isinstance(document, list) else []


def test_two_collections_are_equal_to_the_byte_and_the_second(collection: Path, tmp_path: Path) -> None:
    """Names, bytes, links and times of modification are the same whenever the collection is made."""
    make_collection(tmp_path / "again", bulk_bytes=BULK_BYTES)
    assert contents(collection) == contents(tmp_path / "again")


def test_an_interrupted_making_leaves_nothing_that_looks_complete(tmp_path: Path) -> None:
    """Remains of a killed run are made anew, and the collection has no file more than a fresh one."""
    (tmp_path / "demo.partial" / "left-over").mkdir(parents=True)
    make_collection(tmp_path / "demo", bulk_bytes=0)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert not (tmp_path / "demo" / "left-over").exists()


def test_there_is_a_description_for_every_record_and_a_record_for_every_description(collection: Path) -> None:
    """The records on disk are those of the two tables, each with its files beside its description."""
    found = {
        str(path.parent.relative_to(collection)): path.parent for path in collection.rglob("record.json")
    }
    assert set(found) == {*RECORDS, *ODDITIES}
    assert all(sum(path.is_file() for path in folder.rglob("*")) > 1 for folder in found.values())


def test_the_large_file_has_the_size_asked_for_and_does_not_repeat(collection: Path) -> None:
    """The large file is as long as asked, and no block of it equals another."""
    content = (collection / "seismic-array-continuous/waveforms/2021-03-04.dat").read_bytes()
    assert len(content) == BULK_BYTES
    blocks = [content[start : start + 4096] for start in range(0, BULK_BYTES, 4096)]
    assert len(set(blocks)) == len(blocks)


def test_declared_checksums_are_right_but_for_the_one_meant_to_be_wrong(collection: Path) -> None:
    """Three records declare digests; only one file of the record made for it differs from its own."""
    declaring = {path.parent for path in collection.rglob("checksums.*")}
    wrong = {str(record.relative_to(collection)): mismatches(record) for record in declaring}
    assert wrong == {
        "glacier-mass-balance-rhone": [],
        "north-sea-tide-gauges": [],
        "on-purpose/wrong-checksum": ["plot-b.csv"],
    }


def test_the_infected_file_is_the_published_test_file(collection: Path) -> None:
    """The EICAR file has the digest under which every scanner knows it."""
    content = (collection / "on-purpose/infected-file/attachments/reply.com").read_bytes()
    assert hashlib.md5(content).hexdigest() == "44d88612fea8a8f36de82e1278abb02f"


def test_the_odd_names_and_files_are_there(collection: Path) -> None:
    """An empty file, a link out of the tree, a name that is not UTF-8, one in Japanese, two equal files."""
    files = [
        path for path in (collection / "on-purpose").rglob("*") if path.is_file() and not path.is_symlink()
    ]
    assert [path.name for path in files if path.stat().st_size == 0] == ["2020-02.csv"]
    links = [path for path in collection.rglob("*") if path.is_symlink()]
    assert [link.parent.name for link in links] == ["link-out-of-tree"]
    assert not links[0].resolve().is_relative_to(collection)
    odd_names = [os.fsencode(path.name) for path in files if not path.name.isascii()]
    assert sorted(odd_names) == ["relevés-été.csv".encode("latin-1"), "水温_2021年.csv".encode()]
    pollen = [path.read_bytes() for path in files if path.name.endswith("pollen-2020.csv")]
    assert len(pollen) == 2
    assert pollen[0] == pollen[1]


def test_every_orcid_but_the_wrong_one_has_its_check_digit(collection: Path) -> None:
    """ORCID iDs are valid (ISO 7064 MOD 11-2), but for the one in the record of invalid metadata."""
    invalid = {
        str(path.parent.relative_to(collection))
        for path in collection.rglob("record.json")
        for orcid in orcids(json.loads(path.read_bytes()))
        if not is_orcid(orcid)
    }
    assert invalid == {"on-purpose/invalid-metadata"}


def test_descriptions_are_accepted_without_a_remark_but_for_the_invalid_one(collection: Path) -> None:
    """The archive's own reader finds nothing wrong in any description that is not meant to be wrong."""
    remarked = {
        str(path.parent.relative_to(collection)): reading.problems
        for path in collection.rglob("record.json")
        if (reading := metadata.read(json.loads(path.read_bytes()), today=TODAY)).problems
    }
    assert list(remarked) == ["on-purpose/invalid-metadata"]
    assert len(remarked["on-purpose/invalid-metadata"]) == 4
