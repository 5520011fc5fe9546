"""The contract of `ports.SearchIndex`, for every implementation.

An implementation joins by an entry in `IMPLEMENTATIONS`.
"""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain, count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Rejected
from pipeline.index import matching
from pipeline.index.dates import seconds
from pipeline.index.embedded import EmbeddedIndex
from pipeline.index.query import SORTS
from pipeline.ports import Clock, IndexDocument, SearchIndex, SearchRequest
from tests.index_corpus import CORPUS, NOW, embargoed_until, indexed


@dataclass(frozen=True)
class Implementation:
    """`open` the index that belongs to a folder; opening it again, in any process, is the same index."""

    name: str
    open: Callable[[Path, Clock], SearchIndex]


IMPLEMENTATIONS = (Implementation("embedded", EmbeddedIndex),)


class Clockwork:
    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module", params=IMPLEMENTATIONS, ids=lambda implementation: implementation.name)
def implementation(request: pytest.FixtureRequest) -> Implementation:
    chosen: Implementation = request.param
    return chosen


@pytest.fixture
def clock() -> Clockwork:
    return Clockwork()


@pytest.fixture
def index(implementation: Implementation, tmp_path: Path, clock: Clockwork) -> Iterator[SearchIndex]:
    opened = implementation.open(tmp_path, clock)
    yield opened
    opened.close()


@pytest.fixture
def filled(index: SearchIndex) -> SearchIndex:
    """An index of the test's own with the corpus in it."""
    return _filled(index)


@pytest.fixture(scope="module")
def archive(
    implementation: Implementation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SearchIndex]:
    """The corpus, to be read only, at the time `NOW`."""
    opened = implementation.open(tmp_path_factory.mktemp("archive"), Clockwork())
    yield _filled(opened)
    opened.close()


def _filled(index: SearchIndex) -> SearchIndex:
    assert index.write(CORPUS) == {}
    settled(index, len(CORPUS))
    return index


def settled(index: SearchIndex, documents: int) -> None:
    """Wait the second that a write may take to be visible."""
    deadline = time.monotonic() + 1
    while index.count() != documents and time.monotonic() < deadline:
        time.sleep(0.02)
    assert index.count() == documents


def ids(index: SearchIndex, query: str = "", **more: Any) -> list[int]:
    return sorted(index.search(SearchRequest(query, **more)).ids)


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
    index.write([indexed(1, title="new", stamp=2)])
    settled(index, 1)
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


