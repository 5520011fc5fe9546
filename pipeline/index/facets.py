"""Facets as aggregations, which tantivy and OpenSearch write alike, and their answers as counts (pure)."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from pipeline.index.disclosure import statuses
from pipeline.index.fields import FACETS, FIELDS, NESTED, OPENS, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_VALUES: Final = 100
"""Values a facet answers with."""
STATUS: Final = "access_status"


def aggregations(facets: Sequence[str], now: int, **exactness: int) -> dict[str, Any]:
    """What counts the values of `facets` at `now` (seconds since 1970); `exactness` is what an engine has to be told
    besides. Facts about files are counted within the status `open`, which is counted anyway."""
    fields = {name: FIELDS[FACETS[name]] for name in facets}
    asked = {name: {"terms": {"field": FACETS[name], "size": _MOST_VALUES, **exactness}} for name in facets}
    top = {
        name: asked[name]
        for name, field in fields.items()
        if not field.of_files and field.kind is not Kind.STATUS
    }
    within = {name: asked[name] for name, field in fields.items() if field.of_files}
    return top if len(top) == len(facets) else {**top, STATUS: {**_by_status(now), "aggs": within}}


def _by_status(now: int) -> dict[str, Any]:
    ranges = [
        {"key": name}
        | ({} if span.low is None else {"from": span.low})
        | ({} if span.high is None else {"to": span.high + 1})
        for name, span in statuses(now).items()
    ]
    return {"range": {"field": OPENS, "ranges": ranges}}


def tally(facet: str, answer: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """An engine's answer to `aggregations` as a facet's: types with the records of their subtypes, nothing that is not
    there, the largest first."""
    found = _stored(facet, answer)
    if facet == "resource_type":
        found = list(_with_types(found).items())
    # By value, and then the largest first: each sort keeps what the one before it did.
    found = sorted(pair for pair in found if pair[1])
    found.sort(key=itemgetter(1), reverse=True)
    return tuple(found)


def _with_types(stored: Sequence[tuple[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for value, number in stored:
        total[value] += number
        kind, nested, _ = value.partition(NESTED)
        if nested:
            total[kind] += number
    return total


def _stored(facet: str, answer: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The stored values of the facet's field, with how many hits have each."""
    field = FIELDS[FACETS[facet]]
    if field.of_files:
        opened = [bucket for bucket in answer[STATUS]["buckets"] if bucket["key"] == "open"]
        buckets = [inner for bucket in opened for inner in bucket[facet]["buckets"]]
    else:
        buckets = answer[STATUS if field.kind is Kind.STATUS else facet]["buckets"]
    return [(bucket["key"], bucket["doc_count"]) for bucket in buckets]
