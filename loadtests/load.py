"""What the gateway of an instance bears: each figure is the median of three short runs. All of it takes a quarter of an
hour on two cores.

    python -m loadtests.load [--only NAME ...] [--records 100000] [--seconds 12] [--gateways N] [--home DIR] [--keep]

A new instance, or that of `--home`, is filled with generated records (`loadtests.filling`) and run by `headrace up`;
the users of `loadtests/locustfile.py` are let loose on it, on the same machine: what they cost is in every figure.
`--keep` writes docs/performance.json and docs/performance.md with its pictures. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from infra.local.gateway import instance
from infra.local.service import launched
from loadtests import figures, plots, users
from loadtests.depositing import client, depositor_token, draft
from loadtests.figures import Figure
from loadtests.file_server import file_server
from loadtests.filling import fill
from loadtests.options import options, tell, work_folder
from loadtests.sources import make_small
from loadtests.users import Asked
from loadtests.watching import Watch, command, processor_seconds
from pipeline import wiring
from pipeline.catalogue import outbox
from pipeline.catalogue import records as catalogue
from pipeline.model import EffectKind
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.store.root import preferred_algorithm

_MARK = "HEADRACE_LOAD_RUN"
_BLOCK = 1 << 20
_DEPOSIT, _RECORD, _SEARCH = "full deposit", "record JSON", "search, 10 hits"
_PATIENCE = 600.0


@dataclass(slots=True)
class Load:
    """An instance under load. `times` are how many requests of a figure took how many ms, `costs` what each of them
    took of the processors, with all that users ask besides."""

    folder: Path
    home: Path
    url: str
    token: str
    watch: Watch
    records: int
    seconds: float
    rounds: int
    mib: int
    gateways: int
    failures: int = 0
    requests: int = 0
    times: dict[str, Mapping[int, int]] = field(default_factory=dict)
    costs: dict[str, str] = field(default_factory=dict)

    def runs(self, name: str, user: str, tag: str, number: int) -> list[Asked]:
        """What came of the requests of that name in each run of so many users of a class, without time to think."""
        found: list[Asked] = []
        before, before_users = self._processor_seconds(), _processor_seconds_of_users()
        for _ in range(self.rounds):
            asked = self.let_loose([user], number, tags=[tag], think=0.0)
            if name not in asked:
                raise SystemExit(f"nobody came to {name}; {self.log} says why")
            found.append(asked[name])
        used, used_by_users = self._processor_seconds() - before, _processor_seconds_of_users() - before_users
        number_of_all = sum(one.number for one in found)
        self.costs[name] = (
            f"gateway {1000 * used / number_of_all:.2f} ms, users {1000 * used_by_users / number_of_all:.2f} ms each"
        )
        middle = sorted(found, key=lambda one: one.per_second)[len(found) // 2]
        self.times[f"{name}, {number} users"] = middle.times
        return found

    def let_loose(
        self, classes: Sequence[str], number: int, *, tags: Sequence[str] = (), think: float = 1.0
    ) -> dict[str, Asked]:
        """Users of these classes, for as long as a run lasts; what failed is counted."""
        asked = users.run(
            self.url,
            classes,
            users=number,
            seconds=self.seconds,
            tags=tags,
            think=think,
            token=self.token,
            log=self.log,
        )
        self.failures += users.failures(asked)
        self.requests += sum(one.number for one in asked.values())
        return asked

    def told(self, name: str, runs: Sequence[Asked]) -> dict[str, str]:
        """What stands beside a figure of requests of that name."""
        each = {f"run {number}": str(one) for number, one in enumerate(runs, 1)}
        return {**each, "processor time": self.costs[name]}

    def _processor_seconds(self) -> float:
        return sum(processor_seconds(pid) for pid in self.watch.pids() if command(pid) == "pipeline serve")

    @property
    def log(self) -> Path:
        """What users say."""
        return self.folder / "users.log"

    def how(self, what: str) -> str:
        """What was measured, with what all figures have in common."""
        return (
            f"{what}; against `headrace up` with {self.records:,} records, SQLite and store on disk, HEADRACE_GATEWAYS="
            f"{self.gateways}, users on the same cores; median of {self.rounds} runs of {self.seconds:g} s"
        )


def _processor_seconds_of_users() -> float:
    """Of those whose processes have ended, and of whatever else was run beside them."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values)


# ---------------------------------------------------------------- requests


def record_json(load: Load) -> Iterator[Figure]:
    runs = load.runs(_RECORD, "Reader", "record-json", 16)
    busy = load.let_loose(["Reader", "Depositor"], 18, tags=["record-json", "cycle"], think=0.0)
    yield Figure(
        "record JSON",
        _middle([one.per_second for one in runs]),
        "requests/s",
        1_000,
        "higher",
        load.how("16 users without pause, each time any of some 250 records, while nobody changes anything"),
        cache="warm",
        beside={
            **load.told(_RECORD, runs),
            "18 users, some of whom deposit": f"{_RECORD} {busy[_RECORD]}; {_DEPOSIT} {busy[_DEPOSIT]}",
        },
    )