# ---------------------------------------------------------------- the language


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("sea", [1, 2]),
        ("sea gauge", [1, 2]),
        ("sea AND gauge", [1]),
        ("sea -gauge", [2]),
        ("sea NOT (gauge OR model)", [2]),
        ("NOT sea", [3, 4, 5, 6]),
        ('"sea level"', [1, 2]),
        ('keywords:"sea level rise"', [2]),
        ('"level sea"', []),
        ('"harbour readings"~1', []),
        ('"harbour readings"~2', [1]),
        ('"gauge harbour"~1', [1]),
        ("title:sea", [2]),
        ("title:(tide OR model) AND type:dataset", [1]),
        ("muller", [2]),
        ("MÜLLER", [2]),
        ("creators.name:mull*", [2]),
        ('creators.name:"Marlow, Ida"', [1]),
        ('creators.orcid:"0000-0001-2345-6789"', [1]),
        ("creators.affiliation:pier", [1]),
        ("潮位", [3]),
        ("京", [3]),
        ("潮京", []),
        ("山田", [3]),
        ("doi:10.5072/arc.2", [2]),
        ('doi:"10.5072/ARC.2"', [2]),
        ('"10.5072/arc.2"', [2]),
        ("https://doi.org/10.5072/arc.2", [2]),
        ("doi:10.5072/arc.*", [1, 2, 3, 4, 5, 6]),
        ("related.identifier:10.1000\\/xyz\\(1\\)", [6]),
        ("related.relation:issupplementto", [6]),
        ("conceptrecid:2000", [6]),
        ("recid:(1 OR 3)", [1, 3]),
        ("id:[2 TO 4]", [2, 3, 4]),
        ("id:{2 TO 4}", [3]),
        ("communities:tide-tables", [1, 2]),
        ("communities:tide-tables AND resource_type.type:publication", [2]),
        ("resource_type.subtype:publication-article", [2]),
        ("resource_type.subtype:publication-thesis", [5]),
        ("publication_date:[2024-01-01 TO *]", [1, 4, 5, 6]),
        ("publication_date:2023", [2]),
        ("publication_date:[2021-05 TO 2021-06]", [3]),
        ("publication_date:{2022 TO 2024}", [2]),
        ("created:[2026-01-01T12:02:00Z TO 2026-01-01T12:03:30Z]", [2, 3]),
        ("filename:gauge_01.csv", [1]),
        ("filename:*.csv", [1]),
        ("gauge_01", [1]),
        ("filetype:PDF", [2]),
        ("filesize:200", [1]),
        ("filecount:>=1", [1, 2, 6]),
        ('_files.checksum:"md5:00000000000000000000000000000006"', [6]),
        ("license.identifier:cc-by-4.0", [1]),
        ("license.url:https\\://creativecommons.org/licenses/by/4.0/legalcode", [1]),
        ("language:eng", [1]),
        ("grants.code:871234", [6]),
        ("grants.title:deep", [6]),
        ("journal.title:tides", [2]),
        ("access_right:open", [1, 2, 6]),
        ("access_right:(embargoed OR closed)", [3, 4]),
        ("access.status:metadata-only", [5]),
        ("access_right:open*", [1, 2, 6]),
        ("_exists_:journal.title", [2]),
        ("NOT _exists_:keywords", [3, 4, 5, 6]),
        ("te?e*", []),
        ("t?d*", [1, 2]),
        ("*eview", [2]),
        ("raedings~", [1]),
        ("reedinks~2", [1]),
        ("reedinks~1", []),
        ("owners:5150", [1, 2, 3, 4, 5, 6]),
        ("nosuchfield:tide", []),
        ("nosuchfield:tide OR gauge", [1]),
        ("(", []),
        ('"open gauge', [1]),
        ("title:gauge^5 review", [1, 2]),
    ],
)
def test_the_query_language(archive: SearchIndex, query: str, found: list[int]) -> None:
    """Each form of Zenodo's query language finds these records and no others."""
    assert found == ids(archive, query)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SearchRequest("filesize:abc"), "q"),
        (SearchRequest("(" * 50), "q"),
        (SearchRequest(sort="newestactivity"), "sort"),
        (SearchRequest(page=401), "page"),
        (SearchRequest(filters={"colour": ["red"]}), "colour"),
        (SearchRequest(filters={"publication_date": ["x..y"]}), "publication_date"),
        (SearchRequest(facets=("colour",)), "colour"),
    ],
)
def test_what_cannot_be_understood_is_rejected(
    archive: SearchIndex, request_: SearchRequest, field: str
) -> None:
    """The field at fault is named."""
    with pytest.raises(Rejected) as caught:
        archive.search(request_)
    assert field == caught.value.field


_PIECES = st.sampled_from(
    [
        *'()[]{}"~^*?\\:+-!/|&.$#@<>= ',
        *(
            " AND ",
            " OR ",
            " NOT ",
            " TO ",
            "title:",
            "doi:10.",
            "created:",
            "filename:",
            "filesize:>",
            "language:",
        ),
        *(
            "access_right:",
            "_exists_:",
            "2024",
            "Ü",
            "東京",
            "a",
            "\u0301",
            "\x00",
            "\ud800",
            "^2",
            "~1",
            "😀",
            "sea level",
        ),
    ]
)


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(), st.lists(_PIECES, max_size=20).map("".join)))
def test_any_text_is_answered_or_rejected(archive: SearchIndex, text: str) -> None:
    """No query makes the index fail: it answers, or rejects the query."""
    with suppress(Rejected):
        assert archive.search(SearchRequest(text, facets=("file_type",))).total <= len(CORPUS)


@settings(deadline=None, max_examples=200)
@given(
    st.one_of(st.text(), st.lists(_PIECES, max_size=20).map("".join)),
    st.booleans(),
    st.sampled_from(list(SORTS)),
)
def test_documents_in_no_index_are_found_alike(
    archive: SearchIndex, text: str, all_versions: bool, sort: str
) -> None:
    """Of the same documents a question finds the same without an index, and where they do not go by how well they match
    also in the same order."""
    asked = SearchRequest(text, all_versions=all_versions, sort=sort)
    with suppress(Rejected):
        found, expected = matching.search(CORPUS, asked, seconds(NOW)).ids, archive.search(asked).ids
        assert sorted(found) == sorted(expected)
        assert SORTS[sort].key == "" or found == expected


