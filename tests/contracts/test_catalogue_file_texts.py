"""Texts of files in the catalogue, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Catalogue, Transaction, file_texts, purges, tables
from pipeline.catalogue.file_texts import MOST_CHARACTERS, FileText
from pipeline.model import Decision, Identification
from tests.contracts import rows

LARGEST = 1_000


@pytest.fixture
def tx(catalogue: Catalogue) -> Iterator[Transaction]:
    """With two records that have a file in common, all of them text."""
    with catalogue.write() as opened:
        rows.add_two_records(opened)
        call(opened, mime="text/plain")
        yield opened


def call(tx: Transaction, *, key: str = "", puid: str = "x", mime: str = "", size: int = 7) -> None:
    """Have a file, or all of them, a format and a size."""
    found = codec.identification_to_json(Identification(puid, mime=mime))
    changed = sa.update(tables.record_file).values(identification=found, size=size)
    tx.execute(changed.where(tables.record_file.c.key == key) if key else changed)


def left(tx: Transaction) -> list[tuple[int, str]]:
    return [(one.record_id, one.key) for one in file_texts.left(tx, [2, 3], largest=LARGEST)]


def texts(tx: Transaction) -> dict[int, tuple[FileText, ...]]:
    return file_texts.of_records(tx, [2, 3], largest=LARGEST)


def test_what_was_read_is_read_of_all_who_have_it(tx: Transaction) -> None:
    """And is not left to be read, though there was nothing."""
    assert left(tx) == [(2, "a"), (2, "b"), (3, "c")]
    file_texts.add(tx, {"d1": "tides"}, now=rows.NOW)
    assert left(tx) == [(2, "b")]
    file_texts.add(tx, {"d2": "", "d1": "others came first"}, now=rows.NOW)
    assert left(tx) == []
    assert texts(tx) == {2: (FileText("a", "tides"),), 3: (FileText("c", "tides"),)}
    assert file_texts.characters(tx, [2, 3], largest=LARGEST) == {2: 5, 3: 5}


@pytest.mark.parametrize(
    ("puid", "mime", "size", "is_read"),
    [
        ("x", "text/plain", LARGEST, True),
        ("fmt/18", "application/pdf", 9, True),
        ("fmt/280", "", 9, True),
        ("x", "text/plain", LARGEST + 1, False),
        ("x", "text/plain", 0, False),
        ("x-fmt/18", "text/csv", 9, False),
        ("", "", 9, False),
    ],
)
def test_only_small_files_of_prose_are_read(
    tx: Transaction, puid: str, mime: str, size: int, is_read: bool
) -> None:
    """By what their format was found to be; and no text of others is held by search."""
    file_texts.add(tx, {"d1": "tides"}, now=rows.NOW)
    for key in ("b", "c"):
        call(tx, key=key, puid=puid, mime=mime, size=size)
    assert ((2, "b") in left(tx)) == is_read
    assert (3 in texts(tx)) == is_read


def test_texts_of_a_record_are_bounded_together(tx: Transaction) -> None:
    """The last is cut off."""
    file_texts.add(tx, {"d1": "x" * (MOST_CHARACTERS - 2), "d2": "tides"}, now=rows.NOW)
    assert [one.text[:9] for one in texts(tx)[2]] == ["x" * 9, "ti"]
    assert file_texts.characters(tx, [2], largest=LARGEST) == {2: MOST_CHARACTERS}


def test_a_text_goes_with_the_last_who_is_served_its_bytes(tx: Transaction) -> None:
    """Withdrawn records and purged files are served to nobody."""
    file_texts.add(tx, {"d1": "tides", "d2": "waves"}, now=rows.NOW)
    purge(tx, 3)
    file_texts.forget_unserved(tx)
    assert texts(tx) == {2: (FileText("a", "tides"), FileText("b", "waves"))}
    withdrawn = {"state": "withdrawn", "tombstone": {}}
    tx.execute(sa.update(tables.record).where(tables.record.c.id == 2).values(withdrawn))
    file_texts.forget_unserved(tx, digests=["d1"])
    assert tx.execute(sa.select(tables.file_text.c.root_digest)).scalars().all() == ["d2"]
    assert texts(tx) == {}


def purge(tx: Transaction, record_id: int) -> None:
    purges.begin(tx, record_id + 1000, (record_id, ""), Decision("op", "law", rows.NOW), ["d1"])
