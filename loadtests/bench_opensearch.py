"""Search on OpenSearch: how fast documents go in beside the bare client, and how soon questions are answered.

    python -m loadtests.bench_opensearch [--records 1000000] [--compared 20000] [--folder DIR] [--keep]

Against a node of its own on this machine (512 MB of heap). First `--compared` generated documents are written by our
index and by `opensearchpy.helpers.bulk`, in turns of 2,000, each into an index of the same mapping; what the bare
client is given is analysed before. Then an index is filled up to `--records`, and questions of ten kinds are asked,
each with all facets, one after the other. `--keep` writes docs/performance.json and docs/performance.md. Nothing else
should run meanwhile.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
from opensearchpy import OpenSearch, helpers

from infra.local.opensearch import opensearch
from infra.local.service import launched
from loadtests import bench_index
from loadtests.depositing import p95, spread
from loadtests.figures import Figure, keep, show
from loadtests.options import options, work_folder
from pipeline.index import query_dsl
from pipeline.index.document import Entry, prepared
from pipeline.index.fields import FACETS, FIELDS, OPEN
from pipeline.index.opensearch import OpenSearchIndex
from pipeline.index.opensearch_server import OpenSearchServer, parse_server
from pipeline.ports import IndexDocument, SearchRequest

_TURN = 2_000
_BATCH = 500
_WRITERS = 2
_BULK_GOAL = 0.8
_SEARCH_GOAL = 100.0
_ASKED = 400


def documents(first: int = 1) -> Iterator[IndexDocument]:
    """Endless documents of about 90 words (`bench_index.entries`), with a value of each facet."""
    for one in bench_index.entries(first):
        yield IndexDocument(
            one.id,
            1,
            {
                "id": one.id,
                "metadata.title": one.title,
                "metadata.description": one.text,
                "metadata.resource_type.props.type": one.facets["resource_type"].partition("-")[0],
                "parent.communities.ids": one.facets["community"],
                "files.types": one.facets["file_type"],
                "files.entries.key": f"{one.title.partition(' ')[0]}.{one.facets['file_type']}",
                "facet.resource_type": one.facets["resource_type"],
                "facet.year": one.facets["year"],
                "facet.subject": f"subject {one.id % 500}",
                "versions.is_latest": "true",
                "access.opens": OPEN,
                "created": one.created,
                **{name: one.created << 31 | one.id for name in FIELDS if name.startswith("sort.")},
            },
        )


# ---------------------------------------------------------------- writing


def compare(server: OpenSearchServer, number: int) -> tuple[list[float], list[float]]:
    """Documents a second of each turn, by our index and by the bare client."""
    bare = OpenSearch([{"host": server.host, "port": server.port}], timeout=120)
    body = {"settings": query_dsl.SETTINGS | {"refresh_interval": "500ms"}, "mappings": query_dsl.MAPPINGS}
    bare.indices.create(index="bare", body=body)
    ours, theirs = list[float](), list[float]()
    source = batched(documents(), _TURN)
    with closing(OpenSearchIndex(server, lambda: datetime.now(UTC))) as index:
        for turn in range(max(number // _TURN, 2)):
            batch = next(source)
            actions = [_action(one) for one in prepared(batch)[0]]

            def write_ours(batch: list[IndexDocument] = batch) -> None:
                write(index, batch)

            def write_bare(actions: list[dict[str, Any]] = actions) -> None:
                helpers.bulk(bare, actions, chunk_size=_BATCH)

            # Whoever comes second finds a warmer server.
            order = [(ours, write_ours), (theirs, write_bare)]
            for rates, write_ in order if turn % 2 else reversed(order):
                began = time.perf_counter()
                write_()
                rates.append(_TURN / (time.perf_counter() - began))
    bare.indices.delete(index="bare")
    bare.close()
    # The first turns warm up the server.
    return ours[1:], theirs[1:]


def batched(source: Iterator[IndexDocument], size: int) -> Iterator[list[IndexDocument]]:
    while batch := list(islice(source, size)):
        yield batch


def write(index: OpenSearchIndex, batch: Sequence[IndexDocument]) -> None:
    for first in range(0, len(batch), _BATCH):
        if refused := index.write(batch[first : first + _BATCH]):
            raise SystemExit(f"OpenSearch refuses documents: {refused}")


def fill(index: OpenSearchIndex, records: int) -> None:
    """As a rebuild does, which has nothing refreshed; two write, so that one analyses while the server takes from the
    other."""
    began, cpu = time.perf_counter(), time.process_time()
    with closing(index.begin_rebuild()) as fresh, ThreadPoolExecutor(_WRITERS) as pool:
        under_way: deque[Future[None]] = deque()
        for number, batch in enumerate(batched(islice(documents(), records), _TURN), 1):
            under_way.append(pool.submit(write, fresh, batch))
            if len(under_way) > _WRITERS:
                under_way.popleft().result()
            if number % 50 == 0:
                print(f"{number * _TURN:,} documents in {time.perf_counter() - began:.0f} s", flush=True)
        while under_way:
            under_way.popleft().result()
        fresh.finish_rebuild()
    print(f"filled in {time.perf_counter() - began:.0f} s, {time.process_time() - cpu:.0f} s of CPU")


def _action(entry: Entry) -> dict[str, Any]:
    return {
        "_index": "bare",
        "_id": str(entry.id),
        "version": entry.version,
        "version_type": "external",
        "_source": query_dsl.source(entry),
    }


# ---------------------------------------------------------------- searching


def questions(seed: int = 1) -> Iterator[SearchRequest]:
    """Endless questions of ten kinds in turn."""
    rng = random.Random(seed)
    while True:
        frequent, rare = f"w{rng.randint(1, 50)}", f"w{rng.randint(500, 5000)}"
        for query in (
            "",
            frequent,
            rare,
            f"{frequent} {rare}",
            f"{frequent} AND {rare}",
            f'"{frequent} w{rng.randint(1, 20)}"',
            f"title:{rare}",
            f"{rare}* AND {frequent}",
            f"{frequent} AND created:[2024 TO *]",
        ):
            yield SearchRequest(query, facets=tuple(FACETS), size=10)
        chosen = {"resource_type": [rng.choice(bench_index.TYPES)]}
        yield SearchRequest(rare, filters=chosen, sort="newest", facets=tuple(FACETS), size=10)


def ask(index: OpenSearchIndex, number: int) -> list[tuple[float, str]]:
    """Milliseconds of each question."""
    times = []
    for one in islice(questions(), number):
        began = time.perf_counter()
        index.search(one)
        times.append(((time.perf_counter() - began) * 1000, one.query))
    return times


# ---------------------------------------------------------------- the command


def measure(folder: Path, records: int, compared: int) -> list[Figure]:
    service = opensearch(folder, for_long=True)
    with launched(service, folder / "log", start_seconds=300) as node:
        server = parse_server(f"{service.url.replace('http://', 'opensearch://')}/bench", "")
        ours, theirs = compare(server, compared)
        figures = [_bulk(ours, theirs)]
        show(figures[0])
        with closing(OpenSearchIndex(server, lambda: datetime.now(UTC))) as index:
            fill(index, records)
            ask(index, 50)
            used = psutil.Process(node.pid).cpu_times()
            times, spent = ask(index, _ASKED), psutil.Process(node.pid).cpu_times()
            milliseconds = (spent.user + spent.system - used.user - used.system) * 1000 / _ASKED
        figures.append(_search([each for each, _ in times], records, milliseconds))
        show(figures[1])
        for each, query in sorted(times, reverse=True)[:5]:
            print(f"    {each:.0f} ms: {query}")
    return figures


def _bulk(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    return Figure(
        name="bulk indexing into OpenSearch ÷ bare client",
        value=statistics.harmonic_mean(ours) / statistics.harmonic_mean(theirs),
        unit="ratio",
        goal=_BULK_GOAL,
        better="higher",
        how=f"documents a second, {len(ours)} turns of {_TURN:,} documents of 90 words each; ours with analysis and "
        "versions, `helpers.bulk` given finished documents",
        cache="warm",
        beside={
            "ours": f"{statistics.median(ours):,.0f}/s",
            "helpers.bulk": f"{statistics.median(theirs):,.0f}/s",
        },
    )


def _search(times: Sequence[float], records: int, node: float) -> Figure:
    return Figure(
        name="search on OpenSearch, p95",
        value=p95(times),
        unit="ms",
        goal=_SEARCH_GOAL,
        better="lower",
        how=f"{len(times)} questions of ten kinds, one after the other, with all facets; {records:,} records, one node "
        "of 512 MB of heap on the same cores",
        cache="warm",
        beside={
            "questions": spread([each / 1000 for each in times]),
            "CPU of the node": f"{node:.0f} ms a question",
        },
    )


def main() -> None:
    """Measure, print and keep."""
    parser = options("loadtests.bench_opensearch")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--compared", type=int, default=20_000)
    chosen = parser.parse_args()
    with work_folder(chosen) as folder:
        taken = measure(folder, chosen.records, chosen.compared)
    if chosen.keep:
        keep(taken)


if __name__ == "__main__":
    main()
