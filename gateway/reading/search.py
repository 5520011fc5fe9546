"""Search: the parameters of `/api/records` and `/search`, and the envelope of hits (Zenodo's REST API, records)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from gateway.http import lookup
from pipeline.access import Viewer
from pipeline.catalogue import communities
from pipeline.dissemination import Dissemination
from pipeline.errors import Misconfigured, Rejected, SearchAway, Unavailable
from pipeline.index import spelling
from pipeline.metadata import vocabulary
from pipeline.metadata.text import plain
from pipeline.model import JsonObject, RecordState
from pipeline.ports import SearchRequest
from pipeline.services import Services

PAGE_SIZE = 25
LARGEST_ANONYMOUS, LARGEST_KNOWN = 25, 100
WINDOW = 10_000
MOST_CHOSEN = 100
"""Values of one filter."""
FILES_IN_HIT = 100
"""Files listed in a hit: as many as a record on Zenodo can have. The record itself lists more."""

_FILTERS = (
    "access_status",
    "resource_type",
    "subject",
    "file_type",
    "year",
    "publication_date",
    "communities",
)
FACETS: Mapping[str, str] = {
    "access_status": "Access status",
    "resource_type": "Resource types",
    "file_type": "File type",
    "subject": "Subjects",
    "year": "Publication year",
    "communities": "Communities",
}
"""The facets that are counted, with their labels, in the order in which they are shown."""
NESTED = "::"
"""Between a resource type and its subtype."""
_STATUS_LABELS = {
    "open": "Open",
    "embargoed": "Embargoed",
    "restricted": "Restricted",
    "metadata-only": "Metadata-only",
}
_TRUE, _FALSE = ("", "1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")


@dataclass(frozen=True, slots=True)
class Question:
    """A search as its address states it. `filters` hold the chosen values of each facet, in any order."""

    q: str = ""
    sort: str = ""
    page: int = 1
    size: int = PAGE_SIZE
    all_versions: bool = False
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def order(self) -> str:
        return self.sort or ("bestmatch" if self.q.strip() else "newest")

    def has(self, facet: str, value: str) -> bool:
        return value in self.filters.get(facet, ())

    def toggled(self, facet: str, value: str) -> Self:
        """The first page with a facet's value chosen, or no longer chosen."""
        chosen = self.filters.get(facet, ())
        kept = tuple(one for one in chosen if one != value) if value in chosen else (*chosen, value)
        return replace(self, page=1, filters={**self.filters, facet: kept})

    def query_string(self) -> str:
        """The address's query, its parameters in alphabetic order."""
        pairs = [("page", str(self.page)), ("size", str(self.size)), ("sort", self.order)]
        pairs += [("q", self.q)] if self.q else []
        pairs += [("all_versions", "true")] if self.all_versions else []
        pairs += [(name, value) for name, values in self.filters.items() for value in values]
        return urlencode(sorted(pairs))


def largest_page(viewer: Viewer) -> int:
    """How many hits a page may hold (Zenodo's REST API)."""
    return LARGEST_ANONYMOUS if viewer.email is None else LARGEST_KNOWN


def parse(params: QueryParams, *, largest: int) -> Question:
    """The question that query parameters ask; others mean nothing. Raises `Rejected` in Zenodo's words."""
    page, size = _whole(params, "page", 1), _whole(params, "size", PAGE_SIZE)
    if size > largest:
        raise Rejected(_too_large(largest), field="size")
    if page * size > WINDOW:
        raise Rejected("Invalid querystring parameters.")
    return Question(
        q=params.get("q", ""),
        sort=params.get("sort", ""),
        page=page,
        size=size,
        all_versions=any(flag(params, name, field="allversions") for name in ("all_versions", "allversions")),
        filters=_chosen(params),
    )


def _whole(params: QueryParams, name: str, default: int) -> int:
    text = params.get(name)
    if text is None:
        return default
    # Nine digits are past every bound, and `int` takes more than digits.
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Rejected("Not a valid integer.", field=name)
    if int(text) < 1:
        raise Rejected("Must be greater than or equal to 1.", field=name)
    return int(text)


def _too_large(largest: int) -> str:
    hint = (
        f" Please use authenticated requests to increase the limit to {LARGEST_KNOWN}."
        if largest < LARGEST_KNOWN
        else ""
    )
    return f"Page size cannot be greater than {largest}.{hint}"


def flag(params: QueryParams, name: str, *, field: str = "") -> bool:
    """Whether a parameter is there and true, or has no value. Raises `Rejected` (`field`, or the name)."""
    text = params.get(name)
    if text is None:
        return False
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise Rejected("Not a valid boolean.", field=field or name)


def _chosen(params: QueryParams) -> dict[str, tuple[str, ...]]:
    chosen = {name: tuple(dict.fromkeys(filter(None, params.getlist(name)))) for name in _FILTERS}
    for name, values in chosen.items():
        if len(values) > MOST_CHOSEN:
            raise Rejected(f"Longer than maximum length {MOST_CHOSEN}.", field=name)
    kind, subtype = params.get("type", ""), params.get("subtype", "")
    if kind:
        nested = f"{kind}{NESTED}{kind}-{subtype}" if subtype else kind
        chosen["resource_type"] = (*chosen["resource_type"], nested)
    return {name: values for name, values in chosen.items() if values}


