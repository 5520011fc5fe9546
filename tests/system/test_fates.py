"""The table of fates in the README, row by row: one collection with each of them, through one ingest; and the bags of
BagIt's conformance suite."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.display import shown
from pipeline.errors import Misconfigured
from pipeline.model import JsonObject
from tests.eicar import EICAR
from tests.instance import Instance, open_instance, write_record
from tests.ocfl_root import problems
from tests.reference import reference

DATA = b"time,level\n0,1.2\n"
GOOD = {"good.csv": DATA}
ODD = os.fsdecode(b"caf\xe9.csv")
SUITE = reference("testdata", "bagit", "suite")
DEFAULT = {
    "title": "A bag",
    "upload_type": "dataset",
    "creators": [{"name": "Marlow, Ida"}],
    "publication_date": "2026-03-09",
    "description": "<p>As it came.</p>",
    "license": "cc-by-4.0",
}


@dataclass(frozen=True)
class Fate:
    """A row: what is made of a record's folder, whether it is published, and (path below the folder, outcome, code) of
    each problem. `files` are those of its record, where it is published."""

    make: Callable[[Path], object]
    published: bool
    problems: tuple[tuple[str, str, str], ...] = ()
    files: tuple[str, ...] = ("good.csv",)


def _wrong_digest(folder: Path) -> None:
    write_record(folder, GOOD)
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  good.csv\n")


def _lists_missing(folder: Path) -> None:
    write_record(folder, GOOD)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(DATA).hexdigest()}  gone.csv\n")


def _special(folder: Path) -> None:
    write_record(folder, GOOD)
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "fifo")


FATES = {
    "sound": Fate(
        lambda folder: write_record(folder, {**GOOD, "raw/deep.bin": DATA[1:]}),
        True,
        (),
        ("good.csv", "raw/deep.bin"),
    ),
    "wrong-digest": Fate(_wrong_digest, False, (("good.csv", "rejected", "digest-mismatch"),)),
    "infected": Fate(
        lambda folder: write_record(folder, {**GOOD, "bad.com": EICAR}),
        False,
        (("bad.com", "quarantined", "infected"),),
    ),
    "missing": Fate(_lists_missing, False, (("gone.csv", "rejected", "missing"),)),
    "changed": Fate(
        lambda folder: write_record(folder, {**GOOD, "moving.csv": DATA}),
        False,
        (("moving.csv", "rejected", "changed"),),
    ),
    "vanished": Fate(
        lambda folder: write_record(folder, {**GOOD, "leaving.csv": DATA}),
        False,
        (("leaving.csv", "rejected", "missing"),),
    ),
    "invalid-metadata": Fate(
        lambda folder: write_record(folder, GOOD, creators=[]), False, (("", "rejected", "missing"),)
    ),
    "control-characters": Fate(
        lambda folder: write_record(folder, {**GOOD, "a\nb.csv": DATA}),
        False,
        (("a\\x0ab.csv", "rejected", "bad-name"),),
    ),
    "own-doi": Fate(lambda folder: write_record(folder, GOOD, doi="10.1234/elsewhere"), True),
    "our-prefix": Fate(
        lambda folder: write_record(folder, GOOD, doi="10.5072/headrace.77"),
        False,
        (("", "rejected", "own-prefix"),),
    ),
    "empty": Fate(
        lambda folder: write_record(folder, {**GOOD, "none.csv": b""}), True, (), ("good.csv", "none.csv")
    ),
    "case": Fate(
        lambda folder: write_record(
            folder, {**GOOD, "Good.csv": b"1", "cafe\u0301": b"2", "caf\u00e9": b"3"}
        ),
        True,
        (),
        ("Good.csv", "cafe\u0301", "caf\u00e9", "good.csv"),
    ),
    "twice": Fate(
        lambda folder: write_record(folder, {**GOOD, "copy.csv": DATA}),
        True,
        (("good.csv", "warned", "duplicate"),),
        ("copy.csv", "good.csv"),
    ),
    "odd-name": Fate(
        lambda folder: write_record(folder, {**GOOD, ODD: b"1"}),
        True,
        ((shown(ODD), "warned", "name-not-utf8"),),
        ("caf%E9.csv", "good.csv"),
    ),
    "special": Fate(_special, True, (("fifo", "warned", "not-regular"), ("link", "warned", "not-regular"))),
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance, whose storage root is valid when the tests end."""
    with open_instance(tmp_path_factory.mktemp("fates")) as opened:
        yield opened
        assert problems(opened.root) == []


