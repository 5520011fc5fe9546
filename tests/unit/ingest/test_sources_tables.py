"""Manifests as sources: JSON Lines, CSV, Parquet."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import Misconfigured
from tests.unit.ingest.surveying import DEFAULT, open_local, survey, write

if TYPE_CHECKING:
    from collections.abc import Sequence

Rows = list[dict[str, Any]]
FORMATS = ("jsonl", "csv", "parquet")
COLUMNS = ("path", "record", "md5", "sha1", "sha256", "sha512", "metadata", "comment")
META = json.dumps({"title": "Own"})


def manifest(folder: Path, rows: Rows, form: str = "jsonl") -> Path:
    """Write `rows` (text or None in each cell) as a manifest `list.<form>`."""
    path = folder / f"list.{form}"
    match form:
        case "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case "csv":
            with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)
        case _:
            columns = {
                name: pa.array([row.get(name) for row in rows], pa.string())
                for name in COLUMNS
                if name != "path"
            }
            paths = pa.array([os.fsencode(row["path"]) for row in rows], pa.binary())
            pq.write_table(pa.table({"path": paths, **columns}), path)
    return path


def surveyed(folder: Path, rows: Rows, form: str = "jsonl", **options: Any) -> Any:
    return survey(manifest(folder, rows, form), folder, **options)


@pytest.mark.parametrize("form", FORMATS)
def test_a_manifest_names_files_and_their_records(tmp_path: Path, form: str) -> None:
    """Paths are relative to the manifest; rows of one record may stand apart, and any of them may bring its
    metadata; other columns are ignored; digests are declared in lower case."""
    write(tmp_path / "d/a.csv", "a")
    write(tmp_path / "d/b.csv", "bb")
    write(tmp_path / "c.csv", "")
    digest = hashlib.sha256(b"a").hexdigest()
    rows: Rows = [
        {"path": "d/a.csv", "record": "one", "sha256": digest.upper(), "comment": "x"},
        {"path": "c.csv", "record": "two"},
        {"path": "./d/b.csv", "record": "one", "metadata": META},
    ]

    seen = surveyed(tmp_path, rows, form, default=DEFAULT)

    assert (seen.collection, seen.tree.location.url) == ("list", str(tmp_path))
    assert list(seen.records) == ["one", "two"]
    assert seen.title("one") == "Own"
    assert seen.title("two") == "By default"
    assert seen.keys == {("one", "d/a.csv"), ("one", "d/b.csv"), ("two", "c.csv")}
    assert seen.files["one", "d/a.csv"].declared == {"sha256": digest}
    assert seen.files["one", "d/b.csv"].size == 2
    assert seen.problems == []


@pytest.mark.parametrize("form", FORMATS)
def test_without_a_record_a_row_is_one(tmp_path: Path, form: str) -> None:
    """The row's path is then the record's key."""
    write(tmp_path / "d/a")
    assert surveyed(tmp_path, [{"path": "d/a", "metadata": META}], form).keys == {("d/a", "d/a")}


def test_metadata_may_be_an_object(tmp_path: Path) -> None:
    """In JSON Lines as it stands, in Parquet as a struct whose nulls say nothing."""
    write(tmp_path / "a")
    assert surveyed(tmp_path, [{"path": "a", "metadata": {"title": "T"}}]).title("a") == "T"
    table = pa.table({"path": ["a"], "metadata": [{"title": "T", "colour": None}]})
    pq.write_table(table, tmp_path / "s.parquet")
    seen = survey(tmp_path / "s.parquet", tmp_path)
    assert seen.title("a") == "T"
    assert seen.problems == []


def test_metadata_twice_must_be_the_same(tmp_path: Path) -> None:
    """Equal metadata on two rows is no conflict, whatever the order of its keys; another title is."""
    for name in "abcd":
        write(tmp_path / name)
    rows: Rows = [
        {"path": "a", "record": "same", "metadata": '{"title": "T", "n": 1}'},
        {"path": "b", "record": "same", "metadata": {"n": 1, "title": "T"}},
        {"path": "c", "record": "torn", "metadata": {"title": "T"}},
        {"path": "d", "record": "torn", "metadata": {"title": "U"}},
    ]

    seen = surveyed(tmp_path, rows)

    assert seen.rejections == [("torn", "", "metadata-conflict")]
    assert "line 3 and line 4" in seen.problems[0].reason
    assert seen.title("same") == "T"


def test_a_record_without_metadata_is_rejected(tmp_path: Path) -> None:
    """There is none on its rows and no default."""
    write(tmp_path / "a")
    assert surveyed(tmp_path, [{"path": "a", "record": "r"}]).rejections == [("r", "", "no-metadata")]


@pytest.mark.parametrize(
    ("cells", "code", "column"),
    [
        ({"path": "/etc/passwd"}, "unsafe-path", "path"),
        ({"path": "../outside"}, "unsafe-path", "path"),
        ({"path": "a/../../outside"}, "unsafe-path", "path"),
        ({"path": "a\0b"}, "unsafe-path", "path"),
        ({"path": "\ud800"}, "unsafe-path", "path"),
        ({"path": "a\tb"}, "bad-name", "path"),
        ({"path": "./"}, "bad-name", "path"),
        ({"path": "x" * 4097}, "bad-name", "path"),
        ({"path": ""}, "bad-row", "path"),
        ({"path": 7}, "bad-row", "path"),
        ({}, "bad-row", "path"),
        ({"path": "b", "record": "a\nb"}, "bad-row", "record"),
        ({"path": "b", "record": ["r"]}, "bad-row", "record"),
        ({"path": "b", "md5": "abc"}, "bad-digest", "md5"),
        ({"path": "b", "sha256": "z" * 64}, "bad-digest", "sha256"),
        ({"path": "b", "sha1": 5}, "bad-digest", "sha1"),
        ({"path": "b", "metadata": "{"}, "metadata-not-json", "metadata"),
    ],
)
def test_a_bad_row_names_line_and_column_and_the_rest_goes_on(
    tmp_path: Path, cells: dict[str, Any], code: str, column: str
) -> None:
    """The record that the row belongs to is held, where the row says which it is."""
    write(tmp_path / "a")
    write(tmp_path / "b")
    rows = [{"path": "a", "record": "good"}, {"record": "bad"} | cells]

    seen = surveyed(tmp_path, rows, default=DEFAULT)

    (problem,) = seen.problems
    assert (problem.code, problem.field) == (code, column)
    assert problem.reason.startswith(f"line 2, column {column}: ")
    assert problem.record == ("" if column == "record" else "bad")
    assert seen.keys == {("good", "a")}


@pytest.mark.parametrize("line", [b"{", b"[]", b'"a"', b"\xff\xfe", b'{"path": NaN}'])
def test_a_line_that_is_no_object_is_told_of(tmp_path: Path, line: bytes) -> None:
    """Blank lines are none; the others count."""
    write(tmp_path / "a")
    path = write(tmp_path / "list.ndjson", b'\n{"path": "a"}\r\n' + line + b"\n")

    seen = survey(path, tmp_path, default=DEFAULT)

    assert seen.keys == {("a", "a")}
    assert seen.rejections == [("", "", "bad-row")]
    assert "line 3" in seen.problems[0].reason


def test_a_csv_row_of_another_width_is_told_of(tmp_path: Path) -> None:
    """Too few cells or too many: digests would slip into other columns. A byte order mark is no matter."""
    write(tmp_path / "a")
    path = write(tmp_path / "list.csv", b"\xef\xbb\xbfpath, record\na,r\na\na,r,x\n\n")

    seen = survey(path, tmp_path, default=DEFAULT)

    assert seen.keys == {("r", "a")}
    assert [problem.reason.split(":")[0] for problem in seen.problems] == ["line 3", "line 4"]


def test_a_csv_cell_may_hold_long_metadata(tmp_path: Path) -> None:
    """Longer than the 131,072 characters that Python's reader allows by itself."""
    write(tmp_path / "a")
    rows = [{"path": "a", "metadata": json.dumps({"title": "T" * 200_000})}]
    assert len(str(surveyed(tmp_path, rows, "csv").title("a"))) == 200_000


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_listed_and_cannot_be_read_rejects_the_file(tmp_path: Path, form: str) -> None:
    """Missing, a folder, a link, behind a link: a manifest asks for the file by name, so that it is not
    taken is no mere warning."""
    write(tmp_path / "real/x")
    (tmp_path / "link").symlink_to("real/x")
    (tmp_path / "linked").symlink_to("real")
    rows = [{"path": path, "record": "r"} for path in ("gone", "real", "link", "linked/x")]

    seen = surveyed(tmp_path, rows, form, default=DEFAULT)

    assert seen.rejections == [
        ("r", "gone", "missing"),
        ("r", "link", "not-regular"),
        ("r", "linked/x", "not-regular"),
        ("r", "real", "not-regular"),
    ]
    assert seen.keys == set()


