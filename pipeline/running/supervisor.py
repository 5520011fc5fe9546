"""Runs a group of processes in the foreground: starts them in order, restarts what dies, stops them all."""

import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pipeline.running import processes
from pipeline.running.guardian import Guardian, guardian

logger = logging.getLogger(__name__)

POLL = 0.1
"""Seconds between looks at the children."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run. `env` is set on top of our environment; `ready` says, without raising, whether it
    does its work yet; after `grace` seconds a process that was asked to stop is killed. A child that is not
    `essential` may be given up while the others go on."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    ready_timeout: float = 60.0
    grace: float = 20.0
    essential: bool = True


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a child that died is started again: each time later, and not at all after `quick_deaths` in a row
    that came within `quick` seconds of a start."""

    quick: float = 10.0
    quick_deaths: int = 5
    first_delay: float = 0.5
    longest_delay: float = 30.0

    def delay(self, quick_deaths: int) -> float | None:
        """Seconds to wait after so many quick deaths in a row; None: give up."""
        if quick_deaths >= self.quick_deaths:
            return None
        return min(self.longest_delay, self.first_delay * 2.0 ** max(0, quick_deaths - 1))


class Supervisor:
    """Runs `children` until a signal stops them or one of them cannot be kept running.

    What each child writes goes to `<log_dir>/<name>.log`. `kill -9` of the supervisor ends the children too.
    """

    def __init__(
        self,
        children: Sequence[Child],
        log_dir: Path,
        *,
        policy: RestartPolicy = RestartPolicy(),
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._members = [_Member(child, log_dir / f"{child.name}.log") for child in children]
        self._guardian_log = log_dir / "guardian.log"
        self._policy = policy
        self._on_ready = on_ready
        self._asked: list[signal.Signals] = []

    def run(self) -> int:
        """Start the children in order, each when the one before is ready; call `on_ready`; keep them running.

        On SIGTERM, SIGINT or SIGHUP stop them in reverse order; a second signal kills them at once. To be
        called in the main thread. Returns the exit code: 0 after SIGTERM or SIGHUP, 130 after SIGINT, 1 when
        a child did not get ready or died again and again (logged, with the end of its log).
        """
        with self._listening(), guardian(self._guardian_log) as watch:
            try:
                self._supervise(watch)
            except _Asked as asked:
                return 130 if asked.signal is signal.SIGINT else 0
            except _Failed as failure:
                logger.error("%s", failure)
                return 1
            finally:
                self._stop(watch)

    def _supervise(self, watch: Guardian) -> NoReturn:
        for member in self._members:
            self._bring_up(member, watch)
        self._on_ready()
        while True:
            self._rest()
            for member in self._members:
                self._tend(member, watch)

    def _bring_up(self, member: "_Member", watch: Guardian) -> None:
        deadline = time.monotonic() + member.child.ready_timeout
        member.start(watch)
        while not (member.runs() and member.child.ready()):
            if time.monotonic() > deadline:
                self._bear(member, f"was not ready after {member.child.ready_timeout:.0f} s")
                return
            self._rest()
            self._tend(member, watch)
            if member.given_up:
                return

    def _tend(self, member: "_Member", watch: Guardian) -> None:
        """See that the child runs, or will run again."""
        if member.restart_at is not None and time.monotonic() >= member.restart_at:
            member.start(watch)
        elif member.process is not None and not member.runs():
            self._bury(member, watch)

    def _bury(self, member: "_Member", watch: Guardian) -> None:
        lived = member.lived()
        status = member.reap(watch)
        member.quick_deaths = member.quick_deaths + 1 if lived < self._policy.quick else 0
        delay = self._policy.delay(member.quick_deaths)
        if delay is not None:
            logger.warning("%s ended with %s; starting it again in %.1f s", member.child.name, status, delay)
            member.restart_at = time.monotonic() + delay
            return
        member.given_up = True
        self._bear(member, f"ended {member.quick_deaths} times in a row, at last with {status}")

    def _bear(self, member: "_Member", what: str) -> None:
        failure = _Failed(member, what)
        if member.child.essential:
            raise failure
        logger.error("%s", failure)

    def _stop(self, watch: Guardian) -> None:
        heard = len(self._asked)
        for member in reversed(self._members):
            member.ask_to_stop()
            deadline = time.monotonic() + member.child.grace
            while member.runs() and len(self._asked) == heard and time.monotonic() < deadline:
                time.sleep(POLL)
            member.reap(watch)

    def _rest(self) -> None:
        if not self._asked:
            time.sleep(POLL)
        if self._asked:
            raise _Asked(self._asked[0])

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def hear(number: int, _: FrameType | None) -> None:
            self._asked.append(signal.Signals(number))

        # What is ignored stays ignored: `nohup` means it.
        heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, hear) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Member:
    """A child with what is known of its process."""

    def __init__(self, child: Child, log: Path) -> None:
        self.child = child
        self.log = log
        self.process: processes.Process | None = None
        self.quick_deaths = 0
        self.restart_at: float | None = None
        self.given_up = False
        self._started = 0.0

    def start(self, watch: Guardian) -> None:
        self.restart_at = None
        self._started = time.monotonic()
        environment = processes.environment(self.child.env)
        try:
            self.process = processes.start(self.child.argv, log=self.log, env=environment)
        except OSError as error:
            raise _Failed(self, f"cannot be started: {error}") from error
        watch.watch(self.process.pid)

    def runs(self) -> bool:
        return self.process is not None and not processes.has_ended(self.process)

    def lived(self) -> float:
        return time.monotonic() - self._started

    def ask_to_stop(self) -> None:
        # Only the child itself: it knows in which order its own children should go.
        if self.process is not None:
            processes.ask_to_end(self.process)

    def reap(self, watch: Guardian) -> int | None:
        """Kill what is left of the child's group. Answers its exit status, None if it had no process."""
        process, self.process = self.process, None
        if process is None:
            return None
        processes.signal_group(process, signal.SIGKILL)
        status = process.wait()
        watch.forget(process.pid)
        return status


class _Asked(Exception):
    """A signal asked us to stop."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number)
        self.signal = number


class _Failed(Exception):
    """A child could not be kept running."""

    def __init__(self, member: _Member, what: str) -> None:
        said = processes.last_lines(member.log)
        super().__init__(
            f"{member.child.name} {what}; its log is {member.log}{said and ':'}\n{said}".rstrip()
        )
