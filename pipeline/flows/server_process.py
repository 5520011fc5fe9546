"""The process of an instance's Prefect server, run with the arguments HOME PORT DESCRIPTOR.

It is Prefect's own `prefect server start`, with a thread that ends it when nobody has used it for a while:
users that were killed could not stop it.
"""

import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from pipeline.flows.server_files import Record, ServerFiles, write_record
from pipeline.running.loopback import LOOPBACK

IDLE = 60.0
"""Seconds without a user after which the server ends itself."""

GRACE = 15.0
"""Seconds that the server has to end in order."""

_LOOK_EVERY = 2.0


def end_when_unused(files: ServerFiles) -> None:
    """Watch for users; end this process when there was none for `IDLE` seconds, or the instance is gone."""
    with suppress(FileNotFoundError):
        _await_disuse(files)
    _end()


def _await_disuse(files: ServerFiles) -> None:
    unused_since: float | None = None
    while True:
        with files.if_unused() as unused:
            if not unused:
                unused_since = None
            elif unused_since is None:
                unused_since = time.monotonic()
            elif time.monotonic() - unused_since >= IDLE:
                # Inside of the block: whoever comes now waits until we are gone, and starts anew.
                _end()
        time.sleep(_LOOK_EVERY)


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)  # an open browser tab can hold up an orderly end for ever


def main(home: Path, port: int, descriptor: int) -> None:
    write_record(descriptor, Record(os.getpid(), port))
    threading.Thread(target=end_when_unused, args=[ServerFiles(home)], daemon=True).start()
    # Prefect reads settings from files in the working folder too.
    os.chdir(home / "prefect")
    sys.argv = ["prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
