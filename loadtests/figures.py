"""Figures with their goals: printed, and kept in docs/performance.json and docs/performance.md, which nothing else
writes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests import machine

_DOCS = Path(__file__).parent.parent / "docs"


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value. `better` is `lower` or `higher`, `how` the command and what it measured."""

    name: str
    value: float
    unit: str
    goal: float
    better: str
    how: str

    @property
    def met(self) -> bool:
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


def show(figures: list[Figure]) -> None:
    """Print them with the machine."""
    print("machine:", ", ".join(f"{name} {value}" for name, value in machine.describe().items()))
    for one in figures:
        sign = "≤" if one.better == "lower" else "≥"
        verdict = "met" if one.met else "MISSED"
        print(f"{one.name:58} {one.value:10,.2f} {one.unit:10} goal {sign} {one.goal:g}  {verdict}")


def keep(figures: list[Figure]) -> None:
    """Put the figures into docs/performance.json, in the place of older ones of the same names."""
    path = _DOCS / "performance.json"
    known = json.loads(path.read_text()) if path.exists() else {"figures": []}
    rows = {row["name"]: row for row in known["figures"]}
    for one in figures:
        rows[one.name] = {
            **asdict(one),
            "value": round(one.value, 3),
            "met": one.met,
            "commit": machine.commit(),
        }
    document = {"machine": machine.describe(), "commit": machine.commit(), "figures": list(rows.values())}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    (_DOCS / "performance.md").write_text(_markdown(document))


def _markdown(document: dict[str, object]) -> str:
    rows = document["figures"]
    assert isinstance(rows, list)
    about = ", ".join(f"{name} {value}" for name, value in machine.describe().items())
    lines = [
        "# Performance",
        "",
        "Written by the benchmarks in `loadtests/`, never by hand. Absolute figures are one",
        f"machine's; trust ratios. {about}.",
        "",
    ]
    lines += ["| figure | value | goal | | how | commit |", "|---|---|---|---|---|---|"]
    for row in rows:
        sign = "≤" if row["better"] == "lower" else "≥"
        met = "met" if row["met"] else "**missed**"
        lines.append(
            f"| {row['name']} | {row['value']:,} {row['unit']} | {sign} {row['goal']:g} | {met} |"
            f" {row['how']} | `{row['commit']}` |"
        )
    return "\n".join(lines) + "\n"
