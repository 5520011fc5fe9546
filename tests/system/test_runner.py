"""What the runner says of runs in Prefect that it has not begun."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling, Paused, Pending, Running, Suspended

from pipeline.flows import runner
from pipeline.flows.deployments import register_flow
from pipeline.flows.upkeep import sweep_leftovers
from pipeline.settings import Settings

pytestmark = pytest.mark.timeout(300)


def test_only_who_was_waiting_is_said_to_be_cancelled(
    prefect: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of a command on another machine leaves no lock here, and may take long to end: it says itself when it has.
    One that was suspended when it was cancelled has nobody who could."""
    for name, value in prefect.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(runner, "_DEAF", timedelta(0))
    settings = Settings(home=tmp_path, repository_id=f"tests-{uuid.uuid4().hex[:8]}.example.org")
    (tmp_path / "logs").mkdir()
    one_look = iter([False])
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
        runner.run_scheduled(settings, lambda: next(one_look, True))
        states = [client.read_flow_run(run).state_type for run in at_work + waiting]
    assert states == [StateType.CANCELLING] * 2 + [StateType.CANCELLED] * 2
