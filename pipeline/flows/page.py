"""A run's page in Prefect: its progress, its report, and whether somebody cancelled it there.

All of it is for people. It is seen to in a thread of its own: the work hands over what there is to tell and waits for
Prefect seconds at most, and a server that is away is asked again when it is back.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.runtime import flow_run
from prefect.states import Crashed

from pipeline.flows import api
from pipeline.flows.progress import Progress, human_size
from pipeline.model import JsonObject, Outcome

_LOG = logging.getLogger(__name__)
_EVERY = 2.0  # seconds between two looks
_POLL = 0.2
# They tell of every single message that they could not deliver.
_NOISY = ("prefect.events.clients", "EventsWorker")


class RunPage:
    """The page of the run that this context belongs to. `on_away` is called now and then while Prefect does not
    answer."""

    def __init__(self, progress: Progress, on_away: Callable[[], None]) -> None:
        self._progress = progress
        self._on_away = on_away
        self._run_id = flow_run.get_id()
        self._artifact: UUID | None = None
        self._is_away = False
        self._is_cancelled = False
        self._over = threading.Event()
        self._wake = threading.Event()
        self._to_do: deque[Callable[[], object]] = deque()
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
    def is_cancelled(self) -> bool:
        """Whether somebody asked Prefect to cancel the run, as far as is known."""
        return self._is_cancelled

    def look(self) -> None:
        """Bring the page up to date and see whether the run was cancelled, where Prefect answers within seconds."""
        looked = threading.Event()
        self._have_done(self._exchange)
        self._have_done(looked.set)
        looked.wait(_EVERY)

    def _have_done(self, action: Callable[[], object]) -> None:
        """Leave it to the thread, which does in order what it is told."""
        self._to_do.append(action)
        self._wake.set()

    def _keep(self) -> None:
        with api.asking() as failure:
            while not self._over.is_set():
                self._wake.clear()
                if failure() is None:
                    self._is_away = False
                    self._catch_up()
                else:
                    self._note_away()
                self._wake.wait(_EVERY)

    def _catch_up(self) -> None:
        with suppress(Exception):
            self._exchange()
        while self._to_do:
            with suppress(Exception):
                self._to_do.popleft()()

    def _exchange(self) -> None:
        if self._run_id:
            with get_client(sync_client=True) as client:
                state = client.read_flow_run(UUID(self._run_id)).state
            if state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED):
                self._is_cancelled = True
        percent, line = self._progress.percent(), self._progress.line()
        if self._artifact is None:
            self._artifact = create_progress_artifact(percent, key="progress", description=line)  # type: ignore[assignment]
        else:
            update_progress_artifact(self._artifact, percent, line)

    def _note_away(self) -> None:
        if not self._is_away:
            _LOG.warning("the Prefect server does not answer; the work goes on")
        self._is_away = True
        with suppress(Exception):
            self._on_away()

    def wait(self, seconds: float, should_stop: Callable[[], bool]) -> None:
        """Wait until Prefect answers and was told everything, `seconds` at most: it is about to be told how the run
        ended."""
        told = threading.Event()
        self._have_done(told.set)
        deadline = time.monotonic() + seconds
        while not told.wait(_POLL) and not should_stop() and time.monotonic() < deadline:
            pass

    def show(self, action: Callable[[], object]) -> None:
        """Have artifacts made when Prefect answers."""
        self._have_done(action)

    def report(self, document: JsonObject, base_url: str) -> None:
        """Show what the run did, when Prefect answers."""
        self._have_done(partial(_report, document, base_url))

    def bury(self, run_id: str) -> None:
        """A run that was killed cannot say so: say it for it, now that its accession was taken over."""
        if run_id:
            self._have_done(partial(_bury, UUID(run_id)))


def _bury(run_id: UUID) -> None:
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run_id).state
            if state is not None and not state.is_final():
                killed: State[None] = Crashed(message="its process was killed")
                client.set_flow_run_state(run_id, killed, force=True)
    except Exception:
        get_run_logger().info("the run before this one is not known to this Prefect server")


def _report(document: JsonObject, base_url: str) -> None:
    create_markdown_artifact(_summary(document, base_url), key="summary", description="What this run did")
    rows = [
        {name: one[name] for name in ("record", "path", "outcome", "reason", "remedy", "field")}
        for one in document["problems"][:500]
    ]
    if rows:
        create_table_artifact(rows, key="problems", description="What was rejected, and what to do about it")
    for one in document["records"][:3]:
        create_link_artifact(one["url"], link_text=one["doi"], key=f"record-{one['id']}")


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
