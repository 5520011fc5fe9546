"""`headrace ingest`, `retry` and `cancel`."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn

from pipeline import wiring
from pipeline.catalogue import accessions
from pipeline.cli.console import (
    Exit,
    err,
    exit_code,
    fail,
    fail_unexpected,
    is_interactive,
    print_json,
    say,
    show_problems,
    table,
)
from pipeline.errors import HeadraceError
from pipeline.flows.server import PrefectServer, flow_environment, revive, standing_server
from pipeline.ingest import accession, plan, report, survey
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.model import JsonObject
from pipeline.scratch import scratch_folder
from pipeline.settings import Settings, load_settings

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


@click.command()
@click.argument("source", type=click.Path())
@click.option("--collection", default="", help="Name of the collection; default: the source's own name.")
@click.option("--owner", default="", metavar="EMAIL", help="Whom the records belong to; default: as before.")
@click.option("--community", default="", metavar="SLUG", help="Community that the records join; made if new.")
@click.option(
    "--metadata",
    "metadata_file",
    type=click.Path(path_type=Path),
    help="JSON file with the description (Zenodo's metadata or DataCite JSON) of records that bring none.",
)
@click.option("--checksum", is_flag=True, help="Tell unchanged files by reading them, not by size and time.")
@click.option("--allow-partial", is_flag=True, help="Publish records without their rejected files.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path),
    help="Write every problem to *.jsonl or *.parquet.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done; read no file, take nothing in.")
@_JSON
def ingest(
    source: str,
    collection: str,
    owner: str,
    community: str,
    metadata_file: Path | None,
    checksum: bool,  # noqa: FBT001 - click hands over flags by name
    allow_partial: bool,  # noqa: FBT001
    report_file: Path | None,
    dry_run: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Take SOURCE into custody and publish its records.

    \b
    SOURCE is one of
      a folder in which each folder with a record.json is a record (or, with --metadata and without any
        record.json, each entry of the folder),
      a manifest *.jsonl, *.csv or *.parquet with the columns path, record, md5, sha256, …, metadata,
      a BagIt bag.

    The same command again goes on where it was stopped, takes in what is new or changed, and does nothing
    when nothing is. A record with a bad file is held back whole; the others are published.

    \b
    Examples:
      headrace ingest ./survey-2026 --community marine-data
      headrace ingest files.csv --metadata defaults.json --dry-run
      headrace ingest ./bag --json --report problems.jsonl
    """
    if report_file is not None:
        report.require_writable(report_file)
    default = survey.read_default_metadata(metadata_file) if metadata_file else None
    options = IngestOptions(collection, owner, community, default, checksum, allow_partial)
    settings = load_settings()
    located = str(Path(source).absolute())
    opened = survey.open_(located, options)
    if dry_run:
        _dry_run(settings, located, options, as_json=as_json)
        return
    say(f"ingesting the collection [bold]{opened.collection}[/]")
    _run(settings, located, options, opened.collection, as_json=as_json, report_file=report_file)


