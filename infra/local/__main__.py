"""`make services`: the real services of this folder on loopback ports, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from shlex import quote

from infra.local.offers import OFFERS, Started, environment, start
from infra.local.service import ServiceError

_HELP = """\
Start the services that Headrace meets in production, on this machine and without containers: real servers on loopback
ports, from packages. Prints where they are and the `export` lines that point an instance at them, then waits; Ctrl-C
stops them all and leaves no process behind.

Without --folder their data are thrown away at the end. With it they stay, logs are in FOLDER/<service>/log, and the
next start has the same data at the same ports.
"""
_EXAMPLES = """\
examples:
  make services                                          everything that can run here
  python -m infra.local --only postgres,seaweedfs        only these; fails where one of them cannot run
  python -m infra.local --folder /var/tmp/services       data and ports that are there next time
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code: 0, or 2 where a service that was asked for cannot run."""
    options = _parser().parse_args(arguments)
    asked = [name for name in options.only.split(",") if name]
    if unknown := set(asked) - OFFERS.keys():
        sys.stderr.write(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(OFFERS)}\n")
        return 2
    # What stops a job in the background stops this as Ctrl-C does in a terminal.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            folder = options.folder or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="services-"))
            )
            _show(list(start(stack, folder.absolute(), asked)))
            threading.Event().wait()
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m infra.local",
        description=_HELP,
        epilog=_EXAMPLES
        + "\nservices:\n"
        + "".join(f"  {name:12}{one.purpose}\n" for name, one in OFFERS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", default="", metavar="A,B", help="names of services; default: all that can run here"
    )
    parser.add_argument("--folder", type=Path, help="where their data and logs are kept")
    return parser


def _show(started: Sequence[Started]) -> None:
    # Plain lines: what is longer than a terminal is wide can still be copied.
    for one in started:
        sys.stdout.write(f"{one.name:12}{one.url}\n{'':12}{one.log}\n")
    sys.stdout.write("\n")
    for name, value in environment(started).items():
        sys.stdout.write(f"export {name}={quote(value)}\n")
    sys.stdout.write("\nready; Ctrl-C stops them all\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
