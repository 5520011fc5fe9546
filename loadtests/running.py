"""`headrace ingest` as its users run it, timed, with an eye on the memory of its processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Memory:
    """The highest resident memory seen, in MB."""

    flow: float = 0.0
    worker: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        watcher = threading.Thread(target=self._watch, args=(pid,))
        watcher.start()
        try:
            yield
        finally:
            self._stop.set()
            watcher.join()
            self._stop.clear()

    def _watch(self, pid: int) -> None:
        while not self._stop.wait(0.2):
            self.flow = max(self.flow, peak(pid))
            for child in _descendants(pid):
                if _is_worker(child):
                    self.worker = max(self.worker, peak(child))


def peak(pid: int) -> float:
    """The highest resident memory that the process has had, in MB; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) / 1000 if lines else 0.0


def _is_worker(pid: int) -> bool:
    """However it was started: of all that an ingest starts, only what takes files in has loaded the identification."""
    try:
        return "pygfried" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    pending = [pid]
    while pending:
        parent = pending.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                children = [int(word) for word in task.read_text().split()]
            except OSError:
                continue
            found += children
            pending += children
    return found


def plan(source: Path, home: Path, output: Path) -> tuple[float, float]:
    """Have `headrace plan` write a plan of `source` for the instance at `home`: (seconds from its start to its end, its
    highest resident memory in MB). Raises `SystemExit` where it fails."""
    command = [sys.executable, "-m", "pipeline", "plan", str(source), "-o", str(output), "--json"]
    memory, began = Memory(), time.perf_counter()
    child = subprocess.Popen(
        command,
        env={**os.environ, "HEADRACE_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with memory.watching(child.pid):
        _, said = child.communicate()
    if child.returncode != 0:
        raise SystemExit(f"headrace plan ended with {child.returncode}:\n{said.decode()[-2000:]}")
    return time.perf_counter() - began, memory.flow


def ingest(
    source: Path, home: Path, memory: Memory, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Ingest `source` into the instance at `home`: the seconds of its stages as the run itself tells them, without what
    starting workers took. Raises `SystemExit` where the run fails."""
    command = [sys.executable, "-m", "pipeline", "ingest", str(source), "--json"]
    child = subprocess.Popen(
        command,
        env={**os.environ, "HEADRACE_HOME": str(home), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with memory.watching(child.pid):
        answer, said = child.communicate()
    if child.returncode != 0:
        raise SystemExit(f"headrace ingest ended with {child.returncode}:\n{said.decode()[-2000:]}")
    seconds: dict[str, float] = json.loads(answer)["seconds"]
    return seconds
