"""Carrying a flow run out in this process: one that a command begins, or one that was begun in Prefect's pages.

Every run is one of a deployment, those of commands, too: only these can be suspended and tried again in the pages.
"""

from __future__ import annotations

from typing import Any

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import run_flow
from prefect.states import Cancelled, Pending, Suspended

from pipeline.errors import Unavailable
from pipeline.flows import run_files
from pipeline.flows.deployments import register_flow
from pipeline.flows.runs import Attendant, watched
from pipeline.settings import Settings


def run_here(settings: Settings, flow: Flow[Any, Any], watching: Attendant, **parameters: Any) -> State[Any]:
    """Begin a run of a flow and carry it out, as a command does; the state in which it ended. Raises `Unavailable`
    where Prefect was away before the run began."""
    try:
        with get_client(sync_client=True) as client:
            deployment = register_flow(client, flow, settings.repository_id)
            run = client.create_flow_run_from_deployment(deployment, parameters=parameters, state=Pending())
    except httpx.TransportError as error:
        raise _prefect_away() from error
    with run_files.under_way(settings.home, str(run.id)):
        return carry_out(flow, run, watching)


def carry_out(flow: Flow[Any, Any], run: FlowRun, watching: Attendant) -> State[Any]:
    """Carry a run out; the state in which it ended, or in which it waits for another process to go on with it. That is
    known also where Prefect was away by then and could not be told. Raises `Unavailable` where it was away before the
    flow began."""
    # Of a deployment's run Prefect would look for suspension, too: in a thread that tells stdout when a server is away.
    # The run's page does that.
    run = run.model_copy(update={"deployment_id": None})
    with watched(watching) as ended:
        try:
            state: Any = run_flow(flow, flow_run=run, return_type="state")
        except Pause as left:
            return left.state or Suspended()
        except Abort:
            return Cancelled(message="the run was cancelled before it began")
        except Exception as error:
            if ended:
                return ended[0]
            if isinstance(error, httpx.TransportError):
                raise _prefect_away() from error
            raise
        return state  # type: ignore[no-any-return]


def _prefect_away() -> Unavailable:
    return Unavailable(
        "Prefect's server does not answer, and a run begins there",
        remedy="start the server that PREFECT_API_URL names, then run the same command again",
    )
