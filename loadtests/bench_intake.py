"""How close bulk ingest runs to what the machine can do.

    python -m loadtests.bench_intake [--large-gib 8] [--small 5000] [--records 2000] [--rounds 3] [--keep]

Everything goes through `headrace ingest`: the flow, worker processes, every step and durability on.

large    ingest of cold files of 1 GiB into the local store, divided by a bare loop over the same cold files: the same
         digests in as many threads, as many files at a time as there are workers, write, fsync, nothing else. Both in
         turn, several rounds; the median of the quotients.
small    files of 4 to 64 KiB in records of 50: files a second, from the survey to the announced record.
records  records of one small file: records a second from the last file in custody to the last record announced.
memory   the highest resident memory of a worker and of the flow process in all of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from loadtests.figures import Figure, keep, show
from pipeline.flows.server import standing_server
from pipeline.store.root import preferred_algorithm

_GIB = 1 << 30
_BLOCK = 1 << 20
_RECORD = {
    "title": "A record of the benchmark",
    "upload_type": "dataset",
    "description": "<p>Made by loadtests.bench_intake.</p>",
    "creators": [{"name": "Bench, Mark", "affiliation": "Headrace"}],
    "publication_date": "2026-01-01",
    "access_right": "open",
    "license": "cc-by-4.0",
}


# ---------------------------------------------------------------- what is ingested


def make_large(folder: Path, gib: int) -> None:
    """Files of 1 GiB, different in every block, without asking the system for randomness."""
    seed = os.urandom(_BLOCK)
    for number in range(gib):
        _describe(folder / f"large-{number:02}")
        with (folder / f"large-{number:02}" / "data.bin").open("wb") as file:
            for block in range(_GIB // _BLOCK):
                file.write((number << 32 | block).to_bytes(16, "big") + seed[16:])
            file.flush()
            os.fsync(file.fileno())


def make_small(folder: Path, files: int, per_record: int) -> None:
    """Files of 4 to 64 KiB: a quarter each of CSV, plain text, JSON and PNG images (with noise for pixels)."""
    contents = _contents()
    for number in range(files):
        record = folder / f"record-{number // per_record:05}"
        if number % per_record == 0:
            _describe(record)
        size = 4096 + number * 7919 % 61440
        suffix, begin, content = contents[number % len(contents)]
        start = number * 104729 % (1 << 16)
        body = f"{number:08}".encode() + content[start : start + size]
        (record / f"file-{number:06}.{suffix}").write_bytes((begin + body)[:size])
    os.sync()


def _contents() -> list[tuple[str, bytes, bytes]]:
    """(suffix, how a file begins, what it goes on with)."""
    rows = b"".join(
        b"%d,%d.%02d,%d\n" % (row, row * 7 % 90, row % 100, row * 31 % 1009) for row in range(12_000)
    )
    prose = b" ".join(b"Station %d was serviced on day %d." % (row % 97, row % 365) for row in range(6_000))
    objects = b",\n".join(b'{"id": %d, "depth": %d}' % (row, row * 13 % 5000) for row in range(8_000))
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00\x00\x00\x01\x00\x08\x02\x00\x00\x00"
    return [
        ("csv", b"a,b,c\n", rows),
        ("txt", b"", prose),
        ("json", b"[\n", objects),
        ("png", png, os.urandom(1 << 18)),
    ]


def _describe(record: Path) -> None:
    record.mkdir(parents=True)
    (record / "record.json").write_text(json.dumps(_RECORD))


def make_cold(folder: Path) -> None:
    """Push the files out of the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---------------------------------------------------------------- the bare loop


def bare_loop(source: Path, target: Path, workers: int) -> float:
    """Seconds for reading, hashing and writing the files of `source`, `workers` at a time."""
    target.mkdir()
    files = sorted(source.rglob("*.bin"))
    jobs = [(str(path), str(target / f"{number}.bin")) for number, path in enumerate(files)]
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(abs, range(workers)))  # the processes are there before the clock starts
        started = time.perf_counter()
        list(pool.map(_copy, jobs))
        return time.perf_counter() - started


def _copy(job: tuple[str, str]) -> dict[str, str]:
    """One file: a thread for each digest, writing beside them."""
    source, target = job
    hashes = [hashlib.md5(usedforsecurity=False), hashlib.new(preferred_algorithm()), xxhash.xxh3_128()]
    inboxes: list[queue.Queue[bytes | None]] = [queue.Queue(8) for _ in hashes]
    threads = [threading.Thread(target=_hash, args=pair) for pair in zip(hashes, inboxes, strict=True)]
    for thread in threads:
        thread.start()
    with Path(source).open("rb", buffering=0) as reader, Path(target).open("wb", buffering=0) as writer:
        while block := reader.read(_BLOCK):
            for inbox in inboxes:
                inbox.put(block)
            writer.write(block)
        os.fsync(writer.fileno())
    for inbox in inboxes:
        inbox.put(None)
    for thread in threads:
        thread.join()
    return {str(number): one.hexdigest() for number, one in enumerate(hashes)}


