"""Running a flow in the command's own process: with a Prefect server, a bar on the terminal, and an end in time."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.progress import BarColumn, Progress, TextColumn

from pipeline.cli.console import (
    Exit,
    err,
    fail,
    fail_unexpected,
    is_interactive,
    print_json,
    say,
)
from pipeline.errors import HeadraceError
from pipeline.flows.server import PrefectServer, flow_environment, revive, standing_server
from pipeline.model import JsonObject
from pipeline.settings import Settings


@contextmanager
def running(settings: Settings, load: Callable[[], Any], **parameters: Any) -> Iterator[Ended]:
    """Run the flow that `load` imports, to its end; the block is to conclude what came of it. Raises `Unavailable`
    where Prefect is away."""
    stop = _Stop()
    stop.listen()
    say("starting Prefect …")
    with (
        _leaving_in_time() as leaving,
        standing_server(
            settings.home,
            trusted_network=settings.trusted_network,
            meanwhile=lambda server: _prepare(server, settings, load),
        ) as server,
    ):
        from pipeline.flows import api, runs
        from pipeline.flows.execution import run_here

        with _Display(stop, settings.home if server.pid else None) as display:
            try:
                state: Any = run_here(settings, load(), display, **parameters)  # type: ignore[arg-type]
            finally:
                leaving.is_heard = api.answers()
                if leaving.is_heard:
                    runs.flush_logs()
        yield Ended(settings, state, stop, server)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over: `state` is Prefect's."""

    settings: Settings
    state: Any
    stop: _Stop
    server: PrefectServer

    @property
    def url(self) -> str:
        """Its page."""
        # A state that Prefect was not told of does not say which run it is of.
        run_id = self.state.state_details.flow_run_id
        return f"{self.server.ui_url}/runs/flow-run/{run_id}" if run_id else self.server.ui_url

    def document(self, *, so_far: Callable[[], JsonObject] | None) -> JsonObject:
        """What the flow answered, with the page's address as `ui`. Of one that was stopped or failed this is told, and
        the process ends; with `so_far` in JSON on stdout, too: what that gives where it was stopped, else the error."""
        # Cancelling is what it is where that came too late to stop anything.
        if self.state.is_cancelled() or self.state.is_cancelling():
            say(f"[yellow]stopped:[/] {self.state.message or 'the run was cancelled'}")
            if so_far is not None:
                print_json({**so_far(), "ui": self.url})
            sys.exit(Exit.INTERRUPTED if self.stop.signal == signal.SIGINT else Exit.STOPPED)
        if self.state.is_paused() or self.state.is_scheduled():
            say("[yellow]suspended:[/] resume the run in Prefect, or run the same command again, to go on")
            sys.exit(Exit.STOPPED)
        if not self.state.is_completed():
            self._fail(as_json=so_far is not None)
        document: JsonObject = self.state.result()
        document["ui"] = self.url
        return document

    def _fail(self, *, as_json: bool) -> NoReturn:
        error = self.state.result(raise_on_failure=False)
        if isinstance(error, HeadraceError):
            err.print("[dim]what was done is kept; run the same command again to go on[/]")
            fail(error, as_json=as_json)
        unexpected = error if isinstance(error, BaseException) else RuntimeError(str(self.state.message))
        fail_unexpected(unexpected, self.settings.home)


@dataclass(slots=True)
class _Leaving:
    """How the process ends; `is_heard` says whether Prefect answered when the run was over."""

    is_heard: bool = True


@contextmanager
def _leaving_in_time() -> Iterator[_Leaving]:
    """Where Prefect is away when all is done, its own threads would keep the process for minutes, trying to tell it."""
    leaving = _Leaving()
    try:
        yield leaving
    except SystemExit as ended:
        if leaving.is_heard:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(ended.code or Exit.DONE))


def _prepare(server: PrefectServer, settings: Settings, load: Callable[[], Any]) -> None:
    """Importing Prefect takes seconds: it is done while the server starts."""
    os.environ.update(flow_environment(server, settings.home))
    load()


class _Stop:
    """Remembers that a signal asked for the end; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        say("stopping … what is done is kept (Ctrl-C again to stop at once)")


class _Display:
    """The flow's attendant on a terminal: a live bar, or a line every ten seconds where there is none. `home` is that
    of an instance whose own Prefect server the run uses."""

    def __init__(self, stop: _Stop, home: Path | None) -> None:
        self._stop = stop
        self._home = home
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[line]}"),
            console=err,
            transient=True,
        )
        self._task = self._bar.add_task("taking in", total=100.0, line="")
        self._said = time.monotonic()
        self._line = ""
        self._is_live = is_interactive()

    def __enter__(self) -> _Display:
        if self._is_live:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_live:
            self._bar.stop()

    def begin(self) -> None:
        self._stop.listen()

    def show(self, progress: Any) -> None:
        if not progress.files_total:
            return
        if self._is_live:
            self._bar.update(self._task, completed=progress.percent(), line=progress.line())
        elif self._line.split(" ·")[0] != progress.line().split(" ·")[0] and (
            time.monotonic() - self._said > 10 or progress.files == progress.files_total
        ):
            self._said, self._line = time.monotonic(), progress.line()
            say(self._line)

    def wants_stop(self) -> str:
        if self._stop.signal is None:
            return ""
        return "stopped by Ctrl-C" if self._stop.signal == signal.SIGINT else "stopped by a signal"

    def miss_prefect(self) -> None:
        if self._home is not None:
            revive(self._home)
