"""Leaves of a query: what a piece of the user's text means in a field of its kind.

Each function takes a stored field's name, or `EVERYWHERE` where the user named none, and raises
`Rejected` (field `q`) for what that field cannot be asked.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.errors import Rejected
from pipeline.index import dates
from pipeline.index.analysis import LONGEST_WORD, fold, keyword, label, unspaced, words
from pipeline.index.fields import ALIASES, EVERYWHERE, FIELDS, Kind
from pipeline.index.nodes import NOTHING, Exists, Fuzzy, MatchAll, Phrase, Query, Range, Term, Wildcard, every
from pipeline.index.phrases import is_plain, most_arrangements

LONGEST_PATTERN: Final = 400
"""Bytes of a word with wildcards."""
MOST_STARS: Final = 16
MOST_BEHIND_STAR: Final = 4
"""`?` behind a `*`: each doubles what an engine has to keep in mind, and every engine gives up somewhere."""
MOST_ARRANGEMENTS: Final = 100
"""Ways in which the words of a phrase may stand that an engine is asked for one by one."""

_NUMBER = re.compile(r"-?\d{1,18}")
_RESOLVER = re.compile(r"^(?:https?://(?:dx\.)?doi\.org/|doi:)(?=10\.)", re.IGNORECASE)
_WILD = re.compile(r"(?<!\\)[*?]")
# What may stand inside a word that has wildcards; the rest separates words.
_WILD_WORD = re.compile(r"(?:\\.|[^\W_]|[*?]|[\u0300-\u036f])+")
_THESIS = ("publication-thesis", "publication-dissertation")
_CLOSED = ("closed", "restricted")
# Clients of Zenodo still say what its vocabularies called these before.
_RENAMED = {
    "metadata.resource_type.id": _THESIS,
    "metadata.resource_type.props.subtype": _THESIS,
    "access.status": _CLOSED,
}
DOI_FIELDS = frozenset(ALIASES[name] for name in ("doi", "conceptdoi", "grants.funder.doi"))


def kind(field: str) -> Kind:
    return Kind.TEXT if field == EVERYWHERE else FIELDS[field].kind


def term(field: str, text: str) -> Query:
    """A word or quoted string with nothing special about it."""
    match kind(field):
        case Kind.TEXT:
            return phrase(field, text, slop=0)
        case Kind.NUMBER:
            return Term(field, _number(field, text))
        case Kind.INSTANT | Kind.PERIOD:
            return between(field, text, text)
        case Kind.LABEL:
            return Term(field, label(text))
        case Kind.KEYWORD | Kind.STATUS:
            return Term(field, value(field, text))


def value(field: str, text: str) -> str:
    """`text` as the whole value of a KEYWORD, in the form in which it is stored."""
    folded = keyword(_RESOLVER.sub("", text.strip()))
    old, new = _RENAMED.get(field, ("", ""))
    return new if folded == old else folded


def phrase(field: str, text: str, *, slop: int) -> Query:
    """A quoted string: words in order in a TEXT field, else the whole value."""
    if kind(field) is not Kind.TEXT:
        return term(field, text)
    # A pasted link to a DOI is looked for as the DOI.
    found = words(_RESOLVER.sub("", text) if field == EVERYWHERE else text)
    match found:
        case []:
            return NOTHING
        case [word]:
            return Term(field, word)
    if not is_plain(found, slop) and most_arrangements(found, slop) > MOST_ARRANGEMENTS:
        raise _rejection(f"the words of a phrase of {len(found)} cannot be {slop} apart, only fewer")
    return Phrase(field, tuple(found), slop)


def wildcard(field: str, pattern: str) -> Query:
    """A word with unescaped `*` or `?`. `*` alone asks whether the field is there."""
    _require_simple(fold(pattern))
    if pattern.strip("*") == "":
        return MatchAll() if field == EVERYWHERE else Exists(field)
    match kind(field):
        case Kind.KEYWORD | Kind.STATUS:
            return Wildcard(field, fold(pattern))
        case Kind.LABEL:
            return Wildcard(field, pattern)
        case Kind.TEXT:
            pieces = [
                _wild_word(field, piece) for piece in _WILD_WORD.findall(fold(pattern)) if piece.strip("*")
            ]
            return every(*pieces) if pieces else NOTHING
        case _:
            raise _rejection(f"Field {field!r} cannot be searched with wildcards.")


def _require_simple(pattern: str) -> None:
    _, _, behind = pattern.partition("*")
    if len(pattern.encode(errors="replace")) > LONGEST_PATTERN or pattern.count("*") > MOST_STARS:
        raise _rejection(
            f"at most {LONGEST_PATTERN} bytes, {MOST_STARS} of them '*', in a word with wildcards"
        )
    if behind.count("?") > MOST_BEHIND_STAR:
        raise _rejection(f"at most {MOST_BEHIND_STAR} '?' behind a '*'")


def _wild_word(field: str, piece: str) -> Query:
    # In scripts without spaces each letter is a word: a run of them is found anywhere as it is.
    if unspaced(piece) or not _WILD.search(piece):
        return term(field, _WILD.sub(" ", piece))
    return Wildcard(field, piece[:LONGEST_WORD])


def fuzzy(field: str, text: str, distance: int | None) -> Query:
    """`text~`, `text~1`; without a `distance` it follows from the word's length, as in OpenSearch."""
    if kind(field) not in (Kind.TEXT, Kind.KEYWORD):
        raise _rejection(f"Field {field!r} cannot be searched with '~'.")
    found = words(text) if kind(field) is Kind.TEXT else [value(field, text)]
    leaves = [Fuzzy(field, word, _distance(word) if distance is None else min(distance, 2)) for word in found]
    return every(*leaves) if leaves else NOTHING


def _distance(word: str) -> int:
    return 0 if len(word) < 3 else 1 if len(word) < 6 else 2


def between(
    field: str, low: str | None, high: str | None, *, with_low: bool = True, with_high: bool = True
) -> Query:
    """A range; None is an open end. The unit of a date is whole: `[2024 TO 2024]` is that year, and
    `{2024 TO *]` begins after it."""
    lows, highs = _ends(field, low), _ends(field, high)
    least = None if lows is None else lows[0] if with_low else lows[1] + 1
    most = None if highs is None else highs[1] if with_high else highs[0] - 1
    if least is None and most is None:
        return Exists(field)
    if kind(field) is not Kind.PERIOD:
        return Range(field, least, most)
    ends = []
    if most is not None:
        ends.append(Range(f"{field}.first", None, most))
    if least is not None:
        ends.append(Range(f"{field}.last", least, None))
    return every(*ends)


def _ends(field: str, text: str | None) -> dates.Span | None:
    """The smallest and largest number that `text` stands for."""
    if text is None:
        return None
    match kind(field):
        case Kind.NUMBER:
            number = _number(field, text)
            return number, number
        case Kind.INSTANT | Kind.PERIOD:
            found = dates.span(text)
            if found is None:
                raise _rejection(f"{text[:50]!r} is not a date; write YYYY, YYYY-MM, YYYY-MM-DD or a time.")
            return found
        case _:
            raise _rejection(f"Field {field!r} has no ranges; numbers and dates have.")


def _number(field: str, text: str) -> int:
    if not _NUMBER.fullmatch(text.strip()):
        raise _rejection(f"Field {field!r} is a number, {text[:50]!r} is none.")
    return int(text)


def _rejection(reason: str) -> Rejected:
    return Rejected(f"Invalid query string syntax: {reason}", field="q")
