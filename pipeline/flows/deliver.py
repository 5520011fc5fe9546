"""The dispatcher: drains every effect that no ingest run brings about itself, in a flow `deliver` for each burst of
them; without Prefect while Prefect is away. Search is written beside that, and mails are sent, for both are to be done
within seconds, however long it takes to preserve or look into a record. So is the look for embargoes that ended: a run
goes on for as long as there is work. So are DOIs registered where the registry is slow, and asked no oftener than it
wants: nothing else waits for them."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from functools import partial

import httpx
from prefect import flow, get_run_logger
from prefect.exceptions import TerminationSignal

from pipeline import dispatch, wiring
from pipeline.dispatch import Drained
from pipeline.errors import Unavailable
from pipeline.flows import api
from pipeline.flows.outbox_page import OutboxPage
from pipeline.flows.page import RunPage
from pipeline.flows.runs import Attendant, attendant, concluded, watched
from pipeline.model import EffectKind, JsonObject
from pipeline.running.beside import beside
from pipeline.services import Services
from pipeline.settings import load_settings

_LOG = logging.getLogger(__name__)
_POLL = 1.0
_SOON_POLL = 0.5
# All that comes meanwhile shares what a round costs for itself: a commit of the embedded index, say, takes as much of a
# core as what is written with it.
_SETTLE = 1.0
_EMBARGOES = 3600.0  # seconds between two looks for embargoes that ended
_SHOWN = 15.0  # seconds between two looks at what Prefect shows of the outbox
_FAREWELL = 2.0  # seconds that a run that is over waits for Prefect: the next one is waiting
_AWAY = 5.0  # seconds until a database that did not answer is asked again


@flow(
    name="deliver",
    description="Preserve, register, index and announce what was published or changed, and send mails: whatever is "
    "due. The dispatcher does so by itself, run after run; search, mails, texts of files and DOIs of DataCite it sees "
    "to beside that.",
    validate_parameters=False,
    persist_result=False,
)
def deliver() -> JsonObject:
    """Bring about all that is due; how much of each kind came about, was put off or parked."""
    return concluded(_deliver, farewell=_FAREWELL)


def _deliver(page: RunPage) -> JsonObject:
    with _opened() as services:
        drained = _told(_drain_all(services, lambda: bool(attendant().wants_stop()), page.heed))
    get_run_logger().info("%s", drained)
    return drained


_standing: ContextVar[Services] = ContextVar("standing")


@contextmanager
def _opened() -> Iterator[Services]:
    """Those of the dispatcher, or some of the run's own."""
    if standing := _standing.get(None):
        yield standing
        return
    with wiring.open_services(load_settings()) as services:
        yield services


def dispatch_forever(services: Services, should_stop: Callable[[], bool]) -> None:
    """Deliver whenever something is due, until asked to stop, which is heeded between two batches. A database that
    is away is waited for."""
    _standing.set(services)
    with ExitStack() as stack:
        for kind in _beside(services):
            draining = partial(_again_and_again, _SOON_POLL, partial(_drain_soon, services, kind))
            stack.enter_context(beside(str(kind), draining))
        lifting = partial(_again_and_again, _EMBARGOES, lambda _: dispatch.lift_embargoes(services))
        stack.enter_context(beside("embargoes", lifting))
        page = OutboxPage(services)
        showing = partial(_again_and_again, _SHOWN, lambda _: page.show())
        stack.enter_context(beside("outbox page", showing))
        _deliver_forever(services, should_stop)


def _deliver_forever(services: Services, should_stop: Callable[[], bool]) -> None:
    watching = _Dispatcher(should_stop)
    while not should_stop():
        try:
            if not dispatch.is_due(services, _kinds(services)):
                time.sleep(_POLL)
            elif api.answers():
                # Raised where the signal came before or after the flow's own code; our handler was called, too. And
                # where Prefect went away meanwhile and could not be told that all was delivered.
                with suppress(TerminationSignal, httpx.HTTPError), watched(watching):
                    if not deliver(return_state=True).is_completed() and not should_stop():
                        time.sleep(_AWAY)
            else:
                _drain_all(services, should_stop)
        except Unavailable as away:
            _LOG.warning("%s; trying again", away.message)
            time.sleep(_AWAY)


def _again_and_again(
    seconds: float, action: Callable[[threading.Event], object], is_over: threading.Event
) -> None:
    """Do it now, and so long after each time anew. A database that is away is asked again sooner or later; and whatever
    else happens, nobody would do it in place of a thread that ended."""
    pause = 0.0
    while not is_over.wait(pause):
        try:
            action(is_over)
            pause = seconds
        except Unavailable as away:
            _LOG.warning("%s; trying again", away.message)
            pause = _AWAY
        except Exception:
            _LOG.exception("trying again")
            pause = _AWAY


def _drain_soon(services: Services, kind: EffectKind, is_over: threading.Event) -> None:
    dispatch.drain(services, [kind], should_stop=is_over.is_set, rest=partial(is_over.wait, _SETTLE))


class _Dispatcher(Attendant):
    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self._should_stop = should_stop
        self._on_sigterm = signal.getsignal(signal.SIGTERM)

    def begin(self) -> None:
        # Prefect's own handler would end the run in the middle of a batch.
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def wants_stop(self) -> str:
        return "the dispatcher is being stopped" if self._should_stop() else ""


def _drain_all(
    services: Services, should_stop: Callable[[], bool], heed: Callable[[], None] = lambda: None
) -> Drained:
    return dispatch.drain(
        services,
        _kinds(services),
        on_batch=lambda _kind, _number: heed(),
        should_stop=should_stop,
        rest=partial(time.sleep, _SETTLE),
    )


def _kinds(services: Services) -> list[EffectKind]:
    """What is drained in turn: all kinds but those that the dispatcher drains beside that. Two who share what is due
    have twice as many batches, of half the size."""
    others = _beside(services) if _standing.get(None) is services else ()
    return [one for one in EffectKind if one not in others]


def _beside(services: Services) -> list[EffectKind]:
    return [EffectKind.INDEX, EffectKind.MAIL, EffectKind.EXTRACT, *dispatch.drained_apart(services)]


def _told(drained: Drained) -> JsonObject:
    return {
        "done": {str(kind): number for kind, number in drained.done.items()},
        "put_off": {str(kind): number for kind, number in drained.put_off.items()},
        "parked": {str(kind): number for kind, number in drained.parked.items()},
    }
