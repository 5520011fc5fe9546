"""What all flows of ours have in common: who watches a run in its own process, its stages, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import httpx
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler
from prefect.states import Cancelled, Failed

from pipeline.errors import HeadraceError, Interrupted, Unavailable
from pipeline.flows.progress import Progress
from pipeline.model import JsonObject

T = TypeVar("T")


class Attendant:
    """Whoever runs a flow in its own process, a command line say: is told when it begins and how far it is, and
    may ask it to stop."""

    def begin(self) -> None:
        """The flow is about to work. Prefect has set its own signal handlers by now."""

    def show(self, progress: Progress) -> None: ...

    def wants_stop(self) -> str:
        """Why the run should stop, `""` while it should not."""
        return ""

    def miss_prefect(self) -> None:
        """Prefect's server does not answer; called now and then in a thread of its own."""


_attendant: ContextVar[Attendant] = ContextVar("attendant", default=Attendant())  # noqa: B039 - it has no state
_ended: ContextVar[list[State[JsonObject]]] = ContextVar("ended")


def attendant() -> Attendant:
    """Whoever runs the flow of this context."""
    return _attendant.get()


def note_end(ended: State[JsonObject]) -> None:
    """To be called by a flow that is about to end in this state, before Prefect is told."""
    _ended.get([]).append(ended)


def run_here(chosen: Callable[..., Any], watching: Attendant, **parameters: Any) -> State[JsonObject]:
    """Run a flow in this process, as a command does; the state in which it ended. That is known also where Prefect
    was away by then and could not be told. Raises `Unavailable` where it was away before the run began."""
    ended: list[State[JsonObject]] = []
    tokens = _attendant.set(watching), _ended.set(ended)
    try:
        state: State[JsonObject] = chosen(**parameters, return_state=True)
    except Exception as error:
        if ended:
            return ended[0]
        if isinstance(error, httpx.TransportError):
            raise Unavailable(
                "Prefect's server does not answer, and a run begins there",
                remedy="start the server that PREFECT_API_URL names, then run the same command again",
            ) from error
        raise
    finally:
        _attendant.reset(tokens[0])
        _ended.reset(tokens[1])
    return state


def flush_logs() -> None:
    """Send what was logged: to be called before the server may go away."""
    APILogHandler().flush()


def stage(name: str, description: str, action: Callable[[], T]) -> T:
    """Run one stage as a Prefect task. An error of ours becomes the task's state, and is raised again outside of it:
    Prefect would log it with its trace, as a bug is."""
    errors: list[HeadraceError] = []

    def run_stage() -> Any:
        try:
            return action()
        except HeadraceError as error:
            errors.append(error)
            return (Cancelled if isinstance(error, Interrupted) else Failed)(message=error.message)

    run: Any = task(
        name=name, description=description, cache_policy=NO_CACHE, persist_result=False, task_run_name=name
    )(run_stage)
    state = run(return_state=True)
    if errors:
        raise errors[0]
    result: T = state.result()
    return result
