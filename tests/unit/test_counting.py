"""The counting of what sources hand out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pipeline.running import processes
from tests.counting import Counter

READ = """
import os, signal, sys, threading
from pathlib import Path
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.settings import SourceLocation
def read():
    with LocalTree(SourceLocation(sys.argv[1])).open_now("file") as reader:
        buffer = bytearray(700)
        while reader.readinto(buffer):
            pass
        reader.seek(0)
        reader.read(10)
threads = [threading.Thread(target=read) for _ in range(3)]
for one in threads: one.start()
for one in threads: one.join()
if len(sys.argv) > 2:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_bytes_are_counted_over_processes_threads_and_kills(tmp_path: Path) -> None:
    """What each thread of each process read is in the sum, and a `kill -9` takes nothing from it."""
    (tmp_path / "file").write_bytes(bytes(10_000))
    counter = Counter(tmp_path / "count")
    codes = [
        subprocess.run(
            [sys.executable, "-c", READ, str(tmp_path), *how],
            env=processes.environment(counter.environment),
            check=False,
        ).returncode
        for how in ([], ["killed"])
    ]
    assert codes == [0, -9]
    assert counter.bytes_read() == 2 * 3 * 10_010


def test_who_reads_no_source_is_not_counted(tmp_path: Path) -> None:
    """A process that reads other files leaves no figure, and loads nothing of the product."""
    counter = Counter(tmp_path / "count")
    look = "import sys; sys.exit(any(name.startswith('pipeline') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", look], env=processes.environment(counter.environment), check=True)
    assert counter.bytes_read() == 0
