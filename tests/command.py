"""The command `headrace` as users run it: a process, with its exit code, what it prints and what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.model import JsonObject
from pipeline.running import processes

BASE_URL = "https://archive.example.org"
PATIENCE = 240.0
"""Seconds; long, since tests share machines with much else."""

_MARK = "HEADRACE_TEST_MARK"


@dataclass(frozen=True)
class Ended:
    """How a command ended. `code` is negative where a signal killed it."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> JsonObject:
        """The one JSON object on stdout."""
        document: JsonObject = json.loads(self.out)
        return document


@dataclass
class Running:
    """A command under way."""

    process: subprocess.Popen[str]
    mark: str
    folder: Path

    def end(self) -> Ended:
        """Wait for its end."""
        code = self.process.wait(PATIENCE)
        return Ended(code, self.said("out"), self.said("err"))

    def said(self, stream: str) -> str:
        """What it wrote to `out` or `err` so far."""
        return (self.folder / stream).read_text()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def family(self) -> set[int]:
        """Every process that came of it and still lives, however far it went off: they all inherited a mark."""
        pids = {int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()}
        return set(filter(self._is_ours, pids))

    def kill_family(self) -> None:
        """`kill -9` of everything at once."""
        while family := self.family():
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.poll()
            time.sleep(0.05)

    def _is_ours(self, pid: int) -> bool:
        # A zombie has no environment any more.
        with suppress(OSError):
            return f"{_MARK}={self.mark}\0".encode() in Path("/proc", str(pid), "environ").read_bytes()
        return False


@dataclass(frozen=True)
class Instance:
    """Where commands work, and the environment that they all get."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Iterator[Running]:
        """Run `headrace` with `arguments` for as long as the block lasts; nothing of it outlives the block."""
        mark = uuid.uuid4().hex
        folder = self.home.parent / f"command-{mark[:8]}"
        folder.mkdir()
        (folder / "in").write_text(stdin)
        with (
            (folder / "in").open() as in_,
            (folder / "out").open("w") as out,
            (folder / "err").open("w") as err,
        ):
            process = subprocess.Popen(
                processes.python("pipeline", *arguments),
                stdin=in_,
                stdout=out,
                stderr=err,
                text=True,
                cwd=folder,
                env=self._environment(mark, env or {}),
                start_new_session=True,
            )
        running = Running(process, mark, folder)
        try:
            yield running
        finally:
            running.kill_family()
            process.wait()

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Ended:
        """Run `headrace` with `arguments` to its end."""
        with self.start(*arguments, env=env, stdin=stdin) as running:
            return running.end()

    def _environment(self, mark: str, more: Mapping[str, str]) -> dict[str, str]:
        outside = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HEADRACE_", "PREFECT_", "DASK_"))
        }
        return {
            **outside,
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "PYTHONWARNINGS": "",
            "HEADRACE_HOME": str(self.home),
            "HEADRACE_BASE_URL": BASE_URL,
            "HEADRACE_COMPUTE": "inline:",
            _MARK: mark,
            **self.environment,
            **more,
        }


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Fails where `condition` does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
