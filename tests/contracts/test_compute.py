"""The contract of `ports.Compute`, for every implementation."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.errors import Interrupted, Misconfigured, Rejected, Unavailable
from pipeline.ports import Compute, Note
from pipeline.running import processes
from pipeline.running.loopback import LOOPBACK, free_port
from tests.contracts.computes import (
    IMPLEMENTATIONS,
    Unit,
    ask_on_and_on,
    leave_a_mark,
    mark_and_stay,
    open_compute,
    pid_of,
    refuse,
    report,
    same,
    square,
    tell_and_wait,
    wait_until,
)


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def compute(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compute]:
    with IMPLEMENTATIONS[request.param](tmp_path_factory.mktemp("compute")) as implementation:
        yield implementation


# ------------------------------------------------------------ the contract


def test_every_unit_has_its_result(compute: Compute) -> None:
    """Each unit comes back once, with the function's result."""
    results = {r.unit: r.result for r in compute.map_unordered(square, range(40), in_flight=6)}
    assert results == {number: number * number for number in range(40)}


def test_nothing_to_do_is_done(compute: Compute) -> None:
    """No units, no results."""
    assert list(compute.map_unordered(square, [], in_flight=4)) == []


@pytest.mark.parametrize(
    "unit", [Unit(1, "a"), (1, "two"), ["x", ("y",)], {"key": Unit(2)}, "text", b"bytes", None], ids=repr
)
def test_units_and_results_travel_as_they_are(compute: Compute, unit: object) -> None:
    """Whatever can be pickled goes to a worker and comes back equal."""
    [result] = compute.map_unordered(same, [unit], in_flight=1)
    assert (result.unit, result.result, result.error) == (unit, unit, None)


def test_equal_units_are_separate_units(compute: Compute, tmp_path: Path) -> None:
    """Units that are equal each run: nothing is answered from an earlier run."""
    assert [r.result for r in compute.map_unordered(square, [7, 7, 7], in_flight=2)] == [49, 49, 49]
    for _ in range(2):
        assert [r.result for r in compute.map_unordered(leave_a_mark, [Unit(0, str(tmp_path))], in_flight=1)]
        (tmp_path / "0").unlink()


def test_a_failing_unit_comes_back_with_its_error(compute: Compute) -> None:
    """An exception of the function is that unit's `error`, with all it says; others are not touched."""
    results = {r.unit: r for r in compute.map_unordered(refuse, range(4), in_flight=4)}
    assert {unit: type(r.error) for unit, r in results.items()} == {
        0: ValueError,
        1: Rejected,
        2: ValueError,
        3: Rejected,
    }
    rejected = results[1].error
    assert isinstance(rejected, Rejected)
    assert (rejected.message, rejected.remedy, rejected.field) == ("1 is odd", "use even ones", "number")
    assert all(r.result is None for r in results.values())


def test_units_are_drawn_only_as_room_appears(compute: Compute) -> None:
    """However long the supply, no more than `in_flight` units are drawn ahead of the results taken."""
    drawn = 0

    def supply() -> Iterator[int]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn

    results = compute.map_unordered(square, supply(), in_flight=3)
    for taken in range(1, 20):
        next(results)
        assert drawn < taken + 3
    results.close()  # type: ignore[attr-defined]


def test_nothing_is_drawn_before_a_result_is_asked_for(compute: Compute) -> None:
    """Calling is not running: the first unit is drawn when the first result is."""
    units = iter(range(3))
    results = compute.map_unordered(square, units, in_flight=2)
    assert next(units) == 0
    assert sorted(r.unit for r in results) == [1, 2]


def test_a_supply_that_fails_says_so(compute: Compute) -> None:
    """An error of the units' iterator is raised to the caller, after the results that were there."""

    def supply() -> Iterator[int]:
        yield 1
        raise Unavailable("the manifest cannot be read")

    results = compute.map_unordered(square, supply(), in_flight=1)
    assert next(results).result == 1
    with pytest.raises(Unavailable, match="manifest"):
        next(results)


