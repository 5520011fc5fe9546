"""A rebuild of an index of thousands of documents, while others search it and write to it."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from pipeline.errors import Unavailable
from pipeline.ingest.patience import Patience
from pipeline.ports import IndexDocument, SearchIndex, SearchPage, SearchRequest
from tests.contracts.indexes import Clockwork, Implementation
from tests.index_corpus import indexed

STANDING, BATCH = 3_000, 500
EDITED = 2_000
"""Below are those that writers edit, behind those that an editor does."""
SEARCHERS, WRITERS = 4, 2


class Catalogue:
    """What is to be searched, as the catalogue of an archive says it: whoever changes a document does so here first,
    then writes it. `seen` has those whose write has returned, which every search that begins has to know."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.documents: dict[int, IndexDocument] = {}
        self.seen: dict[int, IndexDocument] = {}
        self._latest: deque[int] = deque(maxlen=300)

    def put(self, *documents: IndexDocument) -> None:
        with self._lock:
            self.documents |= {one.id: one for one in documents}

    def note(self, *documents: IndexDocument) -> None:
        with self._lock:
            self.seen |= {one.id: one for one in documents}
            self._latest += [one.id for one in documents]

    def behind(self, last: int) -> list[IndexDocument]:
        with self._lock:
            return [self.documents[id_] for id_ in sorted(self.documents) if id_ > last][:BATCH]

    def one_seen(self) -> IndexDocument:
        """One of the latest: what a rebuild could miss is among them."""
        with self._lock:
            return self.seen[random.choice(self._latest)]


def edition(number: int, stamp: int) -> IndexDocument:
    return indexed(number, stamp=stamp, version=stamp)


def write_on(index: SearchIndex, catalogue: Catalogue, nth: int, stop: threading.Event) -> None:
    """New documents, edits of some that stand, and withdrawals of new ones, a few at a time, each seen at once."""
    number, stamp = 10_000 * nth, 1
    while not stop.is_set():
        stamp += 1
        batch = [edition(number + more, 1) for more in range(3)]
        batch += [edition(id_, stamp) for id_ in random.sample(range(nth, EDITED, WRITERS), 5)]
        if stamp > 2:
            batch.append(IndexDocument(number - 3, 2, None))
        catalogue.put(*batch)
        assert Patience(60).insist(partial(index.write, batch, at_once=True)) == {}
        catalogue.note(*batch)
        number += 3
        stop.wait(0.2)


def edit_on(index: SearchIndex, catalogue: Catalogue, stop: threading.Event) -> None:
    """As dispatchers do: many documents at a time, which are seen a little later."""
    stamp = 1
    while not stop.is_set():
        stamp += 1
        batch = [edition(number, stamp) for number in range(EDITED, EDITED + 100)]
        catalogue.put(*batch)
        assert Patience(60).insist(partial(index.write, batch)) == {}
        stop.wait(0.5)


def search_on(index: SearchIndex, catalogue: Catalogue, stop: threading.Event) -> int:
    """How many searches found what they had to."""
    standing = SearchRequest(f"record AND id:[1 TO {STANDING}]", facets=("resource_type",), size=20)
    rounds = 0
    while not stop.is_set():
        known = catalogue.one_seen()
        page = searched(index, SearchRequest(f"id:{known.id} AND versions.index:[{known.version} TO *]"))
        if known.body is None:
            assert page.ids == ()
        elif known.id <= STANDING or catalogue.documents[known.id].body is not None:
            assert page.ids == (known.id,)
        page = searched(index, standing)
        assert (page.total, len(page.ids)) == (STANDING, 20)
        assert dict(page.facets["resource_type"]) == {"dataset": STANDING}
        rounds += 1
        stop.wait(0.05)
    return rounds


def searched(index: SearchIndex, asked: SearchRequest) -> SearchPage:
    """No search fails, but where the machine is so busy that a server does not answer for ten seconds."""
    while True:
        try:
            return index.search(asked)
        except Unavailable as away:
            if "does not answer" not in away.message:
                raise


def rebuild(index: SearchIndex, catalogue: Catalogue) -> None:
    """As `pipeline.index.indexer` does it."""
    patience = Patience(60)
    with closing(patience.insist(index.begin_rebuild)) as fresh:
        last = 0
        while batch := catalogue.behind(last):
            assert patience.insist(partial(fresh.write, batch)) == {}
            last = batch[-1].id
        patience.insist(fresh.finish_rebuild)


@pytest.mark.timeout(300)
def test_nobody_who_searches_or_writes_notices_a_rebuild(
    implementation: Implementation, tmp_path: Path
) -> None:
    """Two are filled and swapped in, of thousands of documents. No search fails, or misses anything whose write had
    returned when it began, be it new, changed or withdrawn; in the end all is there in its last version."""
    catalogue, stop = Catalogue(), threading.Event()
    handles = [implementation.open(tmp_path, Clockwork()) for _ in range(SEARCHERS + WRITERS + 2)]
    index, *searchers = handles[: SEARCHERS + 1]
    editor, *writers = handles[SEARCHERS + 1 :]
    catalogue.put(*(edition(number, 1) for number in range(1, STANDING + 1)))
    rebuild(index, catalogue)
    catalogue.note(*catalogue.documents.values())

    def until_stopped(work: Callable[..., object], *given: object) -> object:
        try:
            return work(*given, stop)
        finally:
            stop.set()

    with ThreadPoolExecutor(SEARCHERS + WRITERS + 1) as pool:
        searching = [pool.submit(until_stopped, search_on, one, catalogue) for one in searchers]
        writing = [
            pool.submit(until_stopped, write_on, one, catalogue, nth) for nth, one in enumerate(writers, 1)
        ]
        writing.append(pool.submit(until_stopped, edit_on, editor, catalogue))
        try:
            for _ in range(2):
                rebuild(index, catalogue)
                # What it missed is looked for.
                stop.wait(1)
        finally:
            stop.set()
        for each in writing:
            each.result()
        assert all(each.result() for each in searching)
    last = {one.id: one.version for one in catalogue.documents.values() if one.body is not None}
    assert {one.id: one.version for one in index.entries(0, 1 << 40)} == last
    assert len(last) > STANDING
    for one in handles:
        one.close()
    implementation.discard(tmp_path)
