"""The contract of `ports.SearchIndex`, for every implementation (`indexes.py`); what questions may say is in
`test_query_language.py`."""

import multiprocessing
import os
import random
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from itertools import chain, count
from pathlib import Path
from typing import Any

import pytest

from pipeline.index.document import entry
from pipeline.index.fields import FACETS
from pipeline.index.query import DEEPEST, MOST_WORDS, SORTS
from pipeline.ports import IndexDocument, SearchIndex, SearchRequest
from tests.contracts.indexes import Clockwork, Implementation, ids, settled
from tests.index_corpus import CORPUS, NOW, embargoed_until, indexed

# ---------------------------------------------------------------- writing


def test_a_write_is_seen_by_others(
    implementation: Implementation, index: SearchIndex, tmp_path: Path
) -> None:
    """What one handle writes another one finds, within a second."""
    other = implementation.open(tmp_path, Clockwork())
    assert ids(other, "tide") == []
    index.write(CORPUS)
    settled(other, len(CORPUS))
    assert ids(other, "tide") == [1]
    other.close()


def test_a_newer_version_replaces(index: SearchIndex) -> None:
    """A document with a higher version takes the place of the one before."""
    index.write([indexed(1, title="old", stamp=1)])
    index.write([indexed(1, title="new", stamp=2)], at_once=True)
    assert (ids(index, "old"), ids(index, "new")) == ([], [1])


@pytest.mark.parametrize("stamp", [4, 5])
def test_a_stale_document_is_ignored(index: SearchIndex, stamp: int) -> None:
    """A lower or an equal version changes nothing and is no failure."""
    index.write([indexed(1, title="current", stamp=5)])
    assert index.write([indexed(1, title="stale", stamp=stamp)]) == {}
    settled(index, 1)
    assert (ids(index, "current"), ids(index, "stale")) == ([1], [])


def test_the_newest_in_a_batch_wins(index: SearchIndex) -> None:
    """Versions count within a batch as well, whatever their order in it."""
    index.write([indexed(1, title="newer", stamp=3), indexed(1, title="older", stamp=2)])
    settled(index, 1)
    assert (ids(index, "newer"), ids(index, "older")) == ([1], [])


def test_a_deletion_is_remembered(index: SearchIndex) -> None:
    """A deleted document is gone; a stale one does not bring it back, a newer one does."""
    index.write([indexed(1, stamp=1)])
    index.write([IndexDocument(1, 3, None)])
    settled(index, 0)
    index.write([indexed(1, stamp=2)])
    assert (index.count(), ids(index, all_versions=True)) == (0, [])
    index.write([indexed(1, stamp=4)])
    settled(index, 1)


def test_a_deletion_may_come_first(index: SearchIndex) -> None:
    """The deletion of a document that was never seen still makes older ones stale."""
    index.write([IndexDocument(1, 3, None)])
    index.write([indexed(1, stamp=2)])
    assert index.count() == 0


def test_refused_documents_are_named(index: SearchIndex) -> None:
    """A document that cannot be indexed is answered with its reason; the others are in."""
    refused = index.write([indexed(1), IndexDocument(2, 1, {"nosuchfield": "x"})])
    settled(index, 1)
    assert list(refused) == [2]
    assert "nosuchfield" in refused[2]


def test_an_empty_index_answers(index: SearchIndex) -> None:
    """Searching and counting need no document."""
    page = index.search(SearchRequest("tide", facets=("resource_type", "file_type", "access_status")))
    assert (page.total, page.ids, index.count()) == (0, (), 0)
    assert dict(page.facets) == {"resource_type": (), "file_type": (), "access_status": ()}


def test_what_is_written_at_once_is_seen_when_it_is_written(index: SearchIndex) -> None:
    """Who withdraws a record need not wait until search has it no more."""
    index.write([indexed(1), indexed(2)], at_once=True)
    assert ids(index) == [1, 2]
    index.write([IndexDocument(2, 2, None)], at_once=True)
    assert ids(index) == [1]


