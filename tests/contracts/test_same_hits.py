"""The embedded index, OpenSearch, and what is told without an index find the same: over corpora and questions that are
made up, in few words, so that much of them meets."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.errors import Rejected
from pipeline.index import matching
from pipeline.index.dates import seconds, span, start_of_day
from pipeline.index.fields import FACETS, FIELDS, NEVER, NO_FILES, OPEN
from pipeline.index.query import SORTS
from pipeline.ports import IndexDocument, SearchIndex, SearchPage, SearchRequest
from tests.contracts.indexes import IMPLEMENTATIONS, Clockwork, Implementation
from tests.index_corpus import NOW

DOCUMENTS = 50
WORDS = ("sea", "see", "seal", "tides", "tide", "Müller", "潮", "位", "x1")
FEW_WORDS = ("sea", "tide", "x1")
KEYWORDS = ("Tide", "tides", "10.5072/sea.1", "10.5072/SEA.12", "see saw", "*", "a?c", "Ünï")
LABELS = ("Sea", "sea", "dataset", "publication::publication-article", "publication", "2024", "a*c")
DAYS = ("2019", "2024-02", "2024-02-29", "2020/2022-05", "2026-03-09T14:05:11Z")
NUMBERS = (-1, 0, 1, 7, 100, 10**12)
OPENINGS = (NO_FILES, OPEN, NEVER, start_of_day(NOW.date()), start_of_day(NOW.date()) + 86_400)
TEXTS = (
    "metadata.title",
    "metadata.description",
    "metadata.creators.person_or_org.name",
    "files.entries.key",
    "files.text",
)
KEPT_WHOLE = ("pids.doi.identifier", "parent.communities.ids", "metadata.version", "files.types")
SHOWN = ("facet.resource_type", "facet.subject", "facet.year")
COUNTED = ("files.totalbytes", "files.entries.size", "versions.index")
NAMES = (*TEXTS, *KEPT_WHOLE, *SHOWN, *COUNTED, "created", "access.status", "publication_date", "title")


# ---------------------------------------------------------------- corpora


def corpus(seed: int, version: int) -> list[IndexDocument]:
    """Documents of all ids, some of them deleted, in place of those of another version."""
    rng = random.Random(seed)
    return [
        IndexDocument(number, version, None if rng.random() < 0.1 else body(number, rng))
        for number in range(1, DOCUMENTS + 1)
    ]


def body(number: int, rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {name: some_of(rng, lambda: text(rng)) for name in TEXTS}
    found |= {name: some_of(rng, lambda: rng.choice(KEYWORDS)) for name in KEPT_WHOLE}
    found |= {name: some_of(rng, lambda: rng.choice(LABELS)) for name in SHOWN}
    found |= {name: some_of(rng, lambda: rng.choice(NUMBERS)) for name in COUNTED}
    found |= {name: rng.randint(1, 9) << 31 | number for name in FIELDS if name.startswith("sort.")}
    first, last = span(rng.choice(DAYS)) or (0, 0)
    found |= {"metadata.publication_date.first": first, "metadata.publication_date.last": last}
    found |= {"created": first, "access.opens": rng.choice(OPENINGS)}
    found |= {"id": number, "versions.is_latest": rng.choice(("true", "true", "false"))}
    return {name: value for name, value in found.items() if value != []}


def some_of(rng: random.Random, draw: Callable[[], Any]) -> list[Any]:
    return [draw() for _ in range(rng.choice((0, 1, 1, 2, 3)))]


def text(rng: random.Random) -> str:
    words = rng.choice((WORDS, FEW_WORDS))
    return " ".join(rng.choice(words) for _ in range(rng.randint(1, 6)))


# ---------------------------------------------------------------- questions


def questions() -> st.SearchStrategy[SearchRequest]:
    return st.builds(
        SearchRequest,
        query=clauses(),
        filters=st.dictionaries(
            st.sampled_from(list(FACETS)),
            st.lists(
                st.sampled_from([*LABELS, *KEYWORDS, "open", "embargoed", "metadata-only"]),
                min_size=1,
                max_size=3,
            ),
            max_size=2,
        ),
        sort=st.sampled_from(["", *SORTS]),
        size=st.just(DOCUMENTS),
        all_versions=st.booleans(),
        facets=st.sampled_from([tuple(FACETS), tuple(FACETS)[:2], ()]),
    )


def clauses() -> st.SearchStrategy[str]:
    """Whole questions, of clauses with operators between them."""
    return st.recursive(
        leaves(),
        lambda inner: st.lists(
            st.tuples(st.sampled_from(("", "AND ", "OR ", "NOT ", "+", "-", "AND NOT ")), inner),
            min_size=1,
            max_size=4,
        ).map(lambda pairs: "(" + " ".join(operator + each for operator, each in pairs) + ")"),
        max_leaves=6,
    )


def leaves() -> st.SearchStrategy[str]:
    word = st.sampled_from(WORDS)
    several = st.lists(word, min_size=1, max_size=4).map(" ".join)
    wild = st.lists(st.sampled_from((*WORDS, "s", "e", "1", "\\*", "*", "?")), min_size=1, max_size=5).map(
        "".join
    )
    number, day = st.sampled_from(NUMBERS).map(str), st.sampled_from((*DAYS[:3], "*"))
    value = st.one_of(
        word,
        wild,
        several.map('"{}"'.format),
        st.builds('"{}"~{}'.format, several, st.integers(0, 6)),
        st.builds("{}~{}".format, word, st.sampled_from(("", "0", "1", "2"))),
        st.builds("{}^{}".format, word, st.sampled_from((0, 2, 0.5))),
        st.sampled_from(KEYWORDS).map('"{}"'.format),
        number.map(">={}".format),
        st.builds("[{} TO {}]".format, number, number),
        st.builds("{{{} TO {}]".format, day, day),
        st.sampled_from(("open", "embargoed", "restr*", "2024")),
    )
    named = st.builds("{}:{}".format, st.sampled_from(NAMES), value)
    return st.one_of(value, named, st.sampled_from(NAMES).map("_exists_:{}".format))


# ---------------------------------------------------------------- finding


Engines: TypeAlias = tuple[tuple[Implementation, SearchIndex, Path], ...]


@pytest.fixture(scope="module")
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """Each implementation, with an index for all corpora."""
    with ExitStack() as stack:
        opened = []
        for join in IMPLEMENTATIONS.values():
            one, folder = join(request), tmp_path_factory.mktemp("same-hits")
            opened.append((one, stack.enter_context(closing(one.open(folder, Clockwork()))), folder))
        yield tuple(opened)
    for one, _, folder in opened:
        one.discard(folder)


_versions = count(1)


def hits(page: SearchPage, asked: SearchRequest) -> tuple[Any, ...]:
    """What all must agree in: the order only where it does not go by how well they match."""
    by_match = asked.sort.endswith("bestmatch") or not asked.sort
    return page.total, sorted(page.ids) if by_match else list(page.ids)


def answer(index: SearchIndex, asked: SearchRequest) -> tuple[Any, ...] | str:
    try:
        page = index.search(asked)
    except Rejected as error:
        return error.message
    return (*hits(page, asked), dict(page.facets))


def told(documents: list[IndexDocument], asked: SearchRequest) -> tuple[Any, ...] | str:
    try:
        return hits(matching.search(documents, asked, seconds(NOW)), asked)
    except Rejected as error:
        return error.message


def phrases() -> st.SearchStrategy[SearchRequest]:
    """Of words that come again and again, in text of several values and in all of it."""
    words = st.lists(st.sampled_from(FEW_WORDS), min_size=2, max_size=4).map(" ".join)
    return _asking(st.builds('{}"{}"~{}'.format, _text_names(), words, st.sampled_from((0, 1, 1, 2, 3, 9))))


def patterns() -> st.SearchStrategy[SearchRequest]:
    """Parts of words, and words that are nearly there."""
    pieces = st.lists(
        st.sampled_from(("s", "e", "a", "t", "i", "d", "ü", "位", "*", "?", "\\?")), min_size=1, max_size=6
    )
    pattern = st.one_of(pieces.map("".join), pieces.map("".join).map("{}~".format))
    names = st.one_of(_text_names(), st.sampled_from(KEPT_WHOLE).map("{}:".format))
    return _asking(st.builds("{}{}".format, names, pattern))


def _text_names() -> st.SearchStrategy[str]:
    return st.sampled_from(("", *(f"{name}:" for name in TEXTS)))


def _asking(query: st.SearchStrategy[str]) -> st.SearchStrategy[SearchRequest]:
    return st.builds(SearchRequest, query=query, size=st.just(DOCUMENTS), all_versions=st.just(True))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("draw", [questions, phrases, patterns])
def test_the_same_question_finds_the_same(
    engines: Engines, draw: Callable[[], st.SearchStrategy[SearchRequest]]
) -> None:
    """The same records, counted the same, and in the same order but for how well they match; what one refuses all
    refuse in the same words."""

    # A question that is answered differently is told at once: to look for a shorter one takes minutes.
    @settings(
        max_examples=8,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
    @given(st.integers(0, 10**9), st.lists(draw(), min_size=30, max_size=60))
    def compare(seed: int, asked: list[SearchRequest]) -> None:
        documents = corpus(seed, next(_versions))
        for one, index, folder in engines:
            assert index.write(documents) == {}
            one.settle(folder)
        for question in asked:
            first, *others = [answer(index, question) for _, index, _ in engines]
            assert others == [first] * len(others), question
            without = told(documents, question)
            assert first == without if isinstance(first, str) else first[:2] == without, question

    compare()
