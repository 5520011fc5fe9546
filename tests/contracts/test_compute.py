"""The contract of `ports.Compute`, for every implementation."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from pipeline import processes
from pipeline.compute import open_compute
from pipeline.errors import Misconfigured, Rejected, Unavailable
from pipeline.loopback import free_port
from pipeline.ports import Compute

# ------------------------------------------------------------ what runs on workers


@dataclass(frozen=True)
class Unit:
    number: int
    path: str = ""


def same(unit: Any) -> Any:
    return unit


def square(number: int) -> int:
    return number * number


def pid_of(_: int) -> int:
    return os.getpid()


def refuse(number: int) -> int:
    if number % 2:
        raise Rejected(f"{number} is odd", remedy="use even ones", field="number")
    raise ValueError(number)


def leave_a_mark(unit: Unit) -> int:
    time.sleep(0.05)
    Path(unit.path, str(unit.number)).touch()
    return unit.number


def be_killed_once(unit: Unit) -> int:
    """Unit 3 dies of `kill -9` the first time it runs."""
    with suppress(FileExistsError):
        if unit.number == 3:
            Path(unit.path, "killed").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return unit.number


def be_killed_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def linger(unit: Unit) -> int:
    """Says which process it runs in, and takes its time."""
    Path(unit.path, str(os.getpid())).touch()
    time.sleep(0.2)
    return unit.number


# ------------------------------------------------------------ implementations


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, processes.Process]]:
    """A Dask scheduler with two workers that nobody restarts, each started by hand."""
    address = f"tcp://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    command = ["--host", "127.0.0.1", "--port", port, "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    worker = [address, "--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    scratch = ["--local-directory", str(folder)]
    with ExitStack() as stack:
        process = stack.enter_context(running(folder, "distributed.cli.dask_scheduler", *command))
        for _ in range(2):
            stack.enter_context(running(folder, "distributed.cli.dask_worker", *worker, *scratch))
        yield address, process


@contextmanager
def running(folder: Path, module: str, *arguments: str) -> Iterator[processes.Process]:
    command = processes.python(module, *arguments)
    with processes.start(command, log=folder / "log", env=processes.environment({})) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def inline(folder: Path) -> Iterator[Compute]:
    yield open_compute("inline:", folder)


@contextmanager
def local(folder: Path) -> Iterator[Compute]:
    with closing(open_compute("local:2", folder)) as compute:
        yield compute


@contextmanager
def by_address(folder: Path) -> Iterator[Compute]:
    with scheduler(folder) as (address, _), closing(open_compute(address, folder)) as compute:
        wait_until(lambda: compute.slots() == 2)
        yield compute


IMPLEMENTATIONS = {"inline": inline, "local": local, "scheduler": by_address}


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def compute(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compute]:
    with IMPLEMENTATIONS[request.param](tmp_path_factory.mktemp("compute")) as implementation:
        yield implementation


@pytest.fixture(params=["local", "scheduler"])
def mortal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Compute]:
    """A compute of its own for the test, some of whose workers will die."""
    with IMPLEMENTATIONS[request.param](tmp_path / "compute") as implementation:
        yield implementation


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    # A process that nobody waits for any more is a zombie until init takes it: dead for our purpose.
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


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
    """After the generator was closed, units that were waiting never run."""
    units = [Unit(number, str(tmp_path)) for number in range(200)]
    results = compute.map_unordered(leave_a_mark, units, in_flight=200)
    next(results)
    results.close()  # type: ignore[attr-defined]
    time.sleep(1.0)
    ran = len(list(tmp_path.iterdir()))
    time.sleep(0.5)
    assert ran == len(list(tmp_path.iterdir())) < 100


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


# ------------------------------------------------------------ workers that die


def test_a_killed_worker_only_costs_time(mortal: Compute, tmp_path: Path) -> None:
    """A unit whose worker is killed while it runs is run again, and every unit comes back exactly once."""
    units = [Unit(number, str(tmp_path)) for number in range(20)]
    results = [(r.unit, r.result, r.error) for r in mortal.map_unordered(be_killed_once, units, in_flight=8)]
    assert (tmp_path / "killed").exists()
    assert sorted(results, key=lambda r: r[0].number) == [(unit, unit.number, None) for unit in units]


def test_workers_killed_from_outside_only_cost_time(tmp_path: Path) -> None:
    """With a worker killed every half second, every unit still comes back exactly once."""
    marks = tmp_path / "marks"
    marks.mkdir()
    units = [Unit(number, str(marks)) for number in range(24)]
    done: list[int | None] = []
    with local(tmp_path) as compute:
        for result in compute.map_unordered(linger, units, in_flight=4):
            assert result.error is None
            done.append(result.result)
            if len(done) % 8 == 4:
                worker = next(mark for mark in marks.iterdir() if alive(int(mark.name)))
                os.kill(int(worker.name), signal.SIGKILL)
    assert sorted(n for n in done if n is not None) == list(range(24))
    assert len(list(marks.iterdir())) > 2


def test_a_unit_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    """A unit that kills every worker comes back as unavailable; the others come back with their results."""
    with local(tmp_path) as compute:
        results = {r.unit: r for r in compute.map_unordered(be_killed_always, range(6), in_flight=2)}
    assert isinstance(results.pop(3).error, Unavailable)
    assert {unit: r.result for unit, r in results.items()} == {unit: unit for unit in (0, 1, 2, 4, 5)}


def test_a_lost_scheduler_is_unavailable(tmp_path: Path) -> None:
    """When the scheduler goes away during a run the call says so, instead of waiting for ever."""
    with scheduler(tmp_path) as (address, process), closing(open_compute(address, tmp_path)) as compute:
        results = compute.map_unordered(linger, [Unit(n, str(tmp_path)) for n in range(50)], in_flight=4)
        next(results)
        process.kill()
        with pytest.raises(Unavailable, match="scheduler"):
            list(results)
        with pytest.raises(Unavailable, match="scheduler"):
            compute.slots()


# ------------------------------------------------------------ what stays behind


def test_results_do_not_stay_on_the_cluster(tmp_path: Path) -> None:
    """The cluster forgets a result once it has been taken."""
    with scheduler(tmp_path) as (address, _), closing(open_compute(address, tmp_path)) as compute:
        results = compute.map_unordered(square, range(50), in_flight=4)
        for _ in range(30):
            next(results)
        with Client(address, set_as_default=False) as observer:
            wait_until(lambda: len(observer.who_has()) <= 4)
            list(results)
            wait_until(lambda: not observer.who_has())


def test_closing_leaves_no_process(tmp_path: Path) -> None:
    """The worker processes are gone when `close` returns, and they were others than ours."""
    with local(tmp_path) as compute:
        pids = {r.result for r in compute.map_unordered(pid_of, range(50), in_flight=8)}
    assert pids
    assert os.getpid() not in pids
    wait_until(lambda: not any(alive(pid) for pid in pids if pid), 5)


OWNER = """
import sys
from pathlib import Path
Path({folder!r}, "imported").open("a").write("once\\n")
if __name__ == "__main__":
    from pipeline.compute import open_compute
    from tests.contracts.test_compute import pid_of
    compute = open_compute("local:2", Path({folder!r}))
    pids = {{r.result for r in compute.map_unordered(pid_of, range(20), in_flight=8)}}
    print(*pids, flush=True)
    sys.stdin.read()