def _hash(running: object, inbox: queue.Queue[bytes | None]) -> None:
    while (block := inbox.get()) is not None:
        running.update(block)  # type: ignore[attr-defined]


# ---------------------------------------------------------------- our ingest


@dataclass(slots=True)
class Memory:
    """The highest resident memory seen, in MB."""

    flow: float = 0.0
    worker: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        watcher = threading.Thread(target=self._watch, args=(pid,))
        watcher.start()
        try:
            yield
        finally:
            self._stop.set()
            watcher.join()
            self._stop.clear()

    def _watch(self, pid: int) -> None:
        while not self._stop.wait(0.2):
            self.flow = max(self.flow, _peak(pid))
            for child in _descendants(pid):
                if b"multiprocessing" in _command(child):
                    self.worker = max(self.worker, _peak(child))


def _peak(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) / 1000 if lines else 0.0


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    pending = [pid]
    while pending:
        parent = pending.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                children = [int(word) for word in task.read_text().split()]
            except OSError:
                continue
            found += children
            pending += children
    return found


def ingest(source: Path, home: Path, memory: Memory) -> dict[str, float]:
    """Ingest `source` into the instance at `home`; the run's seconds, and what it says it did."""
    command = [sys.executable, "-m", "pipeline", "ingest", str(source), "--json"]
    environment = {**os.environ, "HEADRACE_HOME": str(home)}
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with memory.watching(child.pid):
        answer, said = child.communicate()
    if child.returncode != 0:
        raise SystemExit(f"headrace ingest ended with {child.returncode}:\n{said.decode()[-2000:]}")
    document = json.loads(answer)
    return {**document["seconds"], "files": document["files"], "records": document["records_total"]}


# ---------------------------------------------------------------- figures


def measure(options: argparse.Namespace, work: Path) -> list[Figure]:
    memory = Memory()
    figures: list[Figure] = []
    workers = len(os.sched_getaffinity(0))
    with standing_server(work / "prefect") as server:
        os.environ["PREFECT_API_URL"] = server.api_url
        if options.large_gib:
            figures.append(_large(options, work, workers, memory))
        if options.small:
            figures.append(_small(options, work, memory))
        if options.records:
            figures.append(_records(options, work, memory))
    how = "VmHWM in all runs of this benchmark"
    figures.append(Figure("peak memory of a worker", memory.worker, "MB", 300, "lower", how))
    figures.append(Figure("peak memory of the flow process", memory.flow, "MB", 500, "lower", how))
    return figures


def _large(options: argparse.Namespace, work: Path, workers: int, memory: Memory) -> Figure:
    source = work / "large"
    make_large(source, options.large_gib)
    quotients: list[float] = []
    for number in range(options.rounds):
        make_cold(source)
        bare = bare_loop(source, work / "bare", workers)
        _remove(work / "bare")
        make_cold(source)
        ours = ingest(source, work / "home-large", memory)["total"]
        _remove(work / "home-large")
        quotients.append(ours / bare)
        rate = options.large_gib * 1024 / ours
        said = f"bare loop {bare:.1f} s, ingest {ours:.1f} s ({rate:.0f} MiB/s)"
        print(f"round {number + 1}: {said}, quotient {ours / bare:.2f}")
    _remove(source)
    return Figure(
        "large files: ingest ÷ bare loop",
        statistics.median(quotients),
        "ratio",
        1.4,
        "lower",
        f"{options.large_gib} GiB in files of 1 GiB, cold; md5, {preferred_algorithm()}, xxh3-128;"
        f" median of {options.rounds}",
    )


def _small(options: argparse.Namespace, work: Path, memory: Memory) -> Figure:
    source = work / "small"
    make_small(source, options.small, 50)
    make_cold(source)
    seconds = ingest(source, work / "home-small", memory)
    print(f"small files: {seconds}")
    _remove(source, work / "home-small")
    return Figure(
        "small files: all steps, durable",
        options.small / seconds["total"],
        "files/s",
        400,
        "higher",
        f"{options.small:,} files of 4-64 KiB in records of 50, cold, survey to announcement, {os.cpu_count()} cores",
    )


def _records(options: argparse.Namespace, work: Path, memory: Memory) -> Figure:
    source = work / "records"
    make_small(source, options.records, 1)
    seconds = ingest(source, work / "home-records", memory)
    print(f"records: {seconds}")
    _remove(source, work / "home-records")
    return Figure(
        "bulk publication",
        options.records / seconds["publish"],
        "records/s",
        100,
        "higher",
        f"{options.records:,} records of one file: seal, publish, preserve, register, index, announce",
    )


def _remove(*folders: Path) -> None:
    subprocess.run(["rm", "-rf", *map(str, folders)], check=True)
    os.sync()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large-gib", type=int, default=8)
    parser.add_argument("--small", type=int, default=5000)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; default: the temporary folder")
    parser.add_argument("--keep", action="store_true", help="write the figures into docs/performance.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as folder:
        figures = measure(options, Path(folder))
    show(figures)
    if options.keep:
        keep(figures)


if __name__ == "__main__":
    main()