def test_closing_cancels_what_has_not_begun(compute: Compute, tmp_path: Path) -> None:
    """After the generator was closed, units that were waiting never run: not even before those of a later call."""
    units = [Unit(number, str(tmp_path)) for number in range(200)]
    results = compute.map_unordered(mark_and_stay, units, in_flight=200)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(list(compute.map_unordered(square, range(40), in_flight=40))) == 40
    assert len(list(tmp_path.iterdir())) <= 1 + compute.slots()


def test_calls_do_not_mix(compute: Compute) -> None:
    """Two threads may use one compute at once; each gets its own results."""

    def run(start: int) -> list[int | None]:
        units = range(start, start + 20)
        return sorted(r.result or 0 for r in compute.map_unordered(same, units, in_flight=4))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, [100, 200])) == [list(range(100, 120)), list(range(200, 220))]


def test_it_says_what_it_is(compute: Compute) -> None:
    """There is room for at least one unit, and a sentence for people."""
    assert compute.slots() >= 1
    assert compute.describe()


# ------------------------------------------------------------ while a unit is under way


def test_notes_are_heard_before_the_result(compute: Compute) -> None:
    """What a unit tells, from whichever thread, reaches the caller's thread as plain JSON, in order, and before the
    unit's result or error."""
    heard: dict[int, list[Note]] = {}
    threads = set()

    def hear(note: Note) -> None:
        threads.add(threading.get_ident())
        heard.setdefault(note["unit"], []).append(note)

    for result in compute.map_unordered(report, range(30), in_flight=8, on_note=hear):
        notes = [{"unit": result.unit, "step": n, "parts": [[1, "etag"]], "none": None} for n in range(4)]
        assert heard.pop(result.unit) == notes
        assert (result.error is None) == (result.unit != 3)
    assert not heard
    assert threads == {threading.get_ident()}


def test_a_note_is_heard_while_its_unit_runs(compute: Compute, tmp_path: Path) -> None:
    """Notes do not wait for the end of their unit, which for a large file is hours away."""
    file = tmp_path / "heard"
    [result] = compute.map_unordered(tell_and_wait, [str(file)], in_flight=1, on_note=lambda _: file.touch())
    assert result.result is True


def test_it_ticks_while_a_unit_runs(compute: Compute, tmp_path: Path) -> None:
    """The caller's `tick` is called several times a second while it waits: this unit ends at the fourth."""
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) == 4:
            (tmp_path / "ticked").touch()

    [result] = compute.map_unordered(tell_and_wait, [str(tmp_path / "ticked")], in_flight=1, tick=tick)
    assert result.result is True
    assert ticks[3] - ticks[0] < 3


def test_a_unit_under_way_learns_that_nobody_waits_for_it(compute: Compute, tmp_path: Path) -> None:
    """Once the call is over, `tell` raises in a unit that still runs, also where it has nothing to tell."""

    def stop() -> None:
        if (tmp_path / "begun").exists():
            raise Interrupted("asked to stop")

    with pytest.raises(Interrupted, match="asked to stop"):
        list(compute.map_unordered(ask_on_and_on, [str(tmp_path)], in_flight=1, tick=stop))
    wait_until((tmp_path / "learned").exists, 10)


def test_nothing_listens_beyond_this_machine(compute: Compute) -> None:
    """Scheduler and workers, and whoever keeps them, are reached over the loopback interface alone."""
    workers = {r.result for r in compute.map_unordered(pid_of, range(20), in_flight=4)} - {os.getpid()}
    ours = [one for one in psutil.Process().children(recursive=True) if "python" in one.name()]
    all_ = {psutil.Process(pid) for pid in workers if pid} | set(ours)
    places = {
        socket.laddr.ip
        for process in all_
        for socket in process.net_connections("inet")
        if socket.status == psutil.CONN_LISTEN
    }
    assert places <= {LOOPBACK, "::1"}
    assert bool(places) == bool(workers)


