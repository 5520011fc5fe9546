"""Which processes hold leases, told from locks that die with them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.running import processes
from pipeline.running.leaseholders import departed, forget, leaseholder

HOLDER = """
import sys
from pathlib import Path
from pipeline.running.leaseholders import leaseholder
with leaseholder(Path(sys.argv[1])) as name:
    print(name, flush=True)
    sys.stdin.read()
"""


def test_who_lives_or_left_in_order_is_not_departed(tmp_path: Path) -> None:
    """Neither a process that holds leases nor one that ended in order has anything to be released."""
    with leaseholder(tmp_path) as one, leaseholder(tmp_path) as other:
        assert one != other
        assert departed(tmp_path) == []
    assert departed(tmp_path) == []


def test_who_was_killed_is_departed_until_forgotten(tmp_path: Path) -> None:
    """A process that was killed is found, by the name that it signed with, until its leases are released."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=processes.environment({}),
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert departed(tmp_path) == []
        process.send_signal(signal.SIGKILL)
    assert departed(tmp_path) == [name]
    forget(tmp_path, name)
    assert departed(tmp_path) == []


def test_an_error_may_leave_leases_behind(tmp_path: Path) -> None:
    """After an error what was leased may still be, so the process counts as departed."""
    with pytest.raises(RuntimeError), leaseholder(tmp_path) as name:
        raise RuntimeError
    assert departed(tmp_path) == [name]
