"""What is kept of measured figures."""

from __future__ import annotations

import json
from pathlib import Path

from loadtests.figures import Figure, keep

RATIO = Figure(
    "ingest ÷ bare loop", 1.2, "ratio", 1.25, "lower", "8 files", digests="md5", beside={"loop": "9 s"}
)
RATE = Figure("small files", 700.0, "files/s", 800, "higher", "5,000 files")


def test_a_figure_takes_the_place_of_an_older_one_of_its_name(tmp_path: Path) -> None:
    """The others stay; each says whether its goal was met, on which machine, and of which commit."""
    keep([RATIO, RATE], tmp_path)
    keep([Figure("small files", 900.0, "files/s", 800, "higher", "5,000 files")], tmp_path)
    rows = {row["name"]: row for row in json.loads((tmp_path / "performance.json").read_text())["figures"]}
    assert [(row["value"], row["met"]) for row in rows.values()] == [(1.2, True), (900.0, True)]
    assert all(row["machine"]["cores"] and row["commit"] for row in rows.values())


def test_the_table_shows_what_a_figure_depends_on(tmp_path: Path) -> None:
    """The state of the cache, the digests, and what else the same run measured; a missed goal stands out."""
    keep([RATIO, RATE], tmp_path)
    ratio, rate = (tmp_path / "performance.md").read_text().splitlines()[-2:]
    assert ratio.startswith(
        "| ingest ÷ bare loop | 1.2 ratio | ≤ 1.25 | met | 8 files | cold | md5 | loop 9 s |"
    )
    assert "| ≥ 800 | **missed** |" in rate
