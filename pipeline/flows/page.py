"""A run's page in Prefect: its stages, its progress, its problems, its report, and what somebody asked of it there.

All of it is for people. It is seen to in a thread of its own: the work hands over what there is to tell and waits for
Prefect seconds at most, and a server that is away is asked again when it is back.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Crashed

from pipeline.errors import Interrupted
from pipeline.flows import api
from pipeline.flows.progress import LISTED, Progress, human_size
from pipeline.model import JsonObject, Outcome

_LOG = logging.getLogger(__name__)
_EVERY = 2.0  # seconds between two looks
_POLL = 0.2
_TRIES_AGAIN = 2  # with 2 and 4 s between them, as Prefect's client does
_TOO_MUCH = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)  # of a server that has much to do
# They tell of every single message that they could not deliver.
_NOISY = ("prefect.events.clients", "EventsWorker", "websockets.client")


class Asked(StrEnum):
    """What somebody asked of a run in Prefect's pages."""

    GO_ON = ""
    PAUSE = "paused"
    LEAVE = "suspended"
    """Suspended, or to be begun anew: this process ends, and another goes on when it is time to."""
    STOP = "cancelled"


def asked(state: State[Any] | None) -> Asked:
    """What the state that a run was put into means for the process that works on it."""
    if state is None or state.is_running() or state.is_pending():
        return Asked.GO_ON
    if state.is_paused() and not state.state_details.pause_reschedule:
        return Asked.PAUSE
    return Asked.LEAVE if state.is_paused() or state.is_scheduled() else Asked.STOP


@dataclass(slots=True)
class StageLine:
    """A stage as the page has it. `counts` says what it has done by now."""

    name: str
    counts: Callable[[], str]
    state: str = "running"
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None

    def end(self, state: str) -> None:
        self.state, self.seconds = state, time.monotonic() - self.began

    def row(self) -> JsonObject:
        seconds = time.monotonic() - self.began if self.seconds is None else self.seconds
        return {
            "stage": self.name,
            "state": self.state,
            "seconds": round(seconds, 1),
            "counts": self.counts(),
        }


class _Table:
    """A table that changes while people look at it."""

    def __init__(self, key: str, description: str) -> None:
        self._key = key
        self._description = description
        self._id: UUID | None = None
        self._shown: list[JsonObject] = []

    def show(self, rows: list[JsonObject]) -> None:
        if rows == self._shown:
            return
        if self._id is None:
            created: Any = create_table_artifact(rows, key=self._key, description=self._description)
            self._id = created
        else:
            with get_client(sync_client=True) as client:
                client.update_artifact(self._id, ArtifactUpdate(data=json.dumps(rows)))
        self._shown = rows


