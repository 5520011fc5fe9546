"""`python -m tests.dispatcher FOLDER`: a dispatcher without Prefect, in a process of its own, that notes each mail when
it begins to send it and when it has, and takes its time in between: with mails that the file `HELD` in FOLDER names,
for as long as it does. Its clock is as far ahead as the file `AHEAD` says (seconds)."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from pipeline import wiring
from pipeline.flows.deliver import dispatch_forever
from pipeline.settings import load_settings

AHEAD = "ahead"
HELD = "held"
JOURNAL = "journal"
_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Note:
    """What a dispatcher did with a mail: `begin` or `end`."""

    process: int
    what: str
    mail: str


def notes(folder: Path) -> list[Note]:
    """In the order in which they were made by all dispatchers."""
    journal = folder / JOURNAL
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [Note(int(process), what, mail) for process, what, mail in (line.split(" ", 2) for line in lines)]


class _Noting:
    """Sends no mail anywhere."""

    def __init__(self, folder: Path) -> None:
        self._held = folder / HELD
        self._journal = os.open(folder / JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def send(self, message: EmailMessage) -> None:
        self._note("begin", message)
        time.sleep(_SECONDS)
        while self._held.exists() and message["Subject"] in self._held.read_text().splitlines():
            time.sleep(_SECONDS)
        self._note("end", message)

    def describe(self) -> str:
        return "a journal"

    def _note(self, what: str, message: EmailMessage) -> None:
        # One call: lines of several processes do not mingle.
        os.write(self._journal, f"{os.getpid()} {what} {message['Subject']}\n".encode())


def main() -> None:
    folder = Path(sys.argv[1])

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float((folder / AHEAD).read_text() or 0))

    with wiring.open_services(load_settings(), now=now) as services:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        dispatch_forever(replace(services, mailer=_Noting(folder)), lambda: False)


if __name__ == "__main__":
    main()
