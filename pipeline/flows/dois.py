"""The flow `reconcile-dois`: what an operator sees of DOIs in Prefect."""

from __future__ import annotations

import time
from dataclasses import asdict
from itertools import islice

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from pipeline import wiring
from pipeline.catalogue import dois
from pipeline.catalogue.dois import DoiStatus
from pipeline.flows.page import RunPage
from pipeline.flows.runs import concluded
from pipeline.model import JsonObject
from pipeline.pid.reconcile import Reconciled, reconcile
from pipeline.settings import load_settings

_LISTED = 500
_SLICE = 0.2  # seconds between looks at whether to stop, while waiting


@flow(
    name="reconcile-dois",
    description="Compare DOIs with what the registry has of them, those first that were compared longest ago, and have "
    "what differs put again, as `headrace dois reconcile` does. A new base URL is told to the registry by it. Safe to "
    "cancel and to run again.",
    validate_parameters=False,
    persist_result=False,
)
def reconcile_dois(most: int = 2000) -> JsonObject:
    """Compare, and show what differed and what is parked.

    Args:
        most: How many DOIs the registry is asked for; 0: none, only what the catalogue knows is compared.
    """
    return concluded(lambda page: _reconcile(page, most))


def _reconcile(page: RunPage, most: int) -> JsonObject:
    def wait(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            page.heed()
            time.sleep(_SLICE)

    done, listed, number = Reconciled(), [], 0
    with wiring.open_services(load_settings()) as services:
        for one in reconcile(services, most, done, wait):
            page.heed()
            number += 1
            if number <= _LISTED:
                listed.append(asdict(one))
        with services.catalogue.read() as tx:
            parked = [_row(one) for one in islice(dois.statuses(tx, parked=True), _LISTED)]
    get_run_logger().info("%d DOIs, %d compared, %d differed", done.dois, done.asked, number)
    if listed:
        create_table_artifact(listed, key="differences", description="DOIs that differed; they are put again")
    if parked:
        create_table_artifact(parked, key="parked", description="DOIs that wait for somebody to mend them")
    return {
        "dois": done.dois,
        "compared": done.asked,
        "differences": listed,
        "differences_total": number,
        "parked": parked,
    }


def _row(one: DoiStatus) -> JsonObject:
    return {
        "doi": one.name,
        "record": one.record_id,
        "wanted": one.wanted,
        "attempts": one.attempts,
        "error": one.error,
        "remedy": one.remedy,
    }
