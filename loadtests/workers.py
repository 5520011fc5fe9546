"""Workers alone, without scheduler and flow: how they share a machine, and what memory one file costs them.

Each runs in a process of its own, which is spawned as Dask's are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec

from loadtests.running import peak
from pipeline import wiring
from pipeline.ingest.custody import CustodyTerms, Unit, take_unit
from pipeline.model import FileState, PlannedFile
from pipeline.ports import ObjectStore
from pipeline.settings import ScannerLocation, SourceLocation, StoreLocation
from pipeline.store.disk import Disk
from pipeline.store.local import LocalStore
from pipeline.store.root import preferred_algorithm
from pipeline.store.transfer import IN_PARTS_FROM

P = ParamSpec("P")

_FILES = 256


class Forgetful(Disk):
    """Keeps no byte, so that a file may be larger than the disk."""

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        os.lseek(descriptor, len(block), os.SEEK_CUR)


def units(source: Path) -> list[Unit]:
    """The files below `source` in units as the flow hands them out: those that go in parts each alone."""
    location = SourceLocation(str(source))
    terms = CustodyTerms(
        "bench", location, StoreLocation(""), ScannerLocation("eicar:"), preferred_algorithm(), ("md5",)
    )
    paths = sorted(path for path in source.rglob("*.*") if path.name != "record.json")
    files = [_planned(source, number, path) for number, path in enumerate(paths, start=1)]
    small = [file for file in files if file.size < IN_PARTS_FROM]
    return [
        *(Unit(terms, (file,)) for file in files if file.size >= IN_PARTS_FROM),
        *(Unit(terms, tuple(small[first : first + _FILES])) for first in range(0, len(small), _FILES)),
    ]


def _planned(source: Path, number: int, path: Path) -> PlannedFile:
    found, key = path.stat(), path.relative_to(source).as_posix()
    return PlannedFile(
        id=number,
        deposit_id=1,
        record_id=1,
        record="",
        path=key,
        key=key,
        size=found.st_size,
        stamp=str(found.st_mtime_ns),
        declared={},
        place=f"staging/1/content/{key}",
    )


def seconds(work: Sequence[Unit], folder: Path, cores: Sequence[int], *, disk: type[Disk] = Disk) -> float:
    """How long as many workers as there are `cores`, each pinned to one of them, take for the units, which they share
    out, into one store on such a `disk`."""
    with ProcessPoolExecutor(len(cores), mp_context=get_context("spawn")) as pool:
        list(pool.map(_import, cores))  # all of them are there before the clock starts
        shares = [list(work[first :: len(cores)]) for first in range(len(cores))]
        started = time.perf_counter()
        list(pool.map(_pinned, shares, [folder] * len(cores), cores, [disk] * len(cores)))
        return time.perf_counter() - started


def _import(_: int) -> None:
    # To unpickle this function is to import this module; the wait keeps one process from answering for all.
    time.sleep(1)


def _pinned(work: Iterable[Unit], folder: Path, core: int, disk: type[Disk]) -> None:
    os.sched_setaffinity(0, {core})
    with closing(LocalStore(folder, disk())) as store:
        for unit in work:
            _take(store, unit)


def peak_of_generated(folder: Path, size: int) -> float:
    """MB that a worker has resident at most for a file of `size` bytes, all zeros, into a local store that forgets
    it."""
    return _alone(_generated, folder, size)


def _generated(folder: Path, size: int) -> None:
    with closing(LocalStore(folder / "store", Forgetful())) as store:
        _take_sparse(store, folder, size)


def peak_of_large_parts(folder: Path, size: int, part_size: int, location: StoreLocation) -> float:
    """The same into S3, in parts of `part_size` bytes."""
    return _alone(_in_large_parts, folder, size, part_size, location)


def _in_large_parts(folder: Path, size: int, part_size: int, location: StoreLocation) -> None:
    from pipeline.store.s3.store import S3Store

    with closing(S3Store(location, least_part=part_size)) as store:
        _take_sparse(store, folder, size)


def _take_sparse(store: ObjectStore, folder: Path, size: int) -> None:
    source = folder / "source"
    source.mkdir(parents=True)
    with (source / "zeros.bin").open("wb") as file:
        file.truncate(size)
    for unit in units(source):
        _take(store, unit)


def _take(store: ObjectStore, unit: Unit) -> None:
    reports = take_unit(
        store,
        wiring.open_scanner(unit.terms.scanner),
        wiring.open_tree(unit.terms.source),
        unit,
        lambda _: None,
    )
    if any(report.outcome.state is not FileState.IN_CUSTODY for report in reports):
        raise SystemExit(f"not in custody: {[one.problem for one in reports if one.problem]}")


def _alone(job: Callable[P, None], *arguments: P.args, **options: P.kwargs) -> float:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(job, *arguments, **options).result()
        return pool.submit(_own_peak).result()


def _own_peak() -> float:
    return peak(os.getpid())
