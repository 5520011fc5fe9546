"""`headrace watch`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.markup import escape

from pipeline import wiring
from pipeline.cli.console import Exit, print_json, say
from pipeline.cli.ingest import OF_RECORDS, read_options
from pipeline.display import shown
from pipeline.errors import Misconfigured, Rejected, Unavailable, UnusableSource
from pipeline.flows.server import standing_server
from pipeline.ingest.inbox import REPORT, Inbox, Outcome, write_report
from pipeline.ingest.sources.names import escaped
from pipeline.model import JsonObject
from pipeline.running import processes
from pipeline.settings import Settings, load_settings

_POLL = 0.2  # seconds between looks at a child, and at whether to stop
_REST = 10  # times as long as a look took, that it rests afterwards: a large inbox is not walked all the time
# What an entry itself is to blame for. What the settings are is another matter: mended, the entry may do as it is.
_OF_THE_SOURCE = (UnusableSource.code, Rejected.code)


def _of_records(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(OF_RECORDS):
        command = option(command)
    return command


@click.command()
@click.argument("inbox", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--every", default=30.0, show_default=True, metavar="SECONDS", help="Time between looks.")
@click.option(
    "--quiet",
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long nothing in an entry must have changed.",
)
@click.option(
    "--done",
    "marker",
    default=".done",
    show_default=True,
    metavar="SUFFIX",
    help="<entry>SUFFIX beside an entry says that it is complete.",
)
@click.option("--once", is_flag=True, help="Look once, take in what is ripe, and end (for cron).")
@_of_records
@click.option("--json", "as_json", is_flag=True, help="With --once: print one JSON object on stdout.")
def watch(
    inbox: Path,
    every: float,
    quiet: float,
    marker: str,
    once: bool,  # noqa: FBT001 - click hands over flags by name
    as_json: bool,  # noqa: FBT001
    **chosen: Any,
) -> None:
    """Take in whatever is put into the inbox DIR.

    Each folder, bag, archive (.tar, .tar.gz, .tgz, .zip) or manifest (.csv, .jsonl, .ndjson, .parquet) at the top of
    DIR is an accession of its own, and a collection of its name; a list of URLs (.txt) is one when <entry>.done lies
    beside it. Hidden names, links and all other files do not count. An entry is ingested, as `headrace ingest` does it,
    when <entry>.done lies beside it, or when nothing in it has changed for --quiet seconds. What became of it is
    written beside it (<entry>.report.json), where that can be done. It is not taken again until it changes, and nothing
    of it is ever deleted. Ctrl-C and SIGTERM stop at a safe point.

    \b
    Examples:
      headrace watch /srv/inbox --community tides
      headrace watch /srv/inbox --once --quiet 3600     # in a crontab, every quarter of an hour
    """
    if as_json and not once:
        raise click.UsageError("--json goes with --once")
    if not marker or "/" in marker:
        raise click.UsageError("--done wants the end of a file's name, such as .done")
    read_options(**chosen)  # what is wrong with them is told now, not at the first entry
    settings = load_settings()
    folder = _required(inbox, settings)
    stop = _Stop()
    stop.listen()
    name = sha256(os.fsencode(folder)).hexdigest()[:16]
    box = Inbox(folder, marker, quiet, settings.home / "inbox" / f"{name}.json", time.time)
    taker = _Taker(settings, _arguments(**chosen), stop)
    if once:
        document = _look_once(box, taker, stop)
        if as_json:
            print_json(document)
        sys.exit(stop.exit_code() or taker.exit_code())
    say(f"watching {escape(shown(str(folder)))} (Ctrl-C ends that)")
    _look_again_and_again(box, taker, stop, every)
    sys.exit(stop.exit_code())


def _required(inbox: Path, settings: Settings) -> Path:
    folder = inbox.absolute()
    if not folder.is_dir():
        raise Misconfigured(
            f"{shown(str(inbox))} is no folder that can be watched", remedy="name a folder that is there"
        )
    if settings.home.resolve().is_relative_to(folder.resolve()):
        raise Misconfigured(
            f"the instance itself lies in {shown(str(inbox))}, and would be an entry of it",
            field="HEADRACE_HOME",
            remedy="watch another folder, or move the instance",
        )
    return folder


def _look_once(box: Inbox, taker: _Taker, stop: _Stop) -> JsonObject:
    with taker.sharing():
        taken = [
            {"entry": shown(name), **outcome.document}
            for name, outcome in box.round(taker.take, stop.is_asked)
        ]
    waiting = [{"entry": shown(one.name), "reason": one.reason} for one in box.waiting]
    say(f"{len(taken)} taken in, {len(waiting)} not")
    return {"inbox": shown(str(box.folder)), "taken": taken, "waiting": waiting}


def _look_again_and_again(box: Inbox, taker: _Taker, stop: _Stop, every: float) -> None:
    told = ""
    while not stop.is_asked():
        looked = 0.0
        try:
            with taker.sharing():
                began = time.monotonic()
                for _ in box.round(taker.take, stop.is_asked):
                    pass
                looked = time.monotonic() - began - taker.seconds
            told = ""
        except Unavailable as away:
            if away.message != told:
                say(f"[yellow]{escape(away.message)}[/]; waiting for it")
            told = away.message
        stop.rest(max(every, _REST * looked))


def _arguments(**chosen: Any) -> list[str]:
    """What was chosen of `OF_RECORDS`, for each ingest."""
    arguments = []
    for name, value in chosen.items():
        option = "--metadata" if name == "metadata_file" else f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(option)
        elif value:
            arguments.append(f"{option}={value.absolute() if isinstance(value, Path) else value}")
    return arguments


@dataclass(slots=True)
class _Stop:
    """Which signal asked for the end; it is passed on to the ingest under way, which keeps what is done."""

    signal: int = 0

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number

    def is_asked(self) -> bool:
        return self.signal != 0

    def rest(self, seconds: float) -> None:
        """Until the end is asked for, if that comes first."""
        deadline = time.monotonic() + seconds
        while not self.is_asked() and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _POLL))

    def exit_code(self) -> Exit:
        return Exit.INTERRUPTED if self.signal == signal.SIGINT else Exit.DONE


@dataclass(slots=True)
class _Taker:
    """Runs `headrace ingest` for each entry, in a process of its own: what ends that ends no watching."""

    settings: Settings
    arguments: list[str]
    stop: _Stop
    seconds: float = 0.0
    codes: set[int] = field(default_factory=set)
    has_left: bool = False  # whether an entry is to be tried again
    _shared: ExitStack = field(default_factory=ExitStack)
    _has_server: bool = False

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """For a look at the inbox: where something is ripe, its ingests have one Prefect server, started once."""
        with ExitStack() as self._shared:
            self._has_server, self.seconds = False, 0.0
            yield

    def take(self, entry: Path) -> Outcome:
        began = time.monotonic()
        if not self._has_server:
            settings = self.settings
            self._shared.enter_context(
                standing_server(settings.home, trusted_network=settings.trusted_network)
            )
            self._has_server = True
        log = self.settings.home / "logs" / "inbox.log"
        argv = ["ingest", "--json", f"--collection={escaped(entry.name)}", *self.arguments, "--", str(entry)]
        say(f"taking in [bold]{escape(shown(entry.name))}[/]")
        said = log.stat().st_size if log.exists() else 0
        with tempfile.TemporaryFile() as answer:
            process = processes.start(
                processes.python("pipeline", *argv), log=log, env=processes.environment({}), stdout=answer
            )
            code = self._wait(process)
            answer.seek(0)
            text = answer.read()
        self.seconds += time.monotonic() - began
        self.codes.add(code)
        return self._concluded(entry, code, text, _said_since(log, said))

    def _wait(self, process: processes.Process) -> int:
        is_told = False
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_POLL)
            if self.stop.is_asked() and not is_told:
                processes.ask_to_end(process)
                is_told = True

    def _concluded(self, entry: Path, code: int, text: bytes, said: str) -> Outcome:
        document: JsonObject = {"exit_code": code, "finished": wiring.utc_now().isoformat(timespec="seconds")}
        with suppress(ValueError):
            document.update(json.loads(text))
        if "accession" not in document:
            document["reason"] = said
        fault = document.get("error", {}).get("code")
        is_final = code in (Exit.DONE, Exit.PROBLEMS) or fault in _OF_THE_SOURCE
        self.has_left |= not is_final
        if is_final and not write_report(entry, document):
            name = escape(shown(entry.name + REPORT))
            say(f"{name} cannot be written; `headrace status` has what it would say")
        ends: dict[int, str] = {Exit.DONE: "done", Exit.PROBLEMS: "done, with problems"}
        say(escape(f"{shown(entry.name)}: {ends.get(code) or said}"))
        return Outcome(is_final, document)

    def exit_code(self) -> Exit:
        """What a script is told of all that were to be taken."""
        if not self.codes - {Exit.DONE}:
            return Exit.DONE
        return Exit.STOPPED if self.has_left else Exit.PROBLEMS


def _said_since(log: Path, offset: int) -> str:
    """The last that a command wrote, from its error on where it told one."""
    with log.open("rb") as file:
        file.seek(max(offset, file.seek(0, os.SEEK_END) - 4096))
        text = " ".join(file.read().decode(errors="replace").split())
    return text[max(0, text.rfind("error: ")) :]