@pytest.fixture(scope="module")
def document(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> JsonObject:
    """The report of one ingest of them all, during which a file is written to and another goes."""
    top = tmp_path_factory.mktemp("source") / "fates"
    for name, fate in FATES.items():
        fate.make(top / name)
    (top / "loose.txt").write_bytes(b"nobody's")
    attempt = instance.attempt(top)
    (top / "changed" / "moving.csv").write_bytes(b"another and longer\n")
    (top / "vanished" / "leaving.csv").unlink()
    attempt.take_in()
    attempt.publish()
    attempt.finish()
    return attempt.report()


@pytest.mark.parametrize("name", FATES)
def test_what_is_found_meets_its_fate(instance: Instance, document: JsonObject, name: str) -> None:
    """Each record of the collection: published or held, with just the problems that it has, and its files served."""
    fate = FATES[name]
    told = sorted(
        (one["path"].removeprefix(f"{name}/"), one["outcome"], one["code"])
        for one in document["problems"]
        if one["record"] == name
    )
    assert told == sorted(fate.problems)
    published = {
        instance.record(one["id"]).description.metadata["title"]: one["id"] for one in document["records"]
    }
    assert (name in published) is fate.published
    if fate.published:
        assert tuple(sorted(instance.files(published[name]))) == fate.files


def test_a_file_of_no_record_is_left_out_and_told(document: JsonObject) -> None:
    """What lies where no `record.json` is above it belongs to nobody."""
    told = [(one["path"], one["code"]) for one in document["problems"] if one["path"] == "loose.txt"]
    assert told == [("loose.txt", "no-record")]


@pytest.mark.parametrize("path", ["../outside.csv", "/etc/passwd"])
def test_a_listed_path_out_of_the_source_holds_its_record(
    instance: Instance, tmp_path: Path, path: str
) -> None:
    """The other records of the manifest are published."""
    (tmp_path / "outside.csv").write_bytes(DATA)
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "good.csv").write_bytes(DATA)
    rows = [{"path": "good.csv", "record": "in"}, {"path": path, "record": "out"}]
    listing = tmp_path / "list" / "files.jsonl"
    listing.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    document = instance.ingest(listing, metadata=DEFAULT, collection=f"listed {path}")
    assert (len(document["records"]), document["held"]) == (1, 1)
    assert {(one["record"], one["path"], one["outcome"]) for one in document["problems"]} >= {
        ("out", path, "rejected")
    }


# ---------------------------------------------------------------- the conformance suite


def suite(*classes: str) -> list[Path]:
    return sorted(bag for each in classes for bag in SUITE.glob(f"v*/{each}/*") if bag.is_dir())


def named(bag: Path) -> str:
    return str(bag.relative_to(SUITE))


@pytest.mark.parametrize("bag", suite("valid"), ids=named)
def test_a_valid_bag_is_published(instance: Instance, bag: Path) -> None:
    """With every file of its payload, whose digests are those of its manifests."""
    document = instance.ingest(bag, metadata=DEFAULT, collection=named(bag))
    assert [one for one in document["problems"] if one["outcome"] != "warned"] == []
    [record] = document["records"]
    payload = {
        path.relative_to(bag / "data").as_posix(): path.read_bytes()
        for path in (bag / "data").rglob("*")
        if path.is_file()
    }
    assert instance.files(record["id"]) == payload


@pytest.mark.parametrize("bag", suite("invalid", "linux-only", "windows-only"), ids=named)
def test_an_invalid_bag_is_refused_or_held(instance: Instance, bag: Path) -> None:
    """Whole, and the reason is told; nothing of it is published."""
    document: JsonObject = {"records": [], "held": 1, "problems": []}
    with suppress(Misconfigured):
        document = instance.ingest(bag, metadata=DEFAULT, collection=named(bag))
        assert any(one["outcome"] == "rejected" and one["reason"] for one in document["problems"])
    assert (document["records"], document["held"]) == ([], 1)
