"""A process that outlives its owner by seconds, to end what the owner left running.

`kill -9` gives a program no chance to stop its children, and the kernel can be asked to kill only the
direct ones (PR_SET_PDEATHSIG), not theirs. So the owner names process groups to a guardian over a pipe; when
the pipe closes, the owner is gone, and the guardian ends the groups that were not taken back.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.running import processes

GRACE = 5.0
"""Seconds between asking groups to end and killing them."""


class Guardian:
    """The owner's end of the pipe."""

    def __init__(self, process: processes.Process) -> None:
        self._process = process

    def watch(self, group: int) -> None:
        """End the process group when we are gone."""
        self._say(f"+{group}")

    def forget(self, group: int) -> None:
        """The group is over: its number may belong to others from now on."""
        self._say(f"-{group}")

    def _say(self, line: str) -> None:
        # If somebody killed the guardian the children still run well; only the safety net is gone.
        with suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()


@contextmanager
def guardian(log: Path | None) -> Iterator[Guardian]:
    """A guardian for as long as the block lasts. Leaving it ends the groups that were not forgotten."""
    process = processes.start(
        processes.python(__name__), log=log, env=processes.environment({}), stdin=subprocess.PIPE
    )
    try:
        yield Guardian(process)
    finally:
        process.communicate()  # closes the pipe, which tells it to finish


def surviving(lines: Iterable[str]) -> set[int]:
    """The groups that were named and not taken back. A last line torn by the owner's death is left out."""
    groups: set[int] = set()
    for line in lines:
        if line.startswith("+") and line.endswith("\n"):
            groups.add(int(line))
        elif line.endswith("\n"):
            groups.discard(-int(line))
    return groups


def end(groups: set[int], grace: float) -> None:
    """Ask the groups to end, and kill what is left of them after `grace` seconds."""
    deadline = time.monotonic() + grace
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Whether there still was such a group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    end(surviving(sys.stdin), GRACE)
