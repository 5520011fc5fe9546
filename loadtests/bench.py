"""The figures of ingests that Headrace promises, and what they are compared with, measured in the same run.

    python -m loadtests.bench [--only NAME ...] [--short] [--folder DIR] [--keep]

What is ingested goes through `headrace ingest`: the flow, worker processes, every step and durability on. `--short`
takes small sizes: a few minutes that show that everything runs, whose figures mean little. `--keep` writes
docs/performance.json and docs/performance.md. Nothing else should run meanwhile.

Nothing is deleted before the end but a few large files: for minutes after thousands of files were deleted, ext4 leads
each new one past the inodes that they had, and small files would pay for the benchmark itself.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.buckets import make_bucket
from infra.local.clamd import clamd
from infra.local.seaweedfs import seaweedfs
from infra.local.service import running
from loadtests import bare, machine, shell, workers
from loadtests.bench_survey import make_tree
from loadtests.figures import Figure
from loadtests.options import options, tell, work_folder
from loadtests.running import Memory, ingest, plan
from loadtests.sources import make_cold, make_large, make_small
from pipeline.flows.server import standing_server
from pipeline.settings import StoreLocation

_KEYS = ("benchmark", "benchmark-of-this-machine")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: large files and MiB of each, small files, records, large files, MiB of each and small files
    of a mix, GiB of generated files, MiB of large parts, files of a survey."""

    large: tuple[int, int] = (8, 1024)
    small: int = 5_000
    records: int = 2_000
    mixed: tuple[int, int, int] = (4, 1024, 2_000)
    generated_gib: tuple[float, ...] = (1, 30)
    part_mib: int = 512
    surveyed: int = 1_000_000
    rounds: int = 3


SHORT = Sizes((2, 128), 500, 100, (2, 256, 300), (0.25, 1), 64, 20_000, 1)


@dataclass(slots=True)
class Bench:
    """One run: its folder and sizes, the servers that were needed so far, the memory of the ingests so far."""

    folder: Path
    sizes: Sizes
    stack: ExitStack
    memory: Memory = field(default_factory=Memory)
    _bucket: bare.Bucket | None = None
    _made: int = 0

    def new(self, name: str) -> Path:
        """A path that nothing has yet."""
        self._made += 1
        return self.folder / f"{name}-{self._made}"

    def large(self) -> Path:
        """The large files, made once."""
        folder = self.folder / "large"
        if not folder.exists():
            make_large(folder, *self.sizes.large)
        return folder

    def small(self) -> Path:
        """The small files, made once."""
        folder = self.folder / "small"
        if not folder.exists():
            make_small(folder, self.sizes.small, 50)
        return folder

    def mixed(self) -> Path:
        """Large and small files, made once."""
        folder, (large, mib, small) = self.folder / "mixed", self.sizes.mixed
        if not folder.exists():
            make_large(folder, large, mib)
            make_small(folder, small, 50)
        return folder

    def tree(self) -> Path:
        """The tiny files of a survey, made once."""
        folder = self.folder / "tree"
        if not folder.exists():
            make_tree(folder, self.sizes.surveyed)
        return folder

    def bucket(self) -> bare.Bucket:
        """A bucket on a SeaweedFS that runs from now on to the end, with keys to it in the environment."""
        if self._bucket is None:
            service = seaweedfs(self.new("seaweedfs"), *_KEYS)
            endpoint = self.stack.enter_context(running(service, self.folder / "seaweedfs.log"))
            self.stack.enter_context(_environment(AWS_ACCESS_KEY_ID=_KEYS[0], AWS_SECRET_ACCESS_KEY=_KEYS[1]))
            make_bucket(endpoint, "bench", *_KEYS)
            self._bucket = bare.Bucket(endpoint, "bench")
        return self._bucket

    def location(self) -> StoreLocation:
        """A place of its own in the bucket."""
        bucket = self.bucket()
        return StoreLocation(
            f"s3://{bucket.name}/{self.new('store').name}",
            bucket.endpoint,
            s3_path_style=True,
            s3_trusted_network=True,
        )

    def ingest(
        self,
        source: Path,
        location: StoreLocation | None = None,
        *,
        home: Path | None = None,
        **settings: str,
    ) -> dict[str, float]:
        """Ingest the source, cold, into a new instance with its own store or one at the location and with more
        settings, named as in the environment; seconds by stage."""
        make_cold(source)
        return ingest(source, home or self.new("home"), self.memory, {**_settings(location), **settings})


