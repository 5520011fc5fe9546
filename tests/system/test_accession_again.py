"""What a later run makes of a source that stayed, changed or went, through the use cases, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance import Instance, codes, open_instance, write_record
from tests.ocfl_root import problems


@pytest.fixture
def instance(tmp_path: Path, database_url: str) -> Iterator[Instance]:
    """An instance, whose storage root is valid when the test ends."""
    with open_instance(tmp_path / "home", database=database_url) as opened:
        yield opened
        assert problems(opened.root) == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with one sound record."""
    top = tmp_path / "tides"
    write_record(top / "harbour", {"readings.csv": b"1,2\n", "notes.txt": b"calm\n"})
    return top


# ---------------------------------------------------------------- the same source on another day


def test_a_record_without_a_date_keeps_the_one_it_was_given(instance: Instance, source: Path) -> None:
    """The day of its first publication: unchanged on the next day, and the same after a revision."""
    write_record(source / "harbour", {}, publication_date="")
    instance.ingest(source)
    instance.clock.move(days=1)
    assert instance.ingest(source)["unchanged"] == 1
    write_record(source / "harbour", {}, publication_date="", title="Harbour gauge")
    instance.ingest(source)
    described = instance.record(2).description.metadata
    assert (described["publication_date"], described["title"]) == ("2026-03-09", "Harbour gauge")


def test_a_held_record_without_a_date_is_still_held_on_the_next_day(instance: Instance, source: Path) -> None:
    """Nothing of it changed, so nothing is read or written."""
    (source / "harbour" / "SHA256SUMS").write_text(f"{'0' * 64}  notes.txt\n", encoding="utf-8")
    write_record(source / "harbour", {}, publication_date="")
    instance.ingest(source)
    before = instance.row_counts()
    instance.clock.move(days=1)
    again = instance.ingest(source)
    assert (again["held"], instance.row_counts()) == (1, before)


def test_an_embargo_that_ended_after_publication_changes_nothing(instance: Instance, source: Path) -> None:
    """The same description is good on the day after, and a correction of the title is published."""
    embargo = {"access_right": "embargoed", "embargo_date": "2026-03-20"}
    write_record(source / "harbour", {}, **embargo)
    instance.ingest(source)
    instance.clock.move(days=30)
    assert instance.ingest(source)["unchanged"] == 1
    write_record(source / "harbour", {}, **embargo, title="Harbour gauge")
    assert instance.ingest(source)["held"] == 0
    assert instance.record(2).revision == 2


@pytest.mark.parametrize("published", [False, True])
def test_an_embargo_that_is_over_is_refused_where_it_is_new(
    instance: Instance, source: Path, *, published: bool
) -> None:
    """Of a new record, and where the day was changed to a past one; told in every run until it is mended."""
    if published:
        write_record(source / "harbour", {}, access_right="embargoed", embargo_date="2026-03-20")
        instance.ingest(source)
    write_record(source / "harbour", {}, access_right="embargoed", embargo_date="2026-03-01")
    for _ in range(2):
        document = instance.ingest(source)
        assert (document["held"], codes(document)) == (1, [("harbour", "", "embargo-over")])
    write_record(source / "harbour", {}, access_right="embargoed", embargo_date="2026-04-01")
    assert instance.ingest(source)["held"] == 0
