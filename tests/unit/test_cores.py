"""Which core a worker's threads keep to."""

from __future__ import annotations

import os
import threading

import pytest

from pipeline.running.cores import on_own_core, shared_out

CORES = sorted(os.sched_getaffinity(0))


def cores_of_a_new_thread() -> set[int]:
    found: list[set[int]] = []
    thread = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
    thread.start()
    thread.join()
    return found[0]


def test_as_many_workers_as_cores_have_one_each() -> None:
    """No two of them are given the same."""
    given = [set(environment.values()) for environment in shared_out(len(CORES))]
    assert set.union(*given) == {str(core) for core in CORES}
    assert all(len(one) == 1 for one in given)


@pytest.mark.parametrize("number", [len(CORES) - 1, len(CORES) + 1])
def test_fewer_or_more_workers_are_left_free(number: int) -> None:
    """Where others share the machine the system knows better."""
    assert shared_out(number) == [{}] * number


def test_threads_keep_to_the_core_while_they_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are started meanwhile, too; later ones may run anywhere again."""
    [environment, *_] = shared_out(len(CORES))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with on_own_core():
        assert cores_of_a_new_thread() == os.sched_getaffinity(0) == {CORES[0]}
    assert cores_of_a_new_thread() == os.sched_getaffinity(0) == set(CORES)


@pytest.mark.parametrize("core", ["", "many", "100000"])
def test_a_core_that_is_none_binds_nobody(monkeypatch: pytest.MonkeyPatch, core: str) -> None:
    """A core may be taken from a process while it runs."""
    monkeypatch.setenv("HEADRACE_CORE", core)
    with on_own_core():
        assert os.sched_getaffinity(0) == set(CORES)
