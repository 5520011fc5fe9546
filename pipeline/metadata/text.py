"""Text as it may be kept: in one normal form, without characters that break XML, HTML within bounds."""

from __future__ import annotations

import html
import re
import unicodedata

import nh3

# Control characters but tab, line feed and carriage return; lone surrogates and non-characters, which
# neither UTF-8 nor XML 1.0 can carry.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF))
    + "]"
)

# Of marks that follow one another; no script needs as many (UAX #15, Stream-Safe Text Format).
_MOST_MARKS = 30
# Of combining class 0, but composed of marks alone.
_COMPOSED_OF_MARKS = frozenset("\u0f73\u0f75\u0f81")

# The list that is in force on Zenodo.
_TAGS = (
    "a abbr acronym b blockquote br code div em h1 h2 h3 h4 h5 i li ol p pre span strike strong"
    " sub sup table tbody td th tr u ul"
)
_ATTRIBUTES = {
    "*": {"class"},
    "a": {"href", "title", "name", "rel"},
    "abbr": {"title"},
    "acronym": {"title"},
}
_SANITISER = nh3.Cleaner(
    tags=set(_TAGS.split()),
    clean_content_tags=set(),
    attributes=_ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel=None,
    strip_comments=True,
)
_STRIPPER = nh3.Cleaner(tags=set(), clean_content_tags=set(), attributes={}, strip_comments=True)
_BLOCK_ENDS = re.compile(
    r"<(?:br|/p|/div|/li|/h[1-6]|/tr|/pre|/blockquote|/table|/ul|/ol)\b[^>]*>", re.IGNORECASE
)
_CELL_ENDS = re.compile(r"</t[dh]\b[^>]*>", re.IGNORECASE)
_BLANK_LINES = re.compile(r"[ \t]*\n\s*")


def clean(text: str) -> str:
    """`text` in NFC, without control characters and with 30 combining marks in a row at most; otherwise as given. What
    is nothing but blanks is empty."""
    normal = unicodedata.normalize("NFC", _stream_safe(_FORBIDDEN.sub("", text)))
    # Some characters are taken apart, into two marks at most.
    kept = _stream_safe(normal)
    return kept if kept.strip() else ""


def _stream_safe(text: str) -> str:
    """`text` without marks beyond `_MOST_MARKS` in a row: normalising sorts each such row, in a time that grows with
    the square of its length, and no other thread runs meanwhile."""
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) or char in _COMPOSED_OF_MARKS else 0
        if marks <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def sanitise(markup: str) -> str:
    """HTML with only the elements and attributes that a record may show; the text of all others stays."""
    return clean(_SANITISER.clean(clean(markup)))


def plain(markup: str) -> str:
    """The text of sanitised HTML, one line a block; for formats that carry no markup."""
    spaced = _CELL_ENDS.sub("\t", _BLOCK_ENDS.sub("\n", markup))
    return _BLANK_LINES.sub("\n", clean(html.unescape(_STRIPPER.clean(spaced)))).strip()
