"""Processes that we start and stop: each in a session of its own, its output in a log file."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, TypeAlias

Process: TypeAlias = subprocess.Popen[bytes]


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs `module` in this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Our environment with `changes`, such that Python children import what we import."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **changes}


def start(
    argv: Sequence[str],
    *,
    log: Path | None,
    env: Mapping[str, str],
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> Process:
    """Start `argv` out of reach of the terminal's Ctrl-C; what it writes is appended to `log` (stdout as
    well, unless it is given), or goes where ours does. Raises `OSError` where the program cannot be run."""
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext() if log is None else log.open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - the commands are our own
            argv,
            env=env,
            stdin=stdin,
            stdout=file if stdout is None else stdout,
            stderr=file,
            pass_fds=pass_fds,
            start_new_session=True,
        )


def ask_to_end(process: Process) -> None:
    """Send SIGTERM to the process alone. Unlike `Popen.terminate` this does not reap it."""
    if process.returncode is None:
        os.kill(process.pid, signal.SIGTERM)


def signal_group(process: Process, number: signal.Signals) -> None:
    """Send a signal to the process and to all in its group. To be called before `process` is reaped: then
    its number may belong to somebody else."""
    with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
        os.killpg(process.pid, number)


def has_ended(process: Process) -> bool:
    """Whether the process is over. Does not reap it, so that its number still names its group."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for messages; empty where there is none."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        return b"\n".join(file.read().splitlines()[-count:]).decode(errors="replace").strip()
    return ""
