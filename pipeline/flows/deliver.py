"""The dispatcher: drains every effect that no ingest run brings about itself, in a flow `deliver` for each burst of
them; without Prefect while Prefect is away."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
from prefect import flow, get_run_logger
from prefect.exceptions import TerminationSignal

from pipeline import dispatch
from pipeline.catalogue import outbox
from pipeline.dispatch import Drained
from pipeline.errors import Unavailable
from pipeline.flows import api
from pipeline.model import JsonObject
from pipeline.services import Services

_LOG = logging.getLogger(__name__)
_POLL = 1.0
_SETTLE = 0.5  # one run goes on while there is work: it looks once more before it ends
_EMBARGOES = 3600.0  # seconds between two looks for embargoes that ended
_AWAY = 5.0  # seconds until a database that did not answer is asked again


def dispatch_forever(services: Services, should_stop: Callable[[], bool]) -> None:
    """Deliver whenever something is due, until asked to stop, which is heeded between two batches. A database that
    is away is waited for."""
    deliver = _delivery(services, should_stop)
    looked = -math.inf
    while not should_stop():
        try:
            if time.monotonic() - looked >= _EMBARGOES:
                dispatch.lift_embargoes(services)
                looked = time.monotonic()
            if not _is_due(services):
                time.sleep(_POLL)
            elif api.answers():
                deliver()
            else:
                _drain_all(services, should_stop)
        except Unavailable as away:
            _LOG.warning("%s; trying again", away.message)
            time.sleep(_AWAY)


def _delivery(services: Services, should_stop: Callable[[], bool]) -> Callable[[], None]:
    """A run of the flow that brings about all that is due."""
    on_sigterm = signal.getsignal(signal.SIGTERM)

    @flow(
        name="deliver",
        description="Preserve, register, index and announce what was published or changed, whatever is due.",
        persist_result=False,
    )
    def deliver() -> JsonObject:
        # Prefect's own handler would end the run in the middle of a batch.
        signal.signal(signal.SIGTERM, on_sigterm)
        drained = _told(_drain_all(services, should_stop))
        get_run_logger().info("%s", drained)
        return drained

    def run() -> None:
        # Raised where the signal came before or after the flow's own code; our handler was called, too. And where
        # Prefect went away meanwhile and could not be told that all was delivered.
        with suppress(TerminationSignal, httpx.HTTPError):
            deliver()

    return run


def _drain_all(services: Services, should_stop: Callable[[], bool]) -> Drained:
    total = Drained()
    while True:
        drained = dispatch.drain(services, should_stop=should_stop)
        total.add(drained)
        if not drained.done or should_stop():
            return total
        time.sleep(_SETTLE)


def _is_due(services: Services) -> bool:
    with services.catalogue.read() as tx:
        return outbox.is_due(tx, now=services.now())


def _told(drained: Drained) -> JsonObject:
    return {
        "done": {str(kind): number for kind, number in drained.done.items()},
        "put_off": {str(kind): number for kind, number in drained.put_off.items()},
        "parked": {str(kind): number for kind, number in drained.parked.items()},
    }
