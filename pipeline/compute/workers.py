"""Worker processes, started again when they die.

We keep them ourselves: Dask's nanny, when workers die while they start, can be left without one and not notice.

    python -m pipeline.compute.workers NUMBER [--come-back] SCHEDULER [OPTION …]

runs that many, with options of `dask worker`, until SIGTERM. Those that end by themselves, since their scheduler is
gone or has sent them away, are started again only with `--come-back`; the program ends with the last of the others.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.compute import tuning
from pipeline.running import processes
from pipeline.running.cores import shared_out
from pipeline.running.guardian import Guardian, guardian
from pipeline.running.loopback import LOOPBACK

_POLL = 0.1  # seconds between looks at the processes
_SOON = 10.0  # a process that lived less is started again ever later
_LONGEST_DELAY = 5.0
_GRACE = 5.0  # seconds from SIGTERM to SIGKILL


def worker_command(scheduler: str, *options: str) -> list[str]:
    """The command of one single-threaded worker process that joins the scheduler at that address. Without `--host` or
    `--interface` among the options it listens on all interfaces."""
    return processes.python(
        "distributed.cli.dask_worker",
        scheduler,
        *("--no-nanny", "--nthreads", "1", "--preload", tuning.PRELOAD),
        *("--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"),
        *options,
    )


@contextmanager
def kept(
    commands: Sequence[Sequence[str]], log: Path | None, *, come_back: bool = True
) -> Iterator[threading.Event]:
    """Keep one process of each command running while the block lasts; the event is set when none is left. A
    `kill -9` of ours ends them, too. What they write goes to `log`, or where ours does."""
    stop, none_left = threading.Event(), threading.Event()
    with guardian(log) as watch:
        cores = shared_out(len(commands))
        members = [_Member(command, log, watch, core) for command, core in zip(commands, cores, strict=True)]

        def keep() -> None:
            while not stop.wait(_POLL):
                for member in members:
                    member.tend(come_back=come_back)
                if all(member.left for member in members):
                    none_left.set()
                    return

        thread = threading.Thread(target=keep, name="workers")
        thread.start()
        try:
            yield none_left
        finally:
            stop.set()
            thread.join()
            _end(members)


def _end(members: Sequence[_Member]) -> None:
    for member in members:
        member.ask_to_end()
    deadline = time.monotonic() + _GRACE
    while any(member.runs() for member in members) and time.monotonic() < deadline:
        time.sleep(_POLL)
    for member in members:
        member.reap()


@dataclass(slots=True)
class _Member:
    command: Sequence[str]
    log: Path | None
    watch: Guardian
    core: Mapping[str, str]
    process: processes.Process | None = None
    changed: float = 0.0
    """When it was started, or found dead."""
    delay: float = 0.0
    left: bool = False

    def runs(self) -> bool:
        return self.process is not None and not processes.has_ended(self.process)

    def tend(self, *, come_back: bool) -> None:
        """Start it where it is time to, take note of its end."""
        if self.process is None:
            if not self.left and time.monotonic() - self.changed >= self.delay:
                self._start()
        elif not self.runs():
            quick = time.monotonic() - self.changed < _SOON
            self.delay = min(_LONGEST_DELAY, 2 * self.delay + _POLL) if quick else 0.0
            self.left = self.reap() >= 0 and not come_back

    def ask_to_end(self) -> None:
        if self.process is not None:
            processes.ask_to_end(self.process)

    def reap(self) -> int:
        """Kill what is left of it. Answers its exit status, 0 where there is no process."""
        process, self.process = self.process, None
        if process is None:
            return 0
        processes.signal_group(process, signal.SIGKILL)
        status = process.wait()
        self.watch.forget(process.pid)
        self.changed = time.monotonic()
        return status

    def _start(self) -> None:
        self.changed = time.monotonic()
        with suppress(OSError):  # no room for one more process just now: it is tried again
            self.process = processes.start(
                self.command, log=self.log, env={**tuning.environment(), **self.core}
            )
            self.watch.watch(self.process.pid)
            # The catalogue is not theirs to write, so nobody waits for what they hold.
            processes.put_behind(self.process)


def main(arguments: Sequence[str]) -> None:
    """Run the program."""
    number, *rest = arguments
    come_back = "--come-back" in rest[:1]
    scheduler, *options = rest[come_back:]
    commands = [worker_command(scheduler, *_named(options, n, int(number))) for n in range(int(number))]
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with kept(commands, None, come_back=come_back) as none_left:
        while not none_left.is_set() and not stop.wait(_POLL):
            pass


def _named(options: Sequence[str], index: int, number: int) -> list[str]:
    """Options for one of several workers, whose names must differ as Dask's own programs have it."""
    if "--name" not in options or number == 1:
        return list(options)
    place = options.index("--name") + 1
    return [*options[:place], f"{options[place]}-{index}", *options[place + 1 :]]


if __name__ == "__main__":
    main(sys.argv[1:])
