"""The supervisor, with real processes. Each test's processes carry a marker of its own in their arguments."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.running import processes
from pipeline.running.guardian import surviving
from pipeline.running.supervisor import RestartPolicy

# What children do, given their marker and the test's folder as arguments.
SERVE = """
import pathlib, signal, sys, time
name, folder = sys.argv[1].rpartition("-")[2], pathlib.Path(sys.argv[2])
def stop(*_):
    with (folder / "stopped").open("a") as log: log.write(name + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
with (folder / "started").open("a") as log: log.write(name + "\\n")
print("serving", flush=True)
time.sleep(600)
"""
FAIL = """
import pathlib, sys
with (pathlib.Path(sys.argv[2]) / "started").open("a") as log: log.write("failing\\n")
sys.exit("no database")
"""
IGNORE = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1] + "-grandchild"])
open(sys.argv[2] + "/started", "a").write("ignoring\\n")
time.sleep(600)
"""
PROGRAM = """
import json, logging, sys
from pathlib import Path
from pipeline.running.supervisor import Child, RestartPolicy, Supervisor

def main(folder, children, policy):
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    def there(name):
        return lambda: (folder / name).exists()
    group = [Child(ready=there(awaits) if awaits else lambda: True, **child) for awaits, child in children]
    supervisor = Supervisor(
        group, folder / "logs", policy=RestartPolicy(**policy), on_ready=(folder / "ready").touch
    )
    return supervisor.run()

sys.exit(main(Path(sys.argv[1]), *json.loads(sys.argv[2])))
"""


@dataclass
class Group:
    """A supervisor under test: its process, its folder and the marker in its children's arguments."""

    process: subprocess.Popen[str]
    folder: Path
    marker: str

    def alive(self) -> list[str]:
        """Command lines of the test's processes that are alive, without the supervisor."""
        return [command for pid, command in commands(self.marker) if pid != self.process.pid]

    def lines(self, name: str) -> list[str]:
        with suppress(FileNotFoundError):
            return (self.folder / name).read_text().splitlines()
        return []

    def wait_ready(self) -> None:
        wait_until((self.folder / "ready").exists)

    def finish(self) -> tuple[int, str]:
        """Exit code and what was said on stderr."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said

    def pid_of(self, name: str) -> int:
        [pid] = [pid for pid, command in commands(self.marker) if command.split()[-2].endswith(f"-{name}")]
        return pid


def commands(marker: str) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            command = (folder / "cmdline").read_bytes().decode().replace("\0", " ").strip()
            if marker in command:  # a zombie has no command line
                yield int(folder.name), command


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Group]]:
    """Starts a supervisor over children given as (name, code, options); whatever is left is killed."""
    marker = f"marker-{uuid.uuid4().hex}"

    def start(*children: tuple[str, str, dict[str, Any]], **policy: float) -> Group:
        specified = []
        for name, code, options in children:
            argv = [sys.executable, "-c", code, f"{marker}-{name}", str(tmp_path)]
            awaits = options.pop("awaits", None)
            specified.append((awaits, {"name": name, "argv": argv, **options}))
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), json.dumps([specified, policy])],
            stderr=subprocess.PIPE,
            text=True,
            env=processes.environment({}),
        )
        return Group(process, tmp_path, marker)

    with ending(marker):
        yield start


@contextmanager
def ending(marker: str) -> Iterator[None]:
    try:
        yield
    finally:
        for pid, _ in commands(marker):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


Supervise = Callable[..., Group]


def test_children_start_in_order_and_stop_in_reverse(supervise: Supervise) -> None:
    """Each child starts when the one before is ready; SIGTERM stops the last first, with 0."""
    group = supervise(("one", SERVE, {"awaits": "permission"}), ("two", SERVE, {"awaits": "started"}))
    wait_until(lambda: group.lines("started") == ["one"])
    time.sleep(0.3)
    assert group.lines("started") == ["one"]
    (group.folder / "permission").touch()
    group.wait_ready()
    wait_until(lambda: group.lines("started") == ["one", "two"])
    group.process.terminate()
    code, _ = group.finish()
    assert code == 0
    assert group.lines("stopped") == ["two", "one"]
    assert group.alive() == []


def test_ctrl_c_stops_with_130(supervise: Supervise) -> None:
    """After SIGINT the children were stopped and the exit code is 130."""
    group = supervise(("one", SERVE, {"awaits": "started"}))
    group.wait_ready()
    group.process.send_signal(signal.SIGINT)
    assert group.finish()[0] == 130
    assert group.lines("stopped") == ["one"]
    assert group.alive() == []


def test_a_stop_while_starting_stops_what_was_started(supervise: Supervise) -> None:
    """A signal that comes before everything is ready stops at once; later children never start."""
    group = supervise(("one", SERVE, {"awaits": "never"}), ("two", SERVE, {}))
    wait_until(lambda: group.lines("started") == ["one"])
    group.process.terminate()
    assert group.finish()[0] == 0
    assert group.lines("started") == ["one"]
    assert not (group.folder / "ready").exists()
    assert group.alive() == []


def test_what_ignores_sigterm_is_killed_with_its_children(supervise: Supervise) -> None:
    """A child that does not stop within its grace is killed, its own children too."""
    group = supervise(("stubborn", IGNORE, {"awaits": "started", "grace": 0.3}))
    group.wait_ready()
    assert len(group.alive()) == 2
    group.process.terminate()
    assert group.finish()[0] == 0
    wait_until(lambda: group.alive() == [], 5)


def test_a_second_ctrl_c_kills_at_once(supervise: Supervise) -> None:
    """While a long grace runs, a second signal ends it."""
    group = supervise(("stubborn", IGNORE, {"awaits": "started", "grace": 600}))
    group.wait_ready()
    group.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert group.process.poll() is None
    group.process.send_signal(signal.SIGINT)
    assert group.finish()[0] == 130
    wait_until(lambda: group.alive() == [], 5)


def test_kill_9_of_the_supervisor_leaves_nothing(supervise: Supervise) -> None:
    """After `kill -9` of the supervisor its children end, and theirs, even those that ignore SIGTERM."""
    group = supervise(("one", SERVE, {"awaits": "started"}), ("stubborn", IGNORE, {}))
    group.wait_ready()
    wait_until(lambda: len(group.alive()) == 3)
    group.process.kill()
    group.finish()
    wait_until(lambda: group.alive() == [], 20)


def test_a_child_that_dies_is_started_again(supervise: Supervise) -> None:
    """A child that was killed runs again, and the others are left alone."""
    group = supervise(("one", SERVE, {"awaits": "started"}), ("two", SERVE, {}), first_delay=0.05)
    wait_until(lambda: sorted(group.lines("started")) == ["one", "two"])
    victim, other = group.pid_of("one"), group.pid_of("two")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: group.lines("started").count("one") == 2)
    assert group.pid_of("one") != victim
    assert group.pid_of("two") == other
    group.process.terminate()
    _, said = group.finish()
    assert "one ended with -9" in said


def test_what_a_dead_child_left_running_is_ended_before_it_is_started_again(supervise: Supervise) -> None:
    """The children of a child that died do not run beside its successor's."""
    group = supervise(("stubborn", IGNORE, {"awaits": "started", "grace": 0.1}), first_delay=0.05)
    group.wait_ready()
    wait_until(lambda: len(group.alive()) == 2)
    os.kill(group.pid_of("stubborn"), signal.SIGKILL)
    wait_until(lambda: len(group.lines("started")) == 2)
    assert len([command for command in group.alive() if command.endswith("grandchild")]) == 1
    group.process.terminate()
    assert group.finish()[0] == 0


def test_a_crash_loop_is_given_up_with_its_reason(supervise: Supervise) -> None:
    """A child that dies quickly again and again ends the group with 1; the message shows its last words."""
    group = supervise(
        ("sound", SERVE, {"awaits": "started"}), ("broken", FAIL, {}), quick_deaths=3, first_delay=0.01
    )
    code, said = group.finish()
    assert code == 1
    assert group.lines("started").count("failing") == 3
    assert "broken ended 3 times in a row, at last with 1" in said
    assert said.rstrip().endswith("no database")
    assert str(group.folder / "logs" / "broken.log") in said
    assert group.lines("stopped") == ["sound"]
    assert group.alive() == []


def test_a_child_that_is_not_essential_may_be_given_up(supervise: Supervise) -> None:
    """The group goes on without a child that keeps dying, when it is not essential."""
    broken = ("broken", FAIL, {"essential": False})
    group = supervise(broken, ("sound", SERVE, {"awaits": "started"}), quick_deaths=2, first_delay=0.01)
    group.wait_ready()
    wait_until(lambda: group.lines("started").count("failing") == 2 and "sound" in group.lines("started"))
    time.sleep(0.3)
    assert group.lines("started").count("failing") == 2
    group.process.terminate()
    code, said = group.finish()
    assert code == 0
    assert "broken ended 2 times" in said


def test_a_child_that_does_not_get_ready_ends_the_group(supervise: Supervise) -> None:
    """When a child is not ready in time the group is stopped with 1 and a message that names it."""
    group = supervise(("slow", SERVE, {"awaits": "never", "ready_timeout": 0.5}))
    code, said = group.finish()
    assert code == 1
    assert "slow was not ready after" in said
    assert group.alive() == []


def test_a_program_that_is_not_there_ends_the_group(supervise: Supervise) -> None:
    """A child that cannot be started at all is named, and the group ends with 1."""
    group = supervise(("sound", SERVE, {"awaits": "started"}), ("absent", "", {"argv": ["/no/such/program"]}))
    code, said = group.finish()
    assert code == 1
    assert "absent cannot be started" in said
    assert group.alive() == []


def test_output_goes_to_a_log_of_its_own(supervise: Supervise) -> None:
    """What a child writes is in its log, and nowhere else."""
    group = supervise(("one", SERVE, {"awaits": "started"}))
    group.wait_ready()
    log = group.folder / "logs" / "one.log"
    wait_until(lambda: log.read_text() == "serving\n")
    group.process.terminate()
    assert "serving" not in group.finish()[1]


def test_children_get_the_environment_with_their_additions(supervise: Supervise) -> None:
    """A child's environment is the supervisor's with the child's own entries on top."""
    show = "import os; print(os.environ['HOME'] == os.environ['OUR_HOME'], os.environ['MINE'], flush=True)\n"
    env = {"MINE": "yes", "OUR_HOME": os.environ["HOME"]}
    group = supervise(("one", show + SERVE, {"awaits": "started", "env": env}))
    group.wait_ready()
    wait_until(lambda: (group.folder / "logs" / "one.log").read_text().startswith("True yes"))
    group.process.terminate()
    assert group.finish()[0] == 0


@pytest.mark.parametrize(
    ("deaths", "delay"), [(0, 0.5), (1, 0.5), (2, 1.0), (3, 2.0), (8, 30.0), (9, None), (10, None)]
)
def test_each_restart_waits_longer(deaths: int, delay: float | None) -> None:
    """Delays double with every quick death in a row up to a limit; then there is no more restart."""
    assert RestartPolicy(quick_deaths=9).delay(deaths) == delay


def test_a_guardian_ends_only_what_was_not_taken_back() -> None:
    """Groups that are over, and a line torn by the owner's death, are left alone."""
    assert surviving(["+10\n", "+20\n", "-10\n", "+30\n", "-40\n", "+5"]) == {20, 30}
