"""What a search would find among a few documents that are in no index (pure): the same tree, over the same terms."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Any, cast

from pipeline.index.document import Terms, terms
from pipeline.index.fields import EVERYWHERE, FIELDS, PRESENT, Kind
from pipeline.index.nodes import Bool, Boost, Exists, Fuzzy, MatchAll, Phrase, Query, Range, Term, Wildcard
from pipeline.index.phrases import places, stand_near
from pipeline.index.query import order
from pipeline.index.selection import select
from pipeline.ports import IndexDocument, SearchPage, SearchRequest

_WILD = re.compile(r"\\(.)|([*?])|(.)", re.DOTALL)


def search(documents: Iterable[IndexDocument], request: SearchRequest, now: int) -> SearchPage:
    """What `SearchIndex.search` answers where it holds just these documents, without facets; the newest first where it
    would go by how well they match. Raises `Rejected` as that does."""
    selection = select(request, now)
    chosen = selection.order if selection.order.key else order("newest", text="")
    wanted = (selection.query, *selection.filters.values())
    hits = [
        (one.body[chosen.key], one.id)
        for one in documents
        if one.body is not None
        and all(matches(query, found) for found in [terms(one.body)] for query in wanted)
    ]
    hits.sort(reverse=chosen.descending)
    shown = hits[selection.offset :][: selection.size]
    return SearchPage(len(hits), tuple(number for _, number in shown))


def matches(query: Query, found: Terms) -> bool:
    """Whether a document with these terms is a hit."""
    match query:
        case MatchAll():
            return True
        case Bool(must, should, must_not):
            wanted = all(matches(part, found) for part in must)
            offered = bool(must) or any(matches(part, found) for part in should)
            return wanted and offered and not any(matches(part, found) for part in must_not)
        case Boost(inner):
            return matches(inner, found)
        case Exists(field):
            return field in found[PRESENT]
        case Term(field, value):
            return value in _values(found, field)
        case Range(field, low, high):
            return any(_within(low, one, high) for one in _numbers(found, field))
        case Wildcard(field, pattern):
            expression = _expression(pattern)
            return any(expression.fullmatch(one) for one in _values(found, field))
        case Fuzzy(field, word, distance):
            return any(_are_near(word, one, distance) for one in _values(found, field))
        case Phrase(field, words, slop):
            return stand_near(words, slop, places(_texts(found, field)))


def _values(found: Terms, field: str) -> Sequence[Any]:
    """The words of a TEXT, the values of any other field."""
    has_words = field == EVERYWHERE or FIELDS[field].kind is Kind.TEXT
    return (
        [word for text in _texts(found, field) for word in text.split(" ")]
        if has_words
        else found.get(field, ())
    )


def _texts(found: Terms, field: str) -> Sequence[str]:
    return cast("Sequence[str]", found.get(field, ()))


def _numbers(found: Terms, field: str) -> Sequence[int]:
    return cast("Sequence[int]", found.get(field, ()))


def _within(low: int | None, one: int, high: int | None) -> bool:
    return (low is None or low <= one) and (high is None or one <= high)


@lru_cache(maxsize=100)
def _expression(pattern: str) -> re.Pattern[str]:
    # As a pattern of `fnmatch`, whose expressions take linear time.
    pieces = (wild or _literal(escaped or plain) for escaped, wild, plain in _WILD.findall(pattern))
    return re.compile(translate("".join(pieces)))


def _literal(char: str) -> str:
    return f"[{char}]" if char in "*?[" else char


def _are_near(left: str, right: str, edits: int) -> bool:
    """Whether so many insertions, deletions, replacements and swaps of neighbours lead from one word to the other. It
    takes about as long for words of any length, whatever a stranger asks for."""
    if abs(len(left) - len(right)) > edits:
        return False
    alike = _alike(left, right)
    left, right = left[alike:], right[alike:]
    if not edits or left == right:
        return left == right
    return (
        _are_near(left[1:], right[1:], edits - 1)
        or _are_near(left[1:], right, edits - 1)
        or _are_near(left, right[1:], edits - 1)
        or (left[1::-1] == right[:2] and _are_near(left[2:], right[2:], edits - 1))
    )


def _alike(left: str, right: str) -> int:
    """How many letters they begin with alike."""
    lengths = range(1, min(len(left), len(right)) + 1)
    return bisect_left(lengths, 1, key=lambda length: left[:length] != right[:length])
