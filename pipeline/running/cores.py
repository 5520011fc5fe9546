"""Threads that take turns, kept on one core.

Python lets one thread of a process run at a time. Where the threads of a worker are spread over cores, each turn wakes
another core, which costs more than a small file does (decision 0010). A worker that has a machine's core to itself
keeps to it, for as long as its threads only take turns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "HEADRACE_CORE"


def shared_out(workers: int) -> list[dict[str, str]]:
    """For each of that many worker processes, the environment that gives it a core of its own: where they are as many
    as the cores that this process may use. Fewer or more leave it to the system, since others share the machine."""
    cores = _usable()
    if len(cores) != workers:
        return [{}] * workers
    return [{_VARIABLE: str(core)} for core in cores]


@contextmanager
def on_own_core() -> Iterator[None]:
    """Keep this thread, and those that it starts meanwhile, on the core that this process was given, if it was."""
    before = _usable()
    own = os.environ.get(_VARIABLE, "")
    if not own.isdecimal() or int(own) not in before:
        yield
        return
    os.sched_setaffinity(0, {int(own)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _usable() -> list[int]:
    """The cores that this thread may run on; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
