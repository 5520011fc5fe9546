"""One record with very many files: what adding the last of them costs, publishing it, its pages and listings, and how
it comes into the storage root.

    python -m loadtests.bench_many_files [--files 100000] [--postgresql] [--folder DIR] [--keep]

A gateway process of its own is asked over HTTP; files that are not measured are put into the draft a thousand at a
time, since one after the other they would take half an hour. Then `headrace dispatch` does what is due. `--keep` writes
docs/performance.json and docs/performance.md. Nothing else should run meanwhile.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import httpx

from infra.local.gateway import gateway
from infra.local.postgres import postgres
from infra.local.service import Service, launched, running
from loadtests.depositing import client, depositor_token, draft, p95, spread
from loadtests.figures import Figure
from loadtests.options import options, tell, work_folder
from loadtests.running import peak
from pipeline import codec, wiring
from pipeline.catalogue import deposit_files, drafts, outbox, records
from pipeline.catalogue.deposit_files import FoundFile
from pipeline.ingest.digests import new_hashes
from pipeline.model import UNIDENTIFIED, FileOutcome, FileState, PlannedFile, ScanStatus, ScanVerdict
from pipeline.running import processes
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.store import layout

_BATCH = 1_000
_EARLY = range(900, 1_100)
_LATE = 200
_POLL = 0.5
_DRAFT, _PUBLISH, _LANDING, _LAST_PAGE = "draft", "publish", "landing page", "last page of it"
_NOT_SCANNED = ScanVerdict(ScanStatus.UNSCANNED, engine="")


@dataclass(slots=True)
class Measured:
    """Seconds of what was asked over HTTP, of each time; how long the dispatcher took, and its memory in MB."""

    early: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    answers: dict[str, list[float]] = field(default_factory=dict)
    preserved: float = 0.0
    all_done: float = 0.0
    memory: float = 0.0

    def took(self, *names: str) -> dict[str, str]:
        """The median time of each answer."""
        return {name: f"{statistics.median(self.answers[name]):.2f} s" for name in names}


def measure(settings: Settings, files: int, catalogue: str) -> Iterator[Figure]:
    """Make a record of so many files in a new instance: the figures, as they are taken. `catalogue` is the kind of
    database, which stands in their names. Raises `httpx.HTTPError` where something is refused."""
    measured = Measured()
    token = depositor_token(settings)
    service = gateway(settings.home, environment={"HEADRACE_DATABASE": settings.database})
    with (
        launched(service, settings.home / "gateway.log"),
        client(service.url, token) as asking,
        wiring.open_services(settings) as services,
    ):
        document = draft(asking, "Many files")
        record_id, bucket = document["id"], document["links"]["bucket"]
        last = range(files - _LATE, files)
        fill(services, record_id, range(_EARLY.start))
        measured.early = _send(asking, bucket, _EARLY)
        fill(services, record_id, range(_EARLY.stop, last.start))
        measured.late = _send(asking, bucket, last)
        _ask(asking, measured, _DRAFT, document["links"]["self"])
        _ask(asking, measured, "its bucket", bucket, times=1)
        measured.answers[_PUBLISH] = [_timed(asking, "POST", document["links"]["publish"])]
        _ask(asking, measured, _LANDING, f"/records/{record_id}")
        _ask(asking, measured, _LAST_PAGE, f"/records/{record_id}?after={_key(files - _BATCH)}")
        _ask(asking, measured, "record JSON", f"/api/records/{record_id}")
        _ask(asking, measured, "deposition", document["links"]["self"])
        _ask(asking, measured, "list of all files", f"/api/records/{record_id}/files", times=1)
        of = f"a record of {files:,} files, {catalogue}"
        yield from _answers(measured, of)
        _dispatch(services, settings, measured, record_id)
        yield _dispatcher(measured, of)


def fill(services: Services, record_id: int, numbers: Iterable[int]) -> None:
    """Put files of these numbers into the open draft of a record, as uploads leave them behind."""
    with services.catalogue.read() as tx:
        one = drafts.get(tx, record_id).deposit
    left = iter(numbers)
    while batch := list(islice(left, _BATCH)):
        contents = {_key(number): _content(number) for number in batch}
        # Of other folders than those of transfers, which count from one.
        places = {_key(number): layout.deposited_path(_key(number), (1 << 40) + number) for number in batch}
        services.store.put_many({layout.content(one.home, places[key]): contents[key] for key in contents})
        found = [FoundFile(one.id, key, key, len(bytes_), None, "", {}) for key, bytes_ in contents.items()]
        with services.catalogue.write() as tx:
            deposit_files.note_found(tx, found, run="")
            deposit_files.count(tx, [one.id])
            # A draft belongs to no accession.
            planned = deposit_files.planned(tx, None, below=1 << 40, after=0, limit=_BATCH)
            taken = [_outcome(services, each, contents[each.key], places[each.key]) for each in planned]
            deposit_files.settle(tx, taken, taken_at=services.now())
    # What is measured next is not to wait for these to be written.
    os.sync()


def _outcome(services: Services, file: PlannedFile, bytes_: bytes, content: str) -> FileOutcome:
    hashes = new_hashes([services.root_digest, "md5", *services.settings.digests])
    for one in hashes.values():
        one.update(bytes_)
    digests = {name: one.hexdigest() for name, one in hashes.items()}
    return FileOutcome(
        id=file.id,
        state=FileState.IN_CUSTODY,
        content=content,
        root_digest=digests[services.root_digest],
        digests=digests,
        identification=codec.identification_to_json(UNIDENTIFIED),
        scan=codec.verdict_to_json(_NOT_SCANNED),
    )


def _key(number: int) -> str:
    return f"measurement-{number:07}.csv"


def _content(number: int) -> bytes:
    return b"t,h\n%d,1\n" % number


# ---------------------------------------------------------------- asking


def _send(asking: httpx.Client, bucket: str, numbers: Iterable[int]) -> list[float]:
    return [_timed(asking, "PUT", f"{bucket}/{_key(number)}", _content(number)) for number in numbers]


def _ask(asking: httpx.Client, measured: Measured, name: str, url: str, *, times: int = 10) -> None:
    measured.answers[name] = [_timed(asking, "GET", url) for _ in range(times)]


def _timed(asking: httpx.Client, method: str, url: str, content: bytes = b"") -> float:
    began = time.perf_counter()
    asking.request(method, url, content=content).raise_for_status()
    return time.perf_counter() - began


# ---------------------------------------------------------------- what follows


def _dispatch(services: Services, settings: Settings, measured: Measured, record_id: int) -> None:
    environment = {"HEADRACE_HOME": str(settings.home), "HEADRACE_DATABASE": settings.database}
    command = tuple(processes.python("pipeline", "dispatch"))
    dispatcher = Service("dispatcher", command, "", lambda: True, environment=environment)
    began = time.perf_counter()
    with launched(dispatcher, settings.home / "dispatcher.log", stop_seconds=120) as process:
        _await(lambda: _is_preserved(services, record_id), process)
        measured.preserved = time.perf_counter() - began
        _await(lambda: _is_all_done(services), process)
        measured.all_done = time.perf_counter() - began
        measured.memory = peak(process.pid)


def _await(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not is_so():
        if process.poll() is not None:
            raise SystemExit(f"the dispatcher ended with {process.returncode}")
        time.sleep(_POLL)


def _is_preserved(services: Services, record_id: int) -> bool:
    with services.catalogue.read() as tx:
        return records.get(tx, record_id).staged is None


def _is_all_done(services: Services) -> bool:
    with services.catalogue.read() as tx:
        waiting = outbox.waiting(tx)
    if any(one.parked for one in waiting):
        raise SystemExit("an effect was parked; the dispatcher's log says why")
    return not waiting


# ---------------------------------------------------------------- figures


def _answers(m: Measured, of: str) -> list[Figure]:
    http = "over HTTP against a gateway process, store on disk"
    return [
        _figure(
            f"adding to {of}: the last ÷ the thousandth",
            p95(m.late) / p95(m.early),
            "ratio",
            1.2,
            f"p95 of {_LATE} uploads to the bucket, one after the other, {http}",
            {
                "around the thousandth": spread(m.early),
                "the last": spread(m.late),
                **m.took(_DRAFT, "its bucket"),
            },
        ),
        _figure(f"publishing {of}", m.answers[_PUBLISH][0], "s", 5.0, f"one answer, {http}"),
        _figure(
            f"landing page of {of}",
            p95(m.answers[_LANDING]),
            "s",
            0.5,
            f"p95 of {len(m.answers[_LANDING])} answers, {http}",
            m.took(_LANDING, _LAST_PAGE, "record JSON", "deposition", "list of all files"),
        ),
    ]


def _dispatcher(m: Measured, of: str) -> Figure:
    return _figure(
        f"peak memory of the dispatcher: {of}",
        m.memory,
        "MB",
        500,
        "VmHWM of `headrace dispatch` until the record is preserved, found, and each file looked into",
        {"preserved after": f"{m.preserved:.0f} s", "all done after": f"{m.all_done:.0f} s"},
    )


def _figure(
    name: str, value: float, unit: str, goal: float, how: str, beside: Mapping[str, str] | None = None
) -> Figure:
    return Figure(
        name, value, unit, goal, "lower", how, cache="warm", digests="md5, sha256", beside=beside or {}
    )


def main() -> None:
    """Measure, print and keep."""
    parser = options("loadtests.bench_many_files")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument(
        "--postgresql", action="store_true", help="the catalogue in a PostgreSQL of this machine"
    )
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder(chosen))
        database = _postgresql(stack, folder / "postgresql") if chosen.postgresql else ""
        settings = Settings(home=folder / "home", database=database)
        tell(measure(settings, chosen.files, "PostgreSQL" if chosen.postgresql else "SQLite"), chosen)


def _postgresql(stack: ExitStack, folder: Path) -> str:
    folder.mkdir()
    return stack.enter_context(running(postgres(folder), folder / "log"))


if __name__ == "__main__":
    main()
