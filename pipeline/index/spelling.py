"""What somebody may have meant whose words are in no record: words that records have and that are an edit or two away.

Asked of the index in its own query language, so that every index answers the same; the words themselves come from what
`texts` gives, which is to be public.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from pipeline.errors import Rejected
from pipeline.index.analysis import unspaced, words
from pipeline.index.fields import EVERYWHERE, TITLE
from pipeline.index.highlights import asked, tokens
from pipeline.index.matching import matches
from pipeline.index.nodes import Fuzzy, Phrase, Term
from pipeline.index.query import parse
from pipeline.ports import SearchRequest

if TYPE_CHECKING:
    from pipeline.ports import SearchIndex

FEW: Final = 10
"""Where more is found than this, nobody is asked what they meant."""

Texts: TypeAlias = Callable[[Sequence[int]], Iterable[Sequence[str]]]
"""From ids of records to what everybody may read of each: titles, keywords, names, descriptions."""

_MOST_LOOKED_AT: Final = 8
"""Words of a question, each of which costs a search."""
_MOST_WORDS: Final = 3
_SHORTEST, _LONGEST = 4, 40
"""Letters of words that are looked at: to shorter ones too many others are near."""
_FAR: Final = 6
"""Letters that a word has of which two may be wrong."""
_HITS: Final = 25
_READ: Final = 5_000
"""Characters of a text."""
_FIELDS: Final = ("title", "keywords", "creators.name", "description")


def meant(index: SearchIndex, request: SearchRequest, total: int, texts: Texts) -> str | None:
    """The question of `request`, which found `total` records, with words that records have in place of those that none
    has. None where many were found, nothing is near, or less would be found. Raises `Unavailable`, and `Rejected` where
    the question cannot be understood."""
    if total > FEW:
        return None
    better: dict[str, str] = {}
    for word in _unknown(index, request):
        if (nearest := _nearest(index, request, word, texts)) is not None:
            better[word] = nearest
    if not better:
        return None
    question = "".join(_better_words(request.query, better))
    with suppress(Rejected):
        if _total(index, replace(request, query=question)) >= max(total, 1):
            return question
    return None


def _unknown(index: SearchIndex, request: SearchRequest) -> list[str]:
    """Words that were asked for in no field and that no record has."""
    found = islice(dict.fromkeys(filter(_is_looked_at, _asked_words(request.query))), _MOST_LOOKED_AT)
    scope = SearchRequest(all_versions=request.all_versions)
    unknown = (word for word in found if not _total(index, replace(scope, query=f'"{word}"')))
    return list(islice(unknown, _MOST_WORDS))


def _is_looked_at(word: str) -> bool:
    return _SHORTEST <= len(word) <= _LONGEST and not unspaced(word) and not any(map(str.isdecimal, word))


def _asked_words(query: str) -> Iterator[str]:
    for leaf in asked(parse(query)):
        match leaf:
            case Term(field, value) if field == EVERYWHERE:
                yield str(value)
            case Phrase(field, found) if field == EVERYWHERE:
                yield from found


def _nearest(index: SearchIndex, request: SearchRequest, word: str, texts: Texts) -> str | None:
    """The word nearest to one that no record has: that of the most of the newest records that have one so near."""
    for distance in (1, 2) if len(word) >= _FAR else (1,):
        near = " OR ".join(f"{field}:{word}~{distance}" for field in _FIELDS)
        asking = SearchRequest(near, sort="newest", size=_HITS, all_versions=request.all_versions)
        if ids := index.search(asking).ids:
            return _most_frequent(Fuzzy(TITLE, word, distance), texts(ids))
    return None


def _most_frequent(near: Fuzzy, records: Iterable[Sequence[str]]) -> str | None:
    """As it is written where it comes first; not in capitals, which are operators in a question."""
    numbers: Counter[str] = Counter()
    known: dict[str, bool] = {}
    written: dict[str, str] = {}
    for texts in records:
        spoken: dict[str, str] = {}
        for token in (each for text in texts for each in tokens(text[:_READ])):
            for word in words(token):
                spoken.setdefault(word, token)
        for word, token in spoken.items():
            if word not in known:
                known[word] = matches(near, {TITLE: [word]})
            if known[word]:
                numbers[word] += 1
                written.setdefault(word, word if token.isupper() else token)
    most = max(numbers.values(), default=0)
    return min((written[word] for word, number in numbers.items() if number == most), default=None)


def _better_words(query: str, better: Mapping[str, str]) -> Iterator[str]:
    for token in tokens(query):
        found = words(token)
        yield better.get(found[0], token) if len(found) == 1 else token


def _total(index: SearchIndex, request: SearchRequest) -> int:
    return index.search(replace(request, page=1, size=0, facets=())).total
