"""What all flows of ours have in common: who watches a run in its own process, its page, its stages, how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.logging.handlers import APILogHandler
from prefect.states import Cancelled, Completed, Failed

from pipeline.errors import HeadraceError, Interrupted
from pipeline.flows.page import RunPage
from pipeline.flows.progress import Progress
from pipeline.model import JsonObject
from pipeline.settings import load_settings

T = TypeVar("T")

_FAREWELL = 60.0  # seconds that an ended run waits for Prefect, to tell it so


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
_ended: ContextVar[list[State[Any]]] = ContextVar("ended")
_page: ContextVar[RunPage] = ContextVar("page")


def attendant() -> Attendant:
    """Whoever runs the flow of this context."""
    return _attendant.get()


@contextmanager
def watched(by: Attendant) -> Iterator[list[State[Any]]]:
    """Flows in the block have that attendant. The list is given the state in which one is about to end, before Prefect
    is told."""
    ended: list[State[Any]] = []
    tokens = _attendant.set(by), _ended.set(ended)
    try:
        yield ended
    finally:
        _attendant.reset(tokens[0])
        _ended.reset(tokens[1])


def concluded(
    action: Callable[[RunPage], JsonObject],
    progress: Progress | None = None,
    *,
    farewell: float = _FAREWELL,
) -> JsonObject:
    """Do what a flow is there for, with a page beside it; the state in which the flow is to end. What ends it early is
    no failure, and an error of ours is told without its trace: Prefect would log it as a bug. For `farewell` seconds
    Prefect is waited for, to tell it so. Raises Prefect's `Pause` where another process is to go on with the run."""
    patience = load_settings().patience
    watching = attendant()
    with RunPage(progress, watching.miss_prefect, watching.wants_stop) as page:
        token = _page.set(page)
        try:
            watching.begin()
            ended = _end_of(lambda: action(page))
        finally:
            _page.reset(token)
        if page.left_in is not None:
            _ended.get([]).append(page.left_in)
            raise Pause(state=page.left_in)
        _ended.get([]).append(ended)
        page.wait(min(farewell, patience), lambda: bool(watching.wants_stop()))
    return ended  # type: ignore[return-value]  # Prefect takes a state for what it says


def _end_of(action: Callable[[], JsonObject]) -> State[Any]:
    try:
        return Completed(data=action())
    except Interrupted as stopped:
        # Not a failure: what was done stays, and the next run goes on from there.
        return Cancelled(message=f"{stopped.message}; retry the run, or run the same command again, to go on")
    except HeadraceError as error:
        return Failed(data=error, message="; ".join(filter(None, (error.message, error.remedy))))


def stage(name: str, description: str, action: Callable[[], T], counts: Callable[[], str] = lambda: "") -> T:
    """Run one stage as a Prefect task, and as a line of the page; `counts` says what it has done by now. An error of
    ours becomes the task's state, and is raised again outside of it."""
    errors: list[HeadraceError] = []
    line = _page.get().begin_stage(name, counts)

    def run_stage() -> Any:
        try:
            return action()
        except HeadraceError as error:
            errors.append(error)
            return (Cancelled if isinstance(error, Interrupted) else Failed)(message=error.message)

    run: Any = task(
        name=name, description=description, cache_policy=NO_CACHE, persist_result=False, task_run_name=name
    )(run_stage)
    line_state = "failed"
    try:
        state = run(return_state=True)
        line_state = state.type.value.lower()
    finally:
        line.end(line_state)
    if errors:
        raise errors[0]
    result: T = state.result()
    return result


def flush_logs() -> None:
    """Send what was logged: to be called before the server may go away."""
    APILogHandler().flush()
