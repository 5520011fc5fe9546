"""From text to the words that are compared, the same for documents and questions.

We analyse text ourselves and hand the engines finished words, so that every engine finds the same.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Combining classes up to 9 (nukta, kana voicing, virama) make another letter; those above are accents,
# vowel points and tone marks, which people leave out when they search.
_LETTER_CHANGING_CLASS = 9
# Latin letters with strokes and ligatures, which Unicode does not decompose.
_LATIN = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)

_MARKS = "".join(
    chr(code) for code in range(0x300, 0x3100) if unicodedata.category(chr(code)).startswith("M")
)
# Thai, Lao, Myanmar, Khmer, kana, Han, Hangul: no spaces between words, or endings stuck to them.
_UNSPACED = (
    "\u0e01-\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0ec0-\u0ec6\u1000-\u102a\u1780-\u17b3"
    "\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
    "\uf900-\ufaff\U00020000-\U0003fffd"
)
_WORD = re.compile(
    rf"[{_UNSPACED}][{_MARKS}]*|(?:(?![{_UNSPACED}])[^\W_])(?:(?![{_UNSPACED}])(?:[^\W_]|[{_MARKS}]))*"
)
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}]")

VERSION: Final = 1
"""To be raised whenever the same text gives other words: indexes must then be rebuilt."""
LONGEST_WORD: Final = 200
"""Longer ones (encoded data, mostly) are cut: engines limit the length of a term."""
LONGEST_KEYWORD: Final = 8_000
"""In bytes of UTF-8."""


def fold(text: str) -> str:
    """`text` without case, accents and forms of compatibility: "Müller" and "MULLER" become "muller"."""
    if text.isascii():
        # The same for less: keys, digests and most words are ASCII, and a record has thousands.
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in decomposed if unicodedata.combining(char) <= _LETTER_CHANGING_CLASS)
    return unicodedata.normalize("NFC", bare).casefold().translate(_LATIN)


def words(text: str) -> list[str]:
    """The folded words of `text` in order. A letter of a script without spaces is a word of its own, so
    that a run of them is found as a phrase."""
    return [word[:LONGEST_WORD] for word in _WORD.findall(fold(text))]


def unspaced(text: str) -> bool:
    """Whether `text` holds a letter of a script that is written without spaces."""
    return _UNSPACED_LETTER.search(text) is not None


def keyword(text: str) -> str:
    """`text` as a whole, folded."""
    return label(fold(text).strip())


def label(text: str) -> str:
    """`text` as it is, cut to what an engine takes as one term."""
    return text.encode(errors="ignore")[:LONGEST_KEYWORD].decode(errors="ignore")
