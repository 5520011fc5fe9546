"""Workers and schedulers that die, leave, come and come back: losses cost time, not work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client, Security

from infra.local.dask import dask_scheduler, dask_workers
from infra.local.service import running
from pipeline.compute.dask import ATTEMPTS
from pipeline.compute.standing import standing_address
from pipeline.errors import Unavailable
from pipeline.ports import Compute, Note
from pipeline.running import processes
from pipeline.running.loopback import free_port
from tests.contracts.computes import (
    IMPLEMENTATIONS,
    Unit,
    alive,
    be_killed_always,
    be_killed_once,
    get_on_a_little,
    linger,
    local,
    open_compute,
    pid_of,
    sleep,
    square,
    started,
    wait_until,
)


@pytest.fixture(params=["local", "scheduler", "slurm"])
def mortal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compute]:
    """A compute of its own for the test, some of whose workers will die."""
    with IMPLEMENTATIONS[request.param](tmp_path_factory.mktemp("mortal")) as implementation:
        yield implementation


def again(unit: Unit) -> Unit:
    return replace(unit, attempt=unit.attempt + 1)


# ------------------------------------------------------------ workers that die


def test_a_killed_worker_only_costs_time(mortal: Compute, tmp_path: Path) -> None:
    """A unit whose worker is killed while it runs goes out again, renewed, as may one whose result was still there;
    every unit comes back exactly once."""
    units = [Unit(number, str(tmp_path)) for number in range(20)]
    results = list(mortal.map_unordered(be_killed_once, units, in_flight=8, renew=again))
    assert (tmp_path / "killed").exists()
    assert all(r.error is None for r in results)
    attempts = {r.unit.number: (r.unit.attempt, r.result) for r in results}
    assert len(results) == len(attempts) == 20
    assert attempts.pop(3) == (2, 2)
    assert set(attempts.values()) <= {(1, 1), (2, 2)}


def test_workers_killed_from_outside_only_cost_time(tmp_path: Path) -> None:
    """With one worker after the other killed, every unit still comes back exactly once."""
    marks = tmp_path / "marks"
    marks.mkdir()
    units = [Unit(number, str(marks)) for number in range(16)]
    done: list[int | None] = []
    with local(tmp_path) as compute:
        for result in compute.map_unordered(linger, units, in_flight=4):
            assert result.error is None
            done.append(result.result)
            if len(done) % 8 == 4:
                worker = next(mark for mark in marks.iterdir() if alive(int(mark.name)))
                os.kill(int(worker.name), signal.SIGKILL)
    assert sorted(n for n in done if n is not None) == list(range(16))
    assert len(list(marks.iterdir())) > 2


def test_a_unit_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    """A unit that killed four workers comes back as unavailable; the others come back with their results."""
    marks = tmp_path / "marks"
    marks.mkdir()
    units = [Unit(number, str(marks)) for number in range(6)]
    with local(tmp_path) as compute:
        results = {r.unit.number: r for r in compute.map_unordered(be_killed_always, units, in_flight=2)}
    assert isinstance(results.pop(3).error, Unavailable)
    assert {number: r.result for number, r in results.items()} == {
        number: number for number in (0, 1, 2, 4, 5)
    }
    assert len(list(marks.iterdir())) == 4


def test_a_unit_that_gets_on_is_not_given_up(tmp_path: Path) -> None:
    """However often its workers die, a unit that tells something new each time goes on: it is no killer of workers."""
    heard: list[Note] = []
    with local(tmp_path) as compute:
        [result] = compute.map_unordered(
            get_on_a_little, [Unit(0)], in_flight=1, on_note=heard.append, renew=again
        )
    assert result.result == ATTEMPTS + 2
    assert heard == [{"attempt": attempt} for attempt in range(1, ATTEMPTS + 3)]


def test_a_scheduler_with_other_settings_only_costs_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler that gives a dead worker's unit to another by itself runs it as it was; all come back once."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "3")
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION", "1.1")
    units = [Unit(number, str(tmp_path)) for number in range(20)]
    with IMPLEMENTATIONS["scheduler"](tmp_path) as compute:
        results = list(compute.map_unordered(be_killed_once, units, in_flight=8, renew=again))
    assert (tmp_path / "killed").exists()
    assert sorted((r.unit.number, r.result) for r in results) == [(number, 1) for number in range(20)]


# ------------------------------------------------------------ workers that come and go


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler to which each test brings its own workers."""
    with running(dask_scheduler(), tmp_path_factory.mktemp("scheduler") / "log") as address:
        yield address


