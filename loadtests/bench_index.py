"""Which engine carries the embedded search: tantivy against SQLite FTS5 (decision 0001).

`python -m loadtests.bench_index [--records 100000] [--seconds 10]` prints two tables: one process
asking and loading, and two processes writing (one of them killed with -9 again and again) while two
read. Both engines get the same generated records (fixed seed) and the same questions, and each is
used as its own documentation advises.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import tantivy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

VOCABULARY = 20_000
FACETS = ("resource_type", "access", "year", "community", "file_type")
TYPES = (
    "dataset",
    "software",
    "publication-article",
    "publication-preprint",
    "image-figure",
    "video",
    "poster",
)
PAGE = 25
BATCH = 50


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    title: str
    text: str
    created: int
    facets: dict[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """`words` must stand in `field`; as a phrase when there are several."""

    field: str
    words: tuple[str, ...]
    created: tuple[int, int] | None = None
    sort: bool = True
    offset: int = 0


class Engine(Protocol):
    def write(self, entries: Sequence[Entry]) -> None: ...
    def ask(self, question: Question) -> tuple[int, list[int], dict[str, dict[str, int]]]: ...


def entries(first: int = 1) -> Iterator[Entry]:
    """Endless records of about 90 words whose frequencies follow Zipf's law, and one word (`mark`) that
    each batch of 50 has for its own. `first` seeds them."""
    rng = random.Random(first)
    words = [f"w{rank}" for rank in range(1, VOCABULARY + 1)]
    weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
    total = list(_running(weights))
    number = first
    while True:
        drawn = rng.choices(words, cum_weights=total, k=90)
        facets = {
            "resource_type": rng.choice(TYPES),
            "access": rng.choice(("open", "open", "open", "restricted")),
            "year": str(rng.randint(1990, 2026)),
            "community": f"c{rng.randint(1, 300)}",
            "file_type": rng.choice(("csv", "pdf", "zip", "nc", "tif", "txt")),
        }
        created = 1_400_000_000 + number * 3_600 % 380_000_000
        yield Entry(
            number,
            " ".join(drawn[:10]),
            f"{' '.join(drawn)} {mark(number - (number - first) % BATCH)}",
            created,
            facets,
        )
        number += 1


def mark(first: int) -> str:
    """The word by which the batch beginning with record `first` is found."""
    return f"batch{first}"


def _running(weights: Sequence[float]) -> Iterator[float]:
    total = 0.0
    for weight in weights:
        total += weight
        yield total


class Tantivy:
    """One short-lived writer a batch under a file lock; readers look whether `meta.json` changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("id", indexed=True, fast=True)
        builder.add_integer_field("created", indexed=True, fast=True)
        for name in ("title", "text"):
            builder.add_text_field(name, tokenizer_name="whitespace")
        for name in FACETS:
            builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
        self.schema = builder.build()
        self.lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT)
        flock(self.lock, LOCK_EX)
        self.index = tantivy.Index(self.schema, str(path))
        os.close(self.lock)
        self.seen = 0

    def write(self, entries: Sequence[Entry]) -> None:
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT)
        flock(lock, LOCK_EX)
        try:
            writer = tantivy.Index(self.schema, str(self.path)).writer(50_000_000, 1)
            writer.delete_documents_by_query(
                tantivy.Query.term_set_query(self.schema, "id", [entry.id for entry in entries])
            )
            for entry in entries:
                fields = {"id": entry.id, "created": entry.created, "title": entry.title, "text": entry.text}
                writer.add_document(tantivy.Document.from_dict(fields | entry.facets, self.schema))
            writer.commit()
            writer.wait_merging_threads()
        finally:
            os.close(lock)

    def ask(self, question: Question) -> tuple[int, list[int], dict[str, dict[str, int]]]:
        stamp = (self.path / "meta.json").stat().st_mtime_ns
        if stamp != self.seen:
            self.index.reload()
            self.seen = stamp
        searcher, query = self.index.searcher(), self._query(question)
        order = "created" if question.sort else None
        page = searcher.search(query, PAGE, order_by_field=order, offset=question.offset)
        counts = searcher.aggregate(query, {name: {"terms": {"field": name, "size": 20}} for name in FACETS})
        return (
            page.count,  # type: ignore[attr-defined] # missing in tantivy's stubs
            [
                int(value or 0)
                for value in searcher.fast_field_values("id", [address for _, address in page.hits])
            ],
            {
                name: {bucket["key"]: bucket["doc_count"] for bucket in counts[name]["buckets"]}
                for name in FACETS
            },
        )

    def _query(self, question: Question) -> tantivy.Query:
        if len(question.words) == 1:
            query = tantivy.Query.term_query(self.schema, question.field, question.words[0])
        else:
            query = tantivy.Query.phrase_query(self.schema, question.field, list(question.words))
        if question.created is None:
            return query
        return query.and_must_match(
            tantivy.Query.range_query(self.schema, "created", tantivy.FieldType.Integer, *question.created)
        )


