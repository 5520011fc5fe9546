"""Phrases whose words need not stand side by side, as Lucene reads them (SloppyPhraseMatcher), pure.

A phrase of `slop` n is found where words can be moved by n places in all between the one moved furthest ahead and the
one moved furthest back; no two of them stand in one place. Values of a field are one text with a place between them.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def is_plain(words: Sequence[str], slop: int) -> bool:
    """Whether every engine finds just what is meant by itself: tantivy misses hits of more words, and takes a word
    that is there once for two."""
    return slop == 0 or (len(words) == 2 and words[0] != words[1])


def most_arrangements(words: Sequence[str], slop: int) -> int:
    """How many arrangements there are at most."""
    number = len(words)
    return int((slop + 1) ** number - slop**number)


def arrangements(words: Sequence[str], slop: int) -> set[tuple[tuple[int, str], ...]]:
    """Each way in which the words may stand: (place, word) in order, the first place 0."""
    found = set()
    for moves in product(range(slop + 1), repeat=len(words)):
        places = [nth + move for nth, move in enumerate(moves)]
        if min(moves) == 0 and len(set(places)) == len(places):
            first = min(places)
            found.add(tuple(sorted((place - first, word) for place, word in zip(places, words, strict=True))))
    return found


def places(texts: Iterable[str]) -> Mapping[str, Sequence[int]]:
    """Where each word of a field's values stands, in order."""
    found: dict[str, list[int]] = {}
    place = 0
    for text in texts:
        for word in text.split(" "):
            found.setdefault(word, []).append(place)
            place += 1
        place += 1
    return found


def stand_near(words: Sequence[str], slop: int, places: Mapping[str, Sequence[int]]) -> bool:
    """Whether the words stand somewhere as a phrase of that slop."""
    starts = {place - nth for nth, word in enumerate(words) for place in places.get(word, ())}
    return any(_fit(words, slop, start, places) for start in starts)


def _fit(words: Sequence[str], slop: int, start: int, places: Mapping[str, Sequence[int]]) -> bool:
    # The ranges in which a word that comes twice may stand begin and end in order, so the first free place will do.
    taken: set[int] = set()
    for nth, word in enumerate(words):
        first = start + nth
        free = (
            place for place in places.get(word, ()) if first <= place <= first + slop and place not in taken
        )
        if (place := next(free, None)) is None:
            return False
        taken.add(place)
    return True
