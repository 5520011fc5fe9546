"""In which order units go out: a mix of huge and tiny files keeps all workers busy to the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.catalogue import accessions, deposit_files
from pipeline.catalogue.deposit_files import FoundFile
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.ingest.assignments import Assignments
from pipeline.ingest.custody import CustodyTerms, Unit
from pipeline.ingest.patience import Patience
from pipeline.ports import Note
from pipeline.settings import ScannerLocation, SourceLocation, StoreLocation
from tests.contracts import rows
from tests.contracts.computes import open_compute
from tests.instance import Instance, open_instance

pytestmark = pytest.mark.alone

WORKERS = 2
RATE = 100_000_000
"""Bytes a second that a worker reads in this test, where it sleeps instead."""
MB = 1_000_000
# Huge, large and tiny files, in the order in which a survey may find them: the huge ones last.
SIZES = [150_000] * 2000 + [12 * MB] * 10 + [60 * MB] * 2 + [190 * MB, 200 * MB, 640 * MB]


def sleep_as_long(unit: Unit, tell: Callable[[Note], None]) -> None:
    time.sleep(unit.size / RATE)


def wake(unit: Unit, tell: Callable[[Note], None]) -> None:
    """Load what the other one needs; long enough that each worker gets one."""
    time.sleep(2)


def seconds_at_best() -> float:
    """No order is done sooner: no worker ever idle, and no file on more than one."""
    return max(sum(SIZES) / WORKERS, *SIZES) / RATE


@pytest.fixture
def assignments(tmp_path: Path) -> Iterator[Assignments]:
    with open_instance(tmp_path / "home") as instance:
        yield planned(instance)


def planned(instance: Instance) -> Assignments:
    """An accession that is to read files of these sizes."""
    with instance.services.catalogue.write() as tx:
        rows.add_accession(tx)
        deposit_id = rows.add_deposit(tx)
        found = [
            FoundFile(deposit_id, f"{at}.dat", f"{at}.dat", size, 5, "5", {}) for at, size in enumerate(SIZES)
        ]
        deposit_files.note_found(tx, found, run="run")
        deposit_files.count(tx, [deposit_id])
        accessions.lease(tx, "a1", owner="nobody", now=rows.NOW, length=accessions.LEASE)
    terms = CustodyTerms(
        "a1", SourceLocation("/source"), StoreLocation(""), ScannerLocation("eicar:"), "sha256", ("md5",)
    )
    run = Run("run", "tides", "/source", IngestOptions())
    return Assignments(instance.services, run, terms, Patience(0))


def test_the_largest_go_first_and_the_small_fill_in(assignments: Assignments) -> None:
    """Each large file is a unit; the packs of small ones come behind all of them, but for one for each worker."""
    units = list(assignments.hand_out(WORKERS))
    alone = [unit.size for unit in units if len(unit.files) == 1]
    assert alone == sorted((size for size in SIZES if size >= 12 * MB), reverse=True)
    is_pack = [len(unit.files) > 1 for unit in units]
    assert is_pack[: 2 * WORKERS] == [False] * WORKERS + [True] * WORKERS
    assert is_pack[2 * WORKERS :] == sorted(is_pack[2 * WORKERS :])
    assert sum(len(unit.files) for unit in units) == len(SIZES)


def test_the_makespan_is_near_the_best(assignments: Assignments, tmp_path: Path) -> None:
    """On two real workers, within 15 % of what no order can do better."""
    with closing(open_compute(f"local:{WORKERS}", tmp_path / "workers")) as workers:
        waking = [Unit(assignments.terms, ())] * WORKERS
        for _ in workers.map_unordered(wake, waking, in_flight=WORKERS):
            pass
        began = time.monotonic()
        results = workers.map_unordered(
            sleep_as_long, assignments.hand_out(WORKERS), in_flight=2 * WORKERS + 1, tick=assignments.tick
        )
        read = sum(result.unit.size for result in results)
        took = time.monotonic() - began
    assert read == sum(SIZES)
    assert took <= 1.15 * seconds_at_best(), f"{took:.2f} s, {seconds_at_best():.2f} s at best"
