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
    """`text` in NFC and without control characters; otherwise as given. What is nothing but blanks is empty."""
    kept = unicodedata.normalize("NFC", _FORBIDDEN.sub("", text))
    return kept if kept.strip() else ""


def sanitise(markup: str) -> str:
    """HTML with only the elements and attributes that a record may show; the text of all others stays."""
    return clean(_SANITISER.clean(clean(markup)))


def plain(markup: str) -> str:
    """The text of sanitised HTML, one line a block; for formats that carry no markup."""
    spaced = _CELL_ENDS.sub("\t", _BLOCK_ENDS.sub("\n", markup))
    return _BLANK_LINES.sub("\n", clean(html.unescape(_STRIPPER.clean(spaced)))).strip()
