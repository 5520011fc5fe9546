"""What is made of the answers that users got, and of what processes used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtests import plots, users
from loadtests.soak import growth
from loadtests.users import Asked
from loadtests.watching import Watch, marked, processor_seconds, proportional


def _row(**ended: int) -> dict[str, object]:
    number = sum(ended.values())
    return {
        "name": "record JSON",
        "num_requests": number,
        "num_failures": 1,
        "response_times": {"2": number - 1, "900.0": 1},
        "num_reqs_per_sec": {second.removeprefix("s"): each for second, each in ended.items()},
    }


def test_the_pace_is_that_of_the_steady_seconds() -> None:
    """The first three seconds, in which users come, and the last, which is not whole, do not count; a second without an
    answer does."""
    row = _row(s100=1, s101=2, s102=3, s103=10, s104=10, s106=10, s107=10, s108=4)
    assert users._asked(row).per_second == pytest.approx(8.0)


def test_the_pace_of_a_short_run_is_that_of_all_of_it() -> None:
    """Else nothing would be left."""
    assert users._asked(_row(s100=4, s101=6)).per_second == pytest.approx(5.0)


def test_shares_of_requests_by_nearest_rank() -> None:
    """95 of 100 took no longer than p95."""
    asked = Asked(100, 0, 1.0, {10: 94, 20: 1, 300: 5})
    assert [asked.within(share) for share in (0.5, 0.94, 0.95, 0.951, 1.0)] == [10, 10, 20, 300, 300]


def test_processes_are_found_by_their_environment() -> None:
    """A child of a child too, with its memory and the time it took; nobody else."""
    mark, inner = f"load-{os.getpid()}", "import time; sum(range(10**6)); time.sleep(60)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    child = subprocess.Popen([sys.executable, "-c", outer], env={**os.environ, "TEST_MARK": mark})
    try:
        while len(found := list(marked("TEST_MARK", mark))) < 2:
            assert child.poll() is None
        watch = Watch("TEST_MARK", mark)
        sample = watch.take()
        assert sample.processes == 2
        assert 2 < sample.memory < 500
        assert sample.handles >= 6
        assert all(proportional(pid) > 0 for pid in found)
        assert processor_seconds(child.pid) >= 0
    finally:
        for pid in marked("TEST_MARK", mark):
            os.kill(pid, 9)
        child.wait()
    assert (proportional(child.pid), processor_seconds(child.pid)) == (0.0, 0.0)


def test_growth_leaves_out_what_is_filled_once() -> None:
    """What rises in the first quarter alone is flat, what rises on and on is not."""
    filled = [(float(at), 100.0 if at >= 10 else at * 10.0) for at in range(40)]
    leaking = [(float(at), 100.0 + at) for at in range(40)]
    assert growth(filled)[0] == pytest.approx(1.0)
    assert growth(leaking)[0] > 1.1


def test_a_picture_names_its_lines(tmp_path: Path) -> None:
    """It is well-formed, whatever is in the names."""
    path = tmp_path / "images" / "one.svg"
    plots.draw(path, "Times", "ms", "%", {"a <b>": [(0, 0), (5, 100)], "none": []})
    texts = [one.text for one in ElementTree.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text")]
    assert {"Times", "ms", "%", "a <b>", "none"} <= set(texts)
