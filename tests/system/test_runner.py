"""What the runner says of runs in Prefect that it has not begun."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling, Paused, Pending, Running, Suspended

from pipeline.flows import run_files, runner
from pipeline.flows.deployments import register_flow
from pipeline.flows.upkeep import sweep_leftovers
from pipeline.settings import Settings

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def settings(prefect: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a repository that nobody else has in Prefect."""
    for name, value in prefect.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "logs").mkdir()
    return Settings(home=tmp_path, repository_id=f"tests-{uuid.uuid4().hex[:8]}.example.org")


def look(settings: Settings) -> None:
    """What a runner does that is asked to stop when it has looked once."""
    one_look = iter([False])
    runner.run_scheduled(settings, lambda: next(one_look, True))


def test_only_who_was_waiting_is_said_to_be_cancelled(
    prefect: dict[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of a command on another machine leaves no lock here, and may take long to end: it says itself when it has.
    One that was suspended when it was cancelled has nobody who could."""
    monkeypatch.setattr(runner, "_DEAF", timedelta(0))
    with (
        temporary_settings({PREFECT_API_URL: prefect["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        deployment = register_flow(client, sweep_leftovers, settings.repository_id)

        def cancelled(*states: State[Any]) -> UUID:
            run = client.create_flow_run_from_deployment(deployment, state=Pending())
            for state in (*states, Cancelling()):
                client.set_flow_run_state(run.id, state, force=True)
            return run.id

        at_work = [cancelled(Running()), cancelled(Running(), Paused(timeout_seconds=3600))]
        waiting = [cancelled(Running(), Suspended(timeout_seconds=3600)), cancelled()]
        look(settings)
        states = [client.read_flow_run(run).state_type for run in at_work + waiting]
    assert states == [StateType.CANCELLING] * 2 + [StateType.CANCELLED] * 2


def test_two_runners_conclude_a_killed_run_once(
    prefect: dict[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has found two and waits for what Prefect says of the first, while the other looks, concludes the second, and
    begins it anew: both are concluded once, and the file of what began anew is let be."""
    read, asked = SyncPrefectClient.read_flow_run, list[UUID]()
    with (
        temporary_settings({PREFECT_API_URL: prefect["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
        ExitStack() as stack,
    ):
        deployment = register_flow(client, sweep_leftovers, settings.repository_id)
        killed = [client.create_flow_run_from_deployment(deployment, state=Pending()).id for _ in range(2)]
        for run in killed:
            client.set_flow_run_state(run, Running(), force=True)
            # As the process of a command leaves it that was killed.
            file = settings.home / "run" / "flow-runs" / str(run)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

        def read_slowly(self: SyncPrefectClient, run: UUID) -> FlowRun:
            found = read(self, run)
            asked.append(run)
            if len(asked) == 1:
                look(settings)
                [other] = set(killed) - {run}
                anew = run_files.claim(settings.home, str(other))
                assert anew is not None
                stack.enter_context(anew)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(SyncPrefectClient, "read_flow_run", read_slowly)
            look(settings)
        assert sorted(asked) == sorted(killed)
        assert run_files.is_under_way(settings.home, str(asked[1]))
        assert not run_files.is_under_way(settings.home, str(asked[0]))
        for run in killed:
            states = [state.type for state in client.read_flow_run_states(run)]
            assert states.count(StateType.CRASHED) == 1
