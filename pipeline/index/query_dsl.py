"""OpenSearch's mapping and query DSL for the index's fields and a selection (pure).

Words come finished (`analysis`): text is cut at blanks and nowhere else, and every other value is one term, so that
OpenSearch finds what the embedded index finds.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from pipeline.index import analysis
from pipeline.index.disclosure import statuses
from pipeline.index.facets import STATUS, aggregations, tally
from pipeline.index.fields import CHECKSUM, EVERYWHERE, FACETS, FIELDS, PRESENT, Kind
from pipeline.index.nodes import Bool, Boost, Exists, Fuzzy, MatchAll, Phrase, Query, Range, Term, Wildcard
from pipeline.index.selection import is_scored
from pipeline.ports import IndexEntry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.index.document import Entry
    from pipeline.index.selection import Selection
    from pipeline.model import JsonObject

_TOKENS: Final = 2 * analysis.LONGEST_WORD + 1
"""Longer than any word in UTF-16, in which OpenSearch counts: it would cut longer ones in two."""
_TEXT: Final[JsonObject] = {
    "type": "text",
    "analyzer": "words",
    # One place between values, as the embedded index has it (`phrases`).
    "position_increment_gap": 1,
}
_NUMBER: Final[JsonObject] = {"type": "long"}
_FREE: Final = "free"
_OPEN: Final = "open"


def _keyword(name: str) -> JsonObject:
    return {"type": "keyword", "doc_values": name in FACETS.values()}


def _properties() -> JsonObject:
    found: JsonObject = {
        EVERYWHERE: _TEXT,
        PRESENT: _keyword(PRESENT),
        CHECKSUM: {"type": "long", "index": False},
    }
    for name, field in FIELDS.items():
        match field.kind:
            case Kind.TEXT:
                found[name] = _TEXT
            case Kind.KEYWORD | Kind.LABEL:
                found[name] = _keyword(name)
            case Kind.NUMBER | Kind.INSTANT:
                found[name] = _NUMBER
    return found


MAPPINGS: Final[JsonObject] = {
    "dynamic": "strict",
    # All of it is in the catalogue, from which an index is rebuilt.
    "_source": {"enabled": False},
    "properties": _properties(),
}
SETTINGS: Final[JsonObject] = {
    # Of one shard counts are exact and scores comparable; it carries two billion documents.
    "number_of_shards": 1,
    "auto_expand_replicas": "0-1",
    "analysis": {
        "tokenizer": {"blanks": {"type": "whitespace", "max_token_length": _TOKENS}},
        "analyzer": {"words": {"type": "custom", "tokenizer": "blanks"}},
    },
}
SCHEMA_DIGEST: Final = sha256(
    json.dumps([analysis.VERSION, MAPPINGS, SETTINGS], sort_keys=True).encode()
).hexdigest()[:8]
"""Changes whenever an index that was made before would no longer fit this code."""

COUNTED: Final[JsonObject] = {"query": {"term": {PRESENT: "id"}}}
"""Finds every document but those that were deleted, which stay without words so that their versions count."""


def source(entry: Entry) -> JsonObject:
    """What the server is sent of a document."""
    return {name: values for name, values in (entry.terms or {}).items() if values}


def entries_body(after: int, upto: int, limit: int) -> JsonObject:
    """The first `limit` documents of ids behind `after`, up to `upto`. Pages go by the last id: nothing is kept on the
    server between them."""
    return {
        "query": {"bool": {"filter": [COUNTED["query"], _filter(Range("id", after + 1, upto))]}},
        "size": limit,
        "sort": [{"id": "asc"}],
        "track_total_hits": False,
        "version": True,
        "stored_fields": "_none_",
        "docvalue_fields": ["id", CHECKSUM],
    }


def entries(answer: Mapping[str, Any]) -> list[IndexEntry]:
    """Of an answer to `entries_body`."""
    return [
        IndexEntry(hit["fields"]["id"][0], hit["_version"], hit["fields"][CHECKSUM][0])
        for hit in answer["hits"]["hits"]
    ]


# ---------------------------------------------------------------- searching


def searches(selection: Selection, facets: Sequence[str], now: int) -> tuple[JsonObject, JsonObject]:
    """The bodies of two searches: of a page of hits, for which the server need not look at all of them, and of their
    number and the facets, which is the same request for each page and order, and kept by the server. Choices within
    facets that are counted are a `post_filter`: each facet is counted over what the others leave."""
    narrowing = {name: translate(query) for name, query in selection.filters.items()}
    after = {name: narrowing.pop(name) for name in facets if name in narrowing}
    page = {
        "query": {
            "bool": {
                "must": [translate(selection.query)],
                "filter": [*narrowing.values(), *after.values()],
                "should": [translate(query) for query in selection.preferred],
            }
        },
        "from": selection.offset,
        "size": selection.size,
        "sort": _sort(selection),
        "track_total_hits": False,
        "stored_fields": "_none_",
        "docvalue_fields": ["id"],
    }
    counted = {
        "query": {"bool": {"filter": [_filter(selection.query), *narrowing.values()]}},
        "size": 0,
        "track_total_hits": True,
        **({"post_filter": {"bool": {"filter": list(after.values())}}} if after else {}),
        **({"aggs": _counting(facets, after, now)} if facets else {}),
    }
    return page, counted


def _sort(selection: Selection) -> list[JsonObject]:
    order = selection.order
    direction = "desc" if order.descending else "asc"
    if order.key:
        return [{order.key: direction}]
    # Documents that match as well as each other would change places between pages.
    return [{"_score": direction}, {"sort.created": direction}]


def _counting(facets: Sequence[str], after: Mapping[str, JsonObject], now: int) -> JsonObject:
    """Facets without a choice are counted together."""
    free = [name for name in facets if name not in after]
    if not after:
        return _aggregations(free, now)
    counted = {name: (_others(name, after), [name]) for name in after}
    if free:
        counted[_FREE] = (list(after.values()), free)
    return {
        key: {"filter": {"bool": {"filter": filters}}, "aggs": _aggregations(names, now)}
        for key, (filters, names) in counted.items()
    }


def _aggregations(facets: Sequence[str], now: int) -> JsonObject:
    """What is counted within the status `open` is so by a filter of its own, which takes half the time."""
    found = aggregations(facets, now)
    if within := found.get(STATUS, {}).pop("aggs", None):
        found[_OPEN] = {"filter": _filter(statuses(now)["open"]), "aggs": within}
    return found


def _as_asked(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer to `_aggregations` as `facets` has it, within the status `open`."""
    if _OPEN not in answer:
        return answer
    buckets = [each | answer[_OPEN] if each["key"] == "open" else each for each in answer[STATUS]["buckets"]]
    return {**answer, STATUS: {"buckets": buckets}}