def _settings(location: StoreLocation | None) -> Mapping[str, str]:
    if location is None:
        return {}
    return {
        "HEADRACE_STORE": location.url,
        "HEADRACE_S3_ENDPOINT": location.s3_endpoint,
        "HEADRACE_S3_PATH_STYLE": "true",
        "HEADRACE_S3_TRUSTED_NETWORK": "true",
    }


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


# ---------------------------------------------------------------- large files


def large_local(bench: Bench) -> Iterator[Figure]:
    """Both in turn, several rounds: the median of the quotients."""
    source, quotients, said = bench.large(), list[float](), dict[str, str]()
    for number in range(bench.sizes.rounds):
        make_cold(source)
        target, home = bench.new("bare"), bench.new("home")
        loop = bare.loop(_files(source), target, _cores())
        _remove(target)
        ours = bench.ingest(source, home=home)["total"]
        _remove(home)
        quotients.append(ours / loop)
        said[f"round {number + 1}"] = f"bare loop {loop:.1f} s, ingest {ours:.1f} s"
    yield Figure(
        "large files: ingest ÷ bare loop",
        statistics.median(quotients),
        "ratio",
        1.25,
        "lower",
        f"{_large(bench)}; median of {bench.sizes.rounds} rounds",
        digests=bare.DIGESTS,
        beside=said,
    )


def large_s3(bench: Bench) -> Iterator[Figure]:
    """The server is on the same cores, for all alike."""
    source = bench.large()
    make_cold(source)
    peers = bare.uploads(_files(source), bench.bucket(), _cores())
    ours = bench.ingest(source, bench.location())["total"]
    yield Figure(
        "large files to S3: ingest ÷ fastest bare uploader",
        ours / min(peers.values()),
        "ratio",
        1.2,
        "lower",
        f"{_large(bench)}; SeaweedFS on the same cores; uploaders with the same digests beside them",
        digests=bare.DIGESTS,
        beside={"ingest": f"{ours:.1f} s", **{name: f"{seconds:.1f} s" for name, seconds in peers.items()}},
    )


def _large(bench: Bench) -> str:
    number, mib = bench.sizes.large
    return f"{number} files of {mib:,} MiB"


# ---------------------------------------------------------------- small files, records


def small_local(bench: Bench) -> Iterator[Figure]:
    yield _small(bench, "small files: all steps, durable", 800, bench.ingest(bench.small()))


def small_s3(bench: Bench) -> Iterator[Figure]:
    name = "small files to S3: all steps, durable"
    yield _small(bench, name, 300, bench.ingest(bench.small(), bench.location()))


def _small(bench: Bench, name: str, goal: float, seconds: Mapping[str, float]) -> Figure:
    return Figure(
        name,
        bench.sizes.small / seconds["total"],
        "files/s",
        goal,
        "higher",
        f"{bench.sizes.small:,} files of 4-64 KiB in records of 50, survey to announcement, {_cores()} cores",
        digests=f"{bare.DIGESTS}, xxh3-128",
        beside={stage: f"{value:.1f} s" for stage, value in seconds.items()},
    )


def records(bench: Bench) -> Iterator[Figure]:
    """From the last file in custody to the last record announced."""
    source = bench.new("records")
    make_small(source, bench.sizes.records, 1)
    seconds = bench.ingest(source)
    yield Figure(
        "bulk publication",
        bench.sizes.records / seconds["publish"],
        "records/s",
        100,
        "higher",
        f"{bench.sizes.records:,} records of one file: seal, publish, preserve, register, index, announce",
        digests=f"{bare.DIGESTS}, xxh3-128",
        beside={stage: f"{value:.1f} s" for stage, value in seconds.items()},
    )


# ---------------------------------------------------------------- the shell


def against_shell(bench: Bench) -> Iterator[Figure]:
    name = "against the shell: commands one by one ÷ ingest"
    yield _against_shell(bench, name, 2.5, {}, "no virus scanner on either side")


def against_clamdscan(bench: Bench) -> Iterator[Figure]:
    """One clamd for both, asked over its Unix socket; without its cache, or all that it would do with a file
    that it called clean before is to take its digest."""
    folder = bench.new("clamd")
    folder.mkdir()
    address = str(folder / "socket")
    with running(clamd(folder, LocalSocket=address, DisableCache="yes"), folder / "log"):
        yield _against_shell(
            bench,
            "against the shell with clamdscan: commands one by one ÷ ingest",
            1.8,
            shell.scanning(bench.mixed(), folder / "clamd.conf"),
            "the same clamd for both, with two signatures and no cache",
            HEADRACE_SCANNER=f"clamd://{address}",
        )


