"""`headrace ingest`, `plan`, `apply`, `retry` and `cancel`."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from pipeline import wiring
from pipeline.catalogue import accessions, outbox
from pipeline.cli.console import (
    Exit,
    err,
    fail,
    json_option,
    print_json,
    say,
    show_problems,
    table,
)
from pipeline.cli.running import running
from pipeline.errors import HeadraceError, Missing
from pipeline.ingest import accession, assessment, planfile, report, survey
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.model import EffectKind, JsonObject
from pipeline.running.scratch import scratch_folder
from pipeline.settings import Settings, load_settings


def _json(command: Callable[..., None]) -> Callable[..., None]:
    """The option --json, with which an error is told on stdout, too."""

    @wraps(command)
    def telling(*, as_json: bool, **chosen: Any) -> None:
        try:
            command(as_json=as_json, **chosen)
        except HeadraceError as error:
            fail(error, as_json=as_json)

    return json_option(telling)


_REPORT = click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path),
    help="Write every problem to *.jsonl or *.parquet.",
)
OF_RECORDS = (
    click.option(
        "--owner", default="", metavar="EMAIL", help="Whom the records belong to; default: as before."
    ),
    click.option(
        "--community", default="", metavar="SLUG", help="Community that the records join; made if new."
    ),
    click.option(
        "--metadata",
        "metadata_file",
        type=click.Path(path_type=Path),
        help="JSON file with the description (Zenodo's metadata or DataCite JSON) of records that bring none.",
    ),
    click.option(
        "--checksum", is_flag=True, help="Tell unchanged files by reading them, not by size and time."
    ),
    click.option("--allow-partial", is_flag=True, help="Publish records without their rejected files."),
    click.option(
        "--trust-dois",
        is_flag=True,
        help="Let records keep DOIs under our own prefix, which they had before they came here (migrations).",
    ),
)
_OF_SOURCE = (
    click.argument("source"),
    click.option("--collection", default="", help="Name of the collection; default: the source's own name."),
    *OF_RECORDS,
    _REPORT,
)


def _of_source(command: Callable[..., None]) -> Callable[..., None]:
    """What is to be ingested, and how: the same for a plan of it."""
    for option in reversed(_OF_SOURCE):
        command = option(command)
    return command


def read_options(metadata_file: Path | None = None, **chosen: Any) -> IngestOptions:
    """What was chosen on the command line. Raises `Misconfigured`."""
    default = survey.read_default_metadata(metadata_file) if metadata_file else None
    return IngestOptions(metadata=default, **chosen)


@click.command()
@_of_source
@click.option("--dry-run", is_flag=True, help="Show what would be done; read no file, take nothing in.")
@_json
def ingest(
    source: str,
    report_file: Path | None,
    dry_run: bool,  # noqa: FBT001 - click hands over flags by name
    as_json: bool,  # noqa: FBT001
    **chosen: Any,
) -> None:
    """Take SOURCE into custody and publish its records.

    \b
    SOURCE is one of
      a folder in which each folder with a record.json is a record (or, with --metadata and without any
        record.json, each entry of the folder),
      a manifest *.jsonl, *.csv or *.parquet with the columns path, record, md5, sha256, …, metadata,
      a BagIt bag,
      an archive of such a folder or bag: *.tar, *.tar.gz, *.tgz, *.zip;
      a list of URLs *.txt, one a line;
    each by its path or s3://bucket/prefix, manifests and lists also by their URL. Manifests, too, may name
    files by http(s) URLs.

    The same command again goes on where it was stopped, takes in what is new or changed, and does nothing
    when nothing is. A record with a bad file is held back whole; the others are published.

    \b
    Examples:
      headrace ingest ./survey-2026 --community marine-data
      headrace ingest files.csv --metadata defaults.json --dry-run
      headrace ingest ./bag --json --report problems.jsonl
      headrace ingest s3://cruises/ps122/ --metadata defaults.json
    """
    if report_file is not None:
        report.require_writable(report_file)
    options = read_options(**chosen)
    settings = load_settings()
    located = survey.located(source)
    opened = survey.open_(located, options, wiring.trees(settings))
    if dry_run:
        _plan(settings, located, options, report_file=report_file, as_json=as_json)
        say("no file was read and nothing taken in; without --dry-run this is done")
        return
    say(f"ingesting the collection [bold]{escape(opened.collection)}[/]")
    parameters = {"source": located, **options.to_json()}
    _run(settings, _ingest_flow, parameters, opened.collection, as_json=as_json, report_file=report_file)


@click.command()
@_of_source
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PLAN",
    help="Parquet file that the plan is written to.",
)
@_json
def plan(source: str, report_file: Path | None, output: Path, as_json: bool, **chosen: Any) -> None:  # noqa: FBT001
    """Write down what an ingest of SOURCE would do: a table of its records, files and problems.

    Shows records, files, bytes, duplicates, problems, the time that it takes as far as earlier accessions tell, and
    on S3 the number of requests. No file is read but descriptions, manifests and tag files. `headrace apply` does
    just what the plan says.

    \b
    Examples:
      headrace plan ./survey-2026 -o plan.parquet
      duckdb -c "SELECT kind, decision, count(*), sum(bytes) FROM 'plan.parquet' GROUP BY ALL"
      headrace apply plan.parquet
    """
    if report_file is not None:
        report.require_writable(report_file)
    settings, located = load_settings(), survey.located(source)
    _plan(settings, located, read_options(**chosen), output=output, report_file=report_file, as_json=as_json)
    say(f"no file was read and nothing taken in; to do this: headrace apply {output}")


@click.command(name="apply")
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@_REPORT
@_json
def apply_plan(plan_file: Path, report_file: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Do what PLAN says, which `headrace plan` has written, and nothing else.

    The source is not surveyed anew. A file that changed since is rejected, and its record held; a record that was
    published or held otherwise since is left out (plan-outdated). The same command again goes on where it was
    stopped, and does nothing when all is done.

    \b
    Example:
      headrace apply plan.parquet --json
    """
    if report_file is not None:
        report.require_writable(report_file)
    settings = load_settings()
    header = planfile.open_plan(plan_file).header
    survey.open_(header.source, IngestOptions(**header.options), wiring.trees(settings))
    say(f"applying the plan of the collection [bold]{header.collection}[/], made {header.made}")
    parameters = {"plan": str(plan_file.absolute())}
    _run(settings, _apply_flow, parameters, header.collection, as_json=as_json, report_file=report_file)


