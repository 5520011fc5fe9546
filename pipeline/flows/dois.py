"""The flow `reconcile-dois`: what an operator sees of DOIs in Prefect."""

from __future__ import annotations

import time

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from pipeline import wiring
from pipeline.flows.page import RunPage
from pipeline.flows.runs import concluded
from pipeline.ingest.patience import Patience
from pipeline.model import JsonObject
from pipeline.pid.reconcile import reconcile, report
from pipeline.settings import load_settings

_LISTED = 500
_SLICE = 0.2  # seconds between looks at whether to stop, while waiting


@flow(
    name="reconcile-dois",
    description="Compare DOIs with what the registry has of them, those first that were compared longest ago, and have "
    "what differs put again, as `headrace dois reconcile` does. A new base URL is told to the registry by it, and a "
    "new registry of all. Safe to cancel and to run again.",
    validate_parameters=False,
    persist_result=False,
)
def reconcile_dois(limit: int | None = None) -> JsonObject:
    """Compare, and show what differed and what is parked.

    Args:
        limit: How many DOIs the registry is asked for; 0: none, only what the catalogue knows is compared. Empty: as
            HEADRACE_RECONCILE_DOIS says.
    """
    return concluded(lambda page: _reconcile(page, limit))


def _reconcile(page: RunPage, limit: int | None) -> JsonObject:
    def wait(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            page.heed()
            time.sleep(min(left, _SLICE))

    settings = load_settings()
    with wiring.open_services(settings) as services:
        done = reconcile(
            services,
            settings.reconcile_dois if limit is None else limit,
            patience=Patience(settings.patience, wait),
            wait=wait,
            checkpoint=lambda _: page.heed(),
        )
        document = report(services, done)
    get_run_logger().info("%d DOIs, %d compared, %d differed", done.dois, done.compared, done.differing)
    _show("differences", document["differences"], "DOIs that differed; they are put again")
    _show("uncompared", document["uncompared"], "DOIs that could not be compared")
    _show("parked", document["parked"], "DOIs that wait for somebody to mend them")
    return document


def _show(key: str, rows: list[JsonObject], description: str) -> None:
    if rows:
        create_table_artifact(rows[:_LISTED], key=key, description=description)
