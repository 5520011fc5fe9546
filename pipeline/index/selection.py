"""A search request as trees that an engine can run: what to find, narrow, order and count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pipeline.errors import Rejected
from pipeline.index import dates, leaves
from pipeline.index.disclosure import as_of
from pipeline.index.fields import EVERYWHERE, FACETS, FIELDS, LATEST, NESTED, TITLE, Kind
from pipeline.index.nodes import Bool, Boost, Exists, Fuzzy, MatchAll, Phrase, Query, Term, every, some
from pipeline.index.query import Order, order, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.ports import SearchRequest

WINDOW: Final = 10_000
"""`page × size` at most (Zenodo's REST API)."""
PUBLICATION_DATE: Final = "publication_date"
"""The one filter that is no facet; its values are `first..last`."""


# A word of the title says more about a record than one of its description.
_TITLE_BOOST: Final = 2.0


@dataclass(frozen=True, slots=True)
class Selection:
    """`query` finds; `filters` narrow by facet; `preferred` finds nothing more and adds to the score, and
    is empty where the order is not by score."""

    query: Query
    filters: Mapping[str, Query]
    preferred: tuple[Query, ...]
    order: Order
    offset: int
    size: int

    def counted(self, facet: str) -> Query:
        """What a facet's values are counted over: its own choices left out, so that the other values can
        still be chosen besides."""
        return every(self.query, *(query for name, query in self.filters.items() if name != facet))


def select(request: SearchRequest, now: int) -> Selection:
    """The request as it is meant at `now` (seconds since 1970). Raises `Rejected` (field `q`, `sort`,
    `page`, or a filter's or facet's name)."""
    if request.page < 1 or request.size < 0 or request.page * request.size > WINDOW:
        raise Rejected(f"Only the first {WINDOW} hits can be shown.", field="page")
    for name in request.facets:
        if name not in FACETS:
            raise Rejected(f"There is no facet {name!r}.", field=name)
    asked = parse(request.query)
    # Every record has an id, and only what was deleted has not.
    scope = Exists("id") if request.all_versions else Term(LATEST, "true")
    chosen = order(request.sort, text=request.query)
    preferred = tuple(_in_title(asked)) if chosen.key == "" else ()
    return Selection(
        query=scope if isinstance(asked, MatchAll) else every(scope, as_of(asked, now)),
        filters={name: _filter(name, values, now) for name, values in request.filters.items() if values},
        preferred=preferred,
        # Without words nothing scores: all hits would be equal, and pages of them in no order.
        order=chosen if chosen.key or is_scored(asked) else order("newest", text=""),
        offset=(request.page - 1) * request.size,
        size=request.size,
    )


def _in_title(query: Query) -> Iterator[Query]:
    """The words that were asked for without a field, as words of the title."""
    match query:
        case Bool(must, should):
            for part in (*must, *should):
                yield from _in_title(part)
        case Boost(inner, factor):
            yield from (Boost(part, factor) for part in _in_title(inner))
        case Term(field) | Phrase(field) if field == EVERYWHERE:
            yield Boost(replace(query, field=TITLE), _TITLE_BOOST)


def _filter(name: str, values: Sequence[str], now: int) -> Query:
    if name == PUBLICATION_DATE:
        return some(*map(_published, values))
    if name not in FACETS:
        raise Rejected(f"There is no filter {name!r}.", field=name)
    return as_of(some(*(leaves.term(_filtered(name, value), value) for value in values)), now)


def _filtered(facet: str, value: str) -> str:
    """The field in which the value of a facet is looked up."""
    if facet == "resource_type" and NESTED not in value:
        return "metadata.resource_type.props.type"
    return FACETS[facet]


def _published(period: str) -> Query:
    first, dots, last = period.partition("..")
    ends = [end.strip() or None for end in (first, last if dots else first)]
    if not any(ends) or any(end is not None and dates.span(end) is None for end in ends):
        raise Rejected(f"{period[:50]!r} is not a period; write YYYY..YYYY.", field=PUBLICATION_DATE)
    return leaves.between("metadata.publication_date", ends[0], ends[1])


def is_scored(query: Query) -> bool:
    """Whether words are looked for: only they say how well a record matches."""
    match query:
        case Bool(must, should):
            return any(map(is_scored, (*must, *should)))
        case Boost(inner):
            return is_scored(inner)
        case Term(field) | Phrase(field) | Fuzzy(field):
            return field == EVERYWHERE or FIELDS[field].kind is Kind.TEXT
        case _:
            return False
