"""What the shell does for a collection: one command after the other, each of which reads every file again, from a page
cache that has none of them, as it is with collections larger than memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtests.bare import peer
from loadtests.sources import make_cold
from pipeline.store.root import preferred_algorithm

DIGESTS = ("md5", preferred_algorithm())
_IDENTIFY = "import json, pygfried, sys; json.dump(pygfried.identify_dir(sys.argv[1]), sys.stdout)"


def commands(source: Path, target: Path) -> Mapping[str, list[str]]:
    """What the digests, the formats and a copy of everything below `source` take, by what is said of it."""
    siegfried = shutil.which("sf")
    identify = [siegfried, "-json"] if siegfried else [sys.executable, "-c", _IDENTIFY]
    # `find … -exec … {} +`: as many files in one process as a command line holds.
    summed = {
        f"{name}sum": ["find", str(source), "-type", "f", "-exec", f"{name}sum", "{}", "+"]
        for name in DIGESTS
    }
    return {
        **summed,
        "siegfried" if siegfried else "pygfried": [*identify, str(source)],
        "rclone copy": [peer("rclone"), "copy", str(source), str(target)],
    }


def scanning(source: Path, configuration: Path) -> Mapping[str, list[str]]:
    """What scans the same files with the clamd of this configuration, which is handed them open: one after the other,
    and several at a time. Raises `SystemExit` where it is not installed."""
    clamdscan = shutil.which("clamdscan")
    if clamdscan is None:
        raise SystemExit("clamdscan is not installed: `apt-get install clamdscan`")
    command = [clamdscan, f"--config-file={configuration}", "--fdpass", "--infected"]
    return {
        "clamdscan": [*command, str(source)],
        "clamdscan --multiscan": [*command, "--multiscan", str(source)],
    }


def one_after_the_other(source: Path, wanted: Mapping[str, Sequence[str]], log: Path) -> dict[str, float]:
    """Seconds of each command, which finds no byte of the files below `source` in the page cache and nothing of
    earlier commands still to be written. What they say goes into `log`. Raises `SystemExit` where one fails."""
    return {name: _seconds(source, command, log) for name, command in wanted.items()}


def bagging(bag: Path, log: Path) -> dict[str, float]:
    """The same for making the folder `bag` a bag, where it lies, and for verifying it, in two processes."""
    bagit = [sys.executable, peer("bagit.py"), "--quiet", "--processes", "2"]
    algorithms = [f"--{name}" for name in DIGESTS]
    return one_after_the_other(
        bag, {"make": [*bagit, *algorithms, str(bag)], "verify": [*bagit, "--validate", str(bag)]}, log
    )


def _seconds(source: Path, command: Sequence[str], log: Path) -> float:
    os.sync()
    make_cold(source)
    with log.open("ab") as said:
        started = time.perf_counter()
        ended = subprocess.run(command, stdout=said, stderr=said, check=False)
        seconds = time.perf_counter() - started
    if ended.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {ended.returncode}; what it said is at the end of {log}")
    return seconds
