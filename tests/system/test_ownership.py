"""Whom records belong to, over the runs and the versions of their works."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.access import NO_TIES, Viewer, right_to
from pipeline.model import Record, Right
from tests.instance import Instance, write_record

IDA, BO = "ida@pier.example", "bo@pier.example"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with one record, whose files are restricted."""
    write_record(tmp_path / "tides" / "harbour", {"notes.txt": b"calm\n"}, access_right="restricted")
    return tmp_path / "tides"


def published(instance: Instance, source: Path, owner: str = "") -> Record:
    """Ingest the one record that changed."""
    [one] = instance.ingest(source, owner=owner)["records"]
    return instance.record(one["id"])


def rewritten(source: Path, content: bytes) -> Path:
    (source / "harbour" / "notes.txt").write_bytes(content)
    return source


def test_a_new_version_belongs_to_whom_its_work_belongs_to(instance: Instance, source: Path) -> None:
    """Who reads the restricted files of one version reads those of the next. A run that names another hands the work
    over: later versions are the other's, too."""
    published(instance, source, IDA)
    second = published(instance, rewritten(source, b"wet\n"))
    assert right_to(second.owner, Viewer(IDA), NO_TIES) is Right.MANAGE
    assert published(instance, rewritten(source, b"windy\n"), BO).owner == BO
    assert published(instance, rewritten(source, b"foggy\n")).owner == BO


def test_a_first_version_belongs_to_whoever_began_it(instance: Instance, source: Path) -> None:
    """Though the run that went on with it and published it named nobody."""
    instance.attempt(source, owner=IDA)
    instance.clock.move(minutes=1)
    assert published(instance, source).owner == IDA
