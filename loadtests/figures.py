"""Figures with their goals: printed, and kept in docs/performance.json and docs/performance.md, which nothing else
writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from loadtests import machine

DOCS = Path(__file__).parent.parent / "docs"


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value. `better` is `lower` or `higher`, `cache` the state of the page cache, `how` what was measured,
    `beside` what else the same run measured: peers, or what a quotient is made of."""

    name: str
    value: float
    unit: str
    goal: float
    better: str
    how: str
    cache: str = "cold"
    digests: str = "none"
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


def show(one: Figure) -> None:
    """Print it."""
    sign = "≤" if one.better == "lower" else "≥"
    verdict = "met" if one.met else "MISSED"
    print(f"{one.name:58} {one.value:10,.2f} {one.unit:10} goal {sign} {one.goal:g}  {verdict}")
    if one.beside:
        print("   ", _listed(one.beside))


def keep(figures: Iterable[Figure], folder: Path = DOCS) -> None:
    """Put the figures into performance.json and .md in `folder`, in the place of older ones of the same names; each
    row says by itself on which machine and of which commit it was taken."""
    path = folder / "performance.json"
    known = json.loads(path.read_text()) if path.exists() else {"figures": []}
    rows: dict[str, dict[str, Any]] = {row["name"]: row for row in known["figures"]}
    taken = {"machine": machine.describe(), "commit": machine.commit()}
    for one in figures:
        rows[one.name] = {**asdict(one), "value": round(one.value, 3), "met": one.met, **taken}
    document = {"figures": list(rows.values())}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    (folder / "performance.md").write_text(_markdown(list(rows.values()), _pictures(folder)))


def _pictures(folder: Path) -> list[str]:
    """What was drawn beside the figures, as links."""
    drawn = sorted((folder / "images").glob("performance-*.svg"))
    return [f"![{one.stem.removeprefix('performance-')}]({one.relative_to(folder)})" for one in drawn]


def _markdown(rows: list[dict[str, Any]], pictures: list[str]) -> str:
    lines = [
        "# Performance",
        "",
        "Written by `make bench`, `make load` and `make soak`, never by hand. Absolute figures are one",
        "machine's; trust ratios.",
        "",
        *(line for picture in pictures for line in (picture, "")),
        "| figure | value | goal | | how | page cache | digests | in the same run | machine | commit |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *map(_row, rows),
    ]
    return "\n".join(lines) + "\n"


def _row(row: Mapping[str, Any]) -> str:
    sign = "≤" if row["better"] == "lower" else "≥"
    met = "met" if row["met"] else "**missed**"
    cells = (
        row["name"],
        f"{row['value']:,} {row['unit']}",
        f"{sign} {row['goal']:g}",
        met,
        row["how"],
        row["cache"],
        row["digests"],
        _listed(row["beside"]),
        _machine(row["machine"]),
        f"`{row['commit']}`",
    )
    return f"| {' | '.join(cells)} |"


def _machine(known: Mapping[str, Any]) -> str:
    sha = "with" if known["sha_extensions"] else "without"
    return f"{known['cpu']}, {known['cores']} cores {sha} SHA extensions, {known['openssl']}"


def _listed(beside: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in beside.items())
