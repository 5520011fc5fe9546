"""Where a text answers a question, so that it can be shown (pure). The same words as an index compares, whichever index
found them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, groupby
from typing import Final, TypeAlias

from pipeline.index.analysis import unspaced, words
from pipeline.index.fields import EVERYWHERE
from pipeline.index.matching import matches
from pipeline.index.nodes import Bool, Boost, Fuzzy, Phrase, Query, Term, Wildcard
from pipeline.index.query import parse

Pieces: TypeAlias = list[tuple[str, bool]]
"""A text in pieces, each with whether it was asked for."""

LOOKED_AT: Final = 5_000
"""Characters of a text, from its beginning: what a page takes to show is bounded, however long its descriptions are."""

_TOKEN: Final = re.compile(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*)*")


class Highlights:
    """Of one question. Raises `Rejected` (field `q`) where it cannot be understood."""

    def __init__(self, query: str) -> None:
        found = tuple(asked(parse(query)))
        self._words = {
            (leaf.field, word)
            for leaf in found
            for word in (
                leaf.words if isinstance(leaf, Phrase) else (leaf.value,) if isinstance(leaf, Term) else ()
            )
        }
        self._patterns = tuple(leaf for leaf in found if isinstance(leaf, Wildcard | Fuzzy))
        self._answers: dict[tuple[str, str], bool] = {}

    def pieces(self, text: str, field: str) -> Pieces:
        """`text` in pieces, as the value of `field`; what was asked without a field is looked for as well."""
        rest = [(text[LOOKED_AT:], False)] if len(text) > LOOKED_AT else []
        return [
            ("".join(piece for piece, _ in run), is_asked)
            for is_asked, run in groupby(chain(self._marked(text, field), rest), _is_marked)
        ]

    def first(self, text: str, field: str) -> int:
        """Where the first of what was asked for begins; 0 where there is none."""
        return self.find(text, field) or 0

    def find(self, text: str, field: str, *, within: int = LOOKED_AT) -> int | None:
        """Where the first of what was asked for begins, `within` so many characters; None where there is none."""
        at = 0
        for piece, is_asked in self._marked(text, field, within):
            if is_asked:
                return at
            at += len(piece)
        return None

    def _marked(self, text: str, field: str, within: int = LOOKED_AT) -> Iterator[tuple[str, bool]]:
        for piece in tokens(text[:within]):
            yield piece, any(self._is_asked(word, field) for word in words(piece))

    def _is_asked(self, word: str, field: str) -> bool:
        # A language has few words, and each is compared with all that is asked for.
        if (answer := self._answers.get((word, field))) is None:
            answer = self._answers[word, field] = any(
                (name, word) in self._words
                or any(leaf.field == name and matches(leaf, {name: [word]}) for leaf in self._patterns)
                for name in (field, EVERYWHERE)
            )
        return answer


def _is_marked(pair: tuple[str, bool]) -> bool:
    return pair[1]


def asked(query: Query) -> Iterator[Term | Phrase | Wildcard | Fuzzy]:
    """What is to be there; what is not to be there is left out."""
    match query:
        case Bool(must, should):
            for part in (*must, *should):
                yield from asked(part)
        case Boost(inner):
            yield from asked(inner)
        case Term() | Phrase() | Wildcard() | Fuzzy():
            yield query


def tokens(text: str) -> Iterator[str]:
    """Words as they are written, letters of scripts without spaces one by one, and what is between them."""
    at = 0
    for token in _TOKEN.finditer(text):
        if token.start() > at:
            yield text[at : token.start()]
        yield from token[0] if unspaced(token[0]) else (token[0],)
        at = token.end()
    if at < len(text):
        yield text[at:]
