"""Kinds of sources in every kind of tree: the same collection gives the same survey and the same bytes, and what is
wrong has the same fate, wherever the files are, and whether they are named or ripen in an inbox."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import Misconfigured
from pipeline.ingest.custody import CustodyTerms, Unit, take_unit
from pipeline.ingest.eicar import EicarScanner
from pipeline.ingest.sources import Source, open_source
from pipeline.ingest.sources.protocol import FileMissing
from pipeline.model import FileState, PlannedFile, SourceFile
from pipeline.settings import StoreLocation
from pipeline.store import layout
from pipeline.store.local import LocalStore
from tests.contracts.trees import CHANGES, FOLDERS, MANIFESTS, TREES, Place
from tests.unit.ingest.surveying import DEFAULT, Survey, surveyed

if TYPE_CHECKING:
    from collections.abc import Callable

TITLED = b'{"title": "Of its own"}'
LARGE = bytes(range(256)) * 40_000  # goes in parts
FILES = {
    "one/record.json": TITLED,
    "one/a.csv": b"1,2\n",
    "one/empty.dat": b"",
    "one/deep/er/b c%41.bin": b"\0\1\2",
    "one/deep/large.bin": LARGE,
    "one/same.csv": b"1,2\n",
    "two/record.json": TITLED,
    "two/größe.txt": "ß".encode(),
}
KEYS = {
    ("one", "a.csv"),
    ("one", "empty.dat"),
    ("one", "deep/er/b c%41.bin"),
    ("one", "deep/large.bin"),
    ("one", "same.csv"),
    ("two", "größe.txt"),
}


def trees(*wanted: str) -> Callable[[object], object]:
    """Run the test in all trees that can what is wanted."""
    names = [name for name, kind in TREES.items() if kind.can >= set(wanted)]
    return pytest.mark.parametrize("place", names, indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    return TREES[request.param].place(request)


@dataclass(frozen=True)
class Reader:
    """What reads sources: surveys them, and takes their files into custody in an empty store."""

    folder: Path

    def open(self, place: Place, name: str = "", **options: object) -> Source:
        chosen = {"default_metadata": None, "collection": None, **options}
        return open_source(place.locator(name), place.open_tree, **chosen)  # type: ignore[arg-type]

    def survey(self, source: Source) -> Survey:
        return surveyed(source, self.folder)

    def take(self, source: Source, files: dict[tuple[str, str], SourceFile]) -> dict[tuple[str, str], str]:
        """What became of each file: its bytes' sha256, or the code of its problem."""
        planned = tuple(
            PlannedFile(
                number,
                number,
                number,
                file.record,
                file.key,
                file.path,
                file.size,
                file.stamp,
                file.declared,
                layout.place(layout.staged(number), file.key),
            )
            for number, file in enumerate(files.values(), start=1)
        )
        terms = CustodyTerms("a1", source.tree.location, StoreLocation(""), "", "sha256", ("md5",))
        found: list[str] = []
        with closing(LocalStore(self.folder / "store")) as store:
            for one in planned:
                [report] = take_unit(
                    store,
                    EicarScanner(),
                    source.tree,
                    Unit(terms, (one,)),
                    lambda _: None,
                    pause=lambda _: None,
                )
                problem = report.problem
                if report.outcome.state is FileState.IN_CUSTODY:
                    assert problem is None
                    found.append(report.outcome.digests["sha256"])
                else:
                    assert problem is not None
                    assert problem.remedy, "what to do is not said"
                    found.append(problem.code)
        return dict(zip(files, found, strict=True))


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fill(place: Place, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        place.put(path, content)


def manifest(rows: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


# ---------------------------------------------------------------- the same collection


@trees(FOLDERS)
def test_a_tree_of_records(place: Place, reader: Reader) -> None:
    """Records, nested files, an empty one, duplicates, names that URLs write otherwise: all are found, with their
    sizes and with stamps, and all bytes are read."""
    fill(place, FILES)
    source = reader.open(place)
    seen = reader.survey(source)
    assert (set(seen.records), seen.keys, seen.problems) == ({"one", "two"}, KEYS, [])
    sizes = {at: file.size for at, file in seen.files.items()}
    assert sizes == {(record, key): len(FILES[f"{record}/{key}"]) for record, key in KEYS}
    assert all(file.stamp for file in seen.files.values())
    digests = {(record, key): sha256(FILES[f"{record}/{key}"]) for record, key in KEYS}
    assert reader.take(source, seen.files) == digests


@trees(FOLDERS)
def test_a_tree_without_descriptions(place: Place, reader: Reader) -> None:
    """Each entry at the top is a record, file or folder; without metadata for them the source is refused."""
    fill(place, {"a.csv": b"1", "b/c.csv": b"2", "b/d/e.csv": b"3"})
    seen = reader.survey(reader.open(place, default_metadata=DEFAULT))
    assert seen.keys == {("a.csv", "a.csv"), ("b", "c.csv"), ("b", "d/e.csv")}
    with pytest.raises(Misconfigured, match=r"record\.json"):
        reader.open(place)


@trees(FOLDERS)
def test_a_bag(place: Place, reader: Reader) -> None:
    """Its payload with the digests of its manifest; what is listed and not there, and there and not listed, is told."""
    payload = {"data/a.csv": b"1,2\n", "data/deep/b.bin": LARGE, "data/unlisted": b""}
    listed = [f"{sha256(content)}  {path}" for path, content in payload.items() if "un" not in path]
    lines = [*listed, f"{'0' * 64}  data/gone"]
    fill(
        place,
        {
            **payload,
            "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
            "manifest-sha256.txt": "".join(f"{line}\n" for line in lines).encode(),
            "metadata/record.json": TITLED,
        },
    )
    source = reader.open(place)
    seen = reader.survey(source)
    [record] = seen.records
    assert seen.title(record) == "Of its own"
    assert {(key, code) for _, key, code in seen.rejections} == {
        ("data/gone", "missing"),
        ("data/unlisted", "unlisted"),
    }
    good = {at: file for at, file in seen.files.items() if file.problem is None}
    assert reader.take(source, good) == {
        (record, "a.csv"): sha256(b"1,2\n"),
        (record, "deep/b.bin"): sha256(LARGE),
    }


@trees(MANIFESTS)
def test_a_manifest(place: Place, reader: Reader) -> None:
    """Files beside it and below, with declared digests: a wrong one and a missing file have their fates."""
    files = {"a.csv": b"1,2\n", "empty.dat": b"", "deep/größe b%41.bin": LARGE, "wrong.csv": b"3"}
    rows: list[dict[str, object]] = [
        {"path": path, "record": "one", "sha256": sha256(content)} for path, content in files.items()
    ]
    rows[-1]["sha256"] = "0" * 64
    rows[0]["metadata"] = {"title": "Of its own"}
    rows += [{"path": "gone.csv", "record": "one"}, {"path": "../up.csv", "record": "one"}]
    fill(place, {**files, "list.jsonl": manifest(rows)})
    source = reader.open(place, "list.jsonl")
    assert source.collection == "list"
    seen = reader.survey(source)
    assert seen.rejections == [("one", "../up.csv", "unsafe-path"), ("one", "gone.csv", "missing")]
    good = {at: file for at, file in seen.files.items() if file.problem is None}
    assert reader.take(source, good) == {
        ("one", "a.csv"): sha256(b"1,2\n"),
        ("one", "empty.dat"): sha256(b""),
        ("one", "deep/größe b%41.bin"): sha256(LARGE),
        ("one", "wrong.csv"): "digest-mismatch",
    }


@trees(FOLDERS)
def test_two_surveys_find_the_same(place: Place, reader: Reader) -> None:
    """What did not change has the same stamp, by whichever way it is looked at."""
    fill(place, FILES)
    tree = reader.open(place).tree
    first, second = (reader.survey(reader.open(place)) for _ in range(2))
    assert first.found == second.found
    for file in first.files.values():
        looked = tree.look(file.path)
        assert (looked.size, looked.stamp) == (file.size, file.stamp)
        with tree.open_now(file.path) as opened:
            assert (opened.size, opened.stamp) == (file.size, file.stamp)


@trees(FOLDERS)
def test_an_empty_place_is_refused(place: Place, reader: Reader) -> None:
    """Where nothing lies there is no collection, and that is said before anything is begun."""
    with pytest.raises(Misconfigured):
        reader.open(place)


# ---------------------------------------------------------------- fates


@trees(FOLDERS, CHANGES)
def test_what_changes_after_the_survey_is_not_taken(place: Place, reader: Reader) -> None:
    """Changed, grown, gone: each file has its fate, and the others are taken."""
    fill(place, {**FILES, "one/gone.csv": b"5"})
    source = reader.open(place)
    seen = reader.survey(source)
    place.put("one/a.csv", b"9,9\n")
    place.put("one/deep/large.bin", LARGE + b"more")
    place.remove("one/gone.csv")
    fates = reader.take(source, seen.files)
    assert fates["one", "a.csv"] == fates["one", "deep/large.bin"] == "changed"
    assert fates["one", "gone.csv"] == "missing"
    assert fates["one", "same.csv"] == sha256(b"1,2\n")


@trees(CHANGES)
@pytest.mark.parametrize("other", [b"other", LARGE[::-1], LARGE + b"more"])
def test_what_changes_while_it_is_read_is_told(place: Place, other: bytes) -> None:
    """Bytes that may be of two states of a file are nobody's file, be they as many or not."""
    place.put("a.bin", LARGE)
    tree = place.open_tree(place.top)
    with tree.open_now("a.bin") as opened:
        assert opened.read_at(0, 5) == LARGE[:5]
        place.put("a.bin", other)
        with pytest.raises(Exception, match="changed while it was read") as told:
            opened.still_same()
    assert getattr(told.value, "code", "") == "changed"


@trees()
def test_a_file_is_read_from_anywhere(place: Place) -> None:
    """Forwards, backwards, at the end and beyond it: as one reads that goes on with a large file."""
    place.put("a.bin", LARGE)
    looked = place.open_tree(place.top).look("a.bin")
    with place.open_tree(place.top).open("a.bin", looked.size, looked.stamp) as opened:
        assert opened.read_at(5_000_000, 10) == LARGE[5_000_000:5_000_010]
        assert opened.read_at(3, 4) == LARGE[3:7]
        assert opened.read(2) == LARGE[7:9]
        assert opened.read_at(len(LARGE) - 3, 10) == LARGE[-3:]
        assert opened.read(1) == b""
        assert opened.given >= 19
        opened.still_same()


@trees()
@pytest.mark.parametrize("path", ["gone.csv", "deep/gone.csv"])
def test_what_is_not_there_is_missing(place: Place, path: str) -> None:
    """Looked at or opened."""
    place.put("a.csv", b"1")
    tree = place.open_tree(place.top)
    with pytest.raises(FileMissing):
        tree.look(path)
    with pytest.raises(FileMissing):
        tree.open_now(path)
