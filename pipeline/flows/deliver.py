"""The dispatcher: drains every effect that no ingest run brings about itself, in a flow `deliver` for each burst of
them; without Prefect while Prefect is away."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
from prefect import flow, get_run_logger
from prefect.settings import get_current_settings

from pipeline import dispatch, wiring
from pipeline.catalogue import outbox
from pipeline.dispatch import Drained
from pipeline.model import JsonObject
from pipeline.services import Services
from pipeline.settings import load_settings

_POLL = 1.0
_SETTLE = 0.5  # one run goes on while there is work: it looks once more before it ends


@flow(
    name="deliver",
    description="Preserve, register, index and announce what was published or changed, whatever is due.",
    validate_parameters=False,
    persist_result=False,
)
def deliver() -> JsonObject:
    """Bring about all that is due; how many of each kind."""
    with wiring.open_services(load_settings()) as services:
        drained = _drain_all(services)
        get_run_logger().info("%s", _told(drained))
        return _told(drained)


def dispatch_forever(services: Services, should_stop: Callable[[], bool]) -> None:
    """Deliver whenever something is due, until asked to stop."""
    while not should_stop():
        if not _is_due(services):
            time.sleep(_POLL)
        elif _prefect_answers():
            deliver()
        else:
            _drain_all(services)


def _drain_all(services: Services) -> Drained:
    total = Drained()
    while True:
        drained = dispatch.drain(services)
        total.add(drained)
        if not drained.done:
            return total
        time.sleep(_SETTLE)


def _is_due(services: Services) -> bool:
    with services.catalogue.read() as tx:
        return outbox.is_due(tx, now=services.now())


def _prefect_answers() -> bool:
    url = get_current_settings().api.url
    try:
        return url is not None and httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _told(drained: Drained) -> JsonObject:
    return {
        "done": {str(kind): number for kind, number in drained.done.items()},
        "put_off": {str(kind): number for kind, number in drained.put_off.items()},
        "parked": {str(kind): number for kind, number in drained.parked.items()},
    }