@pytest.mark.parametrize(
    ("paths", "clashing"),
    [
        (["a", "./a"], ["a"]),
        (["a/b", "a", "a/c/d", "a-"], ["a/b", "a/c/d"]),
    ],
)
def test_keys_that_collide_are_rejected(tmp_path: Path, paths: Sequence[str], clashing: list[str]) -> None:
    """The same file twice in a record, or a file that is another's folder."""
    write(tmp_path / "a")
    write(tmp_path / "a-")
    seen = surveyed(tmp_path, [{"path": path, "record": "r"} for path in paths], default=DEFAULT)
    assert seen.rejections == [("r", key, "key-collision") for key in clashing]


def test_one_file_may_belong_to_two_records(tmp_path: Path) -> None:
    """Keys are distinct within a record only."""
    write(tmp_path / "a")
    rows = [{"path": "a", "record": "r"}, {"path": "a", "record": "s"}]
    assert surveyed(tmp_path, rows, default=DEFAULT).keys == {("r", "a"), ("s", "a")}


@pytest.mark.parametrize("form", FORMATS)
def test_paths_that_are_not_utf8_are_opened_by_their_bytes(tmp_path: Path, form: str) -> None:
    """In CSV and Parquet as bytes, in JSON as Python writes them."""
    name = os.fsdecode(b"caf\xe9")
    write(tmp_path / name, "xyz")

    seen = surveyed(tmp_path, [{"path": name}], form, default=DEFAULT)

    assert seen.files["caf%E9", "caf%E9"].path == name
    assert seen.files["caf%E9", "caf%E9"].size == 3
    assert seen.warnings == [("caf%E9", r"caf\xe9", "name-not-utf8")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.jsonl", b""),
        ("list.jsonl", b'{"file": "a"}\n'),
        ("list.jsonl", b"not json\n"),
        ("list.csv", b""),
        ("list.csv", b"file,record\na,b\n"),
        ("list.csv", b"path;record\na;b\n"),
        ("list.csv", b"path,path\na,b\n"),
        ("list.csv", b"path,record\n"),
        ("list.parquet", b"PAR1 not really"),
    ],
)
def test_a_manifest_that_is_wholly_wrong_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """Unreadable, without the column `path`, or without a row: nothing is begun."""
    path = write(tmp_path / name, content)
    with pytest.raises(Misconfigured) as refusal:
        open_local(path, default=DEFAULT)
    assert "column `path`" in refusal.value.remedy


