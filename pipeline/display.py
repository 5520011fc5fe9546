"""Names of files as people read them, in reports and messages (pure)."""

from __future__ import annotations

import unicodedata


def shown(name: str) -> str:
    """A name on one line: bytes that are not UTF-8, and control characters, as `\\xNN`."""
    if name.isascii() and name.isprintable():
        return name
    return "".join(_shown(char) for char in name)


def _shown(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    if unicodedata.category(char) in ("Cc", "Cs"):
        return f"\\x{ord(char):02x}"
    return char
