"""`make demo-production`: the demo on what a data centre runs: PostgreSQL, S3 (SeaweedFS), ClamAV, a Dask scheduler
with two workers. Real servers on loopback ports, without containers; their data stay, and the next run goes on.

Exit code as `make demo` has it, 2 where a server cannot run here, 4 where a part does not answer afterwards.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from infra.demo.__main__ import FINISHED, HEADRACE, INTERRUPTED, main
from infra.local.offers import environment, start
from infra.local.service import ServiceError

SERVICES = ("postgres", "seaweedfs", "clamd", "dask")
SERVE = "python -m infra.demo.production --serve"


def demonstrate(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser("python -m infra.demo.production", description=__doc__)
    parser.add_argument(
        "--serve",
        action="store_true",
        help="instead of ingesting, run `headrace up` on the servers until Ctrl-C",
    )
    options = parser.parse_args(arguments)
    # What stops a job in the background stops this as Ctrl-C does in a terminal.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Path(os.environ.setdefault("HEADRACE_HOME", "headrace-data-production")).absolute()
    try:
        with ExitStack() as stack:
            os.environ.update(environment(list(start(stack, home / "services", SERVICES))))
            return _serve() if options.serve else _ingest()
    except KeyboardInterrupt:
        return INTERRUPTED
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _ingest() -> int:
    fates = main(f".venv/bin/{SERVE}")
    checked = subprocess.run([HEADRACE, "check"], check=False).returncode
    return fates if fates != FINISHED else checked


def _serve() -> int:
    with subprocess.Popen([HEADRACE, "up"]) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The terminal has interrupted the child as well, or nobody has: it stops in order either way.
            child.send_signal(signal.SIGTERM)
            child.wait()
            raise


if __name__ == "__main__":
    sys.exit(demonstrate())
