"""Memory that was freed goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.running import processes

_PROGRAM = """
import time
from pathlib import Path
from pipeline.running import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

memory._EVERY = 0.01
# Too small to be mapped each for itself, and the last of them stays: the C library keeps all others.
blocks = [bytearray(100_000) for _ in range(1000)]
last = blocks.pop()
held = resident()
blocks.clear()
freed = resident()
with memory.given_back():
    deadline = time.monotonic() + 30
    while resident() > held - 80 and time.monotonic() < deadline:
        time.sleep(0.01)
print(held - freed, held - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone is told to")
def test_what_is_free_between_what_is_used_goes_back() -> None:
    """The C library would keep it."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=processes.environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    by_itself, in_the_end = map(int, done.stdout.split())
    assert by_itself < 10
    assert in_the_end >= 80
