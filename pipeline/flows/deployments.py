"""What an operator can begin in Prefect's pages: which flows, with which forms, when by themselves, how many at once.

One more is one more line of `DEPLOYMENTS`.

    python -m pipeline.flows.deployments REPOSITORY

registers them: what the forms are made of is more than half of what a runner would keep in memory for nothing else.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema

from pipeline import __version__
from pipeline.flows.deliver import deliver
from pipeline.flows.dois import reconcile_dois
from pipeline.flows.ingest import apply_plan, ingest_collection, retry_accession
from pipeline.flows.rereading import fixity_audit, rescan_files
from pipeline.flows.upkeep import sweep_leftovers
from pipeline.model import JsonObject


@dataclass(frozen=True, slots=True)
class Deployment:
    """A flow that can be begun in Prefect's pages. `cron` says when it begins by itself (UTC), never where it is empty;
    `at_once` how many runs of it a runner carries out side by side."""

    verb: str
    flow: Flow[Any, Any]
    cron: str = ""
    at_once: int = 1
    tags: tuple[str, ...] = ()


DEPLOYMENTS = (
    Deployment("ingest", ingest_collection, at_once=4, tags=("bulk",)),
    Deployment("apply", apply_plan, at_once=4, tags=("bulk",)),
    Deployment("retry", retry_accession, at_once=4, tags=("bulk",)),
    Deployment("sweep", sweep_leftovers, cron="0 3 * * *", tags=("upkeep",)),
    Deployment("audit", fixity_audit, cron="0 4 * * *", tags=("upkeep",)),
    # Without a schedule: the embedded scanner calls nothing clean, and would read everything again every night.
    Deployment("rescan", rescan_files, tags=("upkeep",)),
    Deployment("reconcile-dois", reconcile_dois, cron="0 5 * * *", tags=("upkeep",)),
    Deployment("deliver", deliver, tags=("upkeep",)),
)


def register_flow(client: SyncPrefectClient, flow: Flow[Any, Any], repository_id: str) -> UUID:
    """The same for one flow, which is one of `DEPLOYMENTS`."""
    [one] = [one for one in DEPLOYMENTS if one.flow is flow]
    return _register(client, one, repository_id)


def _register(client: SyncPrefectClient, one: Deployment, repository_id: str) -> UUID:
    name = f"{one.verb}@{repository_id}"
    details: JsonObject = {
        "description": one.flow.description,
        "tags": [*one.tags, repository_id],
        "version": __version__,
        "parameter_openapi_schema": parameter_schema(one.flow).model_dump(exclude_unset=True),
        "enforce_parameter_schema": True,
    }
    try:
        found = client.read_deployment_by_name(f"{one.flow.name}/{name}")
    except ObjectNotFound:
        crons = [one.cron] if one.cron else []
        schedules = [
            DeploymentScheduleCreate(schedule=CronSchedule(cron=cron, timezone="UTC")) for cron in crons
        ]
        return client.create_deployment(client.create_flow(one.flow), name, schedules=schedules, **details)
    # What was changed there by hand stays: schedules, limits, whether it is paused.
    client.update_deployment(found.id, DeploymentUpdate(**details))
    return found.id


def main(repository_id: str) -> None:
    """Make every deployment of the repository known to Prefect, or bring it up to date there; what a runner has to know
    of them goes to stdout, by their ids. Several repositories may share a server: their deployments bear their
    names."""
    with get_client(sync_client=True) as client:
        offered = {
            str(_register(client, one, repository_id)): {"verb": one.verb, "at_once": one.at_once}
            for one in DEPLOYMENTS
        }
    sys.stdout.write(json.dumps(offered))


if __name__ == "__main__":
    main(sys.argv[1])
