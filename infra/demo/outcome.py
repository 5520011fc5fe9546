"""Whether an ingest of the sample collection did what it should (pure).

A report is what `headrace ingest --json` prints; its `records` are those that were published by this run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from infra.demo.on_purpose import ODDITIES, Fate, Oddity
from infra.demo.samples import RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

Report: TypeAlias = "Mapping[str, Any]"

HELD = sum(oddity.fate in (Fate.REJECTED, Fate.QUARANTINED) for oddity in ODDITIES.values())
PUBLISHED = len(RECORDS) + len(ODDITIES) - HELD

_OUTCOMES = {"quarantined": Fate.QUARANTINED, "rejected": Fate.REJECTED, "warned": Fate.WARNED}
"""The worst first: a record's fate is that of its worst problem."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a record that something is wrong with, and the reason as the report gives it."""

    record: str
    oddity: Oddity
    seen: Fate
    reason: str
    as_expected: bool


def nothing_written(report: Report) -> bool:
    """Whether the run found everything as an earlier one had left it."""
    return bool(report["records_total"] == 0 and report["unchanged"] == PUBLISHED)


def findings(report: Report) -> list[Finding]:
    """One for each oddity, in the order of the table."""
    return [_finding(report, key, oddity) for key, oddity in ODDITIES.items()]


def surprises(report: Report) -> list[str]:
    """Whatever else is not as it should be, in sentences; empty when all is well."""
    settled = report["records_total"] + report["unchanged"]
    sentences = []
    if settled != PUBLISHED:
        sentences.append(f"{settled} records are published, {PUBLISHED} should be")
    if report["held"] != HELD:
        sentences.append(f"{report['held']} records are held, {HELD} should be")
    return sentences + [
        f"{problem['record'] or problem['path']}: {problem['outcome']}, {problem['reason']}"
        for problem in report["problems"]
        if problem["record"] not in ODDITIES
    ]


def _finding(report: Report, key: str, oddity: Oddity) -> Finding:
    problems = {
        problem["outcome"]: problem["reason"] for problem in report["problems"] if problem["record"] == key
    }
    worst = next((outcome for outcome in _OUTCOMES if outcome in problems), "")
    seen = _OUTCOMES.get(worst, Fate.PUBLISHED)
    # What was published with a warning before is plainly unchanged now, and not warned of again.
    repeated = nothing_written(report) and oddity.fate is Fate.WARNED and seen is Fate.PUBLISHED
    return Finding(key, oddity, seen, problems.get(worst, ""), as_expected=seen is oddity.fate or repeated)