class RunPage:
    """The page of the run that this context belongs to. `on_away` is called now and then while Prefect does not
    answer; `wants_stop` says why whoever watches the run wants it to stop, if so."""

    def __init__(
        self,
        progress: Progress | None,
        on_away: Callable[[], None],
        wants_stop: Callable[[], str] = lambda: "",
    ) -> None:
        self._progress = progress
        self._on_away = on_away
        self._wants_stop = wants_stop
        self._run_id = flow_run.get_id()
        self._artifact: UUID | None = None
        self._is_away = False
        self._asked = Asked.GO_ON
        self._left_in: State[Any] | None = None
        self._stages: list[StageLine] = []
        self._stage_table = _Table("stages", "What the run does, stage by stage")
        self._is_reported = False
        self._problem_table = _Table("problems", "What was rejected, and what to do about it")
        self._over = threading.Event()
        self._wake = threading.Event()
        self._to_do: deque[Callable[[], object]] = deque()
        # One after the other, so that what Prefect refuses of them keeps nothing else from it.
        self._exchange = (self._see, self._show_progress, self._show_problems, self._show_stages)
        self._refused: set[tuple[Callable[[], object], type[Exception]]] = set()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._keep,), name="page", daemon=True)

    def __enter__(self) -> Self:
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._wake.set()

    @property
    def is_paused(self) -> bool:
        """Whether the run is to rest where it is, as far as is known."""
        return self._asked is Asked.PAUSE

    @property
    def left_in(self) -> State[Any] | None:
        """The state in which another process will go on with the run; None while that is not asked for."""
        return self._left_in

    def heed_stop(self) -> None:
        """Raises `Interrupted` where somebody asked the run to stop, as far as is known."""
        if reason := self._wants_stop():
            raise Interrupted(reason)
        if self._asked in (Asked.LEAVE, Asked.STOP):
            raise Interrupted(f"the run was {self._asked}")

    def heed(self) -> None:
        """The same, and rests here for as long as the run is paused."""
        self.heed_stop()
        while self.is_paused:
            time.sleep(_POLL)
            self.heed_stop()

    def begin_stage(self, name: str, counts: Callable[[], str]) -> StageLine:
        line = StageLine(name, counts)
        self._stages.append(line)
        return line

    def look(self) -> None:
        """Bring the page up to date and see what was asked of the run, where Prefect answers within seconds."""
        looked = threading.Event()
        for action in (*self._exchange, looked.set):
            self._have_done(action)
        looked.wait(_EVERY)

    def _have_done(self, action: Callable[[], object]) -> None:
        """Leave it to the thread, which does in order what it is told."""
        self._to_do.append(action)
        self._wake.set()

    def _keep(self) -> None:
        # Else a call under way when the server died would keep us for more than a minute, and nobody would revive it.
        with api.asking() as failure, temporary_settings({PREFECT_CLIENT_MAX_RETRIES: _TRIES_AGAIN}):
            while not self._over.is_set():
                self._wake.clear()
                if failure() is None and self._catch_up(failure):
                    self._is_away = False
                elif not self._over.is_set():
                    # Else the server may have been stopped, since nobody needs it any more.
                    self._note_away()
                self._wake.wait(_EVERY)

    def _catch_up(self, failure: Callable[[], Exception | None]) -> bool:
        """Do what there is to do. False where Prefect went away meanwhile, or has too much to do: what it could not be
        told is told again."""
        for action in self._exchange:
            if not self._is_settled(action, failure):
                return False
        while self._to_do:
            if not self._is_settled(self._to_do[0], failure):
                return False
            self._to_do.popleft()
        return True

    def _is_settled(self, action: Callable[[], object], failure: Callable[[], Exception | None]) -> bool:
        """Whether that is done, or would fail again, which is said once: `failure` alone cannot tell, for a server that
        is well by now may have been away, and one that is well may refuse a call under load."""
        try:
            action()
        except Exception as error:
            if _passes(error) or failure() is not None:
                return False
            case = (action, type(error))
            if case not in self._refused and not self._over.is_set():
                self._refused.add(case)
                _LOG.exception("Prefect cannot be told something, and does without; the work goes on")
        return True

    def _see(self) -> None:
        if self._run_id:
            with get_client(sync_client=True) as client:
                self._note_state(client.read_flow_run(UUID(self._run_id)).state)

    def _note_state(self, state: State[Any] | None) -> None:
        # Who was told to stop is stopping, whatever the state is by now.
        if self._asked not in (Asked.LEAVE, Asked.STOP):
            self._asked = asked(state)
        if self._asked is Asked.LEAVE:
            self._left_in = self._left_in or state

    def _show_progress(self) -> None:
        if self._progress is None:
            return
        self._progress.note_asked(self._asked, is_paused=self.is_paused)
        percent, line = self._progress.percent(), self._progress.line()
        if self._artifact is None:
            self._artifact = create_progress_artifact(percent, key="progress", description=line)  # type: ignore[assignment]
        else:
            update_progress_artifact(self._artifact, percent, line)

    def _show_problems(self) -> None:
        if self._progress is not None and not self._is_reported:
            self._problem_table.show(_rows(self._progress.problems))

    def _show_stages(self) -> None:
        self._stage_table.show([line.row() for line in self._stages])

    def _note_away(self) -> None:
        self._say_away()
        with suppress(Exception):
            self._on_away()

    def _say_away(self) -> None:
        if not self._is_away:
            _LOG.warning("the Prefect server does not answer; the work goes on")
        self._is_away = True

    def wait(self, seconds: float, should_stop: Callable[[], bool]) -> None:
        """Wait until Prefect answers and was told everything, `seconds` at most, after which it is said that it does
        not: it is about to be told how the run ended."""
        told = threading.Event()
        self._have_done(told.set)
        deadline = time.monotonic() + seconds
        while not told.wait(_POLL) and not should_stop():
            if time.monotonic() >= deadline:
                self._say_away()  # the thread may be waiting for an answer still
                return

    def show(self, action: Callable[[], object]) -> None:
        """Have artifacts made when Prefect answers."""
        self._have_done(action)

    def report(self, document: JsonObject, base_url: str) -> None:
        """Show what the run did, when Prefect answers."""
        self._is_reported = True
        # Each by itself: what was told is not told again with what could not be.
        self._have_done(partial(_show_summary, document, base_url))
        self._have_done(partial(self._show_kept_back, document))
        self._have_done(partial(_show_warnings, document))
        self._have_done(partial(_link_records, document))

    def _show_kept_back(self, document: JsonObject) -> None:
        self._problem_table.show(
            _rows([one for one in document["problems"] if one["outcome"] != Outcome.WARNED])
        )

    def bury(self, run_id: str) -> None:
        """A run that was killed, or waits to be resumed, cannot say that it is over: say it for it, now that its
        accession was taken over."""
        # A run that is tried again is its own predecessor.
        if run_id and run_id != self._run_id:
            self._have_done(partial(_bury, UUID(run_id)))


