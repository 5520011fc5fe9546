"""The text of PDF files, whatever they are made to do."""

from __future__ import annotations

import os
import resource
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.index import pdf, pdf_process
from tests.pdf_file import pdf as made


def read(file: bytes, most: int = 1_000) -> str:
    return pdf.read([file[:100], file[100:]], most)


def test_the_text_of_all_pages_is_read() -> None:
    """In order, in one line."""
    assert read(made("Tide gauges", "of the   harbour")) == "Tide gauges of the harbour"


def test_no_more_is_read_than_was_asked_for() -> None:
    """Pages behind that are not looked at."""
    assert read(made(*(f"page {nth:04}" for nth in range(500))), 19) == "page 0000 page 0001"[:19]


DAMAGED = (
    b"",
    b"no PDF",
    made("tide")[:200],
    b"%PDF-1.7\n" + b"[" * 100_000,
    made("tide").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]"),
)


def test_a_damaged_file_has_no_text() -> None:
    """Nothing is raised, and nobody waits for ever."""
    with ThreadPoolExecutor(len(DAMAGED)) as threads:
        assert set(threads.map(read, DAMAGED)) == {""}


def test_a_file_that_unfolds_into_half_a_gigabyte_is_contained() -> None:
    """The process that reads it has no such memory; ours does not grow by a tenth of it."""
    deflating = zlib.compressobj(1)
    bomb = b"".join(deflating.compress(b" " * (1 << 20)) for _ in range(512)) + deflating.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read(made("tide", deflated=bomb)) == ""
    # Of a child it counts what its parent had when it began.
    most = max(before, pdf_process.MEMORY / 1024)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= most
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_page_that_cannot_be_read_is_left_out() -> None:
    """Others are whole."""
    file = made("one", "two").replace(b"/Contents 5 0 R", b"/Contents 9 0 R")
    assert read(file) == "two"


def test_whoever_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves what was read until then: nothing, of a process that waits for its file."""
    monkeypatch.setattr(pdf, "SECONDS", 0.01)
    assert read(made("tide")) == ""


def test_the_process_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our environment it has what Python needs."""
    monkeypatch.setenv("HEADRACE_INDEX_PASSWORD", "secret")
    seen: list[dict[str, str]] = []
    start = pdf.processes.start

    def watched(*arguments: object, **named: object) -> object:
        seen.append(dict(named["env"]))  # type: ignore[call-overload] # it is a mapping
        return start(*arguments, **named)  # type: ignore[arg-type] # as given

    monkeypatch.setattr(pdf.processes, "start", watched)
    assert read(made("tide")) == "tide"
    assert set(seen[0]) == {"PYTHONPATH", "MALLOC_ARENA_MAX"}
    assert "HEADRACE_INDEX_PASSWORD" in os.environ