def test_workers_that_come_are_used(scheduler: str, tmp_path: Path) -> None:
    """Workers that join while units are out get work at once, and `slots` counts them."""
    marks = tmp_path / "marks"
    marks.mkdir()
    with (
        running(dask_workers(tmp_path, scheduler, 1), tmp_path / "first.log"),
        closing(open_compute(scheduler, tmp_path)) as compute,
    ):
        results = compute.map_unordered(linger, (Unit(n, str(marks)) for n in range(1000)), in_flight=1000)
        next(results)
        assert len(list(marks.iterdir())) == compute.slots() == 1
        with running(dask_workers(tmp_path, scheduler, 2), tmp_path / "second.log"):
            used = 1
            while used < 3 and next(results).result < 60:
                used = len(list(marks.iterdir()))
            assert used == compute.slots() == 3
            results.close()  # type: ignore[attr-defined]


def test_units_wait_while_all_workers_are_gone(scheduler: str, tmp_path: Path) -> None:
    """Without a worker units wait and the caller ticks; workers that come go on with them."""
    ticks: list[int] = []
    with closing(open_compute(scheduler, tmp_path)) as compute:
        workers = running(dask_workers(tmp_path, scheduler, 1), tmp_path / "workers.log", stop_seconds=40)
        with workers:
            results = compute.map_unordered(
                sleep, [0.2] * 12, in_flight=1000, tick=lambda: ticks.append(compute.slots())
            )
            assert next(results).result == 0.2
        # Stopped in order, they take their units with them.
        wait_until(lambda: compute.slots() == 0)
        done = 1
        with running(dask_workers(tmp_path, scheduler, 1), tmp_path / "more.log"):
            done += sum(result.result == 0.2 for result in results)
        assert done == 12


# ------------------------------------------------------------ schedulers that die


@pytest.mark.alone
def test_a_lost_scheduler_is_unavailable(tmp_path: Path) -> None:
    """When the scheduler goes away during a run the call says so, instead of waiting for ever."""
    service = dask_scheduler()
    with (
        started(service, tmp_path / "log") as process,
        started(dask_workers(tmp_path, service.url, 1), tmp_path / "workers.log"),
        closing(open_compute(service.url, tmp_path)) as compute,
    ):
        results = compute.map_unordered(linger, [Unit(n, str(tmp_path)) for n in range(50)], in_flight=4)
        next(results)
        process.kill()
        killed = time.monotonic()
        with pytest.raises(Unavailable, match="scheduler"):
            list(results)
        with pytest.raises(Unavailable, match="scheduler"):
            compute.slots()
        assert time.monotonic() - killed < 10


def test_workers_come_back_when_their_scheduler_does(tmp_path: Path) -> None:
    """Workers of `headrace worker --scheduler` outlive a scheduler that is killed, and join the one that is started
    in its place."""
    service = dask_scheduler(port=free_port())
    command = processes.python("pipeline", "worker", "--scheduler", service.url, "--workers", "2")
    environment = processes.environment({"HEADRACE_HOME": str(tmp_path / "home")})
    with processes.start(command, log=tmp_path / "workers.log", env=environment) as workers:
        pids: list[set[int | None]] = []
        for _ in range(2):
            with started(service, tmp_path / "log"), closing(open_compute(service.url, tmp_path)) as compute:
                wait_until(lambda: compute.slots() == 2)
                pids.append({r.result for r in compute.map_unordered(pid_of, range(40), in_flight=8)})
        processes.ask_to_end(workers)
        assert workers.wait(30) == 0
    assert len(pids[0]) == len(pids[1]) == 2
    wait_until(lambda: not any(alive(pid) for pid in pids[0] | pids[1] if pid), 5)