@click.command()
@click.argument("accession_id", metavar="ACCESSION")
@click.option(
    "--report", "report_file", type=click.Path(path_type=Path), help="Write every problem to a file."
)
@_JSON
def retry(accession_id: str, report_file: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Go on with an ACCESSION that was stopped, and try its held records again.

    Only what is not in custody yet is read. Mend the source first; `headrace status ACCESSION` says what is wrong.

    \b
    Example:
      headrace retry 20261121-3f2a9c1d
    """
    settings = load_settings()
    with wiring.open_services(settings) as services, services.catalogue.read() as tx:
        found = accessions.get(tx, accession_id)
    options = IngestOptions(**found.options)
    survey.open_(found.source, options)
    _run(
        settings,
        found.source,
        options,
        found.collection,
        retry_of=accession_id,
        as_json=as_json,
        report_file=report_file,
    )


@click.command()
@click.argument("accession_id", metavar="ACCESSION")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(accession_id: str, yes: bool) -> None:  # noqa: FBT001
    """Give up an ACCESSION for good.

    What it published stays. What is held or not yet published is forgotten, and its bytes are removed; the ids that
    were given to it are never used again. A run that works on it stops within seconds. Where this is cut off, the same
    command completes it.
    """
    with wiring.open_services(load_settings()) as services:
        if not yes and sys.stdin.isatty():
            click.confirm(
                f"Give up everything in {accession_id} that is not published?", abort=True, err=True
            )
        number = accession.cancel(services, accession_id)
    say(f"accession {accession_id} is cancelled; {number:,} records were given up")


# ---------------------------------------------------------------- running


def _dry_run(settings: Settings, source: str, options: IngestOptions, *, as_json: bool) -> None:
    with wiring.open_services(settings) as services, scratch_folder(settings.home) as scratch:
        surveyed = survey.survey(services, survey.open_(source, options), scratch)
        run = Run(uuid.uuid4().hex, surveyed.collection, source, options)
        document = report.of_plan(plan.assess(services, scratch, run), surveyed, services)
    if as_json:
        print_json(document)
        return
    rows = table("", "")
    for name in ("records", "new", "versions", "revisions", "unchanged", "held", "files", "bytes"):
        rows.add_row(name, f"{document[name]:,}")
    rows.add_row("files to ingest", f"{document['files_to_ingest']:,}")
    rows.add_row("likely duplicates", f"{document['likely_duplicates']:,}")
    rows.add_row("bytes to ingest", f"{document['bytes_to_ingest']:,}")
    err.print(rows)
    _show_problems(document)
    say("no file was read and nothing taken in; without --dry-run this is done")


def _run(
    settings: Settings,
    source: str,
    options: IngestOptions,
    collection: str,
    *,
    retry_of: str = "",
    as_json: bool,
    report_file: Path | None,
) -> None:
    stop = _Stop()
    stop.listen()
    say("starting Prefect …")
    with (
        _leaving_in_time() as leaving,
        standing_server(
            settings.home,
            trusted_network=settings.trusted_network,
            meanwhile=lambda server: _prepare(server, settings),
        ) as server,
    ):
        from pipeline.flows import api
        from pipeline.flows import ingest as flows

        with _Display(stop, settings.home if server.pid else None) as display:
            try:
                state: Any = flows.run_here(
                    display,  # type: ignore[arg-type]
                    source=source,
                    collection=options.collection,
                    owner=options.owner,
                    community=options.community,
                    metadata=options.metadata,
                    checksum=options.checksum,
                    allow_partial=options.allow_partial,
                    retry=retry_of,
                )
            finally:
                leaving.is_heard = api.answers()
                if leaving.is_heard:
                    flows.flush_logs()
        _conclude(
            state, stop, server, settings, as_json=as_json, report_file=report_file, collection=collection
        )


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


def _prepare(server: PrefectServer, settings: Settings) -> None:
    """Importing Prefect takes seconds: it is done while the server starts."""
    os.environ.update(flow_environment(server, settings.home))
    from pipeline.flows import ingest as _flows  # noqa: F401


def _conclude(
    state: Any,
    stop: _Stop,
    server: PrefectServer,
    settings: Settings,
    *,
    as_json: bool,
    report_file: Path | None,
    collection: str,
) -> None:
    # A state that Prefect was not told of does not say which run it is of.
    run_id = state.state_details.flow_run_id
    run_url = f"{server.ui_url}/runs/flow-run/{run_id}" if run_id else server.ui_url
    # Cancelling is what it is where that came too late to stop anything.
    if state.is_cancelled() or state.is_cancelling():
        say(f"[yellow]stopped:[/] {state.message or 'the run was cancelled'}")
        if as_json:
            print_json({**_so_far(settings, collection), "ui": run_url})
        sys.exit(Exit.INTERRUPTED if stop.signal == signal.SIGINT else Exit.STOPPED)
    if not state.is_completed():
        error = state.result(raise_on_failure=False)
        if isinstance(error, HeadraceError):
            err.print("[dim]what was done is kept; run the same command again to go on[/]")
            fail(error) if exit_code(error) is not Exit.DONE else None
        fail_unexpected(
            error if isinstance(error, BaseException) else RuntimeError(str(state.message)), settings.home
        )
    document: JsonObject = state.result()
    document["ui"] = run_url
    if report_file is not None:
        _write_report(settings, document, report_file)
    if as_json:
        print_json(document)
    else:
        _show(document)
    sys.exit(Exit.DONE if report.is_clean(document) else Exit.PROBLEMS)


def _so_far(settings: Settings, collection: str) -> JsonObject:
    """The report of an accession that was stopped; that of none where none was begun."""
    with wiring.open_services(settings) as services:
        with services.catalogue.read() as tx:
            begun = accessions.latest(tx, collection)
        return (
            {"accession": None, "state": "stopped"}
            if begun is None
            else report.of_accession(services, begun.id)
        )


def _write_report(settings: Settings, document: JsonObject, path: Path) -> None:
    with wiring.open_services(settings) as services:
        number = report.write_problems(report.problems_of_document(services, document), path)
    say(f"{number:,} problems written to {path}")


def _show(document: JsonObject) -> None:
    if document["accession"] is None:
        held = f", {document['held']:,} are held as before" if document["held"] else ""
        say(
            f"[green]unchanged:[/] {document['unchanged']:,} records are as they were{held}; nothing was written"
        )
        _show_problems(document)
        return
    rows = table("accession", "published", "unchanged", "held", "files", "bytes", "seconds")
    rows.add_row(
        str(document["accession"]),
        f"{document['records_total']:,}",
        f"{document['unchanged']:,}",
        f"{document['held']:,}",
        f"{document['files']:,}",
        f"{document['bytes']:,}",
        f"{document['seconds']['total']:.1f}",
    )
    err.print(rows)
    _show_problems(document)
    if document["effects_waiting"] or document["effects_parked"]:
        say(
            f"[yellow]effects:[/] {document['effects_waiting']:,} wait for `headrace up`,"
            f" {document['effects_parked']:,} are parked; why: headrace status"
        )
    for one in document["records"][:3]:
        say(f"  {one['doi']}  {one['url']}")
    say(f"  the run: {document['ui']}")
    say("  to serve pages and API: [bold]headrace up[/]")


def _show_problems(document: JsonObject) -> None:
    show_problems(
        document["problems"], document["problems_total"], limit=20, more="--report FILE writes all of them"
    )


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