@pytest.mark.parametrize("callback", ["tick", "on_note"])
def test_an_error_of_a_callback_ends_the_call(compute: Compute, callback: str) -> None:
    """What `tick` or `on_note` raises reaches the caller, who may then use the compute anew."""

    def stop(*_: object) -> None:
        raise Interrupted("asked to stop")

    callbacks: dict[str, Any] = {callback: stop}
    with pytest.raises(Interrupted, match="asked to stop"):
        list(compute.map_unordered(report, range(3), in_flight=1, **callbacks))
    assert [r.result for r in compute.map_unordered(square, [4], in_flight=1)] == [16]


def test_a_process_is_told_apart_from_its_workers(compute: Compute, request: pytest.FixtureRequest) -> None:
    """Units run in other processes, but for `inline:`."""
    pids = {r.result for r in compute.map_unordered(pid_of, range(10), in_flight=4)}
    assert (os.getpid() in pids) == ("inline" in request.node.name)


def test_workers_give_way_to_others(compute: Compute, request: pytest.FixtureRequest) -> None:
    """What people wait for goes before units: as processes, and where Linux shares out cores by sessions, as these.
    `inline:` has no workers."""
    pids = {r.result for r in compute.map_unordered(pid_of, range(10), in_flight=4)} - {os.getpid(), None}
    assert bool(pids) == ("inline" not in request.node.name)
    behind = min(19, psutil.Process().nice() + processes.BEHIND_OTHERS)
    assert {psutil.Process(pid).nice() for pid in pids} <= {behind}
    shares = [Path(f"/proc/{pid}/autogroup") for pid in pids]
    assert {one.read_text().split()[-1] for one in shares if one.exists()} <= {str(processes.BEHIND_OTHERS)}


# ------------------------------------------------------------ opening


@pytest.mark.parametrize(
    "url",
    [
        *("", "local", "local:0", "local:many", "local:?n=2", "ftp://x", "inline:2"),
        *(
            "slurm",
            "slurm:8",
            "slurm:?jobs=0",
            "slurm:?jobs=many",
            "slurm:?nodes=2",
            "slurm:?memory=4",
        ),
        *("slurm:?one_machine=perhaps", "slurm:?queue=a;b", "slurm:?directive=x%0Ay"),
    ],
)
def test_an_unknown_url_is_refused(url: str, tmp_path: Path) -> None:
    """What is not in the table of URLs is the operator's to mend."""
    with pytest.raises(Misconfigured) as refused:
        open_compute(url, tmp_path)
    assert refused.value.field == "HEADRACE_COMPUTE"


def test_the_number_of_workers_is_in_the_url(tmp_path: Path) -> None:
    """`local:?workers=N` starts N workers of one unit each."""
    with closing(open_compute("local:?workers=3", tmp_path)) as compute:
        assert compute.slots() == 3


@pytest.mark.parametrize(
    "given", [{}, {"CA_FILE": "none.pem", "CLIENT__CERT": "none.pem"}], ids=["none", "lost"]
)
def test_tls_needs_certificates(given: dict[str, str], tmp_path: Path) -> None:
    """Where those are missing the operator is told so, and the process ends."""
    program = (
        "import sys; from pipeline import wiring; from pipeline.settings import load_settings\n"
        "try: wiring.open_compute(load_settings(compute='tls://127.0.0.1:1', home=sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error.field, error.message)"
    )
    variables = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in given.items()}
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=processes.environment(variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert answer.stdout.startswith("Misconfigured HEADRACE_COMPUTE tls:// needs certificates")


def test_a_scheduler_that_is_not_there_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address where nobody answers is unavailable, and the message names it."""
    monkeypatch.setattr("pipeline.compute.dask.CONNECT_TIMEOUT", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=address):
        open_compute(address, tmp_path)
