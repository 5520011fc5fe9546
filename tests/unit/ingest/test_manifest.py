"""The survey on disk."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.manifest import (
    SurveyedFile,
    SurveySummary,
    read_files,
    read_problems,
    read_records,
    write_survey,
)
from pipeline.model import Description, Outcome, Problem, SourceFile, SourceRecord
from tests.unit.ingest.surveying import describe, open_local, write

if TYPE_CHECKING:
    from pipeline.ingest.sources import Found

DESCRIBED = Description(metadata={"title": "Régen", "n": [1, None, {"x": "\ud800"}]}, communities=("c",))
A = SourceFile("r", "p/a", "a", 3, 17, {"md5": "0" * 32}, stamp="17")
B = SourceFile("r", "p/b", "b", 4, None)


def problem(outcome: Outcome, path: str = "", record: str = "r") -> Problem:
    return Problem(path, record, outcome, "code", "why", "field", "remedy")


def test_a_survey_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Records with ordinals and sums, files in their order, every problem."""
    own, late = problem(Outcome.WARNED), problem(Outcome.REJECTED)
    of_file, beside = problem(Outcome.REJECTED, "p/c"), problem(Outcome.WARNED, "x", record="")
    lost = SourceFile("r", "p/c", "c", 0, None, problem=of_file)
    found: list[Found] = [
        beside,
        SourceRecord("r", DESCRIBED, (own,)),
        A,
        B,
        lost,
        late,
        SourceRecord("s", None),
    ]

    summary = write_survey(found, tmp_path)

    assert summary == SurveySummary(2, 2, 7, {Outcome.WARNED: 2, Outcome.REJECTED: 2})
    first, second = read_records(tmp_path)
    assert (first.ordinal, first.key, first.description, first.problems) == (0, "r", DESCRIBED, (own, late))
    assert (first.rejected, first.files, first.bytes) == (2, 2, 7)
    assert (second.ordinal, second.description, second.rejected, second.files) == (1, None, 0, 0)
    assert list(read_files(tmp_path)) == [[SurveyedFile(0, file) for file in (A, B, lost)]]
    assert list(read_problems(tmp_path)) == [beside, own, of_file, late]


def test_files_come_in_batches(tmp_path: Path) -> None:
    """None larger than asked for, none lost between them."""
    files = [replace(A, key=str(number), path=str(number)) for number in range(11)]
    write_survey([SourceRecord("r", DESCRIBED), *files], tmp_path)
    batches = list(read_files(tmp_path, batch=4))
    assert [len(batch) for batch in batches] == [4, 4, 3]
    assert [surveyed.file for batch in batches for surveyed in batch] == files


def test_more_rows_than_a_group_holds_are_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups are written as they fill."""
    monkeypatch.setattr("pipeline.ingest.manifest.GROUP", 3)
    monkeypatch.setattr("pipeline.ingest.manifest.RECORD_GROUP", 4)
    found: list[Found] = []
    for number in range(10):
        key = f"r{number}"
        found += [SourceRecord(key, DESCRIBED), replace(A, record=key)]
    assert write_survey(found, tmp_path).records == 10
    assert [record.key for record in read_records(tmp_path)] == [f"r{number}" for number in range(10)]
    assert sum(len(batch) for batch in read_files(tmp_path)) == 10


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name), max_size=8))
def test_any_path_survives(names: list[bytes]) -> None:
    """Bytes that are no text go through Parquet unchanged."""
    files = [replace(A, path=os.fsdecode(name), key=str(number)) for number, name in enumerate(names)]
    with tempfile.TemporaryDirectory() as place:
        write_survey([SourceRecord("r", DESCRIBED), *files], Path(place))
        read = [surveyed.file for batch in read_files(Path(place)) for surveyed in batch]
    assert read == files


def fingerprint(folder: Path, *files: SourceFile) -> str:
    write_survey([SourceRecord("r", DESCRIBED), *files], folder)
    (record,) = read_records(folder)
    return record.fingerprint


def test_the_fingerprint_tells_whether_files_changed(tmp_path: Path) -> None:
    """Another order is the same record; another key, size, time or digest, or one file more, is not. Where
    the source lies does not count."""
    seen = fingerprint(tmp_path, A, B)
    assert fingerprint(tmp_path, B, A) == seen
    assert fingerprint(tmp_path, replace(A, path="elsewhere"), B) == seen
    changed = [
        replace(A, key="z"),
        replace(A, size=9),
        replace(A, stamp="18"),
        replace(A, stamp=""),
        replace(A, declared={}),
        replace(A, declared={"sha1": "0" * 32}),
    ]
    others = {fingerprint(tmp_path, file, B) for file in changed} | {
        fingerprint(tmp_path, A),
        fingerprint(tmp_path, A, B, replace(A, key="c")),
        fingerprint(tmp_path),
    }
    assert len(others) == 9
    assert seen not in others


def test_a_survey_that_breaks_off_leaves_none_to_read(tmp_path: Path) -> None:
    """A half survey must not be taken for a whole one."""

    def breaking() -> object:
        yield SourceRecord("r", DESCRIBED)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_survey(breaking(), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        list(read_records(tmp_path))


def test_a_file_without_its_record_is_a_mistake_of_the_source(tmp_path: Path) -> None:
    """It would be counted for another record."""
    with pytest.raises(ValueError, match="does not follow"):
        write_survey([SourceRecord("other", DESCRIBED), A], tmp_path)


def test_an_empty_survey_can_be_read(tmp_path: Path) -> None:
    """A folder of nothing is no error."""
    assert write_survey([], tmp_path) == SurveySummary(0, 0, 0, {})
    assert list(read_records(tmp_path)) == list(read_files(tmp_path)) == list(read_problems(tmp_path)) == []


def test_a_tree_goes_through_the_survey(tmp_path: Path) -> None:
    """Source and manifest together: what lies on disk is what is read back."""
    write(tmp_path / "in/one/record.json", json.dumps({"title": "One"}))
    write(tmp_path / "in/one/a", "12")
    write(tmp_path / "in/two/record.json", "{}")
    write(tmp_path / "in/two/b", "3")
    write(tmp_path / "in/stray")
    source = open_local(tmp_path / "in")

    summary = write_survey(source.survey(describe, tmp_path), tmp_path)

    assert summary == SurveySummary(2, 2, 3, {Outcome.WARNED: 1, Outcome.REJECTED: 1})
    assert [(record.key, record.rejected) for record in read_records(tmp_path)] == [("one", 0), ("two", 1)]