def _passes(error: Exception) -> bool:
    """Whether a call that failed so may succeed when it is made again."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error or error.response.status_code in _TOO_MUCH
    return isinstance(error, httpx.TransportError)


def _bury(run_id: UUID) -> None:
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run_id).state
            if state is not None and not state.is_final():
                waits = state.is_paused() or state.is_scheduled()
                over: State[None] = (
                    Cancelled(message="another run went on with what it had begun")
                    if waits
                    else Crashed(message="its process was killed")
                )
                client.set_flow_run_state(run_id, over, force=True)
    except ObjectNotFound:
        get_run_logger().info("the run before this one is not known to this Prefect server")


def _show_summary(document: JsonObject, base_url: str) -> None:
    create_markdown_artifact(_summary(document, base_url), key="summary", description="What this run did")


def _show_warnings(document: JsonObject) -> None:
    warned = [one for one in document["problems"] if one["outcome"] == Outcome.WARNED]
    _Table("warnings", "What is worth a look, and holds nothing back").show(_rows(warned))


def _link_records(document: JsonObject) -> None:
    for one in document["records"][:3]:
        create_link_artifact(one["url"], link_text=one["doi"], key=f"record-{one['id']}")


def _rows(problems: Sequence[JsonObject]) -> list[JsonObject]:
    columns = ("record", "reason", "remedy", "path", "outcome", "field")
    return [{name: one[name] for name in columns} for one in problems[:LISTED]]


def _summary(document: JsonObject, url: str) -> str:
    seconds = document["seconds"]
    lines = [
        f"## {document.get('collection') or 'Nothing new'}",
        "",
        f"| | |\n|---|---|\n| Accession | `{document['accession'] or 'none: everything is unchanged'}` |",
        f"| Records published | {document['records_total']:,} |",
        f"| Unchanged | {document['unchanged']:,} |",
        f"| Held | {document['held']:,} |",
        f"| Files | {document['files']:,} ({human_size(document['bytes'])}) |",
        f"| Read from the source | {human_size(document['bytes_read'])} |",
        f"| Seconds | {', '.join(f'{name} {value:.1f}' for name, value in seconds.items())} |",
        "",
    ]
    bad = [one for one in document["problems"] if one["outcome"] != Outcome.WARNED]
    if bad:
        # The accession remembers its collection and options; `ingest` with other ones would be another collection.
        again = f"`headrace retry {document['accession']}`" if document["accession"] else "ingest it again"
        lines += [
            f"{len(bad)} problems keep records back: see the table *problems*. Mend the source, then {again}.",
            "",
        ]
    lines += [f"- [{one['doi']}]({one['url']})" for one in document["records"][:20]]
    if document["records_total"] > 20:
        lines += [f"- … and {document['records_total'] - 20:,} more: [{url}/search]({url}/search)"]
    return "\n".join(lines)