"""


@contextmanager
def owner(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A program that opens a local compute; yields it and the ids of its workers."""
    script = folder / "owner.py"
    script.write_text(OWNER.format(folder=str(folder)))
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=processes.environment({}),
    ) as process:
        try:
            assert process.stdout is not None
            yield process, [int(pid) for pid in process.stdout.readline().split()]
        finally:
            process.kill()


def test_workers_do_not_outlive_a_killed_owner(tmp_path: Path) -> None:
    """After `kill -9` of the program that opened it, the worker processes end by themselves."""
    with owner(tmp_path) as (process, workers):
        assert workers
        assert all(alive(pid) for pid in workers)
        process.kill()
        wait_until(lambda: not any(alive(pid) for pid in workers), 20)


def test_workers_do_not_run_the_program_that_owns_them(tmp_path: Path) -> None:
    """Workers do not import the main module of their owner, which in a flow run is Prefect."""
    with owner(tmp_path) as (_, workers):
        assert workers
    assert (tmp_path / "imported").read_text() == "once\n"


# ------------------------------------------------------------ opening


@pytest.mark.parametrize("url", ["", "local", "local:0", "local:many", "local:?n=2", "ftp://x", "inline:2"])
def test_an_unknown_url_is_refused(url: str, tmp_path: Path) -> None:
    """What is not in the table of URLs is the operator's to mend."""
    with pytest.raises(Misconfigured) as refused:
        open_compute(url, tmp_path)
    assert refused.value.field == "HEADRACE_COMPUTE"


def test_the_number_of_workers_is_in_the_url(tmp_path: Path) -> None:
    """`local:?workers=N` starts N workers of one unit each."""
    with closing(open_compute("local:?workers=3", tmp_path)) as compute:
        assert compute.slots() == 3


def test_a_scheduler_that_is_not_there_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address where nobody answers is unavailable, and the message names it."""
    monkeypatch.setattr("pipeline.compute.dask.CONNECT_TIMEOUT", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=address):
        open_compute(address, tmp_path)