def test_what_was_written_before_is_seen_when_it_is_written_at_once(index: SearchIndex) -> None:
    """A dispatcher was faster, and what it wrote does not show yet."""
    index.write([indexed(1)])
    index.write([indexed(1)], at_once=True)
    assert ids(index) == [1]


def test_an_index_says_what_it_is(index: SearchIndex) -> None:
    """The engine with its version, for people."""
    assert re.search(r"(tantivy v|OpenSearch )\d+\.\d+\.\d+ (in|at) ", index.describe())


def test_the_largest_question_is_answered(index: SearchIndex) -> None:
    """As many words as are allowed, with wildcards and phrases among them, and as many choices in every facet."""
    index.write([indexed(1, title="w1 tide", files=("w2.csv",))], at_once=True)
    words = " ".join(f"w{number}" for number in range(MOST_WORDS - 20))
    chosen = {name: ["dataset", *(f"v{number}" for number in range(99))] for name in FACETS}
    narrowed = {name: values for name, values in chosen.items() if name == "resource_type"}
    asked = SearchRequest(f'{words} w1* w2* "w1 tide other"~2', filters=narrowed, facets=tuple(FACETS))
    assert index.search(asked).ids == (1,)
    assert index.search(SearchRequest(words, filters=chosen)).total == 0
    assert index.search(SearchRequest("(" * DEEPEST + words + ")" * DEEPEST)).ids == (1,)


def test_what_is_held_is_listed(index: SearchIndex) -> None:
    """By id, with version and checksum, as soon as it is written; deleted documents are left out."""
    documents = [indexed(number, stamp=number + 2) for number in (3, 1, 2, 9)]
    index.write([*documents, IndexDocument(4, 1, None)])
    held = list(index.entries(0, 5))
    assert held == [entry(documents[1]), entry(documents[2]), entry(documents[0])]
    assert [one.id for one in index.entries(2, 9)] == [3, 9]
    assert list(index.entries(9, 1 << 62)) == []


@pytest.mark.parametrize("swap", [False, True], ids=["in use", "swapped meanwhile"])
def test_what_is_held_is_listed_once_whatever_changes_meanwhile(index: SearchIndex, swap: bool) -> None:
    """Across pages, which hold 5,000: none is lost, none comes twice, and what changes behind the page that is being
    read is seen as it is by then, also where another generation was swapped in."""
    held = [IndexDocument(number, 1, {"metadata.title": "tide"}) for number in range(1, 5_102)]
    index.write(held)
    listed = index.entries(0, 1 << 62)
    seen = [next(listed)]
    changed = [
        *(IndexDocument(number, 2, {"metadata.title": "sea"}) for number in (1, 2, 5_050, 6_000)),
        *(IndexDocument(number, 2, None) for number in (3, 5_060)),
    ]
    if swap:
        fresh = index.begin_rebuild()
        fresh.write([*held, *changed])
        fresh.finish_rebuild()
        fresh.close()
    else:
        index.write(changed, at_once=True)
    seen += listed
    assert [one.id for one in seen] == [
        *(number for number in range(1, 5_102) if number != 5_060),
        6_000,
    ]
    assert {one.id for one in seen if one.version == 2} == {5_050, 6_000}


def test_another_content_has_another_checksum(index: SearchIndex) -> None:
    """Of the same version, too: what an index has wrong is told from what is right."""
    index.write([indexed(1, title="right")])
    [held] = index.entries(0, 1)
    assert held == entry(indexed(1, title="right"))
    assert held != entry(indexed(1, title="wrong"))


@pytest.mark.parametrize(
    "query", ["barometers", '"barometers were"', "files.text:read", "barom*", "gauge +barometers"]
)
def test_a_record_is_found_by_the_text_of_its_files(corpus: SearchIndex, query: str) -> None:
    """As by all else that it says."""
    assert ids(corpus, query) == [1]
    assert ids(corpus, "title:barometers") == []


