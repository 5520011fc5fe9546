"""The flow `sweep`: upkeep that an operator sees in Prefect."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from pipeline import codec, wiring
from pipeline.flows.page import RunPage
from pipeline.flows.runs import concluded
from pipeline.model import JsonObject
from pipeline.settings import load_settings
from pipeline.stewardship.upkeep import Leftover
from pipeline.stewardship.upkeep import sweep as sweep_up

_LISTED = 500


@flow(
    name="sweep",
    description="Take away what runs that died have left and nothing refers to any more, as `headrace sweep` does. "
    "What is held, under way, published or in quarantine stays, however old it is.",
    validate_parameters=False,
    persist_result=False,
)
def sweep_leftovers(older_than_days: int | None = None, dry_run: bool = False) -> JsonObject:  # noqa: FBT001, FBT002
    """Sweep, and show what went.

    Args:
        older_than_days: Age in days from which on leftovers go. Empty: as HEADRACE_SWEEP_AFTER_DAYS says.
        dry_run: Tell what would go, and take nothing.
    """
    return concluded(lambda page: _sweep(page, older_than_days, dry_run=dry_run))


def _sweep(page: RunPage, older_than_days: int | None, *, dry_run: bool) -> JsonObject:
    settings = load_settings()
    days = settings.sweep_after_days if older_than_days is None else older_than_days
    swept, number = [], 0
    with wiring.open_services(settings) as services:
        for one in sweep_up(services, timedelta(days=days), dry_run=dry_run):
            page.heed()
            number += 1
            if number <= _LISTED:
                swept.append(_row(one))
    get_run_logger().info("%d leftovers older than %d days", number, days)
    if swept:
        what = "What would go" if dry_run else "What went"
        create_table_artifact(swept, key="swept", description=f"{what}: the first {len(swept)} of {number:,}")
    return {"dry_run": dry_run, "swept_total": number}


def _row(one: Leftover) -> JsonObject:
    return {**asdict(one), "since": None if one.since is None else codec.time_to_json(one.since)}