@click.command()
@click.argument("accession_id", metavar="[ACCESSION]", required=False)
@click.option("--effects", is_flag=True, help="Free all that is parked, of whatever accession or of none.")
@click.option(
    "--kind", type=click.Choice([one.value for one in EffectKind]), help="With --effects: only of this kind."
)
@click.option(
    "--effect",
    "effect_ids",
    metavar="ID",
    type=click.IntRange(1, (1 << 63) - 1),
    multiple=True,
    help="With --effects: only this one; may be given several times.",
)
@_REPORT
@_json
def retry(
    accession_id: str | None,
    effects: bool,  # noqa: FBT001
    kind: str | None,
    effect_ids: tuple[int, ...],
    report_file: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Go on with an ACCESSION that was stopped, and try its held records again.

    Only what is not in custody yet is read. Mend the source first; `headrace status ACCESSION` says what is wrong.
    With --effects no source is read: effects that were parked, which `headrace status --effects` lists, are tried
    again by `headrace up`, and those that wait for another attempt are due at once: all, those of a kind, or some.

    \b
    Examples:
      headrace retry 20261121-3f2a9c1d
      headrace retry --effects
      headrace retry --effects --kind mail
      headrace retry --effects --effect 4711 --effect 4712
    """
    if effects == (accession_id is not None):
        raise click.UsageError("name an ACCESSION, or choose --effects")
    if not effects and (kind or effect_ids):
        raise click.UsageError("--kind and --effect go with --effects")
    if kind and effect_ids:
        raise click.UsageError("choose --kind or --effect")
    if effects and report_file is not None:
        raise click.UsageError("--report goes with an ACCESSION")
    settings = load_settings()
    if accession_id is None:
        kinds = [EffectKind(kind)] if kind else list(EffectKind)
        _release_effects(settings, kinds, set(effect_ids) or None, as_json=as_json)
        return
    with wiring.open_services(settings) as services, services.catalogue.read() as tx:
        found = accessions.get(tx, accession_id)
    survey.open_(found.source, IngestOptions(**found.options), wiring.trees(settings))
    _run(
        settings,
        _retry_flow,
        {"accession": accession_id},
        found.collection,
        as_json=as_json,
        report_file=report_file,
    )


def _release_effects(
    settings: Settings, kinds: Iterable[EffectKind], ids: set[int] | None, *, as_json: bool
) -> None:
    with wiring.open_services(settings) as services, services.catalogue.write() as tx:
        if ids and (unknown := ids - outbox.known(tx, ids)):
            raise Missing(
                f"no effect waits that is number {', '.join(map(str, sorted(unknown)))}",
                field="--effect",
                remedy="it came about, or never was; `headrace status --effects` lists those that are parked",
            )
        now = services.now()
        numbers = {kind.value: outbox.release(tx, now=now, kind=kind, ids=ids) for kind in kinds}
        released = {kind: number for kind, number in numbers.items() if number}
    if as_json:
        print_json({"released": released})
    elif released:
        told = ", ".join(f"{number:,} {kind}" for kind, number in released.items())
        say(f"released: {told}; `headrace up` brings them about")
    else:
        say("nothing is parked or put off")


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


def _plan(
    settings: Settings,
    source: str,
    options: IngestOptions,
    *,
    output: Path | None = None,
    report_file: Path | None,
    as_json: bool,
) -> None:
    with wiring.open_services(settings) as services, scratch_folder(settings.home) as scratch:
        opened = survey.open_(source, options, wiring.trees(settings))
        surveyed = survey.survey(services, opened, scratch, trust_dois=options.trust_dois)
        run = Run(uuid.uuid4().hex, surveyed.collection, source, options)
        path = output or scratch / "plan.parquet"
        planned, estimate = assessment.assess(services, surveyed, run, path)
        document = report.of_plan(services, surveyed, planned, estimate)
        if report_file is not None:
            number = report.write_problems(report.problems_of_plan(services, planned, path), report_file)
            say(f"{number:,} problems written to {report_file}")
    if as_json:
        print_json(document)
    else:
        _show_plan(document)


def _show_plan(document: JsonObject) -> None:
    rows = table("", "")
    for name in ("records", "new", "versions", "revisions", "unchanged", "held", "files", "bytes"):
        rows.add_row(name, f"{document[name]:,}")
    rows.add_row("files to ingest", f"{document['files_to_ingest']:,}")
    rows.add_row("bytes to ingest", f"{document['bytes_to_ingest']:,}")
    duplicates = document["duplicates"]
    for words, kind in (
        ("duplicates by declared digest", "declared"),
        ("likely duplicates, by size and name", "likely"),
        ("in custody, by declared digest", "in_custody"),
    ):
        found = duplicates[kind]
        rows.add_row(words, f"{found['files']:,} ({found['bytes']:,} bytes)")
    compared = duplicates["compared_with_custody"]["files"]
    rows.add_row("  of those that could be compared", f"{compared:,}")
    if document["requests"]:
        rows.add_row("requests to store them", f"{document['requests']:,}")
    seconds = document["estimated_seconds"]
    rows.add_row("time", "unknown: no accession tells yet" if seconds is None else f"about {seconds:,.0f} s")
    err.print(rows)
    if document["accession"]:
        say(f"accession {document['accession']} is not finished: headrace retry, or cancel, before a plan")
    _show_problems(document)


def _run(
    settings: Settings,
    flow: Callable[[], Any],
    parameters: JsonObject,
    collection: str,
    *,
    as_json: bool,
    report_file: Path | None,
) -> None:
    with running(settings, flow, **parameters) as ended:
        document = ended.document(so_far=partial(_so_far, settings, collection) if as_json else None)
        if report_file is not None:
            _write_report(settings, document, report_file)
        if as_json:
            print_json(document)
        else:
            _show(document)
        sys.exit(Exit.DONE if report.is_clean(document) else Exit.PROBLEMS)


def _ingest_flow() -> Any:
    from pipeline.flows.ingest import ingest_collection

    return ingest_collection


def _apply_flow() -> Any:
    from pipeline.flows.ingest import apply_plan

    return apply_plan


def _retry_flow() -> Any:
    from pipeline.flows.ingest import retry_accession

    return retry_accession


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