def search(load: Load) -> Iterator[Figure]:
    runs = load.runs(_SEARCH, "Searcher", "facets", 8)
    how = load.how("a word of a title, 10 hits with all facets, 8 users without pause")
    of = f"search with facets, {load.records:,} records"
    yield Figure(
        of,
        _middle([one.per_second for one in runs]),
        "requests/s",
        150,
        "higher",
        how,
        cache="warm",
        beside=load.told(_SEARCH, runs),
    )
    yield Figure(
        f"{of}: p95", _middle([one.within(0.95) for one in runs]), "ms", 100, "lower", how, cache="warm"
    )


def deposits(load: Load) -> Iterator[Figure]:
    runs = load.runs(_DEPOSIT, "Depositor", "cycle", 16)
    yield Figure(
        "full deposits at 16 users",
        _middle([one.per_second for one in runs]),
        "cycles/s",
        60,
        "higher",
        load.how("an empty draft, its metadata, a file of 10 kB, publication; one of ten is looked at again"),
        cache="warm",
        digests=_digests(),
        beside=load.told(_DEPOSIT, runs),
    )


def beside_bulk(load: Load) -> Iterator[Figure]:
    """Few users, who do not need all of the machine by themselves."""
    alone = load.runs(_DEPOSIT, "Depositor", "cycle", 2)
    told = load.told(_DEPOSIT, alone)
    with _ingesting(load):
        beside = load.runs(_DEPOSIT, "Depositor", "cycle", 2)
    yield Figure(
        "deposits beside a bulk ingest: p95 ÷ without it",
        _middle([one.within(0.95) for one in beside]) / _middle([one.within(0.95) for one in alone]),
        "ratio",
        2,
        "lower",
        load.how("full deposits of 2 users without pause, while collections of small files are ingested"),
        cache="warm",
        digests=_digests(),
        beside={
            **{f"alone, {name}": said for name, said in told.items()},
            **{f"beside it, {name}": said for name, said in load.told(_DEPOSIT, beside).items()},
        },
    )


