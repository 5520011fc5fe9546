"""Processes that we start and stop: each in a session of its own, its output in a log file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, TypeAlias

Process: TypeAlias = subprocess.Popen[bytes]

BEHIND_OTHERS = 10
"""How far bulk work stands behind what people wait for (nice(2)): it gets a tenth of a core that both want, and all
of one that nobody else wants."""

# The C library gives threads arenas of their own, up to eight a core, and each keeps what was freed in it. Our threads
# take turns, and do not wait for one another's arenas.
_FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
# The runtime of the PRONOM engine, which is in Go, has to find them when the process begins: what that sets itself it
# does not see. It is called by one thread at a time, so a second processor of its own, and collecting garbage after
# every few files, only cost. Signatures take 70 MiB; what garbage once took besides is kept. The closer it all comes to
# the limit, the more often garbage is collected: 96 MiB cost 2 % of the engine's time, 88 MiB would cost 19 %.
_ENGINE = {"GOMAXPROCS": "1", "GOGC": "400", "GOMEMLIMIT": "96MiB"}
_LAST = 19
_TRIES, _NOT_YET = 5, 0.1


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs `module` in this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Our environment with `changes`, such that Python children import what we import."""
    path = os.pathsep.join(filter(None, sys.path))
    return {**_FEW_ARENAS, **_ENGINE, **os.environ, "PYTHONPATH": path, **changes}


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


def put_behind(process: Process) -> None:
    """Have a process that was just started, and all that it starts, give way to others. It must not take locks that
    those wait for: it would keep them for as long as it is kept waiting itself."""
    with suppress(OSError):  # it is over already
        own = os.getpriority(os.PRIO_PROCESS, process.pid)
        os.setpriority(os.PRIO_PROCESS, process.pid, min(_LAST, own + BEHIND_OTHERS))
    # Where Linux shares cores out among sessions first (sched(7), autogroup), a process that has one of its own gives
    # way to nobody by being nice. Who is no administrator is let do this every 0.1 s.
    for _ in range(_TRIES):
        try:
            Path(f"/proc/{process.pid}/autogroup").write_text(str(BEHIND_OTHERS))
        except BlockingIOError:
            time.sleep(_NOT_YET)
        except OSError:  # there is no such thing here
            return
        else:
            return


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