def _against_shell(
    bench: Bench, name: str, goal: float, scans: Mapping[str, list[str]], how: str, **settings: str
) -> Figure:
    """Both in turn, several rounds: the median of the quotients. Of `scans`, which do the same, the first counts; what
    the quotient would be with another is told."""
    source, quotients, said = bench.mixed(), list[float](), dict[str, str]()
    for number in range(bench.sizes.rounds):
        target, home = bench.new("copied"), bench.new("home")
        log = bench.folder / "shell.log"
        theirs = shell.one_after_the_other(source, shell.commands(source, target), log)
        scanned = shell.one_after_the_other(source, scans, log)
        _remove_large(target)
        os.sync()
        ours = bench.ingest(source, home=home, HEADRACE_DIGESTS="md5", **settings)["total"]
        _remove_large(home)
        rest = sum(theirs.values())
        ratios = {scan: (rest + seconds) / ours for scan, seconds in scanned.items()} or {"": rest / ours}
        counted, *others = ratios.items()
        quotients.append(counted[1])
        told = "".join(f"; with {scan} {ratio:.2f}" for scan, ratio in others)
        said[f"round {number + 1}"] = f"{_seconds({**theirs, **scanned})}, ingest {ours:.1f} s{told}"
    return Figure(
        name,
        statistics.median(quotients),
        "ratio",
        goal,
        "higher",
        f"{_mixed(bench)}; {how}; the ingest durable and published, the shell's copy not flushed;"
        f" median of {bench.sizes.rounds} rounds",
        cache="cold before every command",
        digests=bare.DIGESTS,
        beside=said,
    )


def against_bagit(bench: Bench) -> Iterator[Figure]:
    """Both in turn, several rounds: the median of the quotients. The files of a bag are hard links: what makes it one
    moves them."""
    source, quotients, said = bench.mixed(), list[float](), dict[str, str]()
    cores = sorted(os.sched_getaffinity(0))[:2]
    for number in range(bench.sizes.rounds):
        bag = bench.new("bag")
        subprocess.run(["cp", "--recursive", "--link", str(source), str(bag)], check=True)
        theirs = shell.bagging(bag, bench.folder / "shell.log")
        units = workers.units(source)
        os.sync()
        make_cold(source)
        ours = workers.seconds(units, bench.new("forgotten"), cores, disk=workers.Forgetful)
        quotients.append(sum(theirs.values()) / ours)
        said[f"round {number + 1}"] = f"{_seconds(theirs)}, two workers {ours:.1f} s"
    yield Figure(
        "against bagit.py: make and verify ÷ digests of an intake",
        statistics.median(quotients),
        "ratio",
        1.5,
        "higher",
        f"{_mixed(bench)}; `--processes 2`, two reads, against one by two workers into a store that keeps nothing,"
        f" with identification; median of {bench.sizes.rounds} rounds",
        cache="cold before every command",
        digests=bare.DIGESTS,
        beside=said,
    )


def _mixed(bench: Bench) -> str:
    large, mib, small = bench.sizes.mixed
    return f"{large} files of {mib:,} MiB and {small:,} of 4-64 KiB"


def _seconds(by_command: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in by_command.items())


# ---------------------------------------------------------------- workers


def two_workers(bench: Bench) -> Iterator[Figure]:
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two workers want two cores")
    units = workers.units(bench.small())
    make_cold(bench.small())
    one = workers.seconds(units, bench.new("one"), cores[:1])
    make_cold(bench.small())
    two = workers.seconds(units, bench.new("two"), cores)
    yield Figure(
        "two workers ÷ one, each pinned to one core",
        one / two,
        "ratio",
        1.8,
        "higher",
        f"{bench.sizes.small:,} files of 4-64 KiB into custody in one local store, without the flow",
        digests=bare.DIGESTS,
        beside={"one": f"{one:.1f} s", "two": f"{two:.1f} s"},
    )


def worker_memory(bench: Bench) -> Iterator[Figure]:
    how = "a file of zeros through one worker into a local store that keeps nothing"
    for gib in bench.sizes.generated_gib:
        value = workers.peak_of_generated(bench.new("generated"), int(gib * (1 << 30)))
        yield _peak(f"peak memory of a worker: a file of {gib:g} GiB", value, how)
    part = bench.sizes.part_mib
    value = workers.peak_of_large_parts(bench.new("parts"), 3 * part << 20, part << 20, bench.location())
    yield _peak(
        f"peak memory of a worker: parts of {part} MiB to S3", value, f"a file of {3 * part:,} MiB of zeros"
    )


