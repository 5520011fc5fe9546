"""What processes use, while they are used: memory, file handles, their number."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """`memory` in MiB (PSS: what processes share is counted once), `at` in seconds of the monotonic clock."""

    at: float
    memory: float
    handles: int
    processes: int


@dataclass(slots=True)
class Watch:
    """Samples of all processes that have `variable`=`value` in their environment, whoever started them since."""

    variable: str
    value: str
    every: float = 2.0
    samples: list[Sample] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take samples for as long as the block lasts."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield
        finally:
            self._stop.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._stop.wait(self.every):
            self.samples.append(self.take())

    def take(self) -> Sample:
        """The processes as they are now."""
        pids = self.pids()
        return Sample(
            at=time.monotonic(),
            memory=sum(map(proportional, pids)),
            handles=sum(map(_handles, pids)),
            processes=len(pids),
        )

    def pids(self) -> list[int]:
        """The processes that there are now."""
        return list(marked(self.variable, self.value))

    def memory_by_command(self) -> Mapping[str, float]:
        """MiB of the processes as they are now, by what they run."""
        found: dict[str, float] = {}
        for pid in self.pids():
            name = command(pid)
            found[name] = found.get(name, 0.0) + proportional(pid)
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def marked(variable: str, value: str) -> Iterator[int]:
    """Processes of this account with that in their environment."""
    wanted = f"{variable}={value}".encode()
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdecimal() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def proportional(pid: int) -> float:
    """Resident memory of a process in MiB, of what it shares with others its share; 0 where it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def processor_seconds(pid: int) -> float:
    """Seconds of a processor that a process and all its threads have used; 0 where it is gone."""
    with suppress(OSError):
        # The clock of another process, which counts nanoseconds where /proc counts hundredths (clock_getcpuclockid(3)).
        return time.clock_gettime(~pid << 3 | 2)
    return 0.0


def _handles(pid: int) -> int:
    with suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0


def command(pid: int) -> str:
    """What a process runs, in a word or two, such as `pipeline serve`."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        named = [word for word in words[1:] if word and not word.startswith("-") and "/" not in word]
        return " ".join(named[:2]) or Path(words[0]).name
    return "gone"
