"""What is to be read in files that are text (pure)."""

from __future__ import annotations

import codecs
import re
from typing import Final

from pipeline.metadata import text
from pipeline.model import Identification

BYTES_PER_CHARACTER: Final = 4
"""At most, in every encoding that we read."""

_HTML: Final = "text/html"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Elements whose text nobody reads.
_UNREAD: Final = re.compile(r"<(script|style|template)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)


def read(data: bytes, identification: Identification) -> str:
    """The text of a file, of which `data` is all or the beginning, in UTF-8, in what its first bytes say, or else
    in Windows-1252; empty where it is none."""
    decoded = _decoded(data)
    if identification.mime == _HTML:
        decoded = text.plain(_UNREAD.sub(" ", decoded))
    return tidied(decoded)


def tidied(found: str) -> str:
    """`found` in one line, with single blanks, and without what is no character."""
    return " ".join(text.clean(found.encode(errors="ignore").decode()).split())


def _decoded(data: bytes) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _beginning(data[len(mark) :], encoding, "replace")
    if b"\0" in data:
        return ""
    try:
        return _beginning(data, "utf-8", "strict")
    except UnicodeDecodeError:
        # What browsers take for ISO 8859-1: of old texts the most frequent.
        return data.decode("cp1252", errors="replace")


def _beginning(data: bytes, encoding: str, errors: str) -> str:
    """Without a character at the end of which only the beginning is there."""
    return codecs.getincrementaldecoder(encoding)(errors).decode(data)
