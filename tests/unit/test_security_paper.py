"""docs/security.md says of every requirement of OWASP's ASVS 5.0.0, levels 1 and 2, whether it is met, by tests that
there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "docs" / "security.md"

# How many requirements of levels 1 and 2 each section has; those of level 3 come after them.
SECTIONS = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2,
    "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1,
    "3.2": 2, "3.3": 4, "3.4": 6, "3.5": 5, "3.7": 2,
    "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4,
    "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3,
    "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
    "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1,
    "9.1": 3, "9.2": 4,
    "10.1": 2, "10.2": 2, "10.3": 4, "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3,
    "11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4, "11.5": 1, "11.6": 1,
    "12.1": 3, "12.2": 2, "12.3": 4,
    "13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5,
    "14.1": 2, "14.2": 4, "14.3": 3,
    "15.1": 3, "15.2": 3, "15.3": 7,
    "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3,
    "17.1": 1, "17.2": 4, "17.3": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    numbers: tuple[str, ...]
    status: str
    how: str
    shown_by: str


def _rows() -> Iterator[Row]:
    for line in PAPER.read_text(encoding="utf-8").splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")]
        if line.startswith("|") and re.match(r"\d+\.\d+\.\d", cells[0]):
            numbers, _, status, how, shown_by = cells
            yield Row(tuple(_numbers(numbers)), status, how, shown_by)


def _numbers(text: str) -> Iterator[str]:
    for one in text.split(", "):
        first, _, last = one.partition("–")
        section, _, number = first.rpartition(".")
        assert not last or last.rpartition(".")[0] == section, one
        yield from (
            f"{section}.{each}" for each in range(int(number), int(last.rpartition(".")[2] or number) + 1)
        )


def test_the_paper_has_every_requirement_once() -> None:
    """Of levels 1 and 2, and no number that there is not."""
    found = [number for row in _rows() for number in row.numbers]
    wanted = [f"{section}.{number}" for section, most in SECTIONS.items() for number in range(1, most + 1)]
    assert len(wanted) == 253
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.numbers[0]) for row in _rows()])
def test_a_row_says_how_it_stands(row: Row) -> None:
    """Met, with what shows it; not applicable, or open, with why."""
    assert row.status in ("met", "n/a", "open")
    assert row.how
    assert row.shown_by or row.status != "met"


def test_every_test_that_the_paper_names_exists() -> None:
    """Below tests/, by its name."""
    named = set(re.findall(r"`(test_\w+)`", PAPER.read_text(encoding="utf-8")))
    found = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named - found == set()
