"""The runner: carries out what was begun in Prefect's pages, each run in a process of its own.

It kills no run: who cancels, pauses or suspends one is heeded by the run itself (`page.py`). What a process left that
was killed, or that ended with the runner, is begun anew, and goes on where it was.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import FlowRunResponse, SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Crashed, Pending

from pipeline.flows import api, run_files
from pipeline.flows.run_files import Orphan
from pipeline.running import processes
from pipeline.running.guardian import Guardian, guardian
from pipeline.settings import Settings

_LOG = logging.getLogger(__name__)
_POLL = 1.0  # seconds between two looks for runs
_SLICE = 0.2  # seconds between two looks whether to stop
_DEAF = timedelta(seconds=60)  # that a process has, at least, to say itself that its cancelled run is over
_TRIES = 5  # how often a run is begun whose process is killed each time
_GRACE = 30.0  # seconds that runs have to end in order


def run_scheduled(settings: Settings, should_stop: Callable[[], bool]) -> None:
    """Register the deployments and carry out their runs when it is time to, until asked to stop. While Prefect is away
    the runs under way go on."""
    with (
        guardian(settings.home / "logs" / "guardian.log") as watch,
        api.asking() as failure,
        ExitStack() as stack,
    ):
        runner = _Runner(settings, watch)
        client: SyncPrefectClient | None = None
        try:
            while not should_stop():
                if failure() is None:
                    try:
                        # One for all looks: to make it anew takes longer than to ask with it.
                        client = client or stack.enter_context(get_client(sync_client=True))
                        runner.look(client)
                    except (httpx.HTTPError, _NotRegistered) as error:
                        _LOG.warning("Prefect does not do what it is asked; trying again: %s", error)
                runner.bury()
                _rest(should_stop)
        finally:
            runner.end()


def _rest(should_stop: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _POLL
    while not should_stop() and time.monotonic() < deadline:
        time.sleep(_SLICE)


class _NotRegistered(Exception):
    """The process that was to register the deployments has failed; its log is ours."""


@dataclass(frozen=True, slots=True)
class _Offered:
    """A deployment, as far as a runner has to know it (`deployments.Deployment`)."""

    verb: str
    at_once: int


@dataclass(frozen=True, slots=True)
class _Under:
    """A run under way."""

    deployment: _Offered
    process: processes.Process


@dataclass(slots=True)
class _Runner:
    settings: Settings
    watch: Guardian
    deployments: Mapping[UUID, _Offered] = field(default_factory=dict)
    under_way: list[_Under] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)  # ids of all runs that a process was started for

    def look(self, client: SyncPrefectClient) -> None:
        """Begin what is due, and say of what is over that it is. Raises `httpx.HTTPError`, and `_NotRegistered`."""
        if not self.deployments:
            self.deployments = _registered(self.settings.repository_id)
        for run_id in run_files.orphaned(self.settings.home):
            with run_files.concluding(self.settings.home, run_id) as orphan:
                if orphan is not None:
                    _conclude(client, orphan)
        self._free_the_deaf(client)
        for run in self._due(client):
            self._begin(client, run)

    def _due(self, client: SyncPrefectClient) -> list[FlowRun]:
        """The runs that are to begin now. Of those that were missed while nobody was there only the last one is."""
        found: list[FlowRunResponse] | Any = client.get_scheduled_flow_runs_for_deployments(
            list(self.deployments), scheduled_before=datetime.now(UTC)
        )
        due: list[FlowRun] = []
        seen: set[UUID] = set()
        for run in sorted(found, key=lambda one: one.next_scheduled_start_time, reverse=True):
            if run.auto_scheduled and run.deployment_id in seen:
                missed: State[None] = Cancelled(
                    message="it was missed; a later one of its kind is run instead"
                )
                client.set_flow_run_state(run.id, missed)
                continue
            if run.auto_scheduled:
                seen.add(run.deployment_id)
            due.append(run)
        return due[::-1]

    def _begin(self, client: SyncPrefectClient, run: FlowRun) -> None:
        deployment = self.deployments[run.deployment_id] if run.deployment_id else None
        if deployment is None or self._counted()[deployment.verb] >= deployment.at_once:
            return
        file = run_files.claim(self.settings.home, str(run.id))
        if file is None:
            return  # its process of before is about to end
        with file:
            if client.set_flow_run_state(run.id, Pending()).status is not SetStateStatus.ACCEPT:
                run_files.leave(self.settings.home, str(run.id))
                return
            self._start(deployment, str(run.id), file)

    def _start(self, deployment: _Offered, run_id: str, file: IO[str]) -> None:
        process = processes.start(
            processes.python("pipeline.flows.run_process", deployment.verb, run_id),
            log=self.settings.home / "logs" / "flow-runs.log",
            env=processes.environment({}),
            pass_fds=[file.fileno()],
        )
        self.watch.watch(process.pid)
        self.under_way.append(_Under(deployment, process))
        self.begun.add(run_id)

    def _counted(self) -> Counter[str]:
        return Counter(one.deployment.verb for one in self.under_way)

    def _free_the_deaf(self, client: SyncPrefectClient) -> None:
        """Runs that were cancelled while nobody worked on them, suspended ones say. What a command works on, here or on
        another machine, is its own to end, however long that takes."""
        cancelling = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=list(self.deployments)),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING])),
        )
        for run in client.read_flow_runs(flow_run_filter=cancelling):
            is_old = run.state is not None and datetime.now(UTC) - run.state.timestamp > _DEAF
            if is_old and self._has_nobody(client, run):
                cancelled: State[None] = Cancelled(message="nobody worked on it")
                client.set_flow_run_state(run.id, cancelled, force=True)

    def _has_nobody(self, client: SyncPrefectClient, run: FlowRun) -> bool:
        if run_files.is_under_way(self.settings.home, str(run.id)):
            return False
        return str(run.id) in self.begun or _waited(client.read_flow_run_states(run.id))

    def bury(self) -> None:
        """Take note of processes that are over."""
        for one in [one for one in self.under_way if processes.has_ended(one.process)]:
            self._reap(one)

    def end(self) -> None:
        """Ask the runs under way to end, which are begun anew by the next runner."""
        for one in self.under_way:
            processes.ask_to_end(one.process)
        deadline = time.monotonic() + _GRACE
        while any(not processes.has_ended(one.process) for one in self.under_way):
            if time.monotonic() > deadline:
                break
            time.sleep(_SLICE)
        for one in list(self.under_way):
            self._reap(one)

    def _reap(self, one: _Under) -> None:
        self.under_way.remove(one)
        processes.signal_group(one.process, signal.SIGKILL)
        one.process.wait()
        self.watch.forget(one.process.pid)


def _registered(repository_id: str) -> Mapping[UUID, _Offered]:
    """The deployments, which are registered now, by their ids. In a process of its own, which takes with it all that
    forms of flows are made of: the flows, and what these import."""
    registering = subprocess.run(  # noqa: S603 - our own program
        processes.python("pipeline.flows.deployments", repository_id),
        env=processes.environment({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    if registering.returncode != 0:
        raise _NotRegistered("the deployments could not be registered")
    offered: Mapping[str, Mapping[str, Any]] = json.loads(registering.stdout)
    return {UUID(one): _Offered(**known) for one, known in offered.items()}


def _conclude(client: SyncPrefectClient, orphan: Orphan) -> None:
    """The process of a run was killed."""
    try:
        run = client.read_flow_run(UUID(orphan.run_id))
    except ObjectNotFound:
        return
    if (state := _after_a_kill(run, of_runner=orphan.of_runner)) is not None:
        client.set_flow_run_state(run.id, state, force=True)


def _waited(states: Sequence[State[Any]]) -> bool:
    """Whether a run whose states these were had no process that works when it was cancelled. One that had yet to begin
    is not let begin any more."""
    before = [state for state in states if not state.is_cancelling()]
    last = max(before, key=lambda state: state.timestamp, default=None)
    if last is None:
        return False
    is_suspended = last.is_paused() and bool(last.state_details.pause_reschedule)
    return is_suspended or last.is_scheduled() or last.is_pending()


def _after_a_kill(run: FlowRun, *, of_runner: bool) -> State[Any] | None:
    """What becomes of a run whose process was killed; None where nothing is to be said. One of a command is its user's
    to go on with."""
    state = run.state
    if state is None or state.is_final() or state.is_scheduled():
        return None
    if state.is_cancelling():
        return Cancelled(message="its process was killed")
    if state.is_paused() and state.state_details.pause_reschedule:
        return None
    if not of_runner or run.run_count >= _TRIES:
        times = f", {run.run_count} times by now" if run.run_count > 1 else ""
        return Crashed(message=f"its process was killed{times}; retry the run to go on")
    return AwaitingRetry(scheduled_time=datetime.now(UTC), message="its process was killed; it goes on")