# ---------------------------------------------------------------- asking


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of hits in order, with the total and the counts of facets. That a record was just withdrawn the index may not
    know yet."""

    question: Question
    total: int
    ids: tuple[int, ...]
    facets: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)

    @property
    def has_next(self) -> bool:
        reached = self.question.page * self.question.size
        return self.total > reached and reached + self.question.size <= WINDOW


def search(services: Services, question: Question, *, facets: Sequence[str] = tuple(FACETS)) -> Found:
    """Ask the index. Raises `Rejected` (field `q`, `sort` or a filter's), `SearchAway`."""
    question = _with_known_communities(services, question)
    try:
        page = services.index.search(_request(question, facets))
    except (Unavailable, Misconfigured) as away:
        raise SearchAway(away.message) from away
    return Found(question, page.total, page.ids, page.facets)


def _request(question: Question, facets: Sequence[str]) -> SearchRequest:
    return SearchRequest(
        query=question.q,
        filters=question.filters,
        sort=question.sort,
        page=question.page,
        size=question.size,
        all_versions=question.all_versions,
        facets=facets,
    )


def meant(services: Services, found: Found) -> Question | None:
    """What may have been meant by a question that found little and has words that no record has; None where search went
    away or cannot be asked that, for whoever asks has had an answer."""

    def texts(ids: Sequence[int]) -> Iterator[Sequence[str]]:
        return map(_spoken, described(services, Found(found.question, len(ids), tuple(ids))))

    with suppress(Unavailable, Misconfigured, Rejected):
        asked = _request(found.question, ())
        if (better := spelling.meant(services.index, asked, found.total, texts)) is not None:
            return replace(found.question, q=better, page=1)
    return None


def _spoken(one: Dissemination) -> list[str]:
    """What a record says in words that people may have meant; its description is public, whatever its files are."""
    metadata = one.record.description.metadata
    names = (each.get("person_or_org", {}).get("name", "") for each in metadata.get("creators", []))
    keywords = (each.get("subject", "") for each in metadata.get("subjects", []))
    described = plain(str(metadata.get("description") or ""))
    return [str(metadata.get("title") or ""), *map(str, keywords), *map(str, names), described]


def _with_known_communities(services: Services, question: Question) -> Question:
    slugs = question.filters.get("communities", ())
    if not slugs:
        return question
    # One that does not exist is dropped, and where none is left there is no filter.
    with services.catalogue.read() as tx:
        found = [communities.find(tx, slug) for slug in slugs]
    known = tuple(dict.fromkeys(one.slug for one in found if one is not None))
    return (
        question if known == slugs else replace(question, filters={**question.filters, "communities": known})
    )


def described(services: Services, found: Found) -> tuple[Dissemination, ...]:
    """The hits that are published, as they are today."""
    with services.catalogue.read() as tx:
        known = lookup.described(services, tx, found.ids, files=FILES_IN_HIT)
    shown = (known[id_] for id_ in found.ids if id_ in known)
    return tuple(one for one in shown if one.record.state is RecordState.PUBLISHED)


# ---------------------------------------------------------------- envelope


def envelope(found: Found, hits: Sequence[object], address: str) -> JsonObject:
    """The JSON answer around converted hits; `address` is the absolute URL without its query."""
    return {
        "hits": {"hits": list(hits), "total": found.total},
        "aggregations": {
            name: {"label": FACETS[name], "buckets": list(_buckets(name, counts, found.question))}
            for name, counts in found.facets.items()
        },
        "links": links(found, address),
    }


def listing(question: Question, hits: Sequence[object], total: int, address: str) -> JsonObject:
    """The JSON answer around a page of what is listed and not searched for: nothing of it is counted."""
    return {
        "hits": {"hits": list(hits), "total": total},
        "aggregations": {},
        "sortBy": question.order,
        "links": links(Found(question, total, ()), address),
    }


def links(found: Found, address: str) -> JsonObject:
    question = found.question
    pages = {"self": question}
    if question.page > 1:
        pages["prev"] = replace(question, page=question.page - 1)
    if found.has_next:
        pages["next"] = replace(question, page=question.page + 1)
    return {name: f"{address}?{one.query_string()}" for name, one in pages.items()}


def _buckets(name: str, counts: Sequence[tuple[str, int]], question: Question) -> Iterator[JsonObject]:
    if name != "resource_type":
        yield from (_bucket(name, value, count, question) for value, count in counts)
        return
    for value, count in counts:
        if NESTED not in value:
            inner = [(each, number) for each, number in counts if each.startswith(value + NESTED)]
            buckets = [_bucket(name, each, number, question) for each, number in inner]
            yield {**_bucket(name, value, count, question), "inner": {"buckets": buckets}}


def _bucket(name: str, value: str, count: int, question: Question) -> JsonObject:
    return {
        "key": value.rpartition(NESTED)[2] if name == "resource_type" else value,
        "doc_count": count,
        "label": label(name, value),
        "is_selected": question.has(name, value),
    }


def label(facet: str, value: str) -> str:
    """What people call a facet's value."""
    if facet == "access_status":
        return _STATUS_LABELS.get(value, value)
    if facet == "resource_type":
        entry = vocabulary.resource_types().get(value.rpartition(NESTED)[2], {})
        return str(entry.get("title", value))
    return value.upper() if facet == "file_type" else value
