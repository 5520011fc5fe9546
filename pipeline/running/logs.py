"""How log lines look and where they go: one line an entry, with its time in UTC; whatever it says, nobody makes two of
one."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import security_events

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG = logging.getLogger(__name__)
_ESCAPED: Mapping[int, str] = {
    code: rf"\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"
} | {0x2028: r"\u2028", 0x2029: r"\u2029"}


def to_stderr(level: int = logging.WARNING) -> None:
    """Have this process say what happens to it on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=level, handlers=[handler])


def keep_security_events(folder: Path) -> None:
    """Append them to `folder/security.log`, as other processes do; one that was moved away is begun anew."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = _Appending(folder / "security.log", encoding="ascii", delay=True)
    handler.setFormatter(_Facts())
    security_events.LOG.addHandler(handler)
    security_events.LOG.setLevel(logging.INFO)
    security_events.LOG.propagate = False


class Lines(logging.Formatter):
    """Time, level, logger, text. Further lines, such as those of a traceback, begin with a tab and a bar."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).translate(_ESCAPED).replace("\n", "\n\t| ")
        return f"{_time(record)} {record.levelname} {record.name} {text}"


class _Appending(WatchedFileHandler):
    """What it cannot write is in the process's own log: whoever is noted is answered all the same."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # of opening the file, which `WatchedFileHandler` does outside of what it guards
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        _LOG.error("not in the log of security events: %s (%s)", self.format(record), sys.exception())


class _Facts(logging.Formatter):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, object] = getattr(record, "facts", {})
        return json.dumps({"time": _time(record), **facts}, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