@contextmanager
def _ingesting(load: Load) -> Iterator[None]:
    """Collections are ingested one after the other, from the block's first moment to its last."""
    is_over, failed = threading.Event(), list[str]()
    first = _collection(load)

    def work() -> None:
        collection = first
        while not is_over.is_set():
            command = [sys.executable, "-m", "pipeline", "ingest", str(collection), "--json"]
            home = {**os.environ, "HEADRACE_HOME": str(load.home)}
            child = subprocess.Popen(command, env=home, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            _, said = child.communicate()
            if child.returncode != 0:
                failed.append(said.decode(errors="replace")[-2000:])
                return
            collection = _collection(load)

    worker = threading.Thread(target=work)
    worker.start()
    # Until its first files are read.
    time.sleep(10)
    try:
        yield
    finally:
        is_over.set()
        worker.join()
    if failed:
        raise SystemExit(f"a bulk ingest failed:\n{failed[0]}")


def _collection(load: Load) -> Path:
    folder = load.folder / f"bulk-{uuid.uuid4().hex[:12]}"
    make_small(folder, 10_000, 50)
    return folder


# ---------------------------------------------------------------- large files


def upload(load: Load) -> Iterator[Figure]:
    block = os.urandom(_BLOCK)
    seconds = {name: list[float]() for name in ("md5", preferred_algorithm())}
    took, at_once = list[float](), list[float]()
    with client(load.url, load.token) as asking:
        bucket = draft(asking, "A large file")["links"]["bucket"]
    for number in range(load.rounds):
        _await_examined(load)
        # In turn, for the machine may be faster at one time than at another.
        for name, each in seconds.items():
            each.append(_digest(name, block, load.mib))
        took.append(_put(load, f"{bucket}/{number}.bin", block))
        at_once.append(_put(load, f"{bucket}/{number}-next.bin", block))
    digests = {name: _middle(each) for name, each in seconds.items()}
    yield Figure(
        f"upload of {load.mib:,} MiB: wall ÷ its slower digest alone",
        _middle(took) / max(digests.values()),
        "ratio",
        1.3,
        "lower",
        load.how(
            "PUT into the bucket, from the first byte to the answer, durable, by a client on the same cores, "
            "once all that came before was looked into"
        ),
        cache="warm",
        digests=_digests(),
        beside={
            **{f"{name} alone": f"{each:.2f} s" for name, each in digests.items()},
            **{f"upload {number}": f"{each:.2f} s" for number, each in enumerate(took, 1)},
            "while the file before is looked into": ", ".join(f"{each:.2f} s" for each in at_once),
        },
    )


def _digest(name: str, block: bytes, mib: int) -> float:
    running_hash, begun = hashlib.new(name), time.perf_counter()
    for _ in range(mib):
        running_hash.update(block)
    return time.perf_counter() - begun


def _put(load: Load, url: str, block: bytes) -> float:
    """Seconds that an upload of the load's size takes. The client hands blocks to the system as they are: what it takes
    of the cores, which the gateway could use as well, is the system's copying and next to nothing besides."""
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {load.token}", "Content-Length": str(load.mib * len(block))}
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    try:
        begun = time.perf_counter()
        connection.request("PUT", parts.path, (block for _ in range(load.mib)), headers)
        answer = connection.getresponse()
        said = answer.read()
        seconds = time.perf_counter() - begun
    finally:
        connection.close()
    if answer.status != 201:
        raise SystemExit(f"{url} answered {answer.status}: {said[:500]!r}")
    load.requests += 1
    return seconds


def download(load: Load) -> Iterator[Figure]:
    """Of a draft's file, whose bytes take the same way as a record's."""
    file = load.folder / "served" / "large.bin"
    file.parent.mkdir()
    block = os.urandom(_BLOCK)
    with file.open("wb") as writer:
        for _ in range(load.mib):
            writer.write(block)
    with client(load.url, load.token) as asking:
        document = draft(asking, "A large file to be downloaded")
        _put(load, f"{document['links']['bucket']}/large.bin", block)
        asking.post(document["links"]["publish"]).raise_for_status()
    ours = f"{load.url}/api/records/{document['id']}/files/large.bin/content"
    with file_server(file, load.folder / "server.log") as (name, theirs):
        paces = {who: list[float]() for who in ("headrace", name)}
        # Both from the page cache: what was written to the one file lies there still, what was taken in by us does not.
        for url in (ours, theirs):
            _get(url, load.mib)
        for _ in range(load.rounds):
            # In turn, for the machine may be faster at one time than at another.
            paces["headrace"].append(_get(ours, load.mib))
            paces[name].append(_get(theirs, load.mib))
            load.requests += 1
    yield Figure(
        f"download of {load.mib:,} MiB ÷ {name}",
        _middle(paces["headrace"]) / _middle(paces[name]),
        "ratio",
        0.5,
        "higher",
        load.how(f"MB/s of one client on the same cores; {name} serves the same bytes from the same disk"),
        cache="warm",
        beside={who: ", ".join(f"{pace:,.0f} MB/s" for pace in each) for who, each in paces.items()},
    )


def _get(url: str, mib: int) -> float:
    """MB/s. Raises `SystemExit` where other than so many MiB come."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    try:
        begun = time.perf_counter()
        connection.request("GET", parts.path)
        answer, buffer, came = connection.getresponse(), bytearray(_BLOCK), 0
        while number := answer.readinto(buffer):
            came += number
        seconds = time.perf_counter() - begun
    finally:
        connection.close()
    if answer.status != 200 or came != mib << 20:
        raise SystemExit(f"{url} answered {answer.status} and {came:,} bytes")
    return came / 1e6 / seconds


def _digests() -> str:
    return f"md5, {preferred_algorithm()}"


# ---------------------------------------------------------------- all of it


def mixed(load: Load) -> Iterator[Figure]:
    """All kinds of users at once, who think as people do."""
    asked = load.let_loose(["Reader", "Searcher", "Harvester", "Depositor"], 60)
    slowest = max(asked.items(), key=lambda one: one[1].within(0.95))
    yield Figure(
        "a mix of 60 users who think: p95 of the slowest kind of request",
        slowest[1].within(0.95),
        "ms",
        5_000,
        "lower",
        f"readers, searchers, harvesters and depositors for {load.seconds:g} s; the slowest is: {slowest[0]}",
        cache="warm",
        beside={name: str(one) for name, one in sorted(asked.items())},
    )


def memory(load: Load) -> Iterator[Figure]:
    """Of all that was measured before."""
    peak = max(load.watch.samples, key=lambda one: one.memory)
    parts = load.watch.memory_by_command()
    yield Figure(
        "memory of all that headrace up started, under load",
        peak.memory / 1024,
        "GiB",
        1.5,
        "lower",
        f"PSS of {peak.processes} processes, the highest of all samples while the other figures were taken",
        cache="any",
        beside={name: f"{mib:,.0f} MiB" for name, mib in parts.items()},
    )


def errors(load: Load) -> Iterator[Figure]:
    """Of all that was measured before."""
    _await_search(load)
    yield Figure(
        "errors under all of the load",
        load.failures,
        "requests",
        0,
        "lower",
        f"of {load.requests:,} answers whose status and body were checked; search has every record in the end",
        cache="any",
    )


def _await_search(load: Load) -> None:
    """Wait until search has what the catalogue has. Raises `SystemExit` where it never does."""

    def missing(services: Services) -> str:
        with services.catalogue.read() as tx:
            published = catalogue.count(tx)
        found = services.index.count()
        return "" if found == published else f"search has {found:,} of {published:,} records"

    _await_none(load, missing)


def _await_examined(load: Load) -> None:
    """Wait until every file was looked into. Raises `SystemExit` where that never is so."""

    def unexamined(services: Services) -> str:
        with services.catalogue.read() as tx:
            waiting = sum(one.due for one in outbox.waiting(tx) if one.kind is EffectKind.EXAMINE)
        return f"files of {waiting:,} records wait to be looked into" if waiting else ""

    _await_none(load, unexamined)


def _await_none(load: Load, told: Callable[[Services], str]) -> None:
    """Wait until nothing is told any more. Raises `SystemExit` with what is told where that takes too long."""
    with wiring.open_services(Settings(home=load.home)) as services:
        deadline = time.monotonic() + _PATIENCE
        while found := told(services):
            if time.monotonic() > deadline:
                raise SystemExit(found)
            time.sleep(1)


FIGURES: Mapping[str, Callable[[Load], Iterator[Figure]]] = {
    "record-json": record_json,
    "search": search,
    "upload": upload,
    "download": download,
    "deposits": deposits,
    "beside-bulk": beside_bulk,
    "mixed": mixed,
    # Of all that went before.
    "memory": memory,
    "errors": errors,
}


def measure(names: Sequence[str], options: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """The figures of these names, as they are taken."""
    home, mark = options.home or folder / "home", uuid.uuid4().hex
    settings = Settings(home=home)
    token = depositor_token(settings, f"{mark}@pier.example")
    records = _filled(settings, options.records)
    up = instance(home, {_MARK: mark, "HEADRACE_GATEWAYS": str(options.gateways)})
    watch = Watch(_MARK, mark)
    load = Load(
        folder,
        home,
        up.url,
        token,
        watch,
        records,
        options.seconds,
        options.rounds,
        options.mib,
        options.gateways,
    )
    with ExitStack() as stack:
        stack.enter_context(launched(up, home / "up.log", start_seconds=180, stop_seconds=120))
        stack.enter_context(watch.watching())
        # What is filled in the first moments of a process is not what a figure is about.
        load.let_loose(["Reader", "Searcher"], 4, think=0.1)
        for name, take in FIGURES.items():
            if name in names:
                yield from take(load)
    if options.keep:
        _draw(load)


def _filled(settings: Settings, wanted: int) -> int:
    """How many records the instance has, which gets as many as are wanted where it has fewer."""
    begun = time.monotonic()
    with wiring.open_services(settings) as services:
        with services.catalogue.read() as tx:
            there = catalogue.count(tx)
        fill(services, max(0, wanted - there))
    print(f"{max(0, wanted - there):,} records in {time.monotonic() - begun:,.0f} s")
    return max(wanted, there)


def _draw(load: Load) -> None:
    """How long requests took, and the memory meanwhile."""
    folder = figures.DOCS / "images"
    lines = {name: _shares(times) for name, times in load.times.items()}
    plots.draw(
        folder / "performance-times.svg", "How long requests took", "ms", "% that took no longer", lines
    )
    first = load.watch.samples[0].at
    used = [(one.at - first, one.memory) for one in load.watch.samples]
    title = "Memory of all that headrace up started"
    plots.draw(folder / "performance-memory.svg", title, "s", "MiB (PSS)", {"all processes": used})


def _shares(times: Mapping[int, int]) -> list[tuple[float, float]]:
    """The share of requests, in percent, that took no longer than so many ms, up to 99."""
    total, passed, line = sum(times.values()), 0, list[tuple[float, float]]()
    for time_, number in sorted(times.items()):
        passed += number
        if passed <= 0.99 * total:
            line.append((float(time_), 100 * passed / total))
    return line


def main() -> None:
    """Measure, print and keep."""
    parser = options("loadtests.load")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES), metavar="NAME")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=12, help="of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=1024, help="size of large files")
    parser.add_argument(
        "--gateways",
        type=int,
        default=os.cpu_count(),
        help="processes of the gateway; default: as many as cores",
    )
    parser.add_argument(
        "--home", type=Path, help="of an instance that is to be used, and kept; default: a new one"
    )
    chosen = parser.parse_args()
    with work_folder(chosen) as folder:
        tell(_timed(measure(chosen.only, chosen, folder)), chosen)


def _timed(figures: Iterator[Figure]) -> Iterator[Figure]:
    """Each with the time that it came at before it."""
    begun = time.monotonic()
    for one in figures:
        print(f"after {time.monotonic() - begun:,.0f} s:", end=" ", flush=True)
        yield one


if __name__ == "__main__":
    main()