def _others(facet: str, after: Mapping[str, JsonObject]) -> list[JsonObject]:
    return [query for name, query in after.items() if name != facet]


def ids(answer: Mapping[str, Any]) -> tuple[int, ...]:
    """Of the hits of an answer, in order."""
    return tuple(hit["fields"]["id"][0] for hit in answer["hits"]["hits"])


def counts(
    answer: Mapping[str, Any], selection: Selection, facets: Sequence[str]
) -> dict[str, tuple[tuple[str, int], ...]]:
    """The facets of an answer to the second of `searches`."""
    counted = answer.get("aggregations", {})
    if not any(name in selection.filters for name in facets):
        return {name: tally(name, _as_asked(counted)) for name in facets}
    return {
        name: tally(name, _as_asked(counted[name if name in selection.filters else _FREE])) for name in facets
    }


# ---------------------------------------------------------------- queries


def translate(query: Query) -> JsonObject:
    """A tree of `nodes` for OpenSearch; only words of TEXT score."""
    match query:
        case Bool():
            return _bool(query)
        case Boost(inner, factor):
            return {"bool": {"must": [translate(inner)], "boost": factor}}
        case Term(field, value) if is_scored(query):
            return {"term": {field: {"value": value}}}
        case Phrase(field, words, slop):
            return {"match_phrase": {field: {"query": " ".join(words), "slop": slop}}}
        case Fuzzy(field, word, distance) if distance:
            fuzziness = {"value": word, "fuzziness": distance, "rewrite": "constant_score"}
            return {"fuzzy": {field: fuzziness}}
        case Fuzzy(field, word):
            return _constant({"term": {field: {"value": word}}}, 1)
        case Wildcard(field, pattern):
            return {"wildcard": {field: {"value": pattern}}}
        case _:
            return _constant(_filter(query), 0)


def _constant(found: JsonObject, score: int) -> JsonObject:
    return {"constant_score": {"filter": found, "boost": score}}


def _filter(query: Query) -> JsonObject:
    """What finds the same and has no score."""
    match query:
        case MatchAll():
            return {"match_all": {}}
        case Term(field, value):
            return {"term": {field: {"value": value}}}
        case Exists(field):
            return {"term": {PRESENT: {"value": field}}}
        case Range(field, low, high):
            ends = {name: end for name, end in (("gte", low), ("lte", high)) if end is not None}
            return {"range": {field: ends}}
        case _:
            return translate(query)


def _bool(query: Bool) -> JsonObject:
    if not query.must and not query.should:
        # Lucene takes what is prohibited alone for all but that.
        return {"match_none": {}}
    if (values := _values_of_one_field(query)) is not None:
        return _constant({"terms": values}, 0)
    return {
        "bool": {
            "must": [translate(part) for part in query.must if is_scored(part)],
            "filter": [_filter(part) for part in query.must if not is_scored(part)],
            "should": [translate(part) for part in query.should],
            "must_not": [_filter(part) for part in query.must_not],
            "minimum_should_match": 0 if query.must else 1,
        }
    }


def _values_of_one_field(query: Bool) -> JsonObject | None:
    """The choices of a facet, which are one look-up; None where the query is anything else."""
    if query.must or query.must_not:
        return None
    values: list[str | int] = []
    fields = set()
    for part in query.should:
        if not isinstance(part, Term) or is_scored(part):
            return None
        fields.add(part.field)
        values.append(part.value)
    return {fields.pop(): values} if len(fields) == 1 else None
