"""The process of one run that was begun in Prefect's pages: run with the arguments VERB RUN-ID.

The runner has claimed the run's file, which is inherited locked.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from types import FrameType
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.states import AwaitingRetry

from pipeline.errors import Unavailable
from pipeline.flows import api, run_files
from pipeline.flows.deployments import DEPLOYMENTS
from pipeline.flows.execution import carry_out
from pipeline.flows.runs import Attendant, flush_logs
from pipeline.flows.server import revive
from pipeline.settings import Settings, load_settings


class _Runner(Attendant):
    """Whoever is on the other end of our signals. SIGTERM is no cancellation: the run goes on with the next runner."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.is_ending = False

    def begin(self) -> None:
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.is_ending = True

    def wants_stop(self) -> str:
        return "the instance is being stopped" if self.is_ending else ""

    def miss_prefect(self) -> None:
        if os.environ.get("PREFECT_HOME") == str(self._settings.home / "prefect"):
            revive(self._settings.home)


def main(verb: str, run_id: str) -> None:
    settings = load_settings()
    watching = _Runner(settings)
    watching.begin()
    [flow] = [one.flow for one in DEPLOYMENTS if one.verb == verb]
    try:
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(UUID(run_id))
        carry_out(flow, run, watching)
    except TerminationSignal:
        # Before the flow's own code began, or after it.
        watching.is_ending = True
    except Unavailable as away:
        sys.stderr.write(f"{run_id}: {away.message}\n")
        os._exit(1)  # the file stays: the runner says what becomes of the run
    if api.answers():
        flush_logs()
        if watching.is_ending:
            _begin_anew(run_id)
        run_files.leave(settings.home, run_id)
    # Prefect's own threads would keep the process for minutes where its server is away.
    os._exit(0)


def _begin_anew(run_id: str) -> None:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(run_id)).state
        if state is not None and (state.is_cancelled() or state.is_crashed()):
            goes_on: State[None] = AwaitingRetry(scheduled_time=datetime.now(UTC), message="it goes on anew")
            client.set_flow_run_state(UUID(run_id), goes_on)


if __name__ == "__main__":
    main(*sys.argv[1:])