class Fts5:
    """WAL, one transaction a batch, facets by GROUP BY over the materialised hits."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.db = sqlite3.connect(path / "index.sqlite", isolation_level=None, timeout=60)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.execute("PRAGMA cache_size=-200000")
        columns = ", ".join(FACETS)
        self.db.execute(
            f"CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, created INTEGER, {columns})"
        )
        self.db.execute("CREATE INDEX IF NOT EXISTS record_created ON record (created)")
        self.db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(title, text, content='')")

    def write(self, entries: Sequence[Entry]) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany(
            f"INSERT INTO record VALUES ({','.join('?' * (2 + len(FACETS)))})",
            [(entry.id, entry.created, *entry.facets.values()) for entry in entries],
        )
        self.db.executemany(
            "INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)",
            [(entry.id, entry.title, entry.text) for entry in entries],
        )
        self.db.execute("COMMIT")

    def ask(self, question: Question) -> tuple[int, list[int], dict[str, dict[str, int]]]:
        match = f'{question.field} : "{" ".join(question.words)}"'
        low, high = question.created or (0, 1 << 62)
        self.db.execute("CREATE TEMP TABLE IF NOT EXISTS hits (id INTEGER PRIMARY KEY, created, score)")
        self.db.execute("BEGIN")
        self.db.execute("DELETE FROM temp.hits")
        score = "0" if question.sort else "bm25(words)"
        self.db.execute(
            f"INSERT INTO temp.hits SELECT words.rowid, record.created, {score} FROM words JOIN record "
            "ON record.id = words.rowid WHERE words MATCH ? AND record.created BETWEEN ? AND ?",
            (match, low, high),
        )
        (total,) = self.db.execute("SELECT count(*) FROM temp.hits").fetchone()
        order = "created DESC" if question.sort else "score"
        page = self.db.execute(
            f"SELECT id FROM temp.hits ORDER BY {order} LIMIT {PAGE} OFFSET ?", (question.offset,)
        ).fetchall()
        counts = {
            name: dict(
                self.db.execute(
                    f"SELECT {name}, count(*) FROM temp.hits JOIN record USING (id) "
                    "GROUP BY 1 ORDER BY 2 DESC LIMIT 20"
                ).fetchall()
            )
            for name in FACETS
        }
        self.db.execute("COMMIT")
        return total, [number for (number,) in page], counts


ENGINES: dict[str, Callable[[Path], Engine]] = {"tantivy": Tantivy, "fts5": Fts5}

QUESTIONS: dict[str, Callable[[int], Question]] = {
    "one word, many hits, newest": lambda n: Question("text", (f"w{n % 10 + 1}",)),
    "one word, many hits, best": lambda n: Question("text", (f"w{n % 10 + 1}",), sort=False),
    "one word, few hits, best": lambda n: Question("text", (f"w{n + 900}",), sort=False),
    "phrase": lambda n: Question("text", (f"w{n % 5 + 1}", f"w{n % 7 + 2}"), sort=False),
    "field": lambda n: Question("title", (f"w{n % 40 + 5}",), sort=False),
    "word and date range": lambda n: Question("text", (f"w{n % 10 + 1}",), (1_500_000_000, 1_560_000_000)),
    "deep page (400th)": lambda n: Question("text", (f"w{n % 3 + 1}",), offset=PAGE * 399),
}


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def load(name: str, path: Path, records: int) -> dict[str, str]:
    """Index `records` in batches of 5,000, then ask each kind of question 40 times."""
    engine, began = ENGINES[name](path), time.perf_counter()
    for batch in _batches(entries(), records, 5_000):
        engine.write(batch)
    seconds = time.perf_counter() - began
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    row = {"records indexed/s": f"{records / seconds:,.0f}", "MB on disk": f"{size / 1e6:.0f}"}
    for kind, make in QUESTIONS.items():
        engine.ask(make(0))
        times = [_timed(engine, make(number)) for number in range(40)]
        row[f"{kind}: p50 / p95 ms"] = f"{statistics.median(times):.1f} / {quantile(times, 0.95):.1f}"
    return row


def _batches(source: Iterator[Entry], records: int, size: int) -> Iterator[list[Entry]]:
    for _ in range(0, records, size):
        yield list(islice(source, size))


def _timed(engine: Engine, question: Question) -> float:
    began = time.perf_counter()
    engine.ask(question)
    return (time.perf_counter() - began) * 1000


def _writer(name: str, path: Path, first: int, log: Path, stop: Any) -> None:
    """Write batches until told to stop; log each batch once its write has returned."""
    engine, source = ENGINES[name](path), entries(first)
    with log.open("a", buffering=1) as sink:
        while not stop.is_set():
            batch = list(islice(source, BATCH))
            began = time.perf_counter()
            engine.write(batch)
            sink.write(f"{batch[0].id} {time.time()} {(time.perf_counter() - began) * 1000}\n")


def _reader(name: str, path: Path, log: Path, stop: Any) -> None:
    engine, number = ENGINES[name](path), 0
    with log.open("a", buffering=1) as sink:
        while not stop.is_set():
            number += 1
            try:
                sink.write(f"{_timed(engine, Question('text', (f'w{number % 10 + 1}',)))}\n")
            except Exception as error:
                sink.write(f"error {error}\n")


def contend(name: str, path: Path, seconds: float) -> dict[str, str]:
    """Two writers, one of them killed and replaced every second, two readers, one watch on visibility."""
    spawn = multiprocessing.get_context("spawn")
    stop = spawn.Event()
    logs = {who: path.with_name(f"{name}-{who}.log") for who in ("w", "victim", "r1", "r2")}
    steady = spawn.Process(target=_writer, args=(name, path, 10_000_000, logs["w"], stop))
    readers = [spawn.Process(target=_reader, args=(name, path, logs[who], stop)) for who in ("r1", "r2")]
    for process in (steady, *readers):
        process.start()
    kills, ends, lags = 0, time.monotonic() + seconds + 3, []
    watch, logged = ENGINES[name](path), 0
    while time.monotonic() < ends:
        victim = spawn.Process(
            target=_writer, args=(name, path, 20_000_000 + kills * 100_000, logs["victim"], stop)
        )
        victim.start()
        dies = time.monotonic() + 1.5 + random.random()
        while time.monotonic() < dies:
            logged, lag = _visible(watch, logs["w"], logged)
            lags += lag
            time.sleep(0.01)
        victim.kill()
        victim.join()
        kills += 1
    stop.set()
    for process in (steady, *readers):
        process.join()
    return _findings(ENGINES[name](path), logs, lags, kills, seconds)


def _visible(watch: Engine, log: Path, logged: int) -> tuple[int, list[float]]:
    """Seconds from a batch's write having returned to this process finding it (0 if it was there at once)."""
    lines = log.read_text().splitlines() if log.exists() else []
    if len(lines) <= logged:
        return logged, []
    first, returned, _ = lines[-1].split()
    while _count(watch, int(first)) < BATCH:
        time.sleep(0.005)
    return len(lines), [time.time() - float(returned)]


