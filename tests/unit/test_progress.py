"""How far an ingest has come, as people are told."""

from __future__ import annotations

import time

import pytest

from pipeline.flows.progress import Progress


def test_a_large_file_moves_the_bar_while_it_is_under_way() -> None:
    """By what of it is durable; once it is whole nothing counts twice."""
    progress = Progress()
    progress.begin(2, 1000)
    assert progress.percent() == 0
    progress.under_way = 400
    assert progress.percent() == 40
    assert "400 B of 1.0 kB" in progress.line()
    progress.under_way = 0
    progress.add(files=1, size=800)
    assert progress.percent() == 80
    assert progress.line().startswith("1 of 2 files · 800 B of 1.0 kB")


def test_a_collection_of_empty_files_is_counted_by_files() -> None:
    """There are no bytes to go by."""
    progress = Progress()
    progress.begin(4, 0)
    progress.add(files=1, size=0)
    assert progress.percent() == 25


def test_time_in_which_a_run_is_paused_counts_for_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the line says that it is paused, as long as it is."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    progress = Progress()
    progress.begin(2, 1000)
    now += 10
    progress.add(files=1, size=500)
    progress.note_asked("paused", is_paused=True)
    assert progress.line().startswith("paused in Prefect · 1 of 2 files")
    now += 1000
    assert progress.rate() == 50
    progress.note_asked("", is_paused=False)
    assert (progress.rate(), progress.seconds_left()) == (50, 10)
    assert progress.line().startswith("1 of 2 files")