@pytest.mark.parametrize(
    "query",
    [
        *(
            '"sea level"',
            '"level sea"~3',
            '"sea rise"~1',
            "tid*",
            "creators.name:s?lva",
            "tude~1",
            "doi:10.5072*",
        ),
        *("filesize:>10", "created:[2024 TO *]", "_exists_:doi", "NOT coral", "+coral -model", "type:data*"),
        *(
            "access_right:open",
            "access_right:embargoed",
            "filename:data.csv",
            "title:(coral OR tide)",
            "recid:1",
        ),
    ],
)
def test_what_each_part_of_the_language_finds_is_found_without_an_index(
    archive: SearchIndex, query: str
) -> None:
    """By whatever means records are asked for."""
    asked = SearchRequest(query, all_versions=True)
    found, expected = matching.search(CORPUS, asked, seconds(NOW)), archive.search(asked)
    assert (found.total, sorted(found.ids)) == (expected.total, sorted(expected.ids))


def test_only_the_latest_version_is_found(archive: SearchIndex) -> None:
    """Older versions of a work are found with `all_versions` only; the count has them all."""
    assert ids(archive, "model code") == [6]
    assert ids(archive, "model code", all_versions=True) == [6, 7]
    assert archive.count() == 7


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
def test_orders(archive: SearchIndex, sort: str, first: int) -> None:
    """Each order puts the right record first."""
    assert first == archive.search(SearchRequest(sort=sort)).ids[0]


def test_a_title_counts_more_than_a_description(archive: SearchIndex) -> None:
    """The best match is first by default, the worst with `-bestmatch`."""
    assert archive.search(SearchRequest("sea level")).ids[0] == 2
    assert archive.search(SearchRequest("sea level", sort="-bestmatch")).ids[-1] == 2


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("query", ["", "record", "type:dataset"])
def test_pages_hold_each_hit_once(index: SearchIndex, sort: str, query: str) -> None:
    """In every order the pages together hold all hits, none twice, and a page past the end is empty."""
    for part in ((1, 4, 7), (2, 5), (3, 6)):
        index.write([indexed(number) for number in part])
    settled(index, 7)
    pages = [index.search(SearchRequest(query, sort=sort, page=page, size=3)) for page in (1, 2, 3, 4)]
    assert [len(page.ids) for page in pages] == [3, 3, 1, 0]
    assert {page.total for page in pages} == {7}
    assert sorted(chain.from_iterable(page.ids for page in pages)) == [1, 2, 3, 4, 5, 6, 7]


def test_a_page_may_be_empty(archive: SearchIndex) -> None:
    """Size 0 answers with the total and the facets alone."""
    page = archive.search(SearchRequest("sea", size=0, facets=("year",)))
    assert (page.total, page.ids, page.facets["year"]) == (2, (), (("2023", 1), ("2024", 1)))


# ---------------------------------------------------------------- facets


def test_facets_count_hits(archive: SearchIndex) -> None:
    """Each facet counts its values over the hits, the most frequent first."""
    facets = archive.search(
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
def test_filters(archive: SearchIndex, filters: dict[str, Sequence[str]], found: list[int]) -> None:
    """Choices within a facet are OR-ed, between facets AND-ed."""
    assert found == ids(archive, filters=filters)


def test_a_facet_is_not_narrowed_by_its_own_choice(archive: SearchIndex) -> None:
    """The other values of a facet stay on offer once one is chosen; other facets are narrowed."""
    page = archive.search(
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
        "_files.checksum:md5\\:00000000000000000000000000000003",
    ],
)
def test_files_under_embargo_are_hidden_until_it_ends(
    filled: SearchIndex, clock: Clockwork, query: str
) -> None:
    """What is known of files is neither found nor counted before the day of the embargo's end, and is on it,
    without anything being written."""
    request = SearchRequest(query, filters={"year": ["2020"]}, facets=("file_type", "access_status"))
    assert (filled.search(request).total, filled.search(request).facets["file_type"]) == (0, ())
    clock.now = datetime.combine(date(2026, 3, 10), datetime.min.time(), NOW.tzinfo)
    page = filled.search(request)
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


@pytest.mark.parametrize("query", ["secret.wav", "filename:secret", "filetype:wav", "_exists_:filename"])
def test_restricted_files_are_never_found(filled: SearchIndex, clock: Clockwork, query: str) -> None:
    """Files that are restricted for good stay unfindable."""
    clock.now = NOW + timedelta(days=36_500)
    assert 4 not in ids(filled, query)


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
                whole = page.total % 3 == 0 and page.total == dict(page.facets["resource_type"]).get(
                    "dataset", 0
                )
                sink.write("whole\n" if whole else f"torn {page.total} {page.facets}\n")
            except Exception as error:
                sink.write(f"error {error!r}\n")


@pytest.mark.timeout(120)
def test_killed_writers_lose_nothing_and_readers_see_no_error(
    implementation: Implementation, tmp_path: Path
) -> None:
    """While writers in several processes are killed (-9) and replaced, readers in others never see an error
    or half a batch, and every batch whose write returned is there in the end."""
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
