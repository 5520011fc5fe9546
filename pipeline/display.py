"""Names of files, and words of servers, as people read them in reports and messages (pure)."""

from __future__ import annotations

import re
import unicodedata

_WITH_USER = re.compile(r"([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)
_OF_THE_WEB = re.compile(r"https?://", re.IGNORECASE)
_MOST_TOLD = 1_000  # characters


def without_secrets(name: str) -> str:
    """A URL without user and password, and one of the web without query and fragment: what signs it stands there, is
    another each time and is to be known by nobody else (RFC 3986, sections 3.2.1 and 3.4). Any other name as it is."""
    if "://" not in name:
        return name
    name = _WITH_USER.sub(r"\1", name, count=1) if _WITH_USER.match(name) else name
    return re.split("[?#]", name, maxsplit=1)[0] if _OF_THE_WEB.match(name) else name


def shown(name: str) -> str:
    """A name on one line: bytes that are not UTF-8, and control characters, as `\\xNN`; a URL `without_secrets`."""
    name = without_secrets(name)
    if name.isascii() and name.isprintable():
        return name
    return "".join(_shown(char) for char in name)


def told(text: str) -> str:
    """What others say, a server's answer say, on one line of 1,000 characters at most; what would steer a terminal, or
    what a database refuses, as `\\xNN`."""
    line = " ".join(text.split())[: _MOST_TOLD + 1]
    line = "".join(map(_shown, line))
    return line if len(line) <= _MOST_TOLD else f"{line[: _MOST_TOLD - 1]}…"


def _shown(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    if unicodedata.category(char) in ("Cc", "Cs"):
        return f"\\x{ord(char):02x}"
    return char
