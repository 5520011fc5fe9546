"""What a search may use today: the access status of records and the facts about their files.

The index keeps the moment at which a record's files open (`OPENS`), not its status, so an embargo lifts
by itself. `as_of` puts that moment into a query, after which the query holds stored fields only.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline.index.fields import EVERYWHERE, FIELDS, FILENAMES, FULL_TEXT, NEVER, NO_FILES, OPEN, OPENS, Kind
from pipeline.index.nodes import (
    NOTHING,
    Bool,
    Boost,
    Exists,
    Leaf,
    MatchAll,
    Query,
    Range,
    Term,
    Wildcard,
    every,
    some,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def statuses(now: int) -> Mapping[str, Range]:
    """InvenioRDM's access status → the moments of opening that give it at `now` (seconds since 1970)."""
    return {
        "open": Range(OPENS, OPEN, now),
        "embargoed": Range(OPENS, now + 1, NEVER - 1),
        "restricted": Range(OPENS, NEVER, NEVER),
        "metadata-only": Range(OPENS, NO_FILES, NO_FILES),
    }


def as_of(query: Query, now: int) -> Query:
    """`query` with access statuses resolved at `now`, files' facts hidden while the files are closed,
    and words without a field also looked up in names and texts of open files."""
    match query:
        case Bool(must, should, must_not):
            return Bool(_each(must, now), _each(should, now), _each(must_not, now))
        case Boost(inner, factor):
            return Boost(as_of(inner, now), factor)
        case MatchAll():
            return query
        case leaf if leaf.field == EVERYWHERE:
            return _everywhere(leaf, now)
        case leaf if FIELDS[leaf.field].kind is Kind.STATUS:
            return _status(leaf, now)
        case leaf if FIELDS[leaf.field].of_files:
            return every(leaf, statuses(now)["open"])
        case leaf:
            return leaf


def _each(queries: tuple[Query, ...], now: int) -> tuple[Query, ...]:
    return tuple(as_of(query, now) for query in queries)


def _everywhere(leaf: Leaf, now: int) -> Query:
    in_files = (replace(leaf, field=field) for field in (FILENAMES, FULL_TEXT))
    return some(leaf, every(some(*in_files), statuses(now)["open"]))


def _status(leaf: Leaf, now: int) -> Query:
    match leaf:
        case Exists():
            return MatchAll()
        case Term(value=value):
            chosen = [span for name, span in statuses(now).items() if name == value]
        case Wildcard(pattern=pattern):
            chosen = [span for name, span in statuses(now).items() if fnmatchcase(name, pattern)]
        case _:
            chosen = []
    return some(*chosen) if chosen else NOTHING
