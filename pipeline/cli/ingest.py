"""`headrace ingest`, `retry` and `cancel`."""

from __future__ import annotations

import sys
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import click

from pipeline import wiring
from pipeline.catalogue import accessions
from pipeline.cli.console import (
    Exit,
    err,
    print_json,
    say,
    show_problems,
    table,
)
from pipeline.cli.running import running
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
    opened = survey.open_(located, options, wiring.trees(settings))
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
    survey.open_(found.source, options, wiring.trees(settings))
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
        surveyed = survey.survey(services, survey.open_(source, options, wiring.trees(settings)), scratch)
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
    with running(
        settings,
        _flow,
        source=source,
        collection=options.collection,
        owner=options.owner,
        community=options.community,
        metadata=options.metadata,
        checksum=options.checksum,
        allow_partial=options.allow_partial,
        retry=retry_of,
    ) as ended:
        document = ended.document(so_far=partial(_so_far, settings, collection) if as_json else None)
        if report_file is not None:
            _write_report(settings, document, report_file)
        if as_json:
            print_json(document)
        else:
            _show(document)
        sys.exit(Exit.DONE if report.is_clean(document) else Exit.PROBLEMS)


def _flow() -> Any:
    from pipeline.flows.ingest import ingest_collection

    return ingest_collection


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
