"""The query as a tree. Every leaf names a stored field and holds finished words or numbers (see
`analysis` and `leaves`): an implementation of `SearchIndex` translates it node by node and decides
nothing about language, dates or access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class MatchAll:
    pass


@dataclass(frozen=True, slots=True)
class Term:
    """The field has this word (TEXT), this whole value (KEYWORD, LABEL) or this number."""

    field: str
    value: str | int


@dataclass(frozen=True, slots=True)
class Phrase:
    """The words stand in this order, at most `slop` moves apart."""

    field: str
    words: tuple[str, ...]
    slop: int = 0


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A word or whole value matches `pattern`: `*` is any run of characters, `?` one character, and `\\`
    makes the next character stand for itself."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """A word at most `distance` (0 to 2) edits away; swapping two neighbours is one edit."""

    field: str
    word: str
    distance: int


@dataclass(frozen=True, slots=True)
class Range:
    """A number between `low` and `high`, both included; None is open."""

    field: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Exists:
    field: str


@dataclass(frozen=True, slots=True)
class Boost:
    query: Query
    factor: float


@dataclass(frozen=True, slots=True)
class Bool:
    """All of `must`, none of `must_not`, and at least one of `should` where there is no `must`; `should`
    beside a `must` only adds to the score (Lucene's BooleanQuery). Empty, it matches nothing."""

    must: tuple[Query, ...] = ()
    should: tuple[Query, ...] = ()
    must_not: tuple[Query, ...] = ()


Leaf: TypeAlias = Term | Phrase | Wildcard | Fuzzy | Range | Exists
Query: TypeAlias = MatchAll | Boost | Bool | Leaf

NOTHING: Final = Bool()


def every(*queries: Query) -> Query:
    """What matches all of `queries`."""
    return queries[0] if len(queries) == 1 else Bool(must=queries)


def some(*queries: Query) -> Query:
    """What matches at least one of `queries`."""
    return queries[0] if len(queries) == 1 else Bool(should=queries)
