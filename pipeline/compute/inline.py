"""Compute in the calling process, without workers."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from pipeline.errors import Interrupted
from pipeline.ports import Note, UnitResult

U = TypeVar("U")
R = TypeVar("R")

_TICK = 0.2  # seconds between two ticks


class InlineCompute:
    """Runs a unit when its result is asked for, so never more than one is under way: in a thread of its own, so that
    the caller ticks and hears notes meanwhile."""

    def map_unordered(
        self,
        function: Callable[[U, Callable[[Note], None]], R],
        units: Iterable[U],
        *,
        in_flight: int,  # noqa: ARG002 - one at a time is within any bound
        tick: Callable[[], None] = lambda: None,
        on_note: Callable[[Note], None] = lambda _: None,
        renew: Callable[[U], U] = lambda unit: unit,  # noqa: ARG002 - a worker that dies is this process
    ) -> Iterator[UnitResult[U, R]]:
        is_over = threading.Event()
        with ThreadPoolExecutor(1, "unit") as thread:
            try:
                for unit in units:
                    tick()
                    events: SimpleQueue[str | Future[R]] = SimpleQueue()
                    future = thread.submit(function, unit, partial(_tell, events, is_over))
                    future.add_done_callback(events.put)
                    yield UnitResult(unit, *_outcome(_landed(events, tick, on_note)))
            finally:
                is_over.set()  # the pool waits for a unit under way

    def slots(self) -> int:
        return 1

    def describe(self) -> str:
        return "inline, one unit at a time"

    def close(self) -> None:
        """Nothing to close."""


def _tell(events: "SimpleQueue[str | Future[R]]", is_over: threading.Event, note: Note) -> None:
    if is_over.is_set():
        raise Interrupted("nobody waits for this unit any more")
    if note:
        # As JSON: what is told is what a worker elsewhere would have told, whatever becomes of it here.
        events.put(json.dumps(note))


def _landed(
    events: "SimpleQueue[str | Future[R]]", tick: Callable[[], None], on_note: Callable[[Note], None]
) -> Future[R]:
    while True:
        try:
            event = events.get(timeout=_TICK)
        except Empty:
            tick()
            continue
        if isinstance(event, Future):
            return event
        on_note(json.loads(event))


def _outcome(future: Future[R]) -> tuple[R | None, Exception | None]:
    try:
        return future.result(), None
    except Exception as error:
        return None, error
