"""The demo's judgement: it passes the right outcome, and any other fails it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from infra.demo.__main__ import show
from infra.demo.on_purpose import ODDITIES, Fate
from infra.demo.outcome import HELD, PUBLISHED, findings, nothing_written, surprises

OUTCOMES = {Fate.REJECTED: "rejected", Fate.QUARANTINED: "quarantined", Fate.WARNED: "warned"}


def problem(record: str, outcome: str) -> dict[str, str]:
    return {
        "path": f"{record}/[a].csv",
        "record": record,
        "outcome": outcome,
        "reason": f"[{outcome}] for a reason",
    }


def first_run() -> dict[str, Any]:
    """A report with every fate as it should be, as `headrace ingest --json` prints it."""
    record = {"id": 1, "doi": "10.5072/headrace.1", "url": "http://127.0.0.1:8000/records/1"}
    return {
        "accession": "a-1",
        "state": "completed",
        "records": [record] * PUBLISHED,
        "records_total": PUBLISHED,
        "unchanged": 0,
        "held": HELD,
        "problems": [
            problem(key, OUTCOMES[odd.fate]) for key, odd in ODDITIES.items() if odd.fate in OUTCOMES
        ],
        "files": 340,
        "bytes": 302_000_000,
        "bytes_read": 302_000_000,
        "seconds": {"survey": 0.1, "intake": 2.0, "publish": 0.5, "total": 2.6},
        "ui": "http://127.0.0.1:4200/runs/flow-run/1",
    }


def second_run() -> dict[str, Any]:
    """A report of a run that found nothing new: published records are not spoken of again, held ones are."""
    held = [one for one in first_run()["problems"] if one["outcome"] != "warned"]
    seconds = {"survey": 0.1, "intake": 0.0, "publish": 0.0, "total": 0.1}
    return first_run() | {
        "records": [],
        "records_total": 0,
        "unchanged": PUBLISHED,
        "problems": held,
        "bytes_read": 0,
        "seconds": seconds,
    }


def shown(report: dict[str, Any]) -> tuple[int, str]:
    output = io.StringIO()
    return show(Console(file=output, width=140), report), output.getvalue()


def test_a_first_run_as_it_should_be_passes_and_shows_where_to_look() -> None:
    """The summary of a good run has the rates, three landing pages, the flow run and the next command."""
    status, text = shown(first_run())
    assert status == 0
    assert "151 MB a second" in text
    assert text.count("/records/1 ") == 3
    assert "http://127.0.0.1:4200/runs/flow-run/1" in text
    assert "headrace up" in text
    assert "[rejected] for a reason" in text


def test_a_second_run_says_that_nothing_was_written() -> None:
    """When everything is unchanged and the held records are still held, the run passes and says so."""
    status, text = shown(second_run())
    assert status == 0
    assert "nothing was written" in text


def test_an_unchanged_collection_is_not_one_that_was_partly_published() -> None:
    """A run that published what an earlier one had left is not called unchanged."""
    report = first_run() | {"records_total": 1, "unchanged": PUBLISHED - 1}
    assert not nothing_written(report)
    assert surprises(report) == []


@pytest.mark.parametrize(
    "key", [key for key, oddity in ODDITIES.items() if oddity.fate is not Fate.PUBLISHED]
)
def test_an_oddity_that_goes_unnoticed_fails_the_demo(key: str) -> None:
    """Each thing wrong on purpose must be reported, or the demo fails."""
    report = first_run()
    report["problems"] = [one for one in report["problems"] if one["record"] != key]
    assert [finding.record for finding in findings(report) if not finding.as_expected] == [key]
    assert shown(report)[0] == 1


@pytest.mark.parametrize("key", [key for key, oddity in ODDITIES.items() if oddity.fate is Fate.PUBLISHED])
def test_an_oddity_that_is_wrongly_held_fails_the_demo(key: str) -> None:
    """What may be published and is not fails the demo."""
    report = first_run()
    report["problems"].append(problem(key, "rejected"))
    assert shown(report)[0] == 1


def test_a_problem_of_a_good_record_fails_the_demo_and_is_told() -> None:
    """A problem where none should be is shown with its record and reason."""
    report = first_run()
    report["problems"].append(problem("river-model-code", "warned"))
    status, text = shown(report)
    assert status == 1
    assert "river-model-code: warned, [warned] for a reason" in text


def test_a_lost_record_fails_the_demo() -> None:
    """Counts that do not add up fail the demo, even without a problem that tells why."""
    assert surprises(first_run() | {"records_total": PUBLISHED - 1}) == [
        f"{PUBLISHED - 1} records are published, {PUBLISHED} should be"
    ]
    assert surprises(first_run() | {"held": HELD - 1}) == [f"{HELD - 1} records are held, {HELD} should be"]