@contextmanager
def standing_worker(home: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[psutil.Process]]]:
    """`headrace worker` with one worker, and the processes that it has started."""
    command = processes.python("pipeline", "worker", "--workers", "1")
    environment = processes.environment({"HEADRACE_HOME": str(home)})
    with processes.start(command, log=log, env=environment) as worker:
        wait_until(lambda: standing_address(home) is not None)
        yield worker, psutil.Process(worker.pid).children(recursive=True)


def test_workers_of_an_instance_end_with_their_scheduler(tmp_path: Path) -> None:
    """Where the process of `headrace worker` is killed, which is their scheduler's, no worker is left, and nobody is
    sent to the scheduler that was."""
    home = tmp_path / "home"
    with standing_worker(home, tmp_path / "log") as (worker, children):
        assert len(children) == 2  # the worker, and the guardian
        worker.kill()
    assert standing_address(home) is None
    wait_until(lambda: not any(alive(one.pid) for one in children), 20)


def test_headrace_worker_ends_in_order(tmp_path: Path) -> None:
    """SIGTERM ends the workers with it."""
    home = tmp_path / "home"
    with standing_worker(home, tmp_path / "log") as (worker, children):
        processes.ask_to_end(worker)
        assert worker.wait(30) == 0
    assert standing_address(home) is None
    assert not any(alive(one.pid) for one in children)


# ------------------------------------------------------------ over TLS


def test_scheduler_and_workers_speak_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With certificates in Dask's own configuration scheduler, workers and we speak TLS; whoever has a certificate of
    another authority, or none, is not let in."""
    ours, strangers = certificates(tmp_path / "ours"), certificates(tmp_path / "strangers")
    for name, value in ours.items():
        monkeypatch.setenv(f"DASK_{name.replace('.', '__').replace('-', '_').upper()}", value)
    with (
        dask.config.set(ours),
        running(dask_scheduler(tls=True), tmp_path / "scheduler.log") as address,
        running(dask_workers(tmp_path, address, 1), tmp_path / "workers.log"),
    ):
        assert address.startswith("tls://")
        with closing(open_compute(address, tmp_path)) as compute:
            results = [r.result for r in compute.map_unordered(square, range(10), in_flight=4)]
        assert sorted(results) == [number * number for number in range(10)]
        monkeypatch.setattr("pipeline.compute.dask.CONNECT_TIMEOUT", 1)
        for place in (address, address.replace("tls://", "tcp://")):
            with (
                dask.config.set(strangers),
                pytest.raises(Unavailable, match="does not answer"),
            ):
                open_compute(place, tmp_path)


def certificates(folder: Path) -> dict[str, str]:
    """Certificates of an authority of their own, as Dask's configuration."""
    folder.mkdir()
    made = Security.temporary()
    files = {"ca-file": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    for name, text in files.items():
        (folder / name).write_text(text)
    roles = {
        f"distributed.comm.tls.{role}.{name}": str(folder / name)
        for role in ("scheduler", "worker", "client")
        for name in ("cert", "key")
    }
    return {"distributed.comm.tls.ca-file": str(folder / "ca-file"), **roles}


# ------------------------------------------------------------ what stays behind


def test_results_do_not_stay_on_the_cluster(scheduler: str, tmp_path: Path) -> None:
    """The cluster forgets a result once it has been taken."""
    with (
        running(dask_workers(tmp_path, scheduler, 1), tmp_path / "workers.log"),
        closing(open_compute(scheduler, tmp_path)) as compute,
    ):
        results = compute.map_unordered(square, range(50), in_flight=4)
        for _ in range(30):
            next(results)
        with Client(scheduler, set_as_default=False) as observer:
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
    from tests.contracts.computes import open_compute, pid_of
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


def test_workers_neither_outlive_nor_run_their_owner(tmp_path: Path) -> None:
    """After `kill -9` of the program that opened it, the worker processes end by themselves. Nor did they import its
    main module, which in a flow run is Prefect."""
    with owner(tmp_path) as (process, workers):
        assert workers
        assert all(alive(pid) for pid in workers)
        process.kill()
        wait_until(lambda: not any(alive(pid) for pid in workers), 20)
    assert (tmp_path / "imported").read_text() == "once\n"