def _count(engine: Engine, first: int) -> int:
    return engine.ask(Question("text", (mark(first),)))[0]


def _findings(
    engine: Engine, logs: dict[str, Path], lags: Sequence[float], kills: int, seconds: float
) -> dict[str, str]:
    writes = [line.split() for who in ("w", "victim") for line in logs[who].read_text().splitlines()]
    reads = [line for who in ("r1", "r2") for line in logs[who].read_text().splitlines()]
    times = [float(line) for line in reads if not line.startswith("error")]
    lost = sum(BATCH - _count(engine, int(first)) for first, _, _ in writes)
    delays = [float(delay) for _, _, delay in writes]
    return {
        "writers killed": str(kills),
        "batches of 50 written/s": f"{len(writes) / seconds:.1f}",
        "write p50 / p95 ms": f"{statistics.median(delays):.0f} / {quantile(delays, 0.95):.0f}",
        "searches/s (two readers)": f"{len(times) / seconds:.0f}",
        "search p50 / p95 ms": f"{statistics.median(times):.1f} / {quantile(times, 0.95):.1f}",
        "reader errors": str(len(reads) - len(times)),
        "acknowledged records lost": str(lost),
        "visible after, worst s": f"{max(lags, default=float('nan')):.2f}",
    }


def table(rows: dict[str, dict[str, str]]) -> str:
    names = list(rows)
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    lines += [f"| {key} | " + " | ".join(rows[name][key] for name in names) + " |" for key in rows[names[0]]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"tantivy {version('tantivy')}, SQLite {sqlite3.sqlite_version}, {options.records:,} records"
    )
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, name) for name in ENGINES}
        print(table({name: load(name, path, options.records) for name, path in paths.items()}))
        print(table({name: contend(name, path, options.seconds) for name, path in paths.items()}))


if __name__ == "__main__":
    main()
