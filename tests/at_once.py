"""Several requests at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx


def at_once(*acts: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """What each answers, all begun together. None may find the server at a loss."""
    start = threading.Barrier(len(acts))

    def begun_together(act: Callable[[], httpx.Response]) -> httpx.Response:
        start.wait(10)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        answers = list(pool.map(begun_together, acts))
    for one in answers:
        assert one.status_code < 500, one.text
    return answers


def statuses(answers: Sequence[httpx.Response]) -> list[int]:
    """In order of their numbers."""
    return sorted(one.status_code for one in answers)
