"""How far an ingest has come, as people are told."""

from __future__ import annotations

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
    progress.add(files=1, size=800, rejected=0)
    assert progress.percent() == 80
    assert progress.line().startswith("1 of 2 files · 800 B of 1.0 kB")


def test_a_collection_of_empty_files_is_counted_by_files() -> None:
    """There are no bytes to go by."""
    progress = Progress()
    progress.begin(4, 0)
    progress.add(files=1, size=0, rejected=0)
    assert progress.percent() == 25