def ingest_memory(bench: Bench) -> Iterator[Figure]:
    if not bench.memory.flow:
        bench.ingest(bench.small())
    if not bench.memory.worker:
        raise SystemExit("no worker of the ingest was seen")
    how = "VmHWM in all ingests of this run"
    yield _peak("peak memory of a worker", bench.memory.worker, how)
    yield _peak("peak memory of the flow process", bench.memory.flow, how, goal=500)


def plans(bench: Bench) -> Iterator[Figure]:
    """Of a tree that the catalogue knows nothing of: everything in it is to be read."""
    tree, home = bench.tree(), bench.new("home")
    took, peak = plan(tree, home, bench.new("plan.parquet"))
    number = f"{bench.sizes.surveyed:,} files"
    how = "headrace plan, from the command to its end: survey, decisions, duplicates, estimates, the plan on disk"
    yield Figure(f"plan of {number}", took / 60, "minutes", 10, "lower", how, cache="warm")
    yield Figure(f"peak memory of a plan of {number}", peak, "MB", 500, "lower", how, cache="warm")


def flow_memory(bench: Bench) -> Iterator[Figure]:
    command = [sys.executable, "-m", "loadtests.bench_survey", "--survey", str(bench.tree())]
    answer = subprocess.run(
        [*command, str(bench.new("home"))], stdout=subprocess.PIPE, text=True, check=False
    )
    found = json.loads(answer.stdout)
    yield Figure(
        f"peak memory of the flow process: {bench.sizes.surveyed:,} files",
        found["peak_rss_mb_after_plan"],
        "MB",
        500,
        "lower",
        "survey and plan, by a process that has loaded what the flow has",
        cache="warm",
        beside={
            "survey": f"{found['survey_seconds']} s",
            "plan": f"{found['plan_seconds']} s",
            "after the survey": f"{found['peak_rss_mb_after_survey']} MB",
        },
    )


def _peak(name: str, value: float, how: str, *, goal: float = 300) -> Figure:
    return Figure(name, value, "MB", goal, "lower", how, cache="any", digests=bare.DIGESTS)


# ---------------------------------------------------------------- the run


FIGURES: Mapping[str, Callable[[Bench], Iterator[Figure]]] = {
    "small-local": small_local,
    "small-s3": small_s3,
    "records": records,
    "two-workers": two_workers,
    "large-local": large_local,
    "large-s3": large_s3,
    "shell": against_shell,
    "bagit": against_bagit,
    "worker-memory": worker_memory,
    "ingest-memory": ingest_memory,
    "plans": plans,
    "flow-memory": flow_memory,
    # Last, since it needs what `make bench` cannot install.
    "clamdscan": against_clamdscan,
}


def measure(names: list[str], sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """The figures of these names, as they are taken, in the order in which they disturb each other least."""
    with ExitStack() as stack:
        server = stack.enter_context(standing_server(folder / "prefect"))
        stack.enter_context(_environment(PREFECT_API_URL=server.api_url))
        bench = Bench(folder, sizes, stack)
        for name, take in FIGURES.items():
            if name in names:
                yield from take(bench)


def _files(source: Path) -> list[Path]:
    return sorted(source.rglob("*.bin"))


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _remove(folder: Path) -> None:
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    os.sync()


def _remove_large(folder: Path) -> None:
    subprocess.run(["find", str(folder), "-type", "f", "-size", "+8M", "-delete"], check=True)


def main(chosen: Sequence[str] = ()) -> None:
    """Measure what is asked for by `--only`, else what is `chosen`, else everything."""
    parser = options("loadtests.bench", __doc__)
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(chosen or FIGURES), metavar="NAME")
    parser.add_argument("--short", action="store_true", help="small sizes")
    asked = parser.parse_args()
    if asked.keep and asked.short:
        parser.error("figures of --short are not worth keeping")
    # Identification sets these for the Go in its own process; servers and peers in Go would inherit them.
    for variable in ("GOMAXPROCS", "GOGC"):
        os.environ.pop(variable, None)
    print("machine:", ", ".join(f"{name} {value}" for name, value in machine.describe().items()))
    with work_folder(asked) as folder:
        tell(measure(asked.only, SHORT if asked.short else Sizes(), folder), asked)


if __name__ == "__main__":
    main()
