"""A DOI registry whose requests a test has arrive, answers, loses, or has kill who sent them; and dispatchers that put
DOIs there, each as far as its next request."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from queue import Queue
from typing import TypeAlias

from pipeline import dispatch
from pipeline.model import DoiState, EffectKind
from pipeline.ports import DoiFault, DoiOutcome, DoiRequest, DoiSeen
from pipeline.services import Services

_PATIENCE = 60.0
Stored: TypeAlias = tuple[DoiState, str, str]
"""State, target and description."""


class Killed(BaseException):
    """As SIGKILL: whoever sent the request does nothing any more."""


@dataclass(eq=False)
class Call:
    """Requests that were sent together, and those of them that have not arrived yet."""

    requests: Sequence[DoiRequest]
    at: datetime
    under_way: list[DoiRequest]
    ending: Queue[str] = field(default_factory=Queue)


def told(request: DoiRequest) -> str:
    """The description, to be compared."""
    return json.dumps(request.metadata, sort_keys=True)


class ParkedRegistry:
    """Whatever arrives last stays."""

    id = "parked"
    is_rate_limited = False

    def __init__(self, now: datetime) -> None:
        self.stored: dict[str, Stored] = {}
        self.calls: list[Call] = []
        self.lost: list[Call] = []
        self.now = now
        # Of each dispatcher that runs: it waits for an answer, or it ended.
        self.came_to_rest: Queue[None] = Queue()

    def put_many(self, requests: Sequence[DoiRequest]) -> Sequence[DoiOutcome]:
        call = Call(requests, self.now, list(requests))
        self.calls.append(call)
        self.came_to_rest.put(None)
        match call.ending.get(timeout=_PATIENCE):
            case "answered":
                return [DoiOutcome(one.doi, one.state) for one in requests]
            case "lost":
                return [DoiOutcome(one.doi, None, DoiFault.AWAY, "no answer", "wait") for one in requests]
        raise Killed

    def arrive(self, call: Call, request: DoiRequest) -> None:
        """One of its requests is carried out."""
        call.under_way.remove(request)
        before = self.stored.get(request.doi.lower())
        if request.is_bare:
            if before is not None:
                self.stored[request.doi.lower()] = (request.state, *before[1:])
            return
        self.stored[request.doi.lower()] = (request.state, request.url, told(request))

    def end(self, call: Call, ending: str) -> None:
        """Have it `answered`, once all of it has arrived; `lost`, or who sent it `killed`: then it may arrive later.
        Returns when its dispatcher has come to rest again."""
        self.calls.remove(call)
        if ending == "answered":
            for one in list(call.under_way):
                self.arrive(call, one)
        elif call.under_way:
            self.lost.append(call)
        call.ending.put(ending)
        self.came_to_rest.get(timeout=_PATIENCE)

    def start(self, services: Services) -> threading.Thread:
        """A dispatcher, as far as its first request, or its end."""

        def work() -> None:
            try:
                dispatch.drain(services, [EffectKind.REGISTER])
            except Killed:
                pass
            finally:
                self.came_to_rest.put(None)

        thread = threading.Thread(target=work)
        thread.start()
        self.came_to_rest.get(timeout=_PATIENCE)
        return thread

    def get(self, doi: str) -> DoiSeen | None:
        raise NotImplementedError

    def describe(self) -> str:
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to close."""