# ---------------------------------------------------------------- order and pages


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("newest", 6),
        ("mostrecent", 6),
        ("oldest", 1),
        ("updated-asc", 1),
        ("publication-desc", 6),
        ("publication-asc", 3),
        ("version", 6),
        ("journal-desc", 2),
    ],
)
def test_orders(corpus: SearchIndex, sort: str, first: int) -> None:
    """Each order puts the right record first."""
    assert first == corpus.search(SearchRequest(sort=sort)).ids[0]


def test_a_title_counts_more_than_a_description(corpus: SearchIndex) -> None:
    """The best match is first by default, the worst with `-bestmatch`."""
    assert corpus.search(SearchRequest("sea level")).ids[0] == 2
    assert corpus.search(SearchRequest("sea level", sort="-bestmatch")).ids[-1] == 2


@pytest.fixture(scope="module")
def seven(implementation: Implementation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    """Seven records, written in no order and to be read only."""
    folder = tmp_path_factory.mktemp("seven")
    with closing(implementation.open(folder, Clockwork())) as opened:
        for part in ((1, 4, 7), (2, 5), (3, 6)):
            opened.write([indexed(number) for number in part])
        settled(opened, 7)
        yield opened
    implementation.discard(folder)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("query", ["", "record", "type:dataset"])
def test_pages_hold_each_hit_once(seven: SearchIndex, sort: str, query: str) -> None:
    """In every order the pages together hold all hits, none twice, and a page past the end is empty."""
    pages = [seven.search(SearchRequest(query, sort=sort, page=page, size=3)) for page in (1, 2, 3, 4)]
    assert [len(page.ids) for page in pages] == [3, 3, 1, 0]
    assert {page.total for page in pages} == {7}
    assert sorted(chain.from_iterable(page.ids for page in pages)) == [1, 2, 3, 4, 5, 6, 7]


def test_a_page_may_be_empty(corpus: SearchIndex) -> None:
    """Size 0 answers with the total and the facets alone."""
    page = corpus.search(SearchRequest("sea", size=0, facets=("year",)))
    assert (page.total, page.ids, page.facets["year"]) == (2, (), (("2023", 1), ("2024", 1)))


# ---------------------------------------------------------------- facets


def test_facets_count_hits(corpus: SearchIndex) -> None:
    """Each facet counts its values over the hits, the most frequent first."""
    facets = corpus.search(
        SearchRequest(
            facets=("resource_type", "access_status", "communities", "year", "subject", "file_type")
        )
    ).facets
    assert facets["communities"] == (("tide-tables", 2), ("reviews", 1))
    assert facets["access_status"] == (("open", 3), ("embargoed", 1), ("metadata-only", 1), ("restricted", 1))
    assert facets["resource_type"][:2] == (("dataset", 2), ("publication", 2))
    assert ("publication::publication-article", 1) in facets["resource_type"]
    assert ("2020", 1) in facets["year"]
    assert ("Oceanography", 1) in facets["subject"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"communities": ["tide-tables"]}, [1, 2]),
        ({"communities": ["reviews", "tide-tables"]}, [1, 2]),
        ({"communities": ["tide-tables"], "resource_type": ["dataset"]}, [1]),
        ({"resource_type": ["publication"]}, [2, 5]),
        ({"resource_type": ["publication::publication-article"]}, [2]),
        ({"access_status": ["embargoed", "restricted"]}, [3, 4]),
        ({"file_type": ["csv", "pdf"]}, [1, 2]),
        ({"file_type": ["nc"]}, []),
        ({"subject": ["Oceanography"]}, [1]),
        ({"year": ["2023"]}, [2]),
        ({"publication_date": ["2021..2023"]}, [2, 3]),
        ({"publication_date": ["..2022"]}, [3]),
        ({"communities": []}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_filters(corpus: SearchIndex, filters: dict[str, Sequence[str]], found: list[int]) -> None:
    """Choices within a facet are OR-ed, between facets AND-ed."""
    assert found == ids(corpus, filters=filters)


def test_a_facet_is_not_narrowed_by_its_own_choice(corpus: SearchIndex) -> None:
    """The other values of a facet stay on offer once one is chosen; other facets are narrowed."""
    page = corpus.search(
        SearchRequest(filters={"communities": ["reviews"]}, facets=("communities", "resource_type"))
    )
    assert page.total == 1
    assert page.facets["communities"] == (("tide-tables", 2), ("reviews", 1))
    assert page.facets["resource_type"] == (("publication", 1), ("publication::publication-article", 1))


# ---------------------------------------------------------------- closed files


@pytest.mark.parametrize(
    "query",
    [
        *("embargoed.nc", "filename:embargoed.nc", "filename:emb*", "filename:embargoe~", "filetype:nc"),
        *("filesize:100", "filecount:[1 TO *]", "_exists_:filename"),
        *("soundings", "files.text:sound*", '"unheard soundings"', "_exists_:files.text"),
        "_files.checksum:md5\\:00000000000000000000000000000003",
    ],
)
def test_files_under_embargo_are_hidden_until_it_ends(
    corpus_in_time: SearchIndex, clock: Clockwork, query: str
) -> None:
    """What is known of files is neither found nor counted before the day of the embargo's end, and is on it,
    without anything being written."""
    request = SearchRequest(query, filters={"year": ["2020"]}, facets=("file_type", "access_status"))
    page = corpus_in_time.search(request)
    assert (page.total, page.facets["file_type"]) == (0, ())
    clock.now = datetime.combine(date(2026, 3, 10), datetime.min.time(), NOW.tzinfo)
    page = corpus_in_time.search(request)
    assert page.ids == (3,)
    assert dict(page.facets) == {"file_type": (("nc", 1),), "access_status": (("open", 1),)}


def test_the_last_second_of_an_embargo_is_closed(index: SearchIndex, clock: Clockwork) -> None:
    """An embargo ends at midnight UTC, not before."""
    index.write([indexed(1, access=embargoed_until(date(2026, 3, 10)))])
    settled(index, 1)
    midnight = datetime.combine(date(2026, 3, 10), datetime.min.time(), NOW.tzinfo)
    clock.now = midnight - timedelta(seconds=1)
    assert ids(index, "access_right:embargoed") == [1]
    clock.now = midnight
    assert ids(index, "access_right:open") == [1]


@pytest.mark.parametrize(
    "query",
    [
        *("secret.wav", "filename:secret", "filetype:wav", "_exists_:filename"),
        *("whispers", "_exists_:files.text"),
    ],
)
def test_restricted_files_are_never_found(corpus_in_time: SearchIndex, clock: Clockwork, query: str) -> None:
    """Files that are restricted for good stay unfindable."""
    clock.now = NOW + timedelta(days=36_500)
    assert 4 not in ids(corpus_in_time, query)


# ---------------------------------------------------------------- rebuilding


def test_a_rebuild_is_swapped_in(implementation: Implementation, filled: SearchIndex, tmp_path: Path) -> None:
    """While a rebuild fills a new generation the old one answers; afterwards all handles see the new one."""
    reader = implementation.open(tmp_path, Clockwork())
    assert ids(reader, "sea") == [1, 2]
    rebuilt = filled.begin_rebuild()
    rebuilt.write([indexed(2, title="sea")])
    assert ids(reader, "sea") == [1, 2]
    rebuilt.finish_rebuild()
    settled(reader, 1)
    assert ids(reader, "sea") == ids(filled, "sea") == ids(rebuilt, "sea") == [2]
    reader.close()
    rebuilt.close()


def test_what_is_written_during_a_rebuild_survives_it(filled: SearchIndex) -> None:
    """Batches that others write meanwhile are in the new generation too, by their versions."""
    rebuilt = filled.begin_rebuild()
    filled.write([indexed(1, title="meanwhile", stamp=9), IndexDocument(2, 9, None)])
    rebuilt.write([indexed(1, title="as it was", stamp=8), indexed(2, stamp=8), indexed(3, stamp=8)])
    rebuilt.finish_rebuild()
    settled(filled, 2)
    assert (ids(filled, "meanwhile"), ids(filled)) == ([1], [1, 3])
    rebuilt.close()


def test_a_rebuild_that_is_closed_before_it_is_finished_is_given_up(filled: SearchIndex) -> None:
    """Nothing goes into it any more, and the next one begins as if it had never been."""
    plain = filled.describe()
    filled.begin_rebuild().close()
    assert filled.describe() == plain
    filled.write([indexed(9, title="meanwhile")])
    with closing(filled.begin_rebuild()) as rebuilt:
        assert filled.describe() == f"{plain}, being rebuilt"
        rebuilt.write([indexed(2)])
        rebuilt.finish_rebuild()
    settled(filled, 1)
    assert (ids(filled), filled.describe()) == ([2], plain)


# ---------------------------------------------------------------- many processes


def _write_on(implementation: Implementation, folder: Path, first: int, log: Path) -> None:
    """Write records of three from `first` on, for ever; log each batch once its write has returned."""
    index = implementation.open(folder, Clockwork())
    with log.open("a", buffering=1) as sink:
        for number in count(first, 3):
            batch = range(number, number + 3)
            refused = index.write([indexed(record, title=f"batch {number}") for record in batch])
            sink.write(f"{refused or number}\n")


def _read_on(implementation: Implementation, folder: Path, log: Path) -> None:
    """Search for ever; log each answer, or the error."""
    index = implementation.open(folder, Clockwork())
    with log.open("a", buffering=1) as sink:
        while True:
            try:
                page = index.search(SearchRequest("batch", facets=("resource_type", "file_type")))
                is_torn = page.total != dict(page.facets["resource_type"]).get("dataset", 0)
                is_torn |= implementation.is_whole and page.total % 3 != 0
                sink.write(f"torn {page.total} {page.facets}\n" if is_torn else "whole\n")
            except Exception as error:
                sink.write(f"error {error!r}\n")


@pytest.mark.timeout(120)
def test_killed_writers_lose_nothing_and_readers_see_no_error(
    implementation: Implementation, tmp_path: Path
) -> None:
    """While writers in several processes are killed (-9) and replaced, readers in others never see an error, or an
    answer of two states (where the index says so, half a batch), and every batch whose write returned is there."""
    folder, spawn = tmp_path / "index", multiprocessing.get_context("spawn")
    index = implementation.open(folder, Clockwork())
    readers = [tmp_path / f"reader{number}" for number in (1, 2)]
    running = [spawn.Process(target=_read_on, args=(implementation, folder, log)) for log in readers]
    steady = tmp_path / "writer"
    running.append(spawn.Process(target=_write_on, args=(implementation, folder, 1, steady)))
    logs = [steady]
    for process in running:
        process.start()
    try:
        for victim in range(3):
            logs.append(tmp_path / f"victim{victim}")
            writer = spawn.Process(
                target=_write_on, args=(implementation, folder, 30_000 * (victim + 1), logs[-1])
            )
            writer.start()
            _wait_for(logs[-1])
            time.sleep(random.random() / 2)
            _kill(writer)
    finally:
        for process in running:
            _kill(process)
    implementation.settle(folder)
    returned = [int(line) for log in logs for line in log.read_text().splitlines()]
    found = {
        number for page in range(1, 11) for number in ids(index, "batch", page=page, size=1000, sort="newest")
    }
    lost = [number for number in returned if not {number, number + 1, number + 2} <= found]
    answers = {line for log in readers for line in log.read_text().splitlines()}
    assert (lost, answers) == ([], {"whole"})
    index.close()


def _wait_for(log: Path) -> None:
    deadline = time.monotonic() + 30
    while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert log.read_text(), "the writer wrote nothing within 30 s"


def _kill(process: Any) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.join()
