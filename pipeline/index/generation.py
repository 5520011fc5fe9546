"""One tantivy index: its schema, a batch of writes, a search. Locks and swaps are `embedded`'s."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import tantivy
from tantivy import Occur

from pipeline.index import analysis
from pipeline.index.facets import aggregations, tally
from pipeline.index.fields import CHECKSUM, EVERYWHERE, FACETS, FIELDS, PRESENT, Kind
from pipeline.index.nodes import (
    Bool,
    Boost,
    Exists,
    Fuzzy,
    MatchAll,
    Phrase,
    Query,
    Range,
    Term,
    Wildcard,
    every,
)
from pipeline.index.phrases import arrangements, is_plain
from pipeline.ports import IndexEntry, SearchPage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline.index.document import Entry
    from pipeline.index.selection import Selection

Counted: TypeAlias = tuple[tuple[str, int], ...]
Facets: TypeAlias = Mapping[str, Counted]

_VERSION: Final = "_version"
_WRITER_MEMORY: Final = 32_000_000
_EXACT_UP_TO: Final = 65_000
"""Values of a facet that a segment may have before its counts become estimates."""
_KEPT: Final = 100
"""Answers whose counts are kept, in one state of an index."""
_LARGEST: Final = 32_000
"""Characters of the values of one of them."""
_NUMBERS: Final = (Kind.NUMBER, Kind.INSTANT)
_SPECIAL = re.compile(r"[^\w\s]")


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field(_VERSION, fast=True)
    builder.add_integer_field(CHECKSUM, fast=True)
    builder.add_text_field(EVERYWHERE, tokenizer_name="whitespace")
    builder.add_text_field(PRESENT, tokenizer_name="raw", index_option="basic")
    for name, field in FIELDS.items():
        if field.kind is Kind.TEXT:
            builder.add_text_field(name, tokenizer_name="whitespace")
        elif field.kind in (Kind.KEYWORD, Kind.LABEL):
            fast = name in FACETS.values()
            builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=fast)
        elif field.kind in _NUMBERS:
            builder.add_integer_field(name, indexed=True, fast=True)
    return builder.build()


SCHEMA: Final = _schema()
# "tantivy v0.27.0, index_format v7"
ENGINE, _, _FORMAT = tantivy.__version__.partition(", index_format ")  # type: ignore[attr-defined] # missing in tantivy's stubs
_LAYOUT: Final = (
    analysis.VERSION,
    _FORMAT,
    CHECKSUM,
    sorted((name, str(field.kind)) for name, field in FIELDS.items()),
)
SCHEMA_DIGEST: Final = sha256(repr(_LAYOUT).encode()).hexdigest()[:8]
"""Changes whenever an index on disk would no longer fit this code."""


def create(path: Path) -> None:
    path.mkdir(parents=True)
    tantivy.Index(SCHEMA, str(path))


def append(path: Path, documents: Sequence[Entry]) -> None:
    """Write entries, the newer ones only. The caller holds the lock."""
    index = _open(path)
    stored = _versions(index.searcher(), [number for number, _, _ in documents])
    fresh = [entry for entry in documents if entry.version > stored.get(entry.id, -1)]
    if not fresh:
        return
    writer = index.writer(_WRITER_MEMORY, 1)
    replaced = [number for number, _, _ in fresh if number in stored]
    if replaced:
        writer.delete_documents_by_query(tantivy.Query.term_set_query(SCHEMA, "id", replaced))
    for number, version, terms in fresh:
        # A deletion stays as a document without words: its version goes on counting.
        fields = {**(terms or {}), "id": [number], _VERSION: [version]}
        writer.add_document(tantivy.Document.from_dict(fields, SCHEMA))
    writer.commit()
    writer.wait_merging_threads()


def _open(path: Path) -> tantivy.Index:
    index = tantivy.Index(SCHEMA, str(path))
    # The other policy watches the folder from a thread of its own.
    index.config_reader("manual")
    return index


def _versions(searcher: tantivy.Searcher, numbers: Sequence[int]) -> dict[int, int]:
    found = searcher.search(tantivy.Query.term_set_query(SCHEMA, "id", numbers), len(numbers), count=False)
    addresses = [address for _, address in found.hits]
    return dict(
        zip(
            map(int, _values(searcher, "id", addresses)),
            map(int, _values(searcher, _VERSION, addresses)),
            strict=True,
        )
    )


def _values(searcher: tantivy.Searcher, field: str, addresses: list[tantivy.DocAddress]) -> Iterable[float]:
    return (value for value in searcher.fast_field_values(field, addresses) if value is not None)


class Generation:
    """Reads one index; sees what any process has committed."""

    def __init__(self, path: Path) -> None:
        """Raises `FileNotFoundError` or `ValueError` where there is no such index (any more)."""
        self._meta = path / "meta.json"
        self._stamp = self._stat()
        self._index = _open(path)
        self._counts = _Counts(self._index.searcher())
        self._reloading = threading.Lock()

    def _stat(self) -> tuple[int, int]:
        status = self._meta.stat()
        return status.st_mtime_ns, status.st_ino

    def _read(self) -> _Counts:
        stamp = self._stat()
        if stamp != self._stamp:
            with self._reloading:
                self._index.reload()
                self._counts = _Counts(self._index.searcher())
                self._stamp = stamp
        return self._counts

    def _searcher(self) -> tantivy.Searcher:
        return self._read().searcher

    def count(self) -> int:
        return _count(self._searcher(), translate(Exists("id")))

    def entries(self, after: int, upto: int, limit: int) -> list[IndexEntry]:
        """The first `limit` of them."""
        searcher = self._searcher()
        wanted = translate(every(Exists("id"), Range("id", after + 1, upto)))
        found = searcher.search(wanted, limit, count=False, order_by_field="id", order=tantivy.Order.Asc)
        addresses = [address for _, address in found.hits]
        columns = (map(int, _values(searcher, name, addresses)) for name in ("id", _VERSION, CHECKSUM))
        return [IndexEntry(*each) for each in zip(*columns, strict=True)]

    def search(self, selection: Selection, facets: Sequence[str], now: int) -> SearchPage:
        counts = self._read()
        ids, total = _page(counts.searcher, _scored(selection), selection)
        return SearchPage(total, ids, counts.facets(selection, facets, now))


def _count(searcher: tantivy.Searcher, query: tantivy.Query) -> int:
    total: int = searcher.search(query, 1).count  # type: ignore[attr-defined] # missing in tantivy's stubs
    return total


def _scored(selection: Selection) -> tantivy.Query:
    filters = [(Occur.Must, _unscored(translate(query))) for query in selection.filters.values()]
    preferred = [(Occur.Should, translate(query)) for query in selection.preferred]
    return tantivy.Query.boolean_query([(Occur.Must, translate(selection.query)), *filters, *preferred])


def _page(
    searcher: tantivy.Searcher, hits: tantivy.Query, selection: Selection
) -> tuple[tuple[int, ...], int]:
    order, offset, size = selection.order, selection.offset, selection.size
    if order.key == "" and not order.descending:
        return _worst_first(searcher, hits, offset, size)
    found = searcher.search(
        hits,
        max(size, 1),
        order_by_field=order.key or None,
        offset=offset,
        order=tantivy.Order.Desc if order.descending else tantivy.Order.Asc,
    )
    return _ids(searcher, found.hits[:size]), found.count  # type: ignore[attr-defined] # missing in tantivy's stubs


def _worst_first(
    searcher: tantivy.Searcher, hits: tantivy.Query, offset: int, size: int
) -> tuple[tuple[int, ...], int]:
    # tantivy collects by the highest score only, so the page is taken from the other end.
    total = _count(searcher, hits)
    first = max(total - offset - size, 0)
    length = total - offset - first
    if length <= 0:
        return (), total
    return _ids(searcher, searcher.search(hits, length, offset=first, count=False).hits)[::-1], total


def _ids(searcher: tantivy.Searcher, hits: Sequence[tuple[Any, tantivy.DocAddress]]) -> tuple[int, ...]:
    return tuple(map(int, _values(searcher, "id", [address for _, address in hits])))


# ---------------------------------------------------------------- facets


class _Counts:
    """How often facets' values are there, in one state of an index. Those that were asked for last are kept: who turns
    a page asks for the same again, and so does everybody who looks for nothing yet. For many threads."""

    def __init__(self, searcher: tantivy.Searcher) -> None:
        self.searcher = searcher
        self._kept: OrderedDict[Hashable, Facets] = OrderedDict()
        self._lock = threading.Lock()

    def facets(self, selection: Selection, facets: Sequence[str], now: int) -> Facets:
        """Those without a choice are counted together, in one pass over the hits."""
        free = tuple(name for name in facets if name not in selection.filters)
        found: dict[str, Counted] = {}
        for names in [free, *((name,) for name in facets if name in selection.filters)]:
            if names:
                found |= self._of(selection.counted(names[0]), names, now)
        return found

    def _of(self, query: Query, names: tuple[str, ...], now: int) -> Facets:
        key = (query, names, now)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        answer = self.searcher.aggregate(
            translate(query), aggregations(names, now, segment_size=_EXACT_UP_TO)
        )
        counted = {name: tally(name, answer) for name in names}
        if sum(len(value) for values in counted.values() for value, _ in values) <= _LARGEST:
            with self._lock:
                self._kept[key] = counted
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return counted


# ---------------------------------------------------------------- queries


def _unscored(query: tantivy.Query) -> tantivy.Query:
    return tantivy.Query.const_score_query(query, 0.0)


def translate(query: Query) -> tantivy.Query:
    """A tree of `nodes` for tantivy; only words of TEXT score."""
    make = tantivy.Query
    match query:
        case MatchAll():
            return _unscored(make.all_query())
        case Bool():
            return _bool(query)
        case Boost(inner, factor):
            return make.boost_query(translate(inner), factor)
        case Term(field, value):
            term = make.term_query(SCHEMA, field, value)
            return term if _has_words(field) else _unscored(term)
        case Phrase(field, words, slop):
            return _phrase(field, words, slop)
        case Fuzzy(field, word, distance):
            return make.fuzzy_term_query(SCHEMA, field, word, distance)
        case Wildcard(field, pattern):
            return make.regex_query(SCHEMA, field, _regex(pattern))
        case Exists(field):
            return _unscored(make.term_query(SCHEMA, PRESENT, field))
        case Range(field, low, high):
            return _unscored(make.range_query(SCHEMA, field, tantivy.FieldType.Integer, low, high))


def _phrase(field: str, words: Sequence[str], slop: int) -> tantivy.Query:
    if is_plain(words, slop):
        return tantivy.Query.phrase_query(SCHEMA, field, list(words), slop)
    ways: list[list[str | tuple[int, str]]] = [list(way) for way in arrangements(words, slop)]
    return tantivy.Query.boolean_query(
        [(Occur.Should, tantivy.Query.phrase_query(SCHEMA, field, way)) for way in ways]
    )


def _has_words(field: str) -> bool:
    return field == EVERYWHERE or FIELDS[field].kind is Kind.TEXT


def _bool(query: Bool) -> tantivy.Query:
    clauses = [
        (occur, translate(part))
        for occur, parts in (
            (Occur.Must, query.must),
            (Occur.Should, query.should),
            (Occur.MustNot, query.must_not),
        )
        for part in parts
    ]
    return tantivy.Query.boolean_query(clauses) if clauses else tantivy.Query.empty_query()


def _regex(pattern: str) -> str:
    parts = re.findall(r"\\(.)|([*?])|(.)", pattern, re.DOTALL)
    return "".join(
        {"*": ".*", "?": "."}[wild] if wild else _SPECIAL.sub(r"\\\g<0>", escaped or plain)
        for escaped, wild, plain in parts
    )
