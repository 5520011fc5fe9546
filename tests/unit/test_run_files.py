"""Which flow runs this machine works on, told by locks."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.flows import run_files
from pipeline.flows.run_files import Orphan

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
    assert run_files.orphaned(tmp_path) == [Orphan("one", of_runner=True)]
    run_files.leave(tmp_path, "one")
    assert run_files.orphaned(tmp_path) == []
