"""Which flow runs this machine works on, told by locks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.flows import run_files
from pipeline.flows.run_files import Orphan
from tests.command import wait_until
from tests.faults import HOLD, Fault, Trap

IN_THE_WINDOW = "pipeline.flows.run_files:_open"
BEGIN = """
import sys
from pathlib import Path
from pipeline.flows import run_files
with run_files.under_way(Path(sys.argv[1]), "one"):
    print("at work", flush=True)
    sys.stdin.read()
"""
WORK = "import sys; print('at work', flush=True); sys.stdin.read()"


def test_a_run_is_under_way_as_long_as_somebody_works_on_it(tmp_path: Path) -> None:
    """Nobody else can claim it then; afterwards nothing is left."""
    with run_files.under_way(tmp_path, "one"):
        assert run_files.is_under_way(tmp_path, "one")
        assert run_files.claim(tmp_path, "one") is None
        assert run_files.orphaned(tmp_path) == []
    assert not run_files.is_under_way(tmp_path, "one")
    assert run_files.orphaned(tmp_path) == []


def test_a_run_is_left_in_order_by_an_error_too(tmp_path: Path) -> None:
    """Its process lives, and says what became of it."""
    with pytest.raises(RuntimeError), run_files.under_way(tmp_path, "one"):
        raise RuntimeError
    assert run_files.orphaned(tmp_path) == []


def test_a_run_whose_process_is_killed_is_an_orphan(tmp_path: Path) -> None:
    """The process inherits the claim, and keeps it however its parent ends."""
    file = run_files.claim(tmp_path, "one")
    assert file is not None
    with file:
        process = subprocess.Popen(
            [sys.executable, "-c", WORK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[file.fileno()],
        )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        assert run_files.is_under_way(tmp_path, "one")
        process.send_signal(signal.SIGKILL)
    assert run_files.orphaned(tmp_path) == ["one"]
    with run_files.concluding(tmp_path, "one") as orphan:
        assert orphan == Orphan("one", of_runner=True)
    assert run_files.orphaned(tmp_path) == []


def orphan_of_the_runner(home: Path) -> None:
    file = run_files.claim(home, "one")
    assert file is not None
    file.close()


def test_an_orphan_is_concluded_by_one(tmp_path: Path) -> None:
    """While it is, nobody else takes it for an orphan, or for free; who found it before, and comes to it when a
    process works on it anew, lets it be."""
    orphan_of_the_runner(tmp_path)
    with run_files.concluding(tmp_path, "one") as mine, run_files.concluding(tmp_path, "one") as another_s:
        assert mine is not None
        assert another_s is None
        assert run_files.orphaned(tmp_path) == []
        assert run_files.claim(tmp_path, "one") is None
    anew = run_files.claim(tmp_path, "one")
    assert anew is not None
    with anew, run_files.concluding(tmp_path, "one") as late:
        assert late is None
    assert run_files.orphaned(tmp_path) == ["one"]


def test_an_orphan_that_could_not_be_concluded_is_one_still(tmp_path: Path) -> None:
    """Prefect was away, say: the next look finds it. One that was left is nobody's to conclude."""
    orphan_of_the_runner(tmp_path)
    with pytest.raises(ConnectionError), run_files.concluding(tmp_path, "one"):
        raise ConnectionError
    assert run_files.orphaned(tmp_path) == ["one"]
    with run_files.concluding(tmp_path, "one"):
        pass
    with run_files.concluding(tmp_path, "one") as gone:
        assert gone is None


@contextmanager
def beginning(home: Path, trap: Trap) -> Iterator[subprocess.Popen[bytes]]:
    """A process that begins to work on a run, and steps into the trap."""
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **trap.environment},
    ) as process:
        try:
            wait_until(lambda: trap.sprung() is not None, "the process in the window")
            yield process
        finally:
            process.kill()


def test_a_run_that_is_just_beginning_is_no_orphan(tmp_path: Path) -> None:
    """Whoever looks when its file is there and not locked yet waits until it is."""
    trap = Trap(tmp_path / "trap", Fault(IN_THE_WINDOW, after=True, signal=HOLD))
    with beginning(tmp_path, trap) as process, ThreadPoolExecutor(1) as looking:
        found = looking.submit(run_files.orphaned, tmp_path)
        wait([found], timeout=0.2)  # one that does not wait has looked by then
        trap.let_go()
        assert found.result() == []
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        assert run_files.is_under_way(tmp_path, "one")


def test_a_run_whose_process_is_killed_as_it_begins_is_an_orphan(tmp_path: Path) -> None:
    """Its file is there and was never locked; nobody waits for the dead."""
    trap = Trap(tmp_path / "trap", Fault(IN_THE_WINDOW, after=True))
    with beginning(tmp_path, trap) as process:
        assert process.wait() == -signal.SIGKILL
        assert run_files.orphaned(tmp_path) == ["one"]