def test_a_parquet_file_of_other_things_is_refused(tmp_path: Path) -> None:
    """It can be read, and has no column `path`."""
    pq.write_table(pa.table({"x": [1]}), tmp_path / "list.parquet")
    with pytest.raises(Misconfigured, match="no column `path`"):
        open_local(tmp_path / "list.parquet", default=DEFAULT)


def test_nothing_is_left_in_the_scratch_folder(tmp_path: Path) -> None:
    """The temporary database goes with the survey."""
    write(tmp_path / "a")
    path = manifest(tmp_path, [{"path": "a"}])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    survey(path, scratch, default=DEFAULT)
    assert list(scratch.iterdir()) == []


SEGMENT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=8
)
NAMES = st.lists(SEGMENT.filter(lambda name: name not in (".", "..")), min_size=1, max_size=6, unique=True)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=NAMES, data=st.data())
def test_a_manifest_survives_each_format(form: str, names: list[str], data: st.DataObject) -> None:
    """Whatever the names: the rows that were written are the files that are found, digests included."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows: Rows = []
        for name in names:
            write(folder / "in" / name, name)
            record = data.draw(st.sampled_from(["one", "two", "drei 3", "四"]))
            rows.append(
                {"path": f"in/{name}", "record": record, "md5": hashlib.md5(name.encode()).hexdigest()}
            )

        seen = surveyed(folder, rows, form, default=DEFAULT)

        assert seen.problems == []
        found = {(record, file.path, file.declared["md5"]) for (record, _), file in seen.files.items()}
        assert found == {(row["record"], row["path"], row["md5"]) for row in rows}
        assert {file.size for file in seen.files.values()} == {len(name.encode()) for name in names}
